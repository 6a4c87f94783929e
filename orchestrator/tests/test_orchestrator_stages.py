"""The stages as assets: one launch for whatever was selected, one event with its own numbers for each asset and day."""

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from orchestrator_runs import DAYS, GENERATOR, INGESTOR, LOADER, STAGES, Run, Shop, keys

from libs import layout
from libs.entities import ENTITIES
from libs.manifest import NamedObject
from orchestrator.definitions import build
from orchestrator.metadata import check, key
from orchestrator.settings import Settings

EVERY = [(entity, day) for entity in ENTITIES for day in DAYS]


def once(*groups: str, entities: Any = ENTITIES, days: Any = DAYS) -> dict[tuple[str, str], int]:
    return {(f"{group}/{entity}", day): 1 for group in groups for entity in entities for day in days}


def landing_file(shop: Shop, entity: str, day: str) -> Path:
    return shop.lake / "landing" / "ecommerce" / day / f"{entity}_{day}.csv"


def test_each_asset_and_day_is_materialized_exactly_once(usual: tuple[Shop, Run]) -> None:
    _, run = usual
    assert run.success
    assert run.materialized == once(*STAGES)


def test_all_entities_and_days_are_one_launch_a_stage(usual: tuple[Shop, Run]) -> None:
    _, run = usual
    assert run.launches == [[stage, *ENTITIES, *DAYS] for stage in ("generator", "ingestor", "loader")]


def test_each_layer_has_the_numbers_of_its_manifest(usual: tuple[Shop, Run]) -> None:
    shop, _ = usual
    for entity, day in EVERY:
        manifest = shop.manifest(entity, day)
        rows = {
            "raw": manifest.rows.raw,
            "validated_raw": manifest.rows.validated,
            "quarantine_raw": manifest.rows.quarantined,
        }
        for layer in INGESTOR:
            found = shop.numbers(key(layer, entity), day)
            named: NamedObject = getattr(manifest, layer)
            assert {name: value for name, value in found.items() if not name.startswith("dagster/partition")} == {
                "dagster/row_count": rows[layer],
                "dagster/uri": shop.store.url(named.key),
                "bytes": named.size,
                "sha256": named.sha256,
                "crc32c": named.crc32c,
                "contract_version": manifest.contract_version,
                "revision": 1,
                "unchanged": False,
            }
            assert (shop.lake / named.key).stat().st_size == named.size


def test_landing_and_warehouse_have_their_own_numbers(usual: tuple[Shop, Run]) -> None:
    shop, _ = usual
    for entity, day in EVERY:
        manifest = shop.manifest(entity, day)
        landed, loaded = shop.numbers(key("landing", entity), day), shop.numbers(key("warehouse", entity), day)
        assert (landed["dagster/row_count"], landed["bytes"], landed["sha256"]) == (
            manifest.rows.raw,
            manifest.source.size,
            manifest.source.sha256,
        )
        assert landed["dagster/uri"] == shop.store.url(manifest.source.key)
        assert landed["unchanged"] is False
        assert (loaded["dagster/row_count"], loaded["revision"], loaded["source_object"]) == (
            manifest.rows.validated,
            1,
            manifest.validated_raw.key,
        )
        assert (loaded["table"], loaded["deleted"]) == (f"landing.{entity}", 0)


def test_each_check_holds_on_each_day_and_points_at_what_it_is_about(usual: tuple[Shop, Run]) -> None:
    shop, run = usual
    for entity in ENTITIES:
        for one in (
            check("conservation", "validated_raw", entity),
            check("quarantine_rate", "validated_raw", entity),
            check("columns", "raw", entity),
            check("loaded_rows", "warehouse", entity),
        ):
            assert shop.check_days(one) == dict.fromkeys(DAYS, "SUCCEEDED")
            for day in DAYS:
                wanted = dg.AssetRecordsFilter(one.asset_key, asset_partitions=[day])
                (record,) = shop.instance.fetch_materializations(wanted, limit=2).records
                target = run.evaluation(one, day).target_materialization_data
                assert target is not None
                assert (target.storage_id, target.run_id) == (record.storage_id, record.run_id)


def test_a_second_run_says_that_nothing_has_changed(shop: Shop) -> None:
    run = shop.run(keys(*STAGES))
    assert run.success
    assert run.materialized == once(*STAGES)
    for asset in keys(*STAGES):
        assert [shop.numbers(asset, day)["unchanged"] for day in DAYS] == [True, True], asset
    rows = [shop.numbers(key("warehouse", "orders"), day)["dagster/row_count"] for day in DAYS]
    assert rows == [shop.manifest("orders", day).rows.validated for day in DAYS]
    assert shop.run(keys(*LOADER, entities=["orders"]), loader={"force": True}).success
    assert [shop.numbers(key("warehouse", "orders"), day)["unchanged"] for day in DAYS] == [False, False]


def test_orders_of_one_day_are_launched_alone(shop: Shop) -> None:
    run = shop.run(keys(*INGESTOR, *LOADER, entities=["orders"]), DAYS[1], DAYS[1])
    assert run.success
    assert run.launches == [["ingestor", "orders", DAYS[1]], ["loader", "orders", DAYS[1]]]
    assert run.materialized == once(*INGESTOR, *LOADER, entities=["orders"], days=DAYS[1:])


def test_one_layer_alone_gets_its_event_and_the_log_names_what_else_is_made(shop: Shop) -> None:
    run = shop.run(keys("raw", entities=["payments"]))
    assert run.success
    assert run.materialized == once("raw", entities=["payments"])
    (line,) = [line for line in run.said if "entity whole" in line]
    assert "quarantine_raw/payments, validated_raw/payments, not selected, are made anew too" in line
    assert shop.check_days(check("columns", "raw", "payments")) == dict.fromkeys(DAYS, "SUCCEEDED")


def test_failing_days_fail_alone_and_are_named_and_the_loader_waits(shop: Shop) -> None:
    missing, corrupt = landing_file(shop, "orders", DAYS[0]), landing_file(shop, "payments", DAYS[1])
    missing.unlink()
    corrupt.write_bytes(b"\x00" + corrupt.read_bytes())
    run = shop.run(keys(*INGESTOR, *LOADER))
    assert not run.success
    assert [launch[0] for launch in run.launches] == ["ingestor"]
    bad = {("orders", DAYS[0]), ("payments", DAYS[1])}
    assert run.materialized == {
        (f"{layer}/{entity}", day): 1 for layer in INGESTOR for entity, day in EVERY if (entity, day) not in bad
    }
    for layer in INGESTOR:
        assert shop.days(key(layer, "customers")) == (list(DAYS), [])
        assert shop.days(key(layer, "orders")) == ([DAYS[1]], [DAYS[0]])
        assert shop.days(key(layer, "payments")) == ([DAYS[0]], [DAYS[1]])
    orders, payments = run.failure.split("; payments ")
    assert orders.startswith(f"orders {DAYS[0]}: the landing file has not arrived: ")
    assert missing.name in orders
    assert payments.startswith(f"{DAYS[1]}: ")
    assert corrupt.name in payments
    assert "exit code" not in run.failure
    assert shop.numbers(key("raw", "orders"), DAYS[1])["bytes"] == shop.manifest("orders", DAYS[1]).raw.size
    assert shop.check_days(check("conservation", "validated_raw", "orders"))[DAYS[1]] == "SUCCEEDED"


def test_columns_that_drift_only_warn(shop: Shop) -> None:
    file = landing_file(shop, "payments", DAYS[0])
    header, rest = file.read_bytes().split(b"\n", 1)
    lines = [line + b",x" for line in rest.splitlines()]
    file.write_bytes(b"\n".join([header + b",surprise", *lines]) + b"\n")
    run = shop.run(keys(*INGESTOR, *LOADER, entities=["payments"]))
    assert run.success
    found = run.evaluation(check("columns", "raw", "payments"), DAYS[0])
    assert (found.passed, found.severity, found.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert found.metadata["extra"].value == "surprise"
    assert shop.check_days(check("columns", "raw", "payments")) == {DAYS[0]: "FAILED", DAYS[1]: "SUCCEEDED"}
    assert shop.numbers(key("raw", "payments"), DAYS[0])["revision"] == 2


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Run]:
    """One day of orders of another lake, made by options of the run: many, in two currencies, and damaged."""
    shop = Shop(tmp_path_factory.mktemp("damaged"))
    options = {"fault_rate": 0.2, "orders_per_day": 500, "currencies": ["USD", "EUR"], "seed": 7}
    run = shop.run(
        keys(*GENERATOR, *INGESTOR, *LOADER, entities=["orders"]),
        DAYS[0],
        DAYS[0],
        generator=options,
        ingestor={"quarantine_warn": 0.01, "quarantine_error": 0.9},
    )
    return shop, run


def test_options_and_places_of_one_run_reach_the_stages(damaged: tuple[Shop, Run]) -> None:
    shop, _ = damaged
    landed = shop.numbers(key("landing", "orders"), DAYS[0])
    truth = shop.lake / layout.faults("orders", date(2025, 11, 1))
    assert 500 <= landed["dagster/row_count"] < 650
    assert landed["faults"] == len(truth.read_text().splitlines()) > 100
    assert landed["faults"] == shop.manifest("orders", DAYS[0]).rows.quarantined
    text = landing_file(shop, "orders", DAYS[0]).read_text(errors="replace")
    assert "USD" in text
    assert "EUR" in text
    assert shop.warehouse.is_file()


def test_above_the_lower_threshold_the_quarantine_check_warns_and_loading_goes_on(damaged: tuple[Shop, Run]) -> None:
    shop, run = damaged
    assert run.success
    assert [launch[0] for launch in run.launches] == ["generator", "ingestor", "loader"]
    found = run.evaluation(check("quarantine_rate", "validated_raw", "orders"), DAYS[0])
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    rows = shop.manifest("orders", DAYS[0]).rows
    assert found.metadata["share"].value == pytest.approx(rows.quarantined / rows.raw, abs=1e-6)


def test_above_the_upper_threshold_it_fails_and_nothing_is_loaded(damaged: tuple[Shop, Run], tmp_path: Path) -> None:
    shop = damaged[0].copy(tmp_path)
    run = shop.run(keys(*INGESTOR, *LOADER, entities=["orders"]), DAYS[0], DAYS[0], ingestor={"quarantine_error": 0.02})
    assert not run.success
    assert [launch[0] for launch in run.launches] == ["ingestor"]
    assert run.failure.startswith(f"orders {DAYS[0]}: quarantine_rate does not hold (share 0.")
    rate = check("quarantine_rate", "validated_raw", "orders")
    found = run.evaluation(rate, DAYS[0])
    assert (found.passed, found.severity, found.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert shop.check_days(rate) == {DAYS[0]: "FAILED"}
    assert run.materialized == once(*INGESTOR, entities=["orders"], days=DAYS[:1])  # they are there, and judged


def test_a_damaged_day_shows_its_top_errors_and_first_records(damaged: tuple[Shop, Run]) -> None:
    shop, _ = damaged
    found = shop.numbers(key("quarantine_raw", "orders"), DAYS[0])
    errors = shop.manifest("orders", DAYS[0]).errors
    top = found["top_errors"]
    assert [record["records"] for record in top] == sorted(errors.values(), reverse=True)[:5]
    assert all(errors[record["error"]] == record["records"] for record in top)
    preview = found["preview"]
    with (shop.lake / layout.quarantine_raw("orders", date(2025, 11, 1))).open(newline="") as file:
        first = list(csv.DictReader(file))[:5]
    assert [tuple(record[name] for name in ("row_number", "field", "type", "message")) for record in preview] == [
        (int(record["row_number"]), error["field"] or "", error["type"], error["message"])
        for record in first
        for error in json.loads(record["errors"])[:1]
    ]


def test_where_others_drop_the_files_nothing_can_be_clicked_over_them() -> None:
    graph = build(Settings.of({"LANDING": "external"})).resolve_asset_graph()
    assert not any(graph.get(one).is_executable for one in keys("landing"))
    assert all(graph.get(one).is_executable for one in keys(*INGESTOR, *LOADER))
