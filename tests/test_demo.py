"""The README's commands, run as they stand there, and what they made."""

import csv
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest
from stages import ROOT, call, environment, query, snapshot

from libs.entities import ENTITIES

DAYS = ["generate", "ingest", "load"]
OF_A_DAY = [f"uv run just {recipe} 2025-11-16" for recipe in DAYS] + ["uv run just build"]
OPENED = ["uv run just dev", "uv run just docs"]
BY_DAGSTER = ["uv run just backfill 2025-11-17 2025-11-18", "uv run just status"]
IN_CONTAINERS = ["uv run just up", "uv run just backfill 2025-11-01 2025-11-14"]  # tests/e2e runs them
RUN_BY_TESTS = {"./justw demo", "./justw test", *OF_A_DAY, *OPENED, *BY_DAGSTER, *IN_CONTAINERS, "./justw demo-olist"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run `./justw demo` once; return where it put things, and what it said."""
    data = tmp_path_factory.mktemp("demo")
    return data, call(data, "./justw", "demo").stdout


def test_every_command_of_the_readme_is_run_by_a_test() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert {line for block in blocks for line in block.splitlines()} == RUN_BY_TESTS


def test_the_demo_shows_its_days_and_where_things_are(demo: tuple[Path, str]) -> None:
    data, said = demo
    days = re.findall(
        r"^2025-11-(\d\d) +EUR +(\d+) +([\d,.]+) +([\d,.]+) +[\d,]+ +(\d\.\d\d)%$", said, flags=re.MULTILINE
    )
    assert [int(day[0]) for day in days] == list(range(1, 16))
    assert all(int(orders) > 0 for _, orders, *_ in days)
    assert sum(float(rate) for *_, rate in days) / 15 == pytest.approx(1, abs=0.5)
    assert str(data / "warehouse" / "shop.duckdb") in said
    assert str(data / "lake" / "quarantine_raw") in said


def test_exactly_the_damaged_records_are_in_quarantine(demo: tuple[Path, str]) -> None:
    lake = demo[0] / "lake"
    truths = sorted(lake.glob("landing/ecommerce/*/*.faults.jsonl"))
    assert truths
    damaged = 0
    for truth in truths:
        entity, day = truth.name.removesuffix(".faults.jsonl").rsplit("_", 1)
        expected = [json.loads(line)["row_number"] for line in truth.read_text().splitlines()]
        bad = lake / "quarantine_raw" / entity / day.replace("-", "/") / f"{entity}_bad.csv"
        assert row_numbers(bad) == sorted(expected), truth
        damaged += len(expected)
    assert damaged > 50


def row_numbers(path: Path) -> list[int]:
    with path.open(newline="", encoding="utf-8") as file:
        csv.field_size_limit(1 << 24)
        return [int(row["row_number"]) for row in csv.DictReader(file)]


def test_every_record_is_accounted_for_from_the_files_to_staging(demo: tuple[Path, str]) -> None:
    data = demo[0]
    counts: dict[str, int] = {}
    for path in (data / "lake" / "manifests").rglob("manifest.json"):
        found = json.loads(path.read_text())
        assert found["rows"]["raw"] == found["rows"]["validated"] + found["rows"]["quarantined"]
        counts[found["entity"]] = counts.get(found["entity"], 0) + found["rows"]["validated"]
        raw = data / "lake" / found["raw"]["key"]
        assert raw.read_bytes() == (data / "lake" / found["source"]["key"]).read_bytes()
    warehouse = data / "warehouse" / "shop.duckdb"
    for entity, rows in counts.items():
        assert query(warehouse, f"select count(*) from landing.{entity}") == [(rows,)]
        assert query(warehouse, f"select sum(rows) from landing._loads where entity = '{entity}'") == [(rows,)]


def test_the_history_has_each_asset_and_day_once_with_the_manifests_numbers(demo: tuple[Path, str]) -> None:
    data = demo[0]
    with dg.DagsterInstance.from_config(str(data / "dagster")) as instance:
        [run] = instance.get_runs()
        entries = instance.all_logs(run.run_id)
    assert run.status == dg.DagsterRunStatus.SUCCESS
    events = [made for entry in entries if (made := entry.asset_materialization)]
    counts = Counter((*made.asset_key.path, made.partition) for made in events if made.partition)
    days = [f"2025-11-{n:02d}" for n in range(1, 16)]
    groups = ["landing", "raw", "validated_raw", "quarantine_raw", "warehouse"]
    assert set(counts) == {(group, entity, day) for group in groups for entity in ENTITIES for day in days}
    assert set(counts.values()) == {1}
    models = Counter(made.asset_key.path[-1] for made in events if not made.partition)
    assert {"stg_orders", "daily_sales", "reconciliation"} <= set(models)
    assert set(models.values()) == {1}
    rows = {
        (*made.asset_key.path, made.partition): made.metadata["dagster/row_count"].value
        for made in events
        if made.partition
    }
    for path in (data / "lake" / "manifests").rglob("manifest.json"):
        found = json.loads(path.read_text())
        if (day := found["partition_date"]) in days:
            entity, numbers = found["entity"], found["rows"]
            assert [rows[group, entity, day] for group in groups] == [
                numbers["raw"],
                numbers["raw"],
                numbers["validated"],
                numbers["quarantined"],
                numbers["validated"],
            ]
    by_day = [check for entry in entries if (check := entry.asset_check_evaluation) and check.partition]
    assert len(by_day) == 4 * len(ENTITIES) * len(days)
    assert all(check.passed for check in by_day)


def test_a_second_demo_changes_nothing(demo: tuple[Path, str]) -> None:
    data = demo[0]
    before = snapshot(data)
    said = call(data, "./justw", "demo").stdout
    assert snapshot(data) == before
    for stage in ("generator", "ingestor", "loader"):
        assert re.search(rf"^{stage} +0 +75 +0 +0 ", said, flags=re.MULTILINE), said


def test_one_more_day_by_hand(demo: tuple[Path, str]) -> None:
    data = demo[0]
    before = query(data / "warehouse" / "shop.duckdb", "select count(*) from marts.fct_orders")
    for line in OF_A_DAY:
        call(data, *shlex.split(line))
    after = query(
        data / "warehouse" / "shop.duckdb", "select count(*), max(ordered_date)::varchar from marts.fct_orders"
    )
    assert after[0][0] > before[0][0]  # type: ignore[operator]
    assert after[0][1] == "2025-11-16"


def test_more_days_by_dagster(demo: tuple[Path, str]) -> None:
    data = demo[0]
    backfill, status = (call(data, *shlex.split(line)).stdout for line in BY_DAGSTER)
    assert re.search(r"^loader +10 +0 +0 +0 ", backfill, flags=re.MULTILINE), backfill
    assert "2025-11-17  5 done   5 done     5 done     hold" in status
    assert "not well" not in status


def test_the_ui_opens_with_the_history(demo: tuple[Path, str]) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 3000)) == 0:
            pytest.skip("something else listens on port 3000")
    served = _serve(demo[0], "dev")
    try:
        _fetch("http://127.0.0.1:3000/server_info", served)
        asked = urllib.request.Request(
            "http://127.0.0.1:3000/graphql",
            data=json.dumps({"query": "{ runsOrError { ... on Runs { results { jobName status } } } }"}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            runs = json.load(answer)["data"]["runsOrError"]["results"]
        assert {"jobName": "daily", "status": "SUCCESS"} in runs
        os.killpg(served.pid, signal.SIGINT)
        served.wait(timeout=30)
    finally:
        if served.poll() is None:
            os.killpg(served.pid, signal.SIGKILL)
            served.wait()


def test_the_docs_are_served_with_lineage(demo: tuple[Path, str]) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8082)) == 0:
            pytest.skip("something else listens on port 8082")
    served = _serve(demo[0], "docs")
    try:
        manifest = json.loads(_fetch("http://127.0.0.1:8082/manifest.json", served))
        assert "model.shop_elt.daily_sales" in manifest["nodes"]
        assert "model.shop_elt.stg_orders" in {parent for found in manifest["parent_map"].values() for parent in found}
    finally:
        os.killpg(served.pid, signal.SIGKILL)
        served.wait()


def _serve(data: Path, recipe: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        ["uv", "run", "just", recipe],
        cwd=ROOT,
        env=environment(data),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _fetch(url: str, served: "subprocess.Popen[bytes]") -> bytes:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert served.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bytes(answer.read())
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{url} did not answer within 90 s")
