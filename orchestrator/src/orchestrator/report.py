"""What a backfill says at its end."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.backfill import Backfill, StageAssets
from orchestrator.history import History, Partition, Step, is_error


def summary(backfill: Backfill, days: Sequence[str], seconds: float) -> str:
    """Render what every stage did, and how the checks ended."""
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    table = Table(title=f"Backfill of {span}", title_justify="left", box=None, pad_edge=False)
    for name in ("stage", "done", "unchanged", "failed", "held back", "rows", "quarantined", "seconds"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage in backfill.stages:
        table.add_row(stage.name, *_cells(backfill, stage))
    console = Console(file=io.StringIO(), width=160, highlight=False)
    console.print(table)
    runs = "1 run" if backfill.runs == 1 else f"{backfill.runs} runs"
    number = "1 day" if len(days) == 1 else f"{len(days)} days"
    last = f"{number} in {runs}, {seconds:.0f} s; {_checks(backfill.history)}"
    return f"{console.file.getvalue().rstrip()}\n{last}"  # type: ignore[attr-defined]


def failures(backfill: Backfill) -> list[str]:
    """Return what failed, each with its message."""
    return list(_failures(backfill.history))


def _failures(history: History) -> Iterator[str]:
    for name, step in history.steps.items():
        for part, message in sorted(step.failed.items(), key=lambda item: (item[0].day, item[0].entity)):
            yield f"{name} failed {part.entity} {part.day}: {message}"
        for error in step.errors:
            yield f"{name} failed: {error}"
    yield from history.errors


def _cells(backfill: Backfill, stage: StageAssets) -> Iterator[str]:
    step = backfill.history.steps[stage.name]
    total, failed = backfill.totals[stage.name], len(backfill.failed[stage.name])
    one_each = _one_for_each_partition(stage, step) if stage.by_day else step.materialized
    good = {part: metadata for part, metadata in one_each.items() if part not in backfill.failed[stage.name]}
    unchanged = sum(metadata.get("unchanged") is True for metadata in good.values())
    yield _number(len(good) - unchanged)
    yield _number(unchanged)
    yield _number(failed)
    yield _number(total - len(good) - failed) if stage.by_day or not step.began else "0"
    yield _number(sum(metadata.get("dagster/row_count", 0) for metadata in good.values())) if stage.by_day else ""
    quarantined = [found for (key, _), found in step.materialized.items() if key.path[0] == "quarantine_raw"]
    yield _number(sum(found["dagster/row_count"] for found in quarantined)) if quarantined else ""
    yield f"{step.seconds:.0f}"


def _one_for_each_partition(stage: StageAssets, step: Step) -> dict[Partition, dict[str, Any]]:
    """Return what is known of each partition that was made, from the first of the layers that it has."""
    found: dict[Partition, dict[str, Any]] = {}
    for key in stage.keys:
        for (made, day), metadata in step.materialized.items():
            if made == key and day:
                found.setdefault(Partition(key.path[-1], day), metadata)
    return found


def _checks(history: History) -> str:
    checks = [check for step in history.steps.values() for check in step.checks.values()]
    failed = sum(map(is_error, checks))
    held = sum(check.passed for check in checks)
    return f"checks: {held:,} hold, {len(checks) - held - failed:,} warn, {failed:,} failed"


def _number(number: int) -> str:
    return f"{number:,}"
