"""Stages that work by partition as assets: one launch for whatever was selected, one event for each asset and day."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from libs.entities import ENTITIES
from libs.stage.report import Outcome
from libs.storage import open_store
from orchestrator.launchers.launcher import StageEndedError, StageLauncher
from orchestrator.places import Places

Metadata = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a check says of one partition. A failed one of severity ERROR fails the step."""

    passed: bool
    metadata: Metadata
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR


@dataclasses.dataclass(frozen=True)
class Facts:
    """What an outcome means for the assets of its entity and day."""

    materialized: Mapping[dg.AssetKey, Metadata]
    checked: Mapping[dg.AssetCheckKey, Verdict] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage's command, and what its outcomes mean. The last part of an asset's key is its entity."""

    command: Sequence[str]
    facts: Callable[[Outcome], Facts]


def run_stage(
    context: dg.AssetExecutionContext, stage: Stage, launcher: StageLauncher, places: Places
) -> Iterator[Any]:
    """Launch a stage once, for just the entities and days that the run selected; yield Dagster's events of it.

    Raises dg.Failure, which names every entity and day that failed, after the events of those that did not.
    """
    events = _Events(context)
    entities = _entities(context)
    first, last = context.partition_key_range
    command = [*stage.command, *(word for name in entities for word in ("--entity", name)), "--date", first]
    if last != first:
        command += ["--to", last]
    _say_what_else_is_made(context, entities)
    ended = None
    try:
        for message in launcher.launch(context, command, open_store(places.lake)):
            outcome = Outcome.from_message(message)
            if outcome.error:
                context.log.error(f"{outcome.name}: {outcome.error}")
                events.failed(outcome.name, outcome.error)
            else:
                context.log.info(_line(outcome))
                events.happened(str(outcome.day), stage.facts(outcome))
    except StageEndedError as error:
        ended = error
    yield from events.finish(ended)


def _entities(context: dg.AssetExecutionContext) -> list[str]:
    """Return the selected entities in the registry's order."""
    keys = [*context.selected_asset_keys, *(check.asset_key for check in context.selected_asset_check_keys)]
    chosen = {key.path[-1] for key in keys}
    return [name for name in ENTITIES if name in chosen]


def _say_what_else_is_made(context: dg.AssetExecutionContext, entities: Sequence[str]) -> None:
    """Say that a stage makes all layers of an entity: those that were not selected are made, but get no event."""
    made = {spec.key for spec in context.assets_def.specs if spec.key.path[-1] in entities}  # `keys` are the selected
    others = made - set(context.selected_asset_keys)
    if others:
        names = ", ".join(sorted(key.to_user_string() for key in others))
        context.log.info(f"the stage makes an entity whole: {names}, not selected, are made anew too, without an event")


def _line(outcome: Outcome) -> str:
    numbers = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in outcome.numbers.items())
    warning = outcome.details.get("warning")
    return f"{outcome.name}: {outcome.status}, {numbers}" + (f"; {warning}" if warning else "")


class _Events:
    """Collects what a stage reported, and yields Dagster's events for it.

    An asset whose days were all good is ONE MaterializeResult: Dagster makes an event of it for each day of the run,
    and `add_asset_metadata` gives each its own numbers. An asset with a failed day gets none, for that would mark the
    failed day too: its good days are AssetMaterialization events, and the step then fails, which is what forgives
    the missing result. Both kinds together would double every day.
    """

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._days: dict[dg.AssetKey, dict[str, Metadata]] = defaultdict(dict)
        self._verdicts: dict[dg.AssetCheckKey, dict[str, Verdict]] = defaultdict(dict)
        self._errors: list[str] = []

    def happened(self, day: str, facts: Facts) -> None:
        """Take the facts of an entity and day, as far as they were selected."""
        for key, metadata in facts.materialized.items():
            if key in self._context.selected_asset_keys:
                self._days[key][day] = metadata
        for check, verdict in facts.checked.items():
            if check in self._context.selected_asset_check_keys:
                self._verdicts[check][day] = verdict
                if not verdict.passed and verdict.severity == dg.AssetCheckSeverity.ERROR:
                    said = ", ".join(f"{name} {value}" for name, value in verdict.metadata.items())
                    self.failed(f"{check.asset_key.path[-1]} {day}", f"{check.name} does not hold ({said})")

    def failed(self, name: str, error: str) -> None:
        """Take a failure of an entity and day."""
        self._errors.append(f"{name}: {error}")

    def finish(self, ended: StageEndedError | None) -> Iterator[Any]:
        """Yield the events, those of an asset before the checks on it; raise dg.Failure if anything failed.

        The assets' order is that of the specs: automation waits for the events of the last of them.
        """
        selected, days = self._context.selected_asset_keys, set(self._context.partition_keys)
        in_order = [spec.key for spec in self._context.assets_def.specs if spec.key in selected]
        whole = {key for key in in_order if set(self._days[key]) == days}
        for key in in_order:
            yield from self._materializations(key, is_whole=key in whole)
            for check, verdicts in self._verdicts.items():
                if check.asset_key == key:
                    yield from self._evaluations(check, verdicts)
        self._raise_failures(ended, len(whole) == len(in_order))
        for check in self._context.selected_asset_check_keys:  # within a Pipes session every output must be yielded
            yield dg.Output(None, output_name=self._context.assets_def.get_output_name_for_asset_check_key(check))

    def _materializations(self, key: dg.AssetKey, *, is_whole: bool) -> Iterator[Any]:
        for day, metadata in self._days[key].items():
            if is_whole:
                self._context.add_asset_metadata(metadata, asset_key=key, partition_key=day)
            else:
                yield dg.AssetMaterialization(key, partition=day, metadata=metadata)
        if is_whole:
            yield dg.MaterializeResult(asset_key=key)

    def _evaluations(
        self, check: dg.AssetCheckKey, verdicts: Mapping[str, Verdict]
    ) -> Iterator[dg.AssetCheckEvaluation]:
        """Yield a check's evaluations; the UI shows those by day that point at the materialization they are about."""
        wanted = dg.AssetRecordsFilter(asset_key=check.asset_key, asset_partitions=list(verdicts))
        latest: dict[str | None, Any] = {}
        cursor, more = None, True
        while more and len(latest) < len(verdicts):  # newest first; older ones of the same days lie in between
            found = self._context.instance.fetch_materializations(wanted, limit=len(verdicts), cursor=cursor)
            for record in found.records:
                latest.setdefault(record.partition_key, record)
            cursor, more = found.cursor, found.has_more
        for day, verdict in verdicts.items():
            target = latest.get(day)
            yield dg.AssetCheckEvaluation(
                asset_key=check.asset_key,
                check_name=check.name,
                partition=day,
                passed=verdict.passed,
                severity=verdict.severity,
                metadata=verdict.metadata,
                blocking=self._context.assets_def.get_spec_for_check_key(check).blocking,
                target_materialization_data=target
                and AssetCheckEvaluationTargetMaterializationData(
                    storage_id=target.storage_id, run_id=target.event_log_entry.run_id, timestamp=target.timestamp
                ),
            )

    def _raise_failures(self, ended: StageEndedError | None, complete: bool) -> None:
        errors = list(self._errors)
        if ended is not None and not (errors and ended.exit_code == 1):  # 1 says no more than that some days failed
            errors.append(str(ended.description))
        if not errors and not complete:
            errors.append("the stage did not report on all that it was asked for")
        if errors:
            listed = dg.MetadataValue.md("\n".join(f"* {error}" for error in errors))
            raise dg.Failure("; ".join(errors), metadata={"failed": listed}, allow_retries=False)
