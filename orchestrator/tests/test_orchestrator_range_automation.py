"""A run of a range of days of all assets is followed by nothing, whenever automation looks at what it has made."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from test_orchestrator_automation import Shop

from libs.entities import ENTITIES

INGESTED = ("raw", "validated_raw", "quarantine_raw")
DAYS = ("2025-11-03", "2025-11-04")
QUESTIONS = (5, 30, 55)
"""Where a look is overtaken: it asks some 70 to 100 questions, those of the assets in question first."""


class Overtaken:
    """Dagster's event log, into which somebody writes just before the n-th question is answered."""

    def __init__(self, storage: Any, before: int, write: Callable[[], None]) -> None:
        self._storage = storage
        self._before = before
        self._write = write
        self._asked = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._storage, name)
        if not name.startswith("get_"):
            return found

        def answer(*args: Any, **options: Any) -> Any:
            if self._asked == self._before:
                self._write()
            self._asked += 1
            return found(*args, **options)

        return answer


class Range(Shop):
    """A shop with runs of a range of days of all assets, which go on while automation looks."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        super().__init__(instance, "generator")
        self._keys = self.defs.resolve_asset_graph().materializable_asset_keys
        self._models = [key for key in self._keys if key.path[0] in ("staging", "intermediate", "marts")]
        self._job = self.defs.resolve_job_def("daily")

    def begins(self, *, names_its_assets: bool = True) -> None:
        """Begin a run; what is told from now on is of it."""
        tags = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}
        named = self._keys if names_its_assets else None
        job = self._job.get_subset(asset_selection=named) if named else self._job
        self._run = self._instance.create_run_for_job(job, tags=tags, asset_selection=named)
        self._report(DagsterEventType.RUN_START)

    def makes(self, *layers: str) -> None:
        """Tell that the run has made all days of some layers, or the models."""
        for layer in layers:
            for entity in ENTITIES:
                for day in DAYS:
                    self._made(dg.AssetMaterialization([layer, entity], partition=day))
        if not layers:
            for key in self._models:
                self._made(dg.AssetMaterialization(key))

    def ends(self) -> None:
        self._report(DagsterEventType.RUN_SUCCESS)

    def overtaken_tick(self, before: int, *layers: str) -> dict[str, set[str]]:
        """Look, and let the run make some layers just before the n-th question to the event log is answered."""
        storage = self._instance._event_storage
        self._instance._event_storage = Overtaken(storage, before, lambda: self.makes(*layers))  # type: ignore[assignment]
        try:
            return self.tick()
        finally:
            self._instance._event_storage = storage

    def _made(self, made: dg.AssetMaterialization) -> None:
        self._report(DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(made))

    def _report(self, kind: DagsterEventType, data: Any = None) -> None:
        event = DagsterEvent(kind.value, self._run.job_name, event_specific_data=data, step_key="stage")
        self._instance.report_dagster_event(event, self._run.run_id)


@pytest.fixture
def shop() -> Iterator[Range]:
    with dg.instance_for_test() as instance:
        yield Range(instance)


def test_looks_between_its_events_ask_for_nothing(shop: Range) -> None:
    shop.begins()
    for layer in ("landing", *INGESTED, "warehouse"):
        shop.makes(layer)
        assert shop.tick() == {}, layer
    shop.makes()
    assert shop.tick() == {}
    shop.ends()
    assert shop.tick() == {}


@pytest.mark.parametrize("names_its_assets", [True, False])
@pytest.mark.parametrize(
    ("before", "meanwhile"),
    [
        (("landing",), INGESTED),
        (("landing", "raw"), ("validated_raw", "quarantine_raw")),
    ],
    ids=["ingestion", "validated_raw"],
)
def test_a_look_that_its_events_overtake_asks_for_nothing(
    shop: Range, before: tuple[str, ...], meanwhile: tuple[str, ...], names_its_assets: bool
) -> None:
    for question in QUESTIONS:
        shop.begins(names_its_assets=names_its_assets)
        shop.makes(*before)
        assert (question, shop.overtaken_tick(question, *meanwhile), shop.tick()) == (question, {}, {})
        shop.ends()
