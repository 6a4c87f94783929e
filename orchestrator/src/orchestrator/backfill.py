"""A range of days through the stages, in this process: what is good goes on, what failed is held back."""

import dataclasses
import itertools
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    RUN_FAILURE_REASON_TAG,
)

from libs.entities import ENTITIES
from libs.errors import CallError
from orchestrator.history import History, Partition
from orchestrator.progress import Bars, following

JOB = "daily"
TAG = "shop_elt/command"
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclasses.dataclass(frozen=True)
class StageAssets:
    """The selected assets of one stage; a stage that does not work by day makes them once."""

    name: str
    keys: tuple[dg.AssetKey, ...]
    by_day: bool

    def of(self, entities: Collection[str]) -> list[dg.AssetKey]:
        """Return the assets of some entities."""
        return [key for key in self.keys if key.path[-1] in entities]


@dataclasses.dataclass(frozen=True)
class Block:
    """The same entities on days that follow each other: what one run can do."""

    entities: tuple[str, ...]
    days: tuple[str, ...]

    @property
    def partitions(self) -> set[Partition]:
        """All its partitions."""
        return {Partition(*pair) for pair in itertools.product(self.entities, self.days)}


def stages(defs: dg.Definitions, select: str) -> list[StageAssets]:
    """Return the stages of which assets are selected, in their order.

    Raises CallError for a selection that cannot be read or selects nothing that a stage makes.
    """
    graph = defs.resolve_asset_graph()
    try:
        selected = dg.AssetSelection.from_string(select).resolve(graph)
    except (dg.DagsterError, ValueError) as error:
        raise CallError(f"--select {select!r}: {' '.join(str(error).split())}") from error
    found: dict[str, list[dg.AssetKey]] = {}
    by_day: dict[str, bool] = {}
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        if key in selected and node.is_materializable:
            name = node.assets_def.op.name
            found.setdefault(name, []).append(key)
            by_day[name] = node.partitions_def is not None
    if not found:
        raise CallError(f"--select {select!r} selects nothing that a stage makes")
    in_order = sorted(found, key=lambda name: not by_day[name])
    return [StageAssets(name, tuple(found[name]), by_day[name]) for name in in_order]


def blocks(partitions: Collection[Partition], days: Sequence[str]) -> Iterator[Block]:
    """Cover partitions with few blocks, each partition once: always the largest block that is left, earlier first."""
    left = set(partitions)
    while left:
        candidates = (
            Block(entities, run)
            for count in range(len(ENTITIES), 0, -1)
            for entities in itertools.combinations(ENTITIES, count)
            for run in _runs([all(Partition(name, day) in left for name in entities) for day in days], days)
        )
        largest = max(candidates, key=lambda block: len(block.entities) * len(block.days))
        left -= largest.partitions
        yield largest


def _runs(good: Sequence[bool], days: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for is_good, group in itertools.groupby(zip(good, days, strict=True), key=lambda pair: pair[0]):
        if is_good:
            yield tuple(day for _, day in group)


class Backfill:
    """Carries days through stages by runs of the job, and remembers what their events said."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        job: dg.JobDefinition,
        stages: Sequence[StageAssets],
        days: Sequence[str],
        run_config: Mapping[str, Any],
    ) -> None:
        self.history = History()
        self.stages = stages
        self.failed: dict[str, set[Partition]] = {stage.name: set() for stage in stages}
        self.runs = 0
        self._instance = instance
        self._job = job
        self._by_day = [stage for stage in stages if stage.by_day]
        self._once = [stage for stage in stages if not stage.by_day]
        self._days = days
        self._config = run_config

    @property
    def totals(self) -> dict[str, int]:
        """How much there is to do for each stage: partitions, or assets that have none."""
        return {stage.name: len(self._partitions(stage)) if stage.by_day else len(stage.keys) for stage in self.stages}

    def run(self, bars: Bars) -> None:
        """Carry all days through all stages, in one run if nothing fails. Raises KeyboardInterrupt when cancelled."""
        wanted = {part for stage in self._by_day for part in self._partitions(stage)}
        good = self._carry(self._by_day, wanted, bars, self._once) if wanted else True
        if good and not any(self.history.began(stage.name) for stage in self._once):
            self._launch(self._once, None, bars)

    def _partitions(self, stage: StageAssets) -> set[Partition]:
        names = {key.path[-1] for key in stage.keys}
        return {Partition(name, day) for name in names for day in self._days}

    def _carry(
        self,
        stages: Sequence[StageAssets],
        partitions: Collection[Partition],
        bars: Bars,
        then: Sequence[StageAssets] = (),
    ) -> bool:
        """Take partitions through stages, and on to what follows if one run does it; tell whether any came through."""
        came_through = False
        for block in (found := list(blocks(partitions, self._days))):
            left, good = [stage for stage in stages if stage.of(block.entities)], block.partitions
            asked = len(left)
            history = self._launch([*left, *(then if len(found) == 1 else ())], block, bars)
            while left and history.began(left[0].name):
                good -= self._lost(left.pop(0), good, history)
            if not left:
                came_through = came_through or bool(good)
            elif len(left) < asked and good:
                came_through = self._carry(left, good, bars) or came_through
        return came_through

    def _lost(self, stage: StageAssets, partitions: Collection[Partition], history: History) -> set[Partition]:
        """Return what a stage was asked for and did not make, and what its checks hold back."""
        step = history.steps[stage.name]
        missing = {
            part
            for part in partitions
            if any((key, part.day) not in step.materialized for key in stage.of({part.entity}))
        }
        self.failed[stage.name] |= missing | set(step.failed)
        return missing | step.held_back()

    def _launch(self, stages: Sequence[StageAssets], block: Block | None, bars: Bars) -> History:
        if not stages:
            return History()
        self.runs += 1
        if self.runs > 1:
            bars.takes_on(
                f"{', '.join(block.entities)}, {block.days[0]} to {block.days[-1]}" if block else stages[0].name
            )
        run_id, history = str(uuid.uuid4()), History()
        keys = [key for stage in stages for key in (stage.of(block.entities) if block and stage.by_day else stage.keys)]
        tags = {TAG: "backfill"}
        if block:
            tags |= {ASSET_PARTITION_RANGE_START_TAG: block.days[0], ASSET_PARTITION_RANGE_END_TAG: block.days[-1]}
        try:
            with following(self._instance, run_id, [history.take, self.history.take, bars.take]):
                self._job.execute_in_process(
                    instance=self._instance,
                    run_id=run_id,
                    asset_selection=keys,  # named, or automation would not see that the run makes what follows
                    raise_on_error=False,
                    tags=tags,
                    run_config=_of(self._config, [stage.name for stage in stages]),
                )
        except KeyboardInterrupt:  # before Dagster had begun with the run, or after its end
            bury(self._instance, canceled=True)
            raise
        self._raise_if_interrupted(run_id)
        return history

    def _raise_if_interrupted(self, run_id: str) -> None:
        """Make a run that was interrupted a cancelled one: Dagster itself takes it for a failed one."""
        run = self._instance.get_run_by_id(run_id)
        if run and run.tags.get(RUN_FAILURE_REASON_TAG) == RunFailureReason.UNEXPECTED_TERMINATION.value:
            self._instance.report_run_canceled(run, "The run was interrupted.")
            raise KeyboardInterrupt


def bury(instance: dg.DagsterInstance, *, canceled: bool = False) -> None:
    """Say in the history how runs ended whose process could not say it itself; give back their places in pools.

    To be called where no other backfill runs.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED, tags={TAG: "backfill"})):
        if run.parent_run_id:  # executed again in the UI: it inherits the tag, but has a process of its own
            continue
        if canceled:
            instance.report_run_canceled(run, "The run was interrupted.")
        else:
            instance.report_run_failed(run, "The process of the run was killed.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _of(run_config: Mapping[str, Any], stages: Collection[str]) -> dict[str, Any]:
    """Leave out options of stages that are not part of a run, which Dagster would refuse."""
    ops = {name: options for name, options in (run_config.get("ops") or {}).items() if name in stages}
    return {**run_config, "ops": ops}
