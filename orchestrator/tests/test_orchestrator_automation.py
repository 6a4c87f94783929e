"""What automation asks for, tick by tick, on the real graph: events as stages report them, no stage launched."""

import uuid
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.events import DagsterEvent, DagsterEventType

from libs.entities import ENTITIES
from orchestrator.definitions import build
from orchestrator.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `include_sources`")  # the evaluator's own

DAYS = ("2025-11-03", "2025-11-04", "2025-11-05")


class Shop:
    """The definitions with an instance and the evaluator's memory."""

    def __init__(self, instance: dg.DagsterInstance, landing: str = "external") -> None:
        self.defs = build(Settings.of({"LANDING": landing}))
        self._instance = instance
        self._cursor: Any = None
        self.tick()  # what was there before is nobody's business

    def tick(self) -> dict[str, set[str]]:
        """Return the partitions that are asked for, by group of assets; models have none."""
        found = dg.evaluate_automation_conditions(defs=self.defs, instance=self._instance, cursor=self._cursor)
        self._cursor = found.cursor
        asked: dict[str, set[str]] = {}
        for result in found.results:
            subset = result.true_subset
            if not subset.is_empty:
                keys = subset.expensively_compute_partition_keys() if subset.is_partitioned else {result.key.path[-1]}
                for key in keys:
                    name = f"{result.key.path[-1]} {key}" if subset.is_partitioned else str(key)
                    asked.setdefault(result.key.path[0], set()).add(name)
        return asked

    def happen(self, group: str, entity: str, day: str, **checks: bool) -> None:
        """Report a materialization and its checks."""
        self._instance.report_runless_asset_event(dg.AssetMaterialization([group, entity], partition=day))
        self.check(group, entity, day, **checks)

    def check(self, group: str, entity: str, day: str, **checks: bool) -> None:
        """Report checks of the latest materialization."""
        key = dg.AssetKey([group, entity])
        wanted = dg.AssetRecordsFilter(key, asset_partitions=[day])
        (record,) = self._instance.fetch_materializations(wanted, limit=1).records
        for name, passed in checks.items():
            evaluation = dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=name,
                partition=day,
                passed=passed,
                blocking=True,
                target_materialization_data=AssetCheckEvaluationTargetMaterializationData(
                    storage_id=record.storage_id, run_id="", timestamp=record.timestamp
                ),
            )
            event = DagsterEvent(DagsterEventType.ASSET_CHECK_EVALUATION.value, "job", event_specific_data=evaluation)
            self._instance.report_dagster_event(event, run_id=str(uuid.uuid4()))

    def ingested(self, entity: str, day: str, *, good: bool = True) -> None:
        self.happen("raw", entity, day)
        self.happen("validated_raw", entity, day, conservation=True, quarantine_rate=good)
        self.happen("quarantine_raw", entity, day)

    def loaded(self, entity: str, day: str, *, good: bool = True) -> None:
        self.happen("warehouse", entity, day, loaded_rows=good)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with dg.instance_for_test() as instance:
        yield Shop(instance)


def every(days: tuple[str, ...]) -> set[str]:
    return {f"{entity} {day}" for entity in ENTITIES for day in days}


LAYERS = ("raw", "validated_raw", "quarantine_raw")


def test_nothing_is_asked_for_where_nothing_happens(shop: Shop) -> None:
    assert shop.tick() == {}


def test_ingestion_follows_landing_for_just_what_arrived(shop: Shop) -> None:
    shop.happen("landing", "orders", DAYS[0])
    shop.happen("landing", "payments", DAYS[1])
    assert shop.tick() == {layer: {f"orders {DAYS[0]}", f"payments {DAYS[1]}"} for layer in LAYERS}
    assert shop.tick() == {}


def test_loading_follows_ingestion_of_a_whole_range(shop: Shop) -> None:
    for day in DAYS:
        for entity in ENTITIES:
            shop.happen("landing", entity, day)
    assert shop.tick() == {layer: every(DAYS) for layer in LAYERS}
    for day in DAYS:
        for entity in ENTITIES:
            shop.ingested(entity, day)
    assert shop.tick() == {"warehouse": every(DAYS)}


def test_a_day_whose_blocking_check_failed_is_not_loaded_until_it_is_mended(shop: Shop) -> None:
    for day in DAYS[:2]:
        shop.happen("landing", "orders", day)
    shop.tick()
    shop.ingested("orders", DAYS[0], good=False)
    shop.ingested("orders", DAYS[1])
    assert shop.tick() == {"warehouse": {f"orders {DAYS[1]}"}}
    shop.happen("landing", "orders", DAYS[0])
    assert shop.tick() == {layer: {f"orders {DAYS[0]}"} for layer in LAYERS}
    shop.ingested("orders", DAYS[0])
    assert shop.tick() == {"warehouse": {f"orders {DAYS[0]}"}}


def test_a_day_that_failed_waits_for_its_file_and_is_not_tried_again_and_again(shop: Shop) -> None:
    shop.happen("landing", "orders", DAYS[0])
    shop.happen("landing", "orders", DAYS[1])
    shop.tick()
    shop.ingested("orders", DAYS[1])  # the other one failed: no event
    assert shop.tick() == {"warehouse": {f"orders {DAYS[1]}"}}
    assert shop.tick() == {}
    shop.happen("landing", "orders", DAYS[0])
    assert shop.tick() == {layer: {f"orders {DAYS[0]}"} for layer in LAYERS}


def test_an_old_day_that_is_ingested_again_is_loaded_again(shop: Shop) -> None:
    shop.happen("landing", "orders", DAYS[0])
    shop.tick()
    shop.ingested("orders", DAYS[0])
    shop.tick()
    shop.loaded("orders", DAYS[0])
    shop.tick()
    shop.ingested("orders", DAYS[0])
    assert shop.tick()["warehouse"] == {f"orders {DAYS[0]}"}
