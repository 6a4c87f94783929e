"""The graph as a snapshot beside this file: whatever changes in it is seen in review.

Rewrite it with `uv run python orchestrator/tests/test_orchestrator_graph.py`, and read the difference.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestrator.definitions import build
from orchestrator.metadata import key
from orchestrator.settings import Settings

SNAPSHOT = Path(__file__).with_name("orchestrator_graph.json")


@cache
def definitions(landing: str) -> dg.Definitions:
    return build(Settings.of({"LANDING": landing}))


def described(landing: str) -> dict[str, Any]:
    """Return what people see of the definitions: assets, their checks, and what starts runs; each with its name."""
    graph = definitions(landing).resolve_asset_graph()
    repository = definitions(landing).get_repository_def()
    found = {
        **{f"asset {spec.key.to_user_string()}": _asset(spec, graph) for spec in _specs(landing)},
        **{f"check {key.to_user_string()}": _check(graph.get_check_spec(key)) for key in graph.asset_check_keys},
        **{f"job {job.name}": job.description for job in repository.get_all_jobs() if not job.name.startswith("__")},
        **{
            f"schedule {one.name}": [one.cron_schedule, one.execution_timezone, one.default_status.value]
            for one in repository.schedule_defs
        },
        **{
            f"sensor {one.name}": [one.minimum_interval_seconds, one.default_status.value]
            for one in repository.sensor_defs
        },
    }
    return dict(sorted(found.items()))


def _specs(landing: str) -> list[dg.AssetSpec]:
    return list(definitions(landing).resolve_all_asset_specs())


def _asset(spec: dg.AssetSpec, graph: Any) -> dict[str, Any]:
    node = graph.get(spec.key)
    return {
        "description": spec.description,
        "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
        "group": spec.group_name,
        "kinds": sorted(spec.kinds),
        "owners": list(spec.owners),
        "partitions": spec.partitions_def and str(spec.partitions_def),
        "automation": spec.automation_condition and spec.automation_condition.get_label(),
        "made_by": node.assets_def.op.name if node.is_executable else None,
    }


def _check(spec: dg.AssetCheckSpec) -> dict[str, Any]:
    return {
        "description": spec.description,
        "blocking": spec.blocking,
        "partitions": spec.partitions_def and str(spec.partitions_def),
    }


def snapshot() -> dict[str, Any]:
    """Return the definitions where the generator makes the files, and how they differ where others do."""
    usual, external = described("generator"), described("external")
    differs = {name: external.get(name) for name in sorted(usual | external) if external.get(name) != usual.get(name)}
    return {"LANDING=generator": usual, "LANDING=external differs": differs}


def written(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def test_the_graph_is_the_one_that_was_agreed_on() -> None:
    found = json.loads(written(snapshot()))
    for part, agreed in json.loads(SNAPSHOT.read_text()).items():
        assert found[part] == agreed, f"rewrite the snapshot where this is meant: {__doc__}"


def test_where_others_drop_the_files_landing_alone_differs() -> None:
    differs = snapshot()["LANDING=external differs"]
    assert {name for name in differs if name.startswith(("asset", "check"))} == {
        f"asset {spec.key.to_user_string()}" for spec in _specs("external") if spec.group_name == "landing"
    }
    assert all(differs[name]["made_by"] is None for name in differs if name.startswith("asset"))
    assert differs["job shop_day"] is differs["schedule shop_day"] is None  # nothing generates


@pytest.mark.parametrize("landing", ["generator", "external"])
def test_lineage_goes_from_file_to_mart(landing: str) -> None:
    graph = definitions(landing).resolve_asset_graph()
    for mart in ("fct_orders", "fct_order_items", "fct_payments"):
        upstream = graph.get_ancestor_asset_keys(dg.AssetKey(["marts", mart]))
        assert {key(layer, "orders") for layer in ("landing", "raw", "validated_raw", "warehouse")} <= upstream


def test_people_are_told_what_each_asset_is_and_whose() -> None:
    for spec in _specs("generator"):
        assert spec.description, spec.key
        assert spec.owners, spec.key
        assert spec.group_name != "default", spec.key


def test_dagster_finds_the_definitions_valid(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "orchestrator.definitions"],
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr


if __name__ == "__main__":
    SNAPSHOT.write_text(written(snapshot()))
