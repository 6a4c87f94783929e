"""The cash bridge: how sales become cash, reason by reason, and what else does not fit.

Read from `marts.fct_orders` and `marts.reconciliation`; what the reasons mean stands in docs/reconciliation.md.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from dbt_stage import warehouse
from libs.errors import StageError
from libs.stage.report import Outcome

ON_ADJUSTMENTS = "received_on_adjustments"
PAYMENT_REASONS = (
    "cancelled_but_paid",
    "over_refunded",
    "charged_back",
    "unpaid",
    "payment_rounding",
    "refund_due",
    "paid_without_items",
    "overpaid",
    "underpaid",
)
"""Why the payments of an order are not its total_sales, in the order in which they apply."""

OTHER_REASONS = (
    "order_without_items",
    "items_rounding",
    "items_differ",
    "discounts_differ",
    "shipping_differs",
    "tax_differs",
    "item_without_order",
    "payment_without_order",
    "unknown_original_order",
    "currency_differs",
    "unknown_customer",
    "unknown_product",
    "customer_balance",
    "returned_without_credit",
)
"""What else does not fit, and moves no money between sales and cash."""

_SALES_AND_CASH = """
    select
        currency, minor_unit, sum(total_sales), sum(amount_received), coalesce(bool_or(balance is not null), false)
    from marts.fct_orders
    full join (
        select distinct currency from marts.reconciliation
        where currency is not null
    ) using (currency)
    left join staging.minor_units using (currency)
    group by currency, minor_unit
    order by currency
"""
_FINDINGS = f"""
    with findings as (
        select reason, subject, subject_id, currency, difference from marts.reconciliation
        union all
        select '{ON_ADJUSTMENTS}', 'order', order_id, currency, amount_received
        from marts.fct_orders
        where kind = 'adjustment' and amount_received <> 0
    )
    select
        reason, subject, currency, minor_unit, count(*), sum(difference),
        list((subject_id, difference) order by abs(difference) desc nulls last, subject_id)[1:3]
    from findings
    left join staging.minor_units using (currency)
    group by reason, subject, currency, minor_unit
"""


@dataclasses.dataclass(frozen=True)
class Money:
    """An amount of a currency with so many digits."""

    amount: Decimal
    digits: int

    def __str__(self) -> str:
        """Write the amount with the currency's digits, with more only where it has more."""
        return f"{self.amount:.{self._shown}f}"

    def grouped(self, sign: bool = False) -> str:
        """Write the amount for people, with separators of thousands; with `sign`, + before what is above 0."""
        return f"{self.amount:{'+' if sign and self.amount else ''},.{self._shown}f}"

    @property
    def _shown(self) -> int:
        exponent = self.amount.normalize().as_tuple().exponent
        return max(self.digits, -exponent) if isinstance(exponent, int) else self.digits


@dataclasses.dataclass(frozen=True)
class Findings:
    """The findings of one reason, subject and currency. Amounts are Σ (actual − expected), None where there is none."""

    reason: str
    subject: str
    currency: str | None
    count: int
    amount: Money | None
    examples: tuple[tuple[str, Money | None], ...] = ()
    """Up to three subject ids with their differences: the largest by absolute value, then by id."""

    def as_dict(self) -> dict[str, Any]:
        """Return what the JSON report says of them; amounts as text, for JSON's numbers are binary."""
        return {
            "reason": self.reason,
            "subject": self.subject,
            "currency": self.currency,
            "findings": self.count,
            "amount": _text(self.amount),
            "examples": [{"subject_id": id_, "difference": _text(money)} for id_, money in self.examples],
        }


@dataclasses.dataclass(frozen=True)
class Bridge:
    """The way from the sales of a currency to its cash; without steps where its payments are not known."""

    currency: str
    total_sales: Money
    steps: tuple[Findings, ...]
    amount_received: Money
    payments_known: bool

    @property
    def missing(self) -> Money:
        """What no reason explains: cash less sales less the steps."""
        steps = sum((step.amount.amount for step in self.steps if step.amount), Decimal(0))
        return Money(self.amount_received.amount - self.total_sales.amount - steps, self.total_sales.digits)

    @property
    def error(self) -> str | None:
        """Say by how much the bridge does not add up; None where it does, or where there is none."""
        if not self.payments_known or not self.missing.amount:
            return None
        by = Money(abs(self.missing.amount), self.missing.digits).grouped()
        return (
            f"the bridge of {self.currency} does not add up: cash is {by} {self.currency} "
            f"{'more' if self.missing.amount > 0 else 'less'} than sales and reasons; run `just build`, whose test "
            "cash_bridge checks the same, then this again"
        )

    def outcome(self) -> Outcome:
        """Return what the report says of the currency."""
        details = {
            "payments_known": self.payments_known,
            "total_sales": str(self.total_sales),
            "steps": [step.as_dict() for step in self.steps],
            "amount_received": str(self.amount_received),
            "missing": str(self.missing) if self.payments_known else None,
        }
        numbers = {"findings": sum(step.count for step in self.steps)}
        return Outcome(self.currency, None, "failed" if self.error else "done", numbers, details, self.error)


@dataclasses.dataclass(frozen=True)
class Reconciliation:
    """The bridge of each currency, and the other findings in the order of their reasons."""

    bridges: tuple[Bridge, ...]
    others: tuple[Findings, ...]

    def of(self, currency: str) -> "Reconciliation":
        """Return the part in one currency. Raises StageError where the shop has nothing in it."""
        bridges = tuple(bridge for bridge in self.bridges if bridge.currency == currency)
        if not bridges:
            known = ", ".join(bridge.currency for bridge in self.bridges) or "no currency at all"
            raise StageError(f"no order and no finding is in {currency}: the marts have {known}")
        return Reconciliation(bridges, tuple(one for one in self.others if one.currency == currency))


def read(file: Path, lock_wait: float, say: Callable[[str], None]) -> Reconciliation:
    """Read the marts of a warehouse; the file is open for as long as two queries take.

    Raises StageError where the file is held by another process for longer than `lock_wait` seconds, is no DuckDB
    database, or holds no such marts.
    """
    with warehouse.read(file, lock_wait, say) as db:
        try:
            sums = db.execute(_SALES_AND_CASH).fetchall()
            findings = [_findings(*row) for row in db.execute(_FINDINGS).fetchall()]
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            what = str(error).splitlines()[0].partition(": ")[2].rstrip("!")
            raise StageError(f"{file} lacks marts that this needs ({what}): run `just build` first") from None
    bridges = (_bridge(findings, *row) for row in sums)
    others = [one for one in findings if one.reason not in (*PAYMENT_REASONS, ON_ADJUSTMENTS)]
    return Reconciliation(tuple(bridges), tuple(sorted(others, key=_place)))


def _bridge(
    findings: Iterable[Findings],
    currency: str,
    digits: int | None,
    total_sales: Decimal | None,
    amount_received: Decimal | None,
    payments_known: bool,
) -> Bridge:
    """Put the reasons between sales and cash, those without findings too. Sums are None where there are no orders."""
    nothing = Money(Decimal(0), digits or 0)
    found = {one.reason: one for one in findings if one.currency == currency}
    steps = (
        found.get(reason, Findings(reason, "order", currency, 0, nothing))
        for reason in (*PAYMENT_REASONS, ON_ADJUSTMENTS)
    )
    return Bridge(
        currency,
        Money(total_sales or Decimal(0), nothing.digits),
        tuple(steps) if payments_known else (),
        Money(amount_received or Decimal(0), nothing.digits),
        payments_known,
    )


def _findings(
    reason: str,
    subject: str,
    currency: str | None,
    digits: int | None,
    count: int,
    amount: Decimal | None,
    examples: Sequence[tuple[str, Decimal | None]],
) -> Findings:
    def money(value: Decimal | None) -> Money | None:
        return None if value is None else Money(value, digits or 0)

    shown = tuple((id_, money(difference)) for id_, difference in examples)
    return Findings(reason, subject, currency, count, money(amount), shown)


def _place(findings: Findings) -> tuple[int, str, str, str]:
    known = findings.reason in OTHER_REASONS
    place = OTHER_REASONS.index(findings.reason) if known else len(OTHER_REASONS)
    return place, findings.reason, findings.subject, findings.currency or ""


def _text(money: Money | None) -> str | None:
    return None if money is None else str(money)
