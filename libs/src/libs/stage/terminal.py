"""Reports for people: progress on stderr, a table by entity on stdout."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from libs.stage.report import Outcome, Report


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[Outcome], None]]:
    """Show a bar where stderr is a terminal; print each failure and warning as it happens."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)

        def advance(outcome: Outcome) -> None:
            if outcome.error:
                console.print(f"{title}: [red]failed[/red] {escape(outcome.name)}: {escape(outcome.error)}")
            elif outcome.status == "done" and (warning := outcome.details.get("warning")):
                console.print(f"{title}: [yellow]warning[/yellow] {escape(outcome.name)}: {escape(str(warning))}")
            bar.advance(task)

        yield advance


def summary(report: Report) -> str:
    """Render the totals by entity as a table."""
    totals = report.totals()
    names = list(dict.fromkeys(name for sums in totals.values() for name in sums))
    shown = [n for n in names if n in ("done", "unchanged") or any(sums.get(n) for sums in totals.values())]
    table = Table(title=f"{report.stage} {report.command}", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for name in shown:
        table.add_column(name.replace("_", " "), justify="right")
    for entity, sums in totals.items():
        table.add_row(entity, *(f"{sums.get(name, 0):,}" for name in shown))
    console = Console(file=io.StringIO(), width=160, highlight=False)
    console.print(table)
    return console.file.getvalue().rstrip()  # type: ignore[attr-defined, no-any-return]
