"""The stack in containers, as its users have it: `just up`, days through it, and what Dagster's pages are made of."""

import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from stages import ROOT

from libs.entities import ENTITIES

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(
        not os.environ.get("E2E"),
        reason="brings the whole stack up, which takes minutes: `just e2e` runs it",
    ),
]

NAME = f"shop-elt-test-{uuid.uuid4().hex[:8]}"
LAYERS = ("landing", "raw", "validated_raw", "quarantine_raw", "warehouse")
DAYS = ("2025-11-01", "2025-11-02")
NEXT_DAY = "2025-11-03"
PATIENCE = 300
RUN_OF_STAGE = "dagster/run_id"
STAGE = "shop_elt/stage"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
BY_AUTOMATION = {"key": "dagster/from_automation_condition", "value": "true"}

_RUNS = "{ runsOrError { ... on Runs { results { runId status tags { key value } assetSelection { path } } } } }"
_EVENTS = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetMaterializations { runId partition metadataEntries { label __typename
    ... on IntMetadataEntry { intValue }
    ... on TextMetadataEntry { text }
    ... on TableColumnLineageMetadataEntry { lineage { columnName columnDeps { columnName assetKey { path } } } }
  } }
  assetChecksOrError { ... on AssetChecks { checks { name
    executionForLatestMaterialization { status evaluation { severity } }
  } } }
} } }"""
_TICKS = """query ($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) { ... on Sensor {
  sensorState { ticks(limit: 20, statuses: [SKIPPED, SUCCESS]) { timestamp } }
} } }"""
_LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } }
} }"""
_STOP = "mutation ($run: String!) { terminateRun(runId: $run) { __typename } }"


class Stack:
    """The stack under test: its own name, ports and data, whatever else stands on the engine."""

    def __init__(self, folder: Path) -> None:
        # What compose has defaults of, and what names places of this machine.
        others = ("STAGE_", "COV", "LAKE", "LANDING", "STORAGE_EMULATOR_HOST", "DATA", "WAREHOUSE", "DAGSTER_HOME")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        settings = {
            "COMPOSE_DISABLE_ENV_FILE": "1",
            "COMPOSE_FILE": str(ROOT / "docker-compose.yml"),
            "COMPOSE_PROJECT_NAME": NAME,
            "STACK": NAME,
            "TAG": NAME,
            "POSTGRES_PASSWORD": uuid.uuid4().hex,
            "FIRST_DAY": DAYS[0],
            "DAGSTER_PORT": "0",  # any that is free
            "DOCS_PORT": "0",
        }
        self.environment = {**kept, **settings}
        self.url = self.docs = ""
        self.events = folder / "events"

    def recipe(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [Path(sys.executable).with_name("just"), *words],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        return found["data"]

    def asset(self, key: str) -> Any:
        return self.ask(_EVENTS, key={"path": key.split("/")})["assetNodeOrError"]

    def runs(self) -> dict[str, Any]:
        return {run["runId"]: run for run in self.ask(_RUNS)["runsOrError"]["results"]}

    def launch(self, job: str, assets: list[str], tags: dict[str, str]) -> str:
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "orchestrator",
            "jobName": job,
            "assetSelection": [{"path": key.split("/")} for key in assets],
        }
        metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        params = {"selector": selector, "runConfigData": {}, "executionMetadata": metadata}
        answer = self.ask(_LAUNCH, params=params)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def automation_looks(self, times: int) -> None:
        """Wait until the sensor has begun and ended so many looks."""
        sensor = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "orchestrator",
            "sensorName": "follow",
        }
        began = time.time()

        def looked() -> bool:
            ticks = self.ask(_TICKS, sensor=sensor)["sensorOrError"]["sensorState"]["ticks"]
            return len([tick for tick in ticks if tick["timestamp"] > began]) >= times

        wait(looked)

    def containers(self, label: str) -> list[str]:
        found = docker("ps", "--all", "--quiet", "--filter", f"label={label}", "--filter", f"network={NAME}")
        return found.split()

    def launched(self, run_id: str) -> Counter[str]:
        """Return how many containers each stage of a run had, by the engine's events."""
        return Counter(labels[STAGE] for labels in self.created() if labels.get(RUN_OF_STAGE) == run_id)

    def created(self) -> list[dict[str, str]]:
        """Return the labels of every container of a stage that the engine has made."""
        return [json.loads(line)["Actor"]["Attributes"] for line in self.events.read_text().splitlines()]

    def warehouse(self, folder: Path) -> duckdb.DuckDBPyConnection:
        """Open a copy of the warehouse's file."""
        copied = folder / "shop.duckdb"
        words = ["run", "--rm", "--network", "none", "--volume", f"{NAME}-warehouse:/warehouse:ro", "--entrypoint"]
        with copied.open("wb") as file:
            words += ["cat", f"shop-elt/dbt-stage:{NAME}", "/warehouse/shop.duckdb"]
            subprocess.run(["docker", *words], stdout=file, check=True)
        return duckdb.connect(str(copied), read_only=True)


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()


def wait(done: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.5)
    return found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"))
    with stack.events.open("w") as file:
        filters = ["--filter", f"label={STAGE}", "--filter", "event=create", "--format", "{{ json . }}"]
        listening = subprocess.Popen(["docker", "events", *filters], stdout=file)
        try:
            up = stack.recipe("up")
            assert up.returncode == 0, up.stdout + up.stderr
            stack.url, stack.docs = (line.split()[-1] for line in up.stdout.splitlines()[-2:])
            yield stack
        finally:
            reset = stack.recipe("reset")
            listening.terminate()
            listening.wait()
            if images := docker("images", f"shop-elt/*:{NAME}", "--format", "{{.Repository}}:{{.Tag}}").split():
                docker("image", "rm", *images)
    assert reset.returncode == 0, reset.stderr
    assert f"{NAME}-warehouse" in reset.stdout
    assert NAME not in docker("volume", "ls", "--quiet")


@pytest.fixture(scope="module")
def backfilled(stack: Stack) -> str:
    """Run two days through the stack by its own command; return the run."""
    done = stack.recipe("backfill", *DAYS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"in the stack at {stack.url}" in done.stderr
    assert f"{DAYS[0]} to {DAYS[1]}: done in" in done.stdout
    (run_id,) = (
        run_id
        for run_id, run in stack.runs().items()
        if {"key": "shop_elt/command", "value": "stack-backfill"} in run["tags"]
    )
    return run_id


def test_calls_that_are_wrong_are_told_from_runs_that_failed(stack: Stack) -> None:
    early = stack.recipe("stack-backfill", "2025-10-31")
    assert early.returncode == 2
    assert "2025-10-31 is no day of the stack: there are 2025-11-01 to" in early.stderr
    turned = stack.recipe("stack-backfill", DAYS[1], DAYS[0])
    assert turned.returncode == 2
    assert "is before the first" in turned.stderr
    nobody = stack.recipe("stack-backfill", DAYS[0], "--url", "http://127.0.0.1:1")
    assert nobody.returncode == 1
    assert "no Dagster answers at http://127.0.0.1:1" in nobody.stderr
    assert not any("Traceback" in done.stderr for done in (early, turned, nobody))


def test_the_docs_of_dbt_are_served(stack: Stack) -> None:
    with urllib.request.urlopen(stack.docs, timeout=30) as page:
        text = page.read().decode()
    assert "fct_orders" in text
    assert "dbt Docs" in text


def test_every_day_and_model_has_its_event_with_numbers(stack: Stack, backfilled: str) -> None:
    rows: dict[tuple[str, str, str], int] = {}
    for layer, name in itertools.product(LAYERS, ENTITIES):
        key = f"{layer}/{name}"
        made = [event for event in stack.asset(key)["assetMaterializations"] if event["runId"] == backfilled]
        assert sorted(event["partition"] for event in made) == list(DAYS), key
        rows |= {(layer, name, event["partition"]): _rows(event) for event in made}
        if layer != "warehouse":
            assert all(_text(event, "dagster/uri").startswith("gs://lake/") for event in made), key
    for name, day in itertools.product(ENTITIES, DAYS):
        landed, raw, validated, quarantined, loaded = (rows[layer, name, day] for layer in LAYERS)
        assert landed == raw == validated + quarantined
        assert loaded == validated
    assert all(rows["warehouse", "orders", day] > 0 for day in DAYS)
    (made, *_), checks = _of(stack.asset("marts/fct_orders"))
    assert _rows(made) > 0
    columns = {
        column["columnName"]: {"/".join(dep["assetKey"]["path"]) for dep in column["columnDeps"]}
        for entry in made["metadataEntries"]
        if entry["__typename"] == "TableColumnLineageMetadataEntry"
        for column in entry["lineage"]
    }
    assert columns["net_sales"] == {"intermediate/int_order_terms"}
    assert columns["order_id"] == {"staging/stg_orders"}
    assert checks["fct_orders_order_id_is_unique"] == "SUCCEEDED"
    _idle(stack)
    for name in ENTITIES:
        for layer, expected in (
            ("raw", {"columns"}),
            ("validated_raw", {"conservation", "quarantine_rate"}),
            ("warehouse", {"loaded_rows"}),
        ):
            _, checks = _of(stack.asset(f"{layer}/{name}"))
            assert checks == dict.fromkeys(expected, "SUCCEEDED"), (layer, name)


def test_the_status_is_that_of_the_stack(stack: Stack, backfilled: str) -> None:
    _idle(stack)
    for recipe in ("status", "stack-status"):
        done = stack.recipe(recipe, "--days", "400")
        assert done.returncode == 0, done.stdout + done.stderr
        for day in DAYS:
            [line] = (line for line in done.stdout.splitlines() if line.startswith(day))
            assert line.split() == [day, "5", "done", "5", "done", "5", "done", "hold", "0"]


def test_the_marts_are_filled(stack: Stack, backfilled: str, tmp_path: Path) -> None:
    _idle(stack)
    with stack.warehouse(tmp_path) as warehouse:
        days = warehouse.execute("select distinct ordered_date::text from marts.fct_orders").fetchall()
        (sales,) = warehouse.execute("select sum(net_sales) from marts.fct_orders").fetchone() or (0,)
    assert set(DAYS) <= {day for (day,) in days}
    assert sales > 0


def test_every_stage_ran_in_a_container_of_its_own_and_none_is_left(stack: Stack, backfilled: str) -> None:
    assert stack.launched(backfilled) == {"generator": 1, "ingestor": 1, "loader": 1, "dbt-stage": 1}
    wait(lambda: not stack.containers(f"{RUN_OF_STAGE}={backfilled}"), 30)  # the run's own is removed by the engine


def test_automation_repeats_no_backfill_and_takes_a_day_that_landed_to_the_marts_once(
    stack: Stack, backfilled: str, tmp_path: Path
) -> None:
    _idle(stack)
    stack.automation_looks(2)
    _idle(stack)
    before = stack.runs()
    assert not [run for run in before.values() if BY_AUTOMATION in run["tags"]]
    landed = stack.launch("daily", [f"landing/{name}" for name in ENTITIES], {"dagster/partition": NEXT_DAY})
    wait(lambda: _makes_marts(stack, since=before))
    _idle(stack)
    stack.automation_looks(3)  # nothing follows
    _idle(stack)
    new = {run_id: run for run_id, run in stack.runs().items() if run_id not in before}
    assert {run["status"] for run in new.values()} == {"SUCCESS"}
    assert sum((stack.launched(run_id) for run_id in new), Counter()) == {
        "generator": 1,
        "ingestor": 1,
        "loader": 1,
        "dbt-stage": 1,
    }
    assert landed in new
    with stack.warehouse(tmp_path) as warehouse:
        query = f"select count(*) from marts.fct_orders where ordered_date = date '{NEXT_DAY}'"
        (orders,) = warehouse.execute(query).fetchone() or (0,)
    assert orders > 0


@pytest.mark.parametrize(("how", "status"), [("killed", "FAILURE"), ("cancelled", "CANCELED")])
def test_no_container_outlives_a_run_that_is(stack: Stack, backfilled: str, how: str, status: str) -> None:
    _idle(stack)
    run_id = stack.launch("daily", ["marts/dim_dates", "marts/fct_orders"], {})
    label = f"{RUN_OF_STAGE}={run_id}"
    wait(lambda: stack.launched(run_id) and len(stack.containers(label)) == 2)
    if how == "killed":
        (container,) = (tag["value"] for tag in stack.runs()[run_id]["tags"] if tag["key"] == "docker/container_id")
        docker("kill", "--signal", "KILL", container)
        assert stack.containers(STAGE), "the stage was to be in its middle"
    else:
        stack.ask(_STOP, run=run_id)
    wait(lambda: stack.runs()[run_id]["status"] == status, 120)
    wait(lambda: not stack.containers(label), 60)


def test_one_stage_is_deployed_alone(stack: Stack, backfilled: str) -> None:
    _idle(stack)
    of_the_stack = ("ps", "--quiet", "--filter", f"label=com.docker.compose.project={NAME}")
    services, image = docker(*of_the_stack), f"shop-elt/ingestor:{NAME}"
    before = docker("image", "inspect", "--format", "{{.Id}}", image)
    build = ["docker", "build", "--quiet", "--label", "deployed=alone", "--tag", image, "-"]
    subprocess.run(build, input=f"FROM {image}\n", text=True, check=True, capture_output=True)
    assets = [f"{layer}/{name}" for layer in LAYERS[1:] for name in ENTITIES]
    run_id = stack.launch("daily", assets, {"dagster/partition": DAYS[0]})
    wait(lambda: stack.runs()[run_id]["status"] in ENDED)
    assert stack.runs()[run_id]["status"] == "SUCCESS"
    created = [labels for labels in stack.created() if labels.get(RUN_OF_STAGE) == run_id]
    assert {labels[STAGE]: labels.get("deployed") for labels in created} == {"ingestor": "alone", "loader": None}
    assert docker(*of_the_stack) == services
    alone = docker("image", "inspect", "--format", "{{.Id}}", image)
    docker("tag", before, image)
    docker("image", "rm", alone)


def _rows(event: Any) -> int:
    (rows,) = (entry["intValue"] for entry in event["metadataEntries"] if entry["label"] == "dagster/row_count")
    return int(rows)


def _text(event: Any, label: str) -> str:
    (text,) = (entry["text"] for entry in event["metadataEntries"] if entry["label"] == label)
    return str(text)


def _of(asset: Any) -> tuple[list[Any], dict[str, str]]:
    """Return an asset's events, latest first, and how its checks ended."""
    checks = asset["assetChecksOrError"]["checks"]
    return asset["assetMaterializations"], {
        check["name"]: (check["executionForLatestMaterialization"] or {}).get("status", "NONE") for check in checks
    }


def _idle(stack: Stack) -> None:
    """Wait until no run is queued or runs."""
    wait(lambda: all(run["status"] in ENDED for run in stack.runs().values()))


def _makes_marts(stack: Stack, since: dict[str, Any]) -> bool:
    """Tell whether a run of the marts has ended that was not there before."""
    return any(
        run["status"] in {"SUCCESS", "FAILURE"}
        and any(key["path"][0] == "marts" for key in run["assetSelection"] or ())
        for run_id, run in stack.runs().items()
        if run_id not in since
    )
