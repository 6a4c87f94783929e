"""What the launcher is told of each node: read from the launcher's end of a real build."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster_pipes import encode_param
from shop_warehouse import PROJECT, query, shop
from test_dbt_build import SHOP

from libs.stage.messages import Inbox
from libs.storage import open_store

CONTEXT: Mapping[str, Any] = {
    "asset_keys": [],
    "code_version_by_asset_key": {},
    "provenance_by_asset_key": {},
    "partition_key": None,
    "partition_key_range": None,
    "partition_time_window": None,
    "run_id": "r",
    "job_name": "j",
    "retry_number": 0,
    "extras": {},
}


class Launched:
    """A build that was launched, with what it has told so far."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
        self.inbox = Inbox(open_store(str(folder / "lake")), "one")
        self.told: dict[str, dict[str, Any]] = {}
        pipes = {
            "DAGSTER_PIPES_CONTEXT": encode_param({"data": CONTEXT}),
            "DAGSTER_PIPES_MESSAGES": encode_param(self.inbox.params),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from dbt_stage.cli import main; main()", "build", *arguments],
            env={**os.environ, **environment, **pipes},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read(self) -> None:
        for pipes_message in self.inbox.read():
            if pipes_message["method"] == "report_custom_message":
                one = pipes_message["params"]["payload"]
                assert one["node"] not in self.told
                self.told[one["node"]] = one

    def wait_for(self, count: int) -> None:
        end = time.monotonic() + 120
        while len(self.told) < count and time.monotonic() < end:
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)
            self.read()
        assert len(self.told) >= count

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=120)
        self.read()
        return self.process.returncode, out, err


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, dbt_environment: dict[str, str]) -> tuple[Path, Launched]:
    folder = tmp_path_factory.mktemp("launched")
    file = shop(folder / "small.duckdb", **SHOP)
    launched = Launched(folder, dbt_environment, "--warehouse", str(file))
    code, _, err = launched.end()
    assert (code, err) == (0, "")
    return file, launched


def test_every_node_tells_its_result_once(built: tuple[Path, Launched]) -> None:
    _, launched = built
    kinds = {"model": "LogModelResult", "seed": "LogSeedResult", "test": "LogTestResult"}
    for id_, one in launched.told.items():
        assert one["event"]["info"]["name"] == kinds[id_.partition(".")[0]]
        assert one["event"]["data"]["node_info"]["unique_id"] == id_
        assert one["event"]["data"]["node_info"]["node_finished_at"]
    models = {path.stem for path in (PROJECT / "models").rglob("*.sql")}
    assert {id_.split(".")[2] for id_ in launched.told if id_.startswith("model.")} == models
    assert not [id_ for id_ in launched.told if id_.startswith("unit_test.")]


def test_rows_and_columns_are_the_warehouses(built: tuple[Path, Launched]) -> None:
    file, launched = built
    relations = query(
        file,
        "select table_schema || '.' || table_name, table_type from information_schema.tables "
        "where table_schema in ('staging', 'intermediate', 'marts')",
    )
    found = {one["built"]["relation"]["name"]: one["built"] for one in launched.told.values() if one["built"]}
    assert len(found) == len(relations)
    for name, type_ in relations:
        told = found['"small"."{}"."{}"'.format(*name.split("."))]
        counted = query(file, f"select count(*) from {name}")[0][0]
        assert told["rows"] == (None if type_ == "VIEW" else counted), name
        columns = query(file, f"select column_name, column_type from (describe {name})")
        assert [(column["name"], column["type"]) for column in told["relation"]["columns"]] == columns


def test_parents_are_the_relations_that_it_was_made_of(built: tuple[Path, Launched]) -> None:
    _, launched = built
    told = {id_: one["built"] for id_, one in launched.told.items() if one["built"]}
    for one in told.values():
        for id_, parent in one["parents"].items():
            assert parent["name"] in one["sql"]
            if not id_.startswith("source."):
                assert parent == told[id_]["relation"]
    (landing,) = told["model.shop_elt.stg_orders"]["parents"].values()
    assert landing["name"] == '"small"."landing"."orders"'
    assert {"name": "total", "type": "DECIMAL(18,4)"} in landing["columns"]


def test_the_sql_is_compiled(built: tuple[Path, Launched]) -> None:
    _, launched = built
    assert 'from "small"."landing"."orders"' in launched.told["model.shop_elt.stg_orders"]["built"]["sql"]
    assert launched.told["seed.shop_elt.minor_units"]["built"]["sql"] == ""
    assert all(one["built"] is None for id_, one in launched.told.items() if id_.startswith("test."))


def test_failing_rows_and_what_was_skipped_are_told(tmp_path: Path, dbt_environment: dict[str, str]) -> None:
    file = shop(tmp_path / "broken.duckdb", **SHOP)
    with duckdb.connect(str(file)) as db:
        db.execute("update landing.payments set kind = 'gift' where payment_id = 'p8'")
    launched = Launched(tmp_path, dbt_environment, "--warehouse", str(file))
    assert launched.end()[0] == 1
    failed = next(one for one in launched.told.values() if one["outcome"]["entity"] == "stg_payments_kind_is_accepted")
    assert failed["event"]["data"]["num_failures"] == 1
    assert failed["outcome"]["error"].startswith("1 row: ")
    skipped = launched.told["model.shop_elt.fct_payments"]
    assert (skipped["event"], skipped["built"]) == (None, None)
    assert "skipped" in skipped["outcome"]["error"]
    assert launched.told["model.shop_elt.dim_dates"]["outcome"]["details"]["result"] == "skipped"


SLOW = """
{{ config(materialized="table") }}
select count(*) as n from range(1000000000) as a, range(1000000000) as b where a.range * b.range % 7 = 3
"""


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_long_query_within_seconds_and_frees_the_warehouse(
    tmp_path: Path, dbt_environment: dict[str, str], by: signal.Signals
) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs", "src", "python"))
    (project / "models/intermediate/int_slow.sql").write_text(SLOW)
    file = shop(tmp_path / "slow.duckdb", **SHOP)
    places = {"DBT_TARGET_PATH": str(tmp_path / "target"), "DBT_LOG_PATH": str(tmp_path / "logs")}
    launched = Launched(
        tmp_path,
        {**dbt_environment, **places, "DBT_PROJECT_DIR": str(project)},
        *("--warehouse", str(file), "--select", "stg_customers", "int_slow"),
    )
    launched.wait_for(1)  # messages are live: the other model never ends
    time.sleep(1)
    begin = time.monotonic()
    launched.process.send_signal(by)
    code, _, err = launched.end()
    assert time.monotonic() - begin < 5
    assert (code, err.count("\n")) == (130, 2), err
    assert "failed int_slow: " in err.splitlines()[0]
    assert err.splitlines()[1].startswith("dbt-stage build: interrupted")
    assert launched.told["model.shop_elt.stg_customers"]["built"]["rows"] == 2
    assert not file.with_name("slow.duckdb.wal").exists()
    assert query(file, "select count(*) from staging.stg_customers") == [(2,)]
