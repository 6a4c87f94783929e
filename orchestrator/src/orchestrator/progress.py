"""The progress of runs on a terminal, drawn from Dagster's event log while they run."""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TextIO

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from orchestrator.history import told

LOOK_SECONDS = 0.3

Move = Literal["begins", "advances", "done", "failed"]
"""What an event of a run means for the bar of its stage."""


@contextmanager
def output_to(path: Path) -> Iterator[TextIO]:
    """Send what this process, and those it starts, print into a file; yield what its errors went to before.

    Below Python's own streams, for Dagster and the stages write to the descriptors themselves.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    before = {number: os.dup(number) for number in (1, 2)}
    with path.open("ab") as log:
        for number in before:
            os.dup2(log.fileno(), number)
    try:
        with os.fdopen(os.dup(before[2]), "w", encoding="utf-8") as terminal:
            yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, was in before.items():
            os.dup2(was, number)
            os.close(was)


class Bars:
    """One bar for each stage; where nobody looks, a line when a stage begins and when it has ended."""

    def __init__(self, totals: Mapping[str, int], terminal: TextIO) -> None:
        self._console = Console(file=terminal, highlight=False, soft_wrap=True)
        self._lines = not self._console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(
            *columns,
            console=self._console,
            disable=self._lines,
            redirect_stdout=False,  # what others print has been led away, and must not come back by the bars
            redirect_stderr=False,
        )
        self._tasks: dict[str, TaskID] = {
            name: self._progress.add_task(name, total=total, start=False) for name, total in totals.items()
        }

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def take(self, entry: dg.EventLogEntry) -> None:
        """Move on by an event of a run."""
        self.move(entry.step_key, _move(entry))

    def move(self, stage: str | None, how: Move | None) -> None:
        """Move the bar of a stage, where there is one and something to move it."""
        task = self._tasks.get(stage or "")
        if task is None or how is None:
            return
        if how == "advances":
            self._progress.advance(task)
            return
        if how == "begins":
            self._progress.start_task(task)
        else:
            self._progress.stop_task(task)
        if self._lines:
            self._console.print(f"{stage}: {how}")

    def takes_on(self, what: str) -> None:
        """Say what a further run takes on, since something failed in one before."""
        self._console.print(f"a further run takes on what is good: {what}")


def _move(entry: dg.EventLogEntry) -> Move | None:
    event = entry.dagster_event
    if event is None:
        return "advances" if told(entry.user_message) else None
    if event.is_step_start:
        return "begins"
    if event.is_step_success or event.is_step_failure:
        return "done" if event.is_step_success else "failed"
    made = entry.asset_materialization
    # A model; partitions are told by their lines, as they come.
    return "advances" if made is not None and made.partition is None else None


@contextmanager
def following(
    instance: dg.DagsterInstance, run_id: str, takers: Sequence[Callable[[dg.EventLogEntry], None]]
) -> Iterator[None]:
    """Hand over every event of a run as it is written; all of them were when the block has been left.

    Raises then what reading the history raised, for half a history would be taken for half a run.
    """
    over = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as pool:
        reading = pool.submit(_follow, instance, run_id, takers, over)
        try:
            yield
        finally:
            over.set()
    reading.result()


def _follow(
    instance: dg.DagsterInstance,
    run_id: str,
    takers: Sequence[Callable[[dg.EventLogEntry], None]],
    over: threading.Event,
) -> None:
    cursor, more = None, True
    while more:
        last_look = over.wait(LOOK_SECONDS)
        found = instance.get_records_for_run(run_id, cursor)
        cursor, more = found.cursor, not last_look or found.has_more
        for record in found.records:
            for take in takers:
                take(record.event_log_entry)
