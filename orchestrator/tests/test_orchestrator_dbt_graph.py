"""dbt's graph as definitions: keys, groups, checks, where the manifest comes from, what columns are made of."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from orchestrator_runs import DEFINITIONS

from libs.entities import ENTITIES
from orchestrator.dbt_graph import manifest
from orchestrator.dbt_graph.lineage import Origin, origins

GRAPH = DEFINITIONS.resolve_asset_graph()
DBT = manifest.load(os.environ)
MODELS = [node for node in DBT["nodes"].values() if node["resource_type"] in ("model", "seed")]


def test_each_model_and_seed_is_an_asset_of_its_layer() -> None:
    assert MODELS
    for model in MODELS:
        spec = GRAPH.get(dg.AssetKey([model["schema"], model["name"]]))
        marts = model["schema"] == "marts"
        assert spec.group_name == model["schema"]
        assert spec.owners == ["team:analytics" if marts else "team:data-platform"]
        assert spec.kinds == {"dbt", "duckdb"}
        assert spec.description == model["description"]
        assert spec.partitions_def is None
        assert spec.automation_condition is not None
        assert spec.pools == {"duckdb"}


def test_lineage_goes_from_the_landing_table_to_the_mart() -> None:
    for entity in ENTITIES:
        staged = GRAPH.get(dg.AssetKey(["staging", f"stg_{entity}"]))
        assert staged.parent_keys == {dg.AssetKey(["warehouse", entity])}
    above = dg.AssetSelection.assets(["marts", "daily_sales"]).upstream().resolve(GRAPH)
    assert {dg.AssetKey([layer, "orders"]) for layer in ("landing", "raw", "validated_raw", "warehouse")} <= above


def test_every_test_is_a_check_of_a_model() -> None:
    tests = {node["name"]: node for node in DBT["nodes"].values() if node["resource_type"] == "test"}
    checks = {key.name: GRAPH.get(key) for key in GRAPH.asset_check_keys if key.asset_key.path[0] in LAYERS}
    assert set(checks) == set(tests)
    for name, check in checks.items():
        assert check.blocking == (tests[name]["config"]["severity"].lower() == "error")
        assert check.description == (tests[name]["description"] or None)
    assert checks["cash_bridge"].key.asset_key == dg.AssetKey(["marts", "reconciliation"])
    assert checks["events_after_their_partition"].key.asset_key == dg.AssetKey(["staging", "stg_orders"])


LAYERS = {model["schema"] for model in MODELS}


def test_the_definitions_need_no_dbt_where_the_manifest_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(DBT))
    code = (
        "import sys; sys.modules['dbt'] = None; "
        "from orchestrator.definitions import defs; "
        "print(len(defs.resolve_asset_graph().asset_check_keys))"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "DBT_MANIFEST": str(tmp_path / "manifest.json"), "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, str(len(GRAPH.asset_check_keys))), ended.stderr


def test_a_manifest_that_is_named_and_not_there_is_said_so(tmp_path: Path) -> None:
    missing = str(tmp_path / "manifest.json")
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="is no file: let `dbt-stage manifest --dest"):
        manifest.load({"DBT_MANIFEST": missing})


def test_a_file_that_is_no_manifest_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="is no manifest of a dbt project"):
        manifest.load({"DBT_MANIFEST": str(tmp_path / "manifest.json")})


def test_a_project_that_is_not_there_is_said_in_the_stages_words(tmp_path: Path) -> None:
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=r"holds no dbt_project\.yml"):
        manifest.manifest_path({**os.environ, "DBT_PROJECT_DIR": str(tmp_path)})


def test_a_stage_that_is_not_installed_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="dbt-stage is not installed here"):
        manifest.manifest_path({"PATH": str(tmp_path)})


def relation(name: str, *columns: str) -> dict[str, Any]:
    return {"name": name, "columns": [{"name": column, "type": "DECIMAL(18,4)"} for column in columns]}


PARENTS = {
    "model.shop.orders": relation('"shop"."staging"."orders"', "id", "total", "tax"),
    "model.shop.lines": relation('"shop"."staging"."lines"', "id", "price"),
}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('select total - tax as net from "shop"."staging"."orders"', {"net": {"orders.total", "orders.tax"}}),
        ('select total from "shop"."staging"."orders" where tax > 0', {"total": {"orders.total"}}),
        ("select 1 as one, count(*) as n from shop.staging.orders", {"one": set(), "n": set()}),
        (
            "with o as (select * from shop.staging.orders), l as (select id, sum(price) as p from shop.staging.lines "
            "group by id) select o.*, coalesce(p, total) as price from o left join l using (id)",
            {
                "id": {"orders.id"},
                "total": {"orders.total"},
                "tax": {"orders.tax"},
                "price": {"lines.price", "orders.total"},
            },
        ),
        (
            "select id, total as amount from shop.staging.orders union all select id, price from shop.staging.lines",
            {"id": {"orders.id", "lines.id"}, "amount": {"orders.total", "lines.price"}},
        ),
        (
            "select id, sum(price) over (partition by id) as p from shop.staging.lines",
            {"id": {"lines.id"}, "p": {"lines.price", "lines.id"}},
        ),
        ("select other.x from shop.elsewhere.other", {"x": set()}),
        ("select from where", {}),
    ],
)
def test_a_columns_origins(sql: str, expected: dict[str, set[str]]) -> None:
    def named(origin: Origin) -> str:
        return f"{origin.parent.rpartition('.')[2]}.{origin.column}"

    found = origins(sql, PARENTS, "duckdb")
    assert {name: {named(origin) for origin in all_} for name, all_ in found.items()} == expected
