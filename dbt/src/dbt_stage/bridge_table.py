"""The cash bridge as tables for people."""

import io
import textwrap
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dbt_stage.reconcile import ON_ADJUSTMENTS, Bridge, Findings, Reconciliation

_NO_BREAK = "\u00a0"  # keeps an example's id and difference in one line
_UNBOUNDED = 10_000  # no amount and no id is ever cut


def render(reconciliation: Reconciliation, width: int) -> str:
    """Render a table for each currency and one of the other findings, examples in lines of about so many characters."""
    width = max(width, 120)
    if not reconciliation.bridges and not reconciliation.others:
        return "The marts hold no orders and no findings."
    known = [bridge for bridge in reconciliation.bridges if bridge.payments_known]
    unknown = [bridge for bridge in reconciliation.bridges if not bridge.payments_known]
    parts = [_drawn(_bridge(bridge, width)) for bridge in known]
    parts += ["\n".join(_unknown(bridge) for bridge in unknown)] if unknown else []
    others = reconciliation.others
    parts.append(_drawn(_others(others, width)) if others else "No other findings.")
    return "\n\n".join(parts)


def _bridge(bridge: Bridge, width: int) -> Table:
    table = _table(f"{bridge.currency}: from sales to cash", ">findings", ">amount", "examples, the largest")
    table.add_row("total sales", "", bridge.total_sales.grouped())
    for step in bridge.steps:
        label = "received on adjustments" if step.reason == ON_ADJUSTMENTS else step.reason
        table.add_row(f"  {label}", f"{step.count:,}", _amount(step), _examples(step, width - 60))
    if bridge.missing.amount:
        table.add_row("  without a reason", "", bridge.missing.grouped(sign=True))
    table.add_row("cash (amount received)", "", bridge.amount_received.grouped())
    return table


def _unknown(bridge: Bridge) -> str:
    return (
        f"{bridge.currency}: payments are not known (no settled one belongs to an order), so there is no bridge; "
        f"total sales {bridge.total_sales.grouped()}"
    )


def _others(others: Iterable[Findings], width: int) -> Table:
    table = _table("Other findings", "subject", ">findings", ">amount", "", "examples, the largest")
    for one in others:
        cells = (one.reason, one.subject, f"{one.count:,}", _amount(one), one.currency or "")
        table.add_row(*cells, _examples(one, width - 78))
    return table


def _table(title: str, *headers: str) -> Table:
    """Begin a table whose first column has no header; > before a header puts its column to the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for header in ("", *headers):
        table.add_column(header.removeprefix(">"), justify="right" if header.startswith(">") else "left", no_wrap=True)
    return table


def _amount(findings: Findings) -> str:
    return findings.amount.grouped(sign=True) if findings.amount else ""


def _examples(findings: Findings, width: int) -> Text:
    """Put as many examples in a line as fit, at least one; ids are data, so no markup is read in them."""
    shown = (
        f"{id_}{_NO_BREAK}{difference.grouped(sign=True)}" if difference else id_
        for id_, difference in findings.examples
    )
    lines = textwrap.wrap(", ".join(shown), width, break_long_words=False, break_on_hyphens=False)
    return Text("\n".join(lines).replace(_NO_BREAK, " "))


def _drawn(table: Table) -> str:
    console = Console(file=io.StringIO(), width=_UNBOUNDED, highlight=False)
    console.print(table)
    drawn: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in drawn.rstrip().splitlines())
