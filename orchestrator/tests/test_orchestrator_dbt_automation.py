"""When models are made by themselves: once after whatever was loaded, the seed with them, on the real graph."""

from collections.abc import Iterable, Iterator

import dagster as dg
import pytest
from test_orchestrator_automation import DAYS, Shop

from libs.entities import ENTITIES

LAYERS = ("staging", "intermediate", "marts")


class Models(Shop):
    """A shop of which files are taken to the warehouse, and that builds what it is asked for."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        super().__init__(instance)
        self.instance = instance

    @property
    def all(self) -> dict[str, set[str]]:
        """Every model and the seed, by layer."""
        keys = self.defs.resolve_asset_graph().materializable_asset_keys
        return {layer: {key.path[-1] for key in keys if key.path[0] == layer} for layer in LAYERS}

    def arrive(self, *days: str, entities: Iterable[str] = ENTITIES) -> dict[str, set[str]]:
        """Take files to the warehouse; return what is then asked for."""
        parts = [(entity, day) for day in days for entity in entities]
        for entity, day in parts:
            self.happen("landing", entity, day)
        self.tick()
        for entity, day in parts:
            self.ingested(entity, day)
        self.tick()
        for entity, day in parts:
            self.loaded(entity, day)
        assert self.tick() == {}  # the events of a load come one by one: models wait until no more have come
        return self.tick()

    def build(self, asked: dict[str, set[str]]) -> None:
        for layer, names in asked.items():
            for name in names:
                self.instance.report_runless_asset_event(dg.AssetMaterialization([layer, name]))

    def fail(self, layer: str, name: str, check: str) -> None:
        found = dg.AssetCheckEvaluation(dg.AssetKey([layer, name]), check, False, {}, blocking=True)
        self.instance.report_runless_asset_event(found)


@pytest.fixture
def shop() -> Iterator[Models]:
    with dg.instance_for_test() as instance:
        yield Models(instance)


def test_a_first_load_asks_for_the_whole_graph_at_once_the_seed_too(shop: Models) -> None:
    found = shop.arrive(*DAYS)
    assert found == shop.all
    assert shop.tick() == {}
    shop.build(found)
    assert shop.tick() == {}


def test_a_load_of_one_entity_asks_once_for_what_is_made_of_it(shop: Models) -> None:
    shop.build(shop.arrive(DAYS[0]))
    assert shop.tick() == {}
    found = shop.arrive(DAYS[1], entities=["products"])
    assert found["staging"] == {"stg_products", "minor_units"}
    assert "dim_products" in found["marts"]
    shop.build(found)
    assert shop.tick() == {}


def test_a_failed_test_is_not_tried_again_and_again_and_holds_up_no_later_load(shop: Models) -> None:
    shop.build({"staging": shop.arrive(DAYS[0])["staging"]})
    shop.fail("staging", "stg_payments", "stg_payments_kind_is_accepted")
    assert shop.tick() == {}
    assert shop.tick() == {}
    assert shop.arrive(DAYS[1]) == shop.all
