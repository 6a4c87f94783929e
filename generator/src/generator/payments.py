"""The payments of a day's file: what comes in, what is tried in vain, what goes back."""

import dataclasses
from enum import IntEnum

import numpy as np
import polars as pl

from generator import stories
from generator.cohorts import Told
from generator.columns import amounts as money
from generator.columns import codes, datetimes, whole, words
from generator.customers import ids as customer_ids
from generator.money import percent
from generator.orders import document_ids
from generator.sales import CARD, GIFT_CARD, METHODS, NEVER, TRANSFER, Die, Moment, Paying, Plan
from generator.shop import SECONDS_A_DAY
from generator.stories import Charge, Document, Link, Refund
from generator.streams import Array, below, deck

STATUSES = ("pending", "authorized", "settled", "failed", "voided")
PENDING, AUTHORIZED, SETTLED, FAILED, VOIDED = range(5)

KINDS = ("payment", "refund", "chargeback")

_WAYS = {
    Paying.AT_ONCE: (SETTLED, SETTLED),
    Paying.ON_SHIPPING: (AUTHORIZED, SETTLED),
    Paying.ON_APPROVAL: (PENDING, SETTLED),
    Paying.ON_INVOICE: (PENDING, SETTLED),
    Paying.REFUSED: (FAILED, FAILED),
    Paying.WAITING: (PENDING, VOIDED),
    Paying.HELD: (AUTHORIZED, VOIDED),
    Paying.NOTHING: (FAILED, FAILED),
}
_INSTALLMENTS = np.array((1, 2, 3, 6, 12))
_INSTALLMENT_SHARES = deck((80, 6, 8, 4, 2))


class Slot(IntEnum):
    """The place of a movement among those of its sale: the last digit of its id."""

    TRIED = 0
    PAID = 1
    PART = 2
    REPEATED = 3
    REFUNDED = 4
    REFUNDED_AGAIN = 5
    CHARGED_BACK = 6


@dataclasses.dataclass(frozen=True)
class Movements:
    """Movements of money, a struct of arrays. `sale` is a place among the sales told of; times as in Sales.at."""

    sale: Array
    slot: Array
    kind: Array
    method: Array
    first: Array
    last: Array
    made: Array
    decided: Array
    late: Array
    amount: Array
    line_number: Array
    on_document: Array

    def take(self, wanted: Array) -> "Movements":
        """Keep the movements that are chosen by a mask or by their places."""
        return Movements(**{field.name: getattr(self, field.name)[wanted] for field in dataclasses.fields(self)})


def table(told: Told) -> pl.DataFrame:
    """Return the payments created or changed on the day."""
    sales = told.sales
    movements = _movements(told)
    lag = told.lag[movements.sale]
    made_day, decided_day = movements.made // SECONDS_A_DAY, movements.decided // SECONDS_A_DAY
    created = made_day + movements.late == lag
    changed = (decided_day == lag) & (decided_day > made_day)
    places = np.concatenate([np.flatnonzero(created), np.flatnonzero(changed)])
    as_of = np.concatenate([made_day[created], decided_day[changed]])
    order = np.lexsort((as_of, movements.slot[places], movements.sale[places]))
    rows, as_of = movements.take(places[order]), as_of[order]
    decided = rows.decided < (as_of.astype(np.int64) + 1) * SECONDS_A_DAY
    status = np.where(decided, rows.last, rows.first)
    moved = np.where(decided & (rows.last == SETTLED), rows.decided, rows.made)
    updated = np.where(decided, rows.decided, rows.made)
    sale = rows.sale
    number = sales.number[sale] * 10 + rows.slot
    on_account = (sales.plan[sale] == Plan.ON_ACCOUNT) & (rows.slot == Slot.PAID)
    by_gateway = rows.method < TRANSFER
    return pl.DataFrame(
        {
            "payment_id": codes("T", number),
            "order_id": _orders(told, rows, on_account),
            "customer_id": customer_ids(told.shop, sales.buyer[sale], valid=~sales.guest[sale]),
            "line_number": whole(rows.line_number, valid=rows.line_number > 0),
            "kind": words(KINDS, rows.kind),
            "method": words(METHODS, rows.method),
            "status": words(STATUSES, status),
            "amount": money(rows.amount, sales.currency[sale], told.shop.minor_units),
            "installments": whole(
                _INSTALLMENTS[_INSTALLMENT_SHARES[sales.dice[Die.INSTALLMENTS, sale]]],
                valid=(rows.method == CARD) & (rows.slot <= Slot.PAID),
            ),
            "gateway_reference": codes("gw-", number * 7_368_787 % 1_000_000_000_039, valid=by_gateway),
            "currency": words(told.shop.currencies, sales.currency[sale]),
            "paid_at": datetimes(told.seconds(moved, sale)),
            "updated_at": datetimes(told.seconds(updated, sale)),
        }
    )


def _orders(told: Told, rows: Movements, on_account: Array) -> pl.Series:
    """Write what the movements are for: the sale, its return where that is all the shop knows, or nothing."""
    sold = codes("O", told.sales.number[rows.sale], valid=~on_account)
    chosen = pl.when(pl.Series(rows.on_document)).then(document_ids(told, rows.sale)).otherwise(sold)
    return pl.select(chosen).to_series()


def _movements(told: Told) -> Movements:
    """Make all movements of the sales told of, whenever they happen."""
    sales, at = told.sales, told.sales.at
    whole_amount, part, due = _charges(told)
    first, last = (np.array([way[n] for _, way in sorted(_WAYS.items())])[sales.paying] for n in (0, 1))
    nothing = np.zeros(len(sales), dtype=np.int64)
    never = np.full(len(sales), NEVER, dtype=np.int64)
    settled, failed = nothing + SETTLED, nothing + FAILED
    refund, refund_line, on_document = _refunds(told, whole_amount)
    refund_first = np.where(at[Moment.REFUND_SETTLED] < NEVER, PENDING, SETTLED)
    is_split = part > 0
    paid = at[Moment.PAID]
    no = np.zeros(len(sales), dtype=np.bool_)
    groups = [
        (Slot.TRIED, 0, sales.method, failed, failed, at[Moment.TRIED], never, nothing, due, nothing, no),
        (Slot.PAID, 0, sales.method, first, last, paid, at[Moment.DECIDED], sales.paid_late, due, nothing, no),
        (
            Slot.PART, 0, nothing + GIFT_CARD, settled, settled,
            np.where(is_split, paid, NEVER), never, sales.paid_late, part, nothing, no,
        ),
        (Slot.REPEATED, 0, sales.method, settled, settled, at[Moment.REPEATED], never, nothing, due, nothing, no),
        (
            Slot.REFUNDED, 1, sales.method, refund_first, settled,
            at[Moment.REFUNDED], at[Moment.REFUND_SETTLED], nothing, refund, refund_line, on_document,
        ),
        (
            Slot.REFUNDED_AGAIN, 1, sales.method, settled, settled,
            at[Moment.REFUNDED_AGAIN], never, nothing, refund, refund_line, no,
        ),
        (
            Slot.CHARGED_BACK, 2, sales.method, settled, settled,
            at[Moment.CHARGED_BACK], never, nothing, due, nothing, no,
        ),
    ]  # fmt: skip
    free = (whole_amount == 0) & (sales.method == GIFT_CARD)
    parts = []
    for slot, kind, *columns in groups:
        made, amount = columns[3], columns[6]
        wanted = np.flatnonzero((made < NEVER) & ((amount > 0) | (free & (slot == Slot.PAID))))
        parts.append([wanted, np.full(len(wanted), slot), np.full(len(wanted), kind), *(c[wanted] for c in columns)])
    return Movements(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _charges(told: Told) -> tuple[Array, Array, Array]:
    """Return what each sale costs, the part of it that a gift card pays, and what is charged otherwise."""
    sales = told.sales
    total = told.amounts.total
    portion = 20 + below(sales.dice[Die.PORTION], 40)
    part = np.where((sales.plan == Plan.SPLIT) & (total > 1) & (sales.method != GIFT_CARD), percent(total, portion), 0)
    part = np.minimum(part, total - 1)
    odd = np.select(
        [sales.plan == Plan.OFF_BY_ONE, sales.plan == Plan.SHORT, sales.plan == Plan.EXCESS],
        [np.where(sales.dice[Die.CHOICE] % 2 == 0, 1, -1), -percent(total, 5), percent(total, 5)],
        0,
    )
    part = np.maximum(part, 0)
    return total, part, np.maximum(total - part + odd, 0)


def _refunds(told: Told, total: Array) -> tuple[Array, Array, Array]:
    """Return what each sale's refund is, the line it names (0: none), and whether it names the return document."""
    sales = told.sales
    refund = stories.told("refund")[sales.story]
    starts = np.cumsum(sales.line_count) - sales.line_count
    line = below(sales.dice[Die.CHOICE], sales.line_count)
    line_total = told.lines.total[starts + line] if len(sales) else total
    twice = stories.told("charge")[sales.story] == Charge.TWICE
    _, _, due = _charges(told)
    amount = np.select(
        [twice, refund == Refund.PART, refund == Refund.LINE, refund == Refund.DOCUMENT],
        [due, percent(total, 10 + below(sales.dice[Die.PORTION], 60)), np.minimum(line_total, total), told.back.total],
        total,
    )
    link, document = (stories.told(name)[sales.story] for name in ("link", "document"))
    own = (document == Document.RETURN_SOME) | (document == Document.RETURN_ALL)
    on_document = own & ((link != Link.LINKED) | (sales.dice[Die.PORTION] % 4 == 0))
    return amount, np.where(refund == Refund.LINE, line + 1, 0), on_document
