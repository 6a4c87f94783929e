"""What the history says: the latest days, how dbt ended, and what failed."""

import dataclasses
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.partition_status_cache import AssetPartitionStatus
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from rich.console import Console
from rich.table import Table

from libs.entities import ENTITIES
from orchestrator import metadata
from orchestrator.history import Partition, failed_partitions, is_error, other_errors, plain

LAYERS = {"landing": ("landing",), "ingestion": metadata.LAYERS, "warehouse": ("warehouse",)}
RUNS_READ = 100
"""So many runs are read, newest first, to tell why something failed and when dbt ran last."""

FAILED_ROWS = "dagster_dbt/failed_row_count"
LONG = 100
"""A fact of a check with so many characters is not shown."""

FEW = 5
"""Of more partitions that failed with the same message the first and the last are named."""


@dataclasses.dataclass(frozen=True)
class Once:
    """How a stage that does not work by day ended when it ran last."""

    stage: str
    began: datetime
    ending: str
    failing: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Status:
    """What the history says of some days."""

    done: Mapping[tuple[str, str], int]
    """Partitions that are there, by day and layer."""
    failed: Mapping[tuple[str, str], Mapping[str, str]]
    """Messages of partitions that failed, by day and layer, then by entity."""
    checks: Mapping[str, Sequence[dg.AssetCheckEvaluation]]
    """Checks that do not hold, by day."""
    quarantined: Mapping[str, int]
    once: Sequence[Once]
    external: bool
    """Landing files come from others, and Dagster knows of those only that its sensor has seen."""

    later: int = 0
    """Days that are over and later than all of which something is known."""
    last_day: str = ""
    """The latest day that is over."""

    @property
    def days(self) -> list[str]:
        """The days of which something is known."""
        return sorted({day for day, _ in (*self.done, *self.failed)})


def look(instance: dg.DagsterInstance, defs: dg.Definitions, number: int) -> Status:
    """Ask the history for the latest days that have anything, at most so many."""
    graph = defs.resolve_asset_graph()
    found = _statuses(instance, graph)
    days = sorted({day for statuses in found.values() for day in statuses})[-number:]
    failures = _Failures(instance)
    done: dict[tuple[str, str], int] = {}
    failed: dict[tuple[str, str], dict[str, str]] = {}
    for day in days:
        for layer, groups in LAYERS.items():
            for entity in ENTITIES:
                keys = [metadata.key(group, entity) for group in groups]
                its = {found[key].get(day) for key in keys}
                if its == {AssetPartitionStatus.MATERIALIZED}:
                    done[day, layer] = done.get((day, layer), 0) + 1
                elif AssetPartitionStatus.FAILED in its and (
                    message := failures.message(graph.get(keys[0]).assets_def.op.name, Partition(entity, day))
                ):
                    failed.setdefault((day, layer), {})[entity] = message
    every = graph.get(metadata.key("landing", "orders")).partitions_def
    known = list(every.get_partition_keys()) if every else []
    return Status(
        done,
        failed,
        _checks(instance, graph, days),
        _quarantined(instance, days),
        list(_once(instance, graph)),
        external=not graph.get(metadata.key("landing", "orders")).is_materializable,
        later=sum(day > days[-1] for day in known) if days else 0,
        last_day=known[-1] if known else "",
    )


def _statuses(instance: dg.DagsterInstance, graph: AssetGraph) -> dict[dg.AssetKey, dict[str, AssetPartitionStatus]]:
    """Return the status of every day that has one, for each asset that works by day."""
    found: dict[dg.AssetKey, dict[str, AssetPartitionStatus]] = {}
    for key in (metadata.key(group, entity) for groups in LAYERS.values() for group in groups for entity in ENTITIES):
        if days := graph.get(key).partitions_def:
            statuses = instance.get_status_by_partition(key, days.get_partition_keys(), days) or {}
            found[key] = {day: status for day, status in statuses.items() if status}
    return found


class _Failures:
    """Why steps failed: read run by run, newest first, only as far back as somebody asks."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._said: dict[tuple[str, Partition], str] = {}
        self._reading = self._read(instance)

    def message(self, stage: str, partition: Partition) -> str | None:
        """Return what was said last of a partition that failed in a stage; None where the stage did not run."""
        while (stage, partition) not in self._said:
            if next(self._reading, None) is None:
                return None
        return self._said[stage, partition]

    def _read(self, instance: dg.DagsterInstance) -> Iterator[str]:
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=RUNS_READ):
            for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
                if entry.dagster_event and entry.step_key:
                    self._take(run, entry.step_key, entry.dagster_event)
            yield run.run_id

    def _take(self, run: dg.DagsterRun, stage: str, event: dg.DagsterEvent) -> None:
        for partition, message in failed_partitions(event).items():
            self._said.setdefault((stage, partition), message)
        others = "; ".join(other_errors(event))
        if others:
            for partition in _asked_for(run):
                self._said.setdefault((stage, partition), others)


def _asked_for(run: dg.DagsterRun) -> Iterator[Partition]:
    """Yield the partitions that a run was asked for."""
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG) or run.tags.get(PARTITION_NAME_TAG)
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG) or first
    if first and last:
        for number in range(date.fromisoformat(first).toordinal(), date.fromisoformat(last).toordinal() + 1):
            yield from (Partition(entity, date.fromordinal(number).isoformat()) for entity in ENTITIES)


def _checks(
    instance: dg.DagsterInstance, graph: AssetGraph, days: Sequence[str]
) -> dict[str, list[dg.AssetCheckEvaluation]]:
    """Return the checks by day that do not hold, as they were evaluated last."""
    found: dict[str, list[dg.AssetCheckEvaluation]] = {}
    by_day = [key for key in graph.asset_check_keys if graph.get(key.asset_key).partitions_def]
    for info in instance.event_log_storage.get_asset_check_partition_info(by_day, partition_keys=days) if days else ():
        if info.latest_execution_status != AssetCheckExecutionRecordStatus.FAILED or not info.partition_key:
            continue
        [record] = instance.event_log_storage.get_asset_check_execution_history(
            info.check_key,
            limit=1,
            status={AssetCheckExecutionRecordStatus.FAILED},
            partition_filter=PartitionKeyFilter(key=info.partition_key),
        )
        if record.event and (check := record.event.asset_check_evaluation):
            found.setdefault(info.partition_key, []).append(check)
    return found


def _quarantined(instance: dg.DagsterInstance, days: Sequence[str]) -> dict[str, int]:
    """Return the number of quarantined records of each day, of its latest ingestion."""
    rows: dict[str, int] = {}
    for entity in ENTITIES:
        wanted = dg.AssetRecordsFilter(metadata.key("quarantine_raw", entity), asset_partitions=list(days))
        latest: dict[str, int] = {}
        cursor, more = None, bool(days)
        while more and len(latest) < len(days):  # newest first
            page = instance.fetch_materializations(wanted, limit=len(days), cursor=cursor)
            for record in page.records:
                made = record.asset_materialization
                if made and record.partition_key:
                    latest.setdefault(record.partition_key, int(plain(made.metadata)["dagster/row_count"]))
            cursor, more = page.cursor, page.has_more
        for day, number in latest.items():
            rows[day] = rows.get(day, 0) + number
    return rows


def _once(instance: dg.DagsterInstance, graph: AssetGraph) -> Iterator[Once]:
    """Yield how stages ended that do not work by day."""
    stages: dict[str, list[dg.AssetKey]] = {}
    for key in graph.materializable_asset_keys:
        if graph.get(key).partitions_def is None:
            stages.setdefault(graph.get(key).assets_def.op.name, []).append(key)
    for stage, keys in sorted(stages.items()):
        ran = _last(instance, stage)
        if ran:
            run_id, began, ending = ran
            checks = [key for key in graph.asset_check_keys if key.asset_key in keys]
            records = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks).values()
            evaluations = (record.event.asset_check_evaluation for record in records if record.event)
            failing = [check for check in evaluations if check and not check.passed]
            errors = [
                error
                for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
                if entry.step_key == stage and entry.dagster_event
                for error in other_errors(entry.dagster_event)
            ]
            yield Once(stage, began, ending, [*errors, *sorted(map(_said, failing))])


def _last(instance: dg.DagsterInstance, stage: str) -> tuple[str, datetime, str] | None:
    """Return the run in which a stage was begun last, when that was, and how the stage ended."""
    for run in instance.get_runs(limit=RUNS_READ):
        for step in instance.get_run_step_stats(run.run_id, [stage]):
            if step.start_time:
                ending = {"SUCCESS": "succeeded", "FAILURE": "failed"}.get(step.status.value if step.status else "")
                return run.run_id, datetime.fromtimestamp(step.start_time, UTC), ending or "has not ended"
    return None


def _said(check: dg.AssetCheckEvaluation) -> str:
    known = plain(check.metadata)
    if FAILED_ROWS in known:
        facts = f"{known[FAILED_ROWS]:,} rows"
    else:
        facts = ", ".join(f"{name} {value}" for name, value in known.items() if len(str(value)) < LONG)
    how = "failed" if is_error(check) else "warns"
    return f"{how}: {check.check_name} of {check.asset_key.to_user_string()}" + (f" ({facts})" if facts else "")


def render(status: Status) -> str:
    """Render for people: a table of days, then dbt, then what failed."""
    if not status.days and not status.once:
        return "The history is empty: nothing has run yet. `just backfill FIRST LAST` runs days through the stages."
    table = Table(box=None, pad_edge=False)
    for name in ("day", *LAYERS, "checks", "quarantined"):
        table.add_column(name, justify="right" if name == "quarantined" else "left")
    for day in status.days:
        layers = (_layer(status, day, layer) for layer in LAYERS)
        quarantined = f"{status.quarantined[day]:,}" if day in status.quarantined else ""
        checks = _verdicts(status.checks.get(day, ())) if (day, "ingestion") in status.done else ""
        table.add_row(day, *layers, checks, quarantined)
    console = Console(file=io.StringIO(), width=160, highlight=False)
    console.print(table)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    if status.days and status.later:
        lines += ["", f"Later days, of which nothing is known: {status.later:,}, the last is {status.last_day}."]
    for once in status.once:
        lines += ["", f"{once.stage} ran last at {once.began:%Y-%m-%d %H:%M:%S} UTC and {once.ending}"]
        lines += [f"  {said}" for said in once.failing]
    said = [*_failed(status), *(f"{day} {_said(check)}" for day in status.days for check in status.checks.get(day, ()))]
    if said:
        lines += ["", "What is not well:", *(f"  {line}" for line in said)]
    return "\n".join(lines)


def _failed(status: Status) -> Iterator[str]:
    """Yield the failed partitions with their messages; many of one message are one line."""
    by_message: dict[tuple[str, str], list[Partition]] = {}
    for (day, layer), messages in sorted(status.failed.items()):
        for entity, message in messages.items():
            by_message.setdefault((layer, message), []).append(Partition(entity, day))
    for (layer, message), its in by_message.items():
        names = [f"{part.entity} {part.day}" for part in its]
        shown = ", ".join(names) if len(names) <= FEW else f"{len(names)} partitions, {names[0]} to {names[-1]}"
        yield f"{shown}: {layer} failed: {message}"


def _layer(status: Status, day: str, layer: str) -> str:
    done, failed = status.done.get((day, layer), 0), len(status.failed.get((day, layer), ()))
    missing = "not seen" if layer == "landing" and status.external else "missing"
    counts = ((done, "done"), (failed, "failed"), (len(ENTITIES) - done - failed, missing))
    return ", ".join(f"{number} {name}" for number, name in counts if number)


def _verdicts(checks: Sequence[dg.AssetCheckEvaluation]) -> str:
    failed = sum(map(is_error, checks))
    counts = ((failed, "failed"), (len(checks) - failed, "warn"))
    return ", ".join(f"{number} {name}" for number, name in counts if number) or "hold"
