"""What Dagster's event log says of stages: pure functions from its events, and one collection of them."""

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import dagster as dg

from libs.entities import ENTITIES

_PARTITION = re.compile(rf"({'|'.join(ENTITIES)}) (\d{{4}}-\d\d-\d\d): (.*)", re.DOTALL)


class Partition(NamedTuple):
    """One day of one entity, as Dagster has it."""

    entity: str
    day: str


@dataclasses.dataclass
class Step:
    """What became of one stage, over the runs that it was part of."""

    began: float = 0.0
    seconds: float = 0.0
    materialized: dict[tuple[dg.AssetKey, str | None], dict[str, Any]] = dataclasses.field(default_factory=dict)
    checks: dict[tuple[dg.AssetCheckKey, str | None], dg.AssetCheckEvaluation] = dataclasses.field(default_factory=dict)
    failed: dict[Partition, str] = dataclasses.field(default_factory=dict)
    errors: list[str] = dataclasses.field(default_factory=list)

    def held_back(self) -> set[Partition]:
        """Return the partitions that failed or whose blocking checks did, with which nothing may go on."""
        blocked = {
            Partition(key.asset_key.path[-1], day)
            for (key, day), check in self.checks.items()
            if day and is_error(check) and check.blocking
        }
        return blocked | set(self.failed)


class History:
    """What was seen in the event log, stage by stage."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = defaultdict(Step)
        self.errors: list[str] = []

    def began(self, name: str) -> bool:
        """Tell whether a stage was begun."""
        return name in self.steps and self.steps[name].began > 0

    def take(self, entry: dg.EventLogEntry) -> None:
        """Take the next event of a run."""
        event = entry.dagster_event
        if event is None:
            return
        if event.event_type_value == "PIPELINE_FAILURE" and not any(map(self.began, self.steps)):
            self.errors.append(str(event.message))
        if entry.step_key is None:
            return
        step = self.steps[entry.step_key]
        if event.is_step_start:
            step.began = entry.timestamp
        elif event.is_step_success or event.is_step_failure:
            step.seconds += entry.timestamp - step.began
        if event.is_step_failure:
            step.failed |= failed_partitions(event)
            step.errors += other_errors(event)
        elif (found := entry.asset_materialization) is not None:
            step.materialized[found.asset_key, found.partition] = plain(found.metadata)
        elif (check := entry.asset_check_evaluation) is not None:
            step.checks[check.asset_check_key, check.partition] = check


def is_error(check: dg.AssetCheckEvaluation) -> bool:
    """Tell whether a check failed, and not as a mere warning."""
    return not check.passed and check.severity == dg.AssetCheckSeverity.ERROR


def plain(metadata: Any) -> dict[str, Any]:
    """Return metadata as numbers and texts."""
    return {name: getattr(value, "value", value) for name, value in metadata.items()}


def told(line: str) -> tuple[Partition, str] | None:
    """Return the partition that a stage's line is about, and what it says; None where it is about none."""
    found = _PARTITION.fullmatch(line)
    return (Partition(found[1], found[2]), found[3]) if found else None


def failed_partitions(event: dg.DagsterEvent) -> dict[Partition, str]:
    """Return the partitions that a step's failure names, each with its message."""
    found: dict[Partition, str] = {}
    for line in _errors(event):
        if partition := told(line):
            name, message = partition
            found[name] = f"{found[name]}; {message}" if name in found else message
    return found


def other_errors(event: dg.DagsterEvent) -> list[str]:
    """Return what a step's failure says that is about no partition."""
    return [line for line in _errors(event) if not told(line)]


def _errors(event: dg.DagsterEvent) -> Iterator[str]:
    """Yield the messages of a step's failure, one for each partition where it lists them."""
    data = event.step_failure_data
    failure = data.user_failure_data
    listed = failure and failure.metadata.get("failed")
    if listed is not None and isinstance(listed.value, str):
        yield from listed.value.removeprefix("* ").split("\n* ")
    elif failure and failure.description:
        yield failure.description
    elif data.error:
        yield _innermost(data.error)


def _innermost(error: Any) -> str:
    while error.cause:
        error = error.cause
    return str(error.message).strip()
