"""The payments of a day's file: what comes in, what is tried in vain, what goes back."""

import dataclasses
from enum import IntEnum

import numpy as np
import polars as pl

from generator import stories
from generator.arrays import Arrays
from generator.cohorts import Told
from generator.columns import amounts as money
from generator.columns import codes, datetimes, whole, words
from generator.customers import ids as customer_ids
from generator.money import percent
from generator.sales import CARD, GIFT_CARD, METHODS, NEVER, TRANSFER, Die, Moment, Paying, Plan
from generator.shop import SECONDS_A_DAY
from generator.stories import Charge, Document, Link, Refund
from generator.streams import Array, below, deck

STATUSES = ("pending", "authorized", "settled", "failed", "voided")
PENDING, AUTHORIZED, SETTLED, FAILED, VOIDED = range(5)

KINDS = ("payment", "refund", "chargeback")
PAYMENT, REFUND, CHARGEBACK = range(3)

_Group = dict[str, Array | int]

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
class Movements(Arrays):
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


def table(told: Told) -> pl.DataFrame:
    """Return the payments created or changed on the day, of the sales told of."""
    sales = told.sales
    movements = _movements(told)
    created, changed = _told_of(movements.made, movements.decided, movements.late, told.lag[movements.sale])
    places = np.concatenate([np.flatnonzero(created), np.flatnonzero(changed)])
    as_of = np.concatenate([movements.made[created], movements.decided[changed]]) // SECONDS_A_DAY
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
    prefixes = words(["O", "R"], rows.on_document)
    return codes(prefixes, told.sales.number[rows.sale], valid=~on_account)


def _told_of(made: Array, decided: Array, late: Array | int, lag: Array) -> tuple[Array, Array]:
    """Tell which movements the day's file tells of as they were made, and which as they were decided on a later day."""
    made_day, decided_day = made // SECONDS_A_DAY, decided // SECONDS_A_DAY
    return made_day + late == lag, (decided_day == lag) & (decided_day > made_day)


def _movements(told: Told) -> Movements:
    """Make the movements that the day's file tells of."""
    sales = told.sales
    tried, paid, decided, repeated, refunded, refund_settled, again, back = sales.at[Moment.TRIED :]
    total, part, due = _charges(told)
    refund, refund_line, on_document = _refunds(told, total, due)
    first, last = (np.array([_WAYS[paying][n] for paying in Paying])[sales.paying] for n in (0, 1))
    usual: _Group = {
        "kind": PAYMENT,
        "method": sales.method,
        "first": SETTLED,
        "last": SETTLED,
        "decided": NEVER,
        "late": 0,
        "line_number": 0,
        "on_document": False,
    }
    late = sales.paid_late
    groups: dict[Slot, _Group] = {
        Slot.TRIED: {"made": tried, "amount": due, "first": FAILED, "last": FAILED},
        Slot.PAID: {"made": paid, "amount": due, "first": first, "last": last, "decided": decided, "late": late},
        Slot.PART: {"made": np.where(part > 0, paid, NEVER), "amount": part, "method": GIFT_CARD, "late": late},
        Slot.REPEATED: {"made": repeated, "amount": due},
        Slot.REFUNDED: {
            "made": refunded,
            "amount": refund,
            "kind": REFUND,
            "first": np.where(refund_settled < NEVER, PENDING, SETTLED),
            "decided": refund_settled,
            "line_number": refund_line,
            "on_document": on_document,
        },
        Slot.REFUNDED_AGAIN: {"made": again, "amount": refund, "kind": REFUND, "line_number": refund_line},
        Slot.CHARGED_BACK: {"made": back, "amount": due, "kind": CHARGEBACK},
    }
    given_away = (total == 0) & (sales.method == GIFT_CARD)
    made: list[Movements] = []
    for slot, group in groups.items():
        columns = {name: np.broadcast_to(value, len(sales)) for name, value in {**usual, **group}.items()}
        created, changed = _told_of(columns["made"], columns["decided"], columns["late"], told.lag)
        moves = (columns["amount"] > 0) | (given_away & (slot == Slot.PAID))
        sale = np.flatnonzero((created | changed) & moves & (columns["made"] < NEVER))
        chosen = {name: column[sale] for name, column in columns.items()}
        made.append(Movements(sale=sale, slot=np.full(len(sale), slot), **chosen))
    return Movements.together(made)


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


def _refunds(told: Told, total: Array, due: Array) -> tuple[Array, Array, Array]:
    """Return what each sale's refund is, the line it names (0: none), and whether it names the return document."""
    sales = told.sales
    refund = stories.told("refund")[sales.story]
    twice = stories.told("charge")[sales.story] == Charge.TWICE
    amount = np.select(
        [twice, refund == Refund.PART, refund == Refund.LINE, refund == Refund.DOCUMENT],
        [due, percent(total, 10 + below(sales.dice[Die.PORTION], 60)), np.minimum(told.chosen, total), told.back.total],
        total,
    )
    link, document = (stories.told(name)[sales.story] for name in ("link", "document"))
    own = (document == Document.RETURN_SOME) | (document == Document.RETURN_ALL)
    on_document = own & ((link != Link.LINKED) | (sales.dice[Die.PORTION] % 4 == 0))
    return amount, np.where(refund == Refund.LINE, 1 + below(sales.dice[Die.CHOICE], sales.line_count), 0), on_document
