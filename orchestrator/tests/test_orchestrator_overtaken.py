"""Looks of automation that runs overtake: nothing is asked for again, and a day's entities stay together."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from test_orchestrator_automation import Shop, every

from libs.entities import ENTITIES

INGESTED = ("raw", "validated_raw", "quarantine_raw")
DAYS = ("2025-11-03", "2025-11-04")
QUESTIONS = (5, 30, 55)
"""Where a look is overtaken: it asks some 40 to 100 questions, those of the assets in question first."""

Made = tuple[str, str, str]
"""Group, entity and day."""


class Overtaken:
    """Dagster's event log, into which somebody writes just before the n-th question is answered."""

    def __init__(self, storage: Any, before: int, write: Callable[[], None]) -> None:
        self._storage = storage
        self._before = before
        self._write = write
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._storage, name)
        if not name.startswith("get_"):
            return found

        def answer(*args: Any, **options: Any) -> Any:
            if self.asked == self._before:
                self._write()
            self.asked += 1
            return found(*args, **options)

        return answer


class Runs(Shop):
    """A shop with runs that go on while automation looks."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        super().__init__(instance, "generator")
        self._keys = self.defs.resolve_asset_graph().materializable_asset_keys
        self._job = self.defs.resolve_job_def("daily")

    def begins(self, *groups: str, names_its_assets: bool = True) -> None:
        """Begin a run of all days, of some groups or of everything; what is told from now on is of it."""
        tags = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}
        named = {key for key in self._keys if not groups or key.path[0] in groups} if names_its_assets else None
        job = self._job.get_subset(asset_selection=named) if named else self._job
        self._run = self._instance.create_run_for_job(job, tags=tags, asset_selection=named)
        self._report(DagsterEventType.RUN_START)

    def makes(self, *made: Made) -> None:
        """Tell that the run has made assets of days, their checks passed."""
        for group, entity, day in made:
            self._made(dg.AssetMaterialization([group, entity], partition=day))
            if group == "validated_raw":
                self.check(group, entity, day, conservation=True, quarantine_rate=True)

    def makes_models(self) -> None:
        """Tell that the run has made all models."""
        for key in self._keys:
            if key.path[0] in ("staging", "intermediate", "marts"):
                self._made(dg.AssetMaterialization(key))

    def ends(self) -> None:
        self._report(DagsterEventType.RUN_SUCCESS)

    def overtaken_tick(self, before: int, *made: Made) -> dict[str, set[str]]:
        """Look, and let the run make assets just before the n-th question to the event log is answered."""
        storage = self._instance._event_storage
        overtaken = Overtaken(storage, before, lambda: self.makes(*made))
        self._instance._event_storage = overtaken  # type: ignore[assignment]
        try:
            return self.tick()
        finally:
            self._instance._event_storage = storage
            if overtaken.asked <= before:  # the look was over before
                self.makes(*made)

    def _made(self, made: dg.AssetMaterialization) -> None:
        self._report(DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(made))

    def _report(self, kind: DagsterEventType, data: Any = None) -> None:
        event = DagsterEvent(kind.value, self._run.job_name, event_specific_data=data, step_key="stage")
        self._instance.report_dagster_event(event, self._run.run_id)


def of(*groups: str) -> list[Made]:
    """All that a run makes of some groups, in the order of its events."""
    return [(group, entity, day) for group in groups for entity in ENTITIES for day in DAYS]


@pytest.fixture
def shop() -> Iterator[Runs]:
    with dg.instance_for_test() as instance:
        yield Runs(instance)


def test_looks_between_the_events_of_a_run_of_everything_ask_for_nothing(shop: Runs) -> None:
    shop.begins()
    for group in ("landing", *INGESTED, "warehouse"):
        shop.makes(*of(group))
        assert shop.tick() == {}, group
    shop.makes_models()
    assert shop.tick() == {}
    shop.ends()
    assert shop.tick() == {}


@pytest.mark.parametrize("names_its_assets", [True, False])
def test_a_look_that_a_run_of_everything_overtakes_asks_for_nothing(shop: Runs, names_its_assets: bool) -> None:
    for question in QUESTIONS:
        shop.begins(names_its_assets=names_its_assets)
        shop.makes(*of("landing", "raw"))
        asked = shop.overtaken_tick(question, *of("validated_raw", "quarantine_raw"))
        assert (question, asked, shop.tick()) == (question, {}, {})
        shop.ends()


@pytest.mark.parametrize(
    ("groups", "follow", "half"),
    [(("landing",), INGESTED, 3), (INGESTED, ("warehouse",), len(of("raw")) + 3)],
    ids=["ingestion", "loading"],
)
def test_what_arrives_together_is_asked_for_at_once_though_the_look_is_overtaken(
    shop: Runs, groups: tuple[str, ...], follow: tuple[str, ...], half: int
) -> None:
    together = {group: every(DAYS) for group in follow}
    for question in QUESTIONS:
        shop.begins(*groups)
        made = of(*groups)
        shop.makes(*made[:half])
        asked = [shop.overtaken_tick(question, *made[half:]), shop.tick(), shop.tick()]
        assert (question, [one for one in asked if one]) == (question, [together])
        shop.ends()
