"""dbt as assets: one event a model and test as it finishes, whatever becomes of the run."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from orchestrator_runs import DEFINITIONS, Run, Shop

PROJECT = Path(__file__).resolve().parents[2] / "dbt"
LAYERS = ("staging", "intermediate", "marts")
GRAPH = DEFINITIONS.resolve_asset_graph()
MODELS = {key for key in GRAPH.materializable_asset_keys if key.path[0] in LAYERS}
CHECKS = {key for key in GRAPH.asset_check_keys if key.asset_key in MODELS}


@pytest.fixture(scope="module", autouse=True)
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where dbt writes: never into the checkout."""
    folder = tmp_path_factory.mktemp("dbt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_TARGET_PATH", str(folder / "target"))
        patch.setenv("DBT_LOG_PATH", str(folder / "logs"))
        yield folder / "target"


class Built:
    """A run of dbt and what it recorded."""

    def __init__(self, shop: Shop, chosen: dg.AssetSelection, **options: Any) -> None:
        self.shop = shop
        job = dg.define_asset_job("chosen", chosen)
        self.result = (
            dg.Definitions.merge(DEFINITIONS, dg.Definitions(jobs=[job]))
            .resolve_job_def("chosen")
            .execute_in_process(
                instance=shop.instance,
                raise_on_error=False,
                run_config={
                    "resources": {"places": {"config": {"lake": str(shop.lake), "warehouse": str(shop.warehouse)}}},
                    "ops": {"dbt": {"config": options}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
        )
        self.run = Run(shop.instance, self.result)
        self.materialized = Counter(event.asset_key for event in self.result.get_asset_materialization_events())
        self.checks = {one.asset_check_key: one for one in self.result.get_asset_check_evaluations()}
        assert len(self.checks) == len(self.result.get_asset_check_evaluations())
        assert not [one for one in self.result.all_events if one.event_type_value == "ASSET_OBSERVATION"]

    def metadata(self, *path: str) -> dict[str, Any]:
        (found,) = [
            event for event in self.result.get_asset_materialization_events() if event.asset_key == dg.AssetKey(path)
        ]
        return {name: value.value for name, value in found.materialization.metadata.items()}

    def check(self, name: str) -> dg.AssetCheckEvaluation:
        (found,) = [one for key, one in self.checks.items() if key.name == name]
        return found

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.shop.warehouse), read_only=True) as db:
            return db.execute(sql).fetchall()


def once(*layers: str) -> Counter[dg.AssetKey]:
    return Counter(key for key in MODELS if key.path[0] in layers)


def models(*keys: str) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(dg.AssetKey(key.split("/")) for key in keys))


@pytest.fixture(scope="module")
def all_built(usual: tuple[Shop, Run], tmp_path_factory: pytest.TempPathFactory, target: Path) -> Built:
    """Everything, built on two days of five entities. To be read only."""
    return Built(usual[0].copy(tmp_path_factory.mktemp("all")), dg.AssetSelection.groups(*LAYERS))


@pytest.fixture
def built_shop(all_built: Built, tmp_path: Path) -> Shop:
    """Return a shop of one's own in which everything is built."""
    return all_built.shop.copy(tmp_path)


def test_each_model_is_materialized_and_each_test_evaluated_once(all_built: Built) -> None:
    assert all_built.run.success
    assert all_built.materialized == once(*LAYERS)
    assert set(all_built.checks) == CHECKS
    (launched,) = [line for line in all_built.run.said if line.startswith("launching: ")]
    assert "--select" not in launched


def test_events_are_recorded_while_dbt_works(all_built: Built, target: Path) -> None:
    dbt_ended = (target / "run_results.json").stat().st_mtime
    record = all_built.shop.instance.fetch_materializations(dg.AssetKey(["staging", "stg_orders"]), limit=1).records[0]
    assert record.timestamp < dbt_ended


def test_numbers_and_columns_are_the_warehouses(all_built: Built) -> None:
    tables = all_built.ask(
        f"select table_schema, table_name, table_type from information_schema.tables where table_schema in {LAYERS}"
    )
    assert {(schema, name) for schema, name, _ in tables} == {tuple(key.path) for key in MODELS}
    for schema, name, type_ in tables:
        found = all_built.metadata(schema, name)
        assert found["dagster/table_name"] == f"shop.{schema}.{name}"
        assert found["Execution Duration"] >= 0
        ((rows,),) = all_built.ask(f"select count(*) from {schema}.{name}")
        assert found.get("dagster/row_count") == (None if type_ == "VIEW" else rows), name
        columns = all_built.ask(f"select column_name, column_type from (describe {schema}.{name})")
        schema_found = found["dagster/column_schema"]
        assert [(column.name, column.type) for column in schema_found.columns] == columns
    described = {column.name: column.description for column in found_schema(all_built, "marts", "fct_orders").columns}
    assert described["order_id"] == "The shop's id of the document"


def found_schema(built: Built, *path: str) -> dg.TableSchema:
    schema = built.metadata(*path)["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    return schema


def test_compiled_sql_is_shown(all_built: Built) -> None:
    assert 'from "shop"."landing"."orders"' in all_built.metadata("staging", "stg_orders")["compiled_sql"]
    assert "compiled_sql" not in all_built.metadata("staging", "minor_units")


def test_columns_can_be_followed_from_a_mart_to_the_landing_table(all_built: Built) -> None:
    lineage = {key: all_built.metadata(*key.path).get("dagster/column_lineage") for key in MODELS}
    (seed,) = [key for key, found in lineage.items() if found is None]
    assert seed == dg.AssetKey(["staging", "minor_units"])
    for key, found in lineage.items():
        if found:
            columns = {column.name for column in found_schema(all_built, *key.path).columns}
            assert set(found.deps_by_column) == columns, key
            assert {dep.asset_key for deps in found.deps_by_column.values() for dep in deps} <= set(
                GRAPH.get(key).parent_keys
            )
    assert reached(lineage, dg.AssetKey(["marts", "daily_sales"]), "gross_sales") >= {"warehouse/orders.subtotal"}
    assert reached(lineage, dg.AssetKey(["marts", "fct_orders"]), "channel") == {"warehouse/orders.channel"}


def reached(lineage: dict[dg.AssetKey, Any], key: dg.AssetKey, column: str) -> set[str]:
    """Follow a column to where it comes from."""
    if key not in lineage:
        return {f"{key.to_user_string()}.{column}"}
    deps = lineage[key].deps_by_column[column] if lineage[key] else []
    return {origin for dep in deps for origin in reached(lineage, dep.asset_key, dep.column_name)}


def test_checks_tell_severity_and_failing_rows(all_built: Built) -> None:
    warned = {one.check_name: one for one in all_built.checks.values() if not one.passed}
    reasons = dict(all_built.ask("select reason, count(*) from marts.reconciliation group by reason"))
    assert warned
    assert {name for name in reasons if name in warned} == set(reasons)
    for name, one in warned.items():
        assert one.severity == dg.AssetCheckSeverity.WARN
        assert one.description
        if name in reasons:
            assert one.metadata["dagster_dbt/failed_row_count"].value == reasons[name]
    passed = all_built.check("cash_bridge")
    assert (passed.passed, passed.asset_key.path[-1]) == (True, "reconciliation")
    assert (passed.severity, passed.metadata["dagster_dbt/failed_row_count"].value) == (dg.AssetCheckSeverity.ERROR, 0)
    assert all_built.check("unknown_method").severity == dg.AssetCheckSeverity.WARN


def test_one_model_is_built_with_its_own_checks(built_shop: Shop) -> None:
    built = Built(built_shop, models("staging/stg_orders"), full_refresh=True)
    assert built.run.success
    assert built.materialized == Counter([dg.AssetKey(["staging", "stg_orders"])])
    assert set(built.checks) == {key for key in CHECKS if key.asset_key.path[-1] == "stg_orders"}
    assert any("--full-refresh" in line for line in built.run.said if line.startswith("launching: "))


def test_one_model_alone_has_its_lineage_too(built_shop: Shop) -> None:
    built = Built(built_shop, models("marts/fct_orders").without_checks())
    assert built.run.success
    assert built.materialized == Counter([dg.AssetKey(["marts", "fct_orders"])])
    assert built.checks == {}
    deps = built.metadata("marts", "fct_orders")["dagster/column_lineage"].deps_by_column
    assert [dep.asset_key.path[-1] for dep in deps["gross_sales"]] == ["int_order_terms"]
    origins = built.metadata("marts", "fct_orders")["column_origins"].records
    shown = {row.data["column"]: row.data["made of"] for row in origins}
    assert shown["gross_sales"] == "intermediate/int_order_terms.gross_sales"


def test_a_model_and_what_is_below_it(built_shop: Shop) -> None:
    built = Built(built_shop, models("intermediate/int_link_findings").downstream())
    assert built.run.success
    names = {key.path[-1] for key in built.materialized}
    assert names == {"int_link_findings", "reconciliation"}
    assert {key.asset_key.path[-1] for key in built.checks} == {"reconciliation"}


def test_a_layer(built_shop: Shop) -> None:
    built = Built(built_shop, dg.AssetSelection.groups("marts"))
    assert built.run.success
    assert built.materialized == once("marts")
    assert set(built.checks) == {key for key in CHECKS if key.asset_key.path[0] == "marts"}


def test_a_single_check(built_shop: Shop) -> None:
    one = dg.AssetCheckKey(dg.AssetKey(["marts", "reconciliation"]), "cash_bridge")
    built = Built(built_shop, dg.AssetSelection.checks(one))
    assert built.run.success
    assert (built.materialized, set(built.checks)) == (Counter(), {one})


def test_what_was_good_is_recorded_where_a_test_fails(usual: tuple[Shop, Run], shop: Shop) -> None:
    with duckdb.connect(str(shop.warehouse)) as db:
        db.execute(
            "update landing.payments set kind = 'gift' "
            "where payment_id = (select min(payment_id) from landing.payments)"
        )
    built = Built(shop, dg.AssetSelection.groups(*LAYERS))
    assert not built.run.success
    failed = built.check("stg_payments_kind_is_accepted")
    assert (failed.passed, failed.severity, failed.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert failed.metadata["dagster_dbt/failed_row_count"].value == 1
    assert built.run.failure == f"stg_payments_kind_is_accepted: {failed.description}"
    assert built.materialized[dg.AssetKey(["staging", "stg_payments"])] == 1
    assert built.materialized[dg.AssetKey(["marts", "dim_products"])] == 1
    assert dg.AssetKey(["marts", "fct_payments"]) not in built.materialized
    assert [line for line in built.run.said if "skipped" in line and "fct_payments" in line]


def test_a_model_that_cannot_be_built_is_named_with_dbts_words(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs", "src", "python"))
    model = project / "models/intermediate/int_order_lines.sql"
    model.write_text(model.read_text() + "\nlimit 'many'")
    monkeypatch.setenv("DBT_PROJECT_DIR", str(project))
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    built = Built(shop, dg.AssetSelection.groups(*LAYERS))
    assert not built.run.success
    assert built.run.failure.startswith("int_order_lines: Runtime Error in model int_order_lines")
    assert "many" in built.run.failure
    assert built.materialized[dg.AssetKey(["marts", "dim_products"])] == 1
    assert dg.AssetKey(["intermediate", "int_order_lines"]) not in built.materialized
    assert dg.AssetKey(["marts", "reconciliation"]) not in built.materialized


def test_a_warehouse_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    built = Built(Shop(tmp_path), models("staging/stg_orders"))
    assert not built.run.success
    assert "there is no warehouse" in built.run.failure
    assert (built.materialized, built.checks) == (Counter(), {})
    assert not built.shop.warehouse.exists()
