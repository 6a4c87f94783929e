"""The sales of a day, with all that will ever happen to them: who, how, and when each turn comes.

Everything here is drawn from the streams of the day the sale was made, so that a later day finds what becomes of an
earlier sale without knowing the days in between. Amounts come later, and only for the sales of which a file tells.
"""

import dataclasses
from collections.abc import Iterator
from datetime import date
from enum import IntEnum
from typing import Self

import numpy as np

from generator import stories
from generator.arrays import Arrays
from generator.seasons import moments, sales_on
from generator.shop import SECONDS_A_DAY, Shop, epoch_day, numbers
from generator.stories import After, Charge, Document, End, Refund
from generator.streams import Array, Purpose, below, deck, roll

HORIZON = 30
"""Days after which nothing happens to a sale any more."""

QUIET_AFTER = 14
"""Days after which nothing happens to a sale without a turn."""

_CHUNK = 1 << 15
"""Sales drawn at once: few enough for a processor's cache. A part of the bytes: never change it."""

NEVER = 2**30
"""A moment that does not come, in seconds."""

_HOUR, _DAY = 3600, SECONDS_A_DAY


class Die(IntEnum):
    """What each die of a sale decides. The first KEPT_DICE stay with the sale, to make its amounts."""

    CHANNEL = 0
    COUPON = 1
    BUSINESS = 2
    EXPRESS = 3
    OTHER = 4
    PORTION = 5
    CHOICE = 6
    INSTALLMENTS = 7
    CURRENCY = 8
    GUEST = 9
    LINES = 10
    METHOD = 11
    PLAN = 12
    APPROVAL = 13
    SHIPPING = 14
    DELIVERY = 15
    CANCELLATION = 16
    RETURN = 17
    REFUND = 18
    SETTLEMENT = 19
    LATE = 20
    PAID_LATE = 21
    CAPTURE = 22
    NEWCOMER = 23


KEPT_DICE = 8


class LineDie(IntEnum):
    """What each die of a line decides."""

    PRODUCT = 0
    QUANTITY = 1
    DISCOUNT = 2


class Moment(IntEnum):
    """What may happen in the life of a sale. Those before DOCUMENTED change the order itself."""

    ORDERED = 0
    APPROVED = 1
    SHIPPED = 2
    DELIVERED = 3
    CANCELLED = 4
    RETURNED = 5
    DOCUMENTED = 6
    TRIED = 7
    PAID = 8
    DECIDED = 9
    REPEATED = 10
    REFUNDED = 11
    REFUND_SETTLED = 12
    REFUNDED_AGAIN = 13
    CHARGED_BACK = 14


class Worth(IntEnum):
    """Whether a sale is worth anything."""

    USUAL = 0
    SAMPLE = 1
    GIVEN_AWAY = 2


class Plan(IntEnum):
    """How the payments of a sale are made up."""

    WHOLE = 0
    SECOND_TRY = 1
    SPLIT = 2
    OFF_BY_ONE = 3
    SHORT = 4
    EXCESS = 5
    ON_ACCOUNT = 6


class Paying(IntEnum):
    """The way of a payment from its first status to its last."""

    AT_ONCE = 0
    ON_SHIPPING = 1
    ON_APPROVAL = 2
    ON_INVOICE = 3
    REFUSED = 4
    WAITING = 5
    HELD = 6
    NOTHING = 7


METHODS = ("card", "paypal", "wallet", "gift_card", "bank_transfer", "invoice")
CARD, GIFT_CARD, TRANSFER, INVOICE = (METHODS.index(m) for m in ("card", "gift_card", "bank_transfer", "invoice"))

_METHODS = deck((52, 20, 9, 2, 9, 8))
_PLANS = deck((8800, 500, 500, 40, 15, 8, 10))
_WORTH = deck((997, 2, 1))
_LATE = deck((990, 7, 3))
_PAID_LATE = deck((985, 12, 3))
_LINES = deck((500, 240, 120, 60, 32, 20, 12, 6, 4, 3, 2, 1))
_GUESTS = 8
_CANCELLABLE_HOLDS = 50
_NEWCOMERS = 30
_CAPTURED_ON_SHIPPING = 35
_REFUNDS_PENDING = 25


@dataclasses.dataclass(frozen=True)
class Sales(Arrays):
    """Sales, a struct of arrays: the last axis of each is the sale, but of `line_dice` the line, sale by sale.

    `day` is in days since 1970, `at` (moment by sale) in seconds from that day's midnight; NEVER is a moment that does
    not come. `late` and `paid_late` are the days by which the first rows of order and payment miss their file.
    """

    day: Array
    number: Array
    buyer: Array
    guest: Array
    currency: Array
    story: Array
    worth: Array
    method: Array
    plan: Array
    paying: Array
    late: Array
    paid_late: Array
    dice: Array
    at: Array
    line_count: Array
    line_dice: Array

    def __len__(self) -> int:
        return len(self.day)

    def take(self, wanted: Array) -> Self:
        """Keep the sales where `wanted` is true, with their lines."""
        sales, lines = np.flatnonzero(wanted), np.flatnonzero(np.repeat(wanted, self.line_count))
        return type(self)(
            **{
                name: getattr(self, name).take(lines if name == "line_dice" else sales, axis=-1)
                for name in self.names()
            }
        )


def draw(shop: Shop, day: date, lag: int | None = None) -> Iterator[Sales]:
    """Draw the sales of a day, chunk by chunk (a day without sales: empty ones), those without a turn first.

    With a `lag`, only those of which the files of so many days later tell: the rest is left out as early as possible.
    """
    count = sales_on(shop, day)
    hours, seconds, chance, luck = roll(shop.stream(Purpose.SALES, day), 4, count)
    ordered = np.sort(moments(hours, seconds))
    worth = _WORTH[luck]
    story = np.where(worth == Worth.USUAL, stories.DECK[chance], stories.PLAIN)
    parts = ((Purpose.PLAIN_SALES, story == stories.PLAIN), (Purpose.TURNED_SALES, story != stories.PLAIN))
    for purpose, mask in parts[lag is not None and lag > QUIET_AFTER :]:
        rng = shop.stream(purpose, day)
        places = np.flatnonzero(mask)
        for start in range(0, max(len(places), 1), _CHUNK):
            chunk = places[start : start + _CHUNK]
            yield _chunk(shop, day, lag, rng, chunk, ordered[chunk], worth[chunk], story[chunk])


def _chunk(
    shop: Shop,
    day: date,
    lag: int | None,
    rng: np.random.Generator,
    places: Array,
    ordered: Array,
    worth: Array,
    story: Array,
) -> Sales:
    """Draw some sales of a day; `places` are theirs among the sales of the day."""
    dice = roll(rng, len(Die), len(places))
    people = rng.integers(0, 2**32, size=len(places), dtype=np.uint32)
    line_count = 1 + _LINES[dice[Die.LINES]].astype(np.int64)
    line_dice = roll(rng, len(LineDie), int(line_count.sum()))
    guest = _percent(dice[Die.GUEST], _GUESTS)
    method = _methods(dice, story, worth)
    plan = _plans(dice, story, worth, guest)
    paying = _paying(dice, story, worth, method)
    at = _life(ordered, dice, story, plan, paying)
    late, paid_late = _LATE[dice[Die.LATE]], _PAID_LATE[dice[Die.PAID_LATE]]
    if lag is None:
        which, lines = np.arange(len(places)), np.arange(line_dice.shape[1])
    else:
        wanted = _happening(at, late, paid_late, lag)
        which, lines = np.flatnonzero(wanted), np.flatnonzero(np.repeat(wanted, line_count))
    buyer = _buyers(shop, day, people[which], dice[Die.NEWCOMER, which])
    days = np.full(len(which), epoch_day(day), dtype=np.int64)
    return Sales(
        day=days,
        number=numbers(days[:1], places[which]),
        buyer=buyer,
        guest=guest[which],
        currency=below(dice[Die.CURRENCY, which], len(shop.currencies)).astype(np.uint8),
        story=story[which].astype(np.uint8),
        worth=worth[which].astype(np.uint8),
        method=method[which].astype(np.uint8),
        plan=plan[which].astype(np.uint8),
        paying=paying[which].astype(np.uint8),
        late=late[which].astype(np.uint8),
        paid_late=paid_late[which].astype(np.uint8),
        dice=dice[:KEPT_DICE].take(which, axis=1),
        at=at.take(which, axis=1),
        line_count=line_count[which],
        line_dice=line_dice.take(lines, axis=1),
    )


def happening(sales: Sales, lag: int) -> Sales:
    """Keep the sales of a day of which the files of `lag` days later tell."""
    return sales.take(_happening(sales.at, sales.late, sales.paid_late, lag))


def _happening(at: Array, late: Array, paid_late: Array, lag: int) -> Array:
    start = lag * SECONDS_A_DAY
    on_time = ((at >= start) & (at < start + SECONDS_A_DAY)).any(axis=0)
    found: Array = on_time | (late == lag) | (at[Moment.PAID] // SECONDS_A_DAY + paid_late == lag)
    return found


def _percent(dice: Array, share: int) -> Array:
    return below(dice, 100) < share


def _buyers(shop: Shop, day: date, people: Array, newcomer: Array) -> Array:
    """Draw customers who came before the day: the first ones most often, and the newest."""
    known = shop.customers_before(day)
    newest = min(known, 7 * shop.new_customers)
    wide = people.astype(np.uint64)
    loyal = ((wide * wide >> np.uint64(32)) * np.uint64(known)) >> np.uint64(32)
    new = known - 1 - ((wide * np.uint64(newest)) >> np.uint64(32)).astype(np.int64)
    return np.where(_percent(newcomer, _NEWCOMERS), new, loyal.astype(np.int64))


def _methods(dice: Array, story: Array, worth: Array) -> Array:
    method = _METHODS[dice[Die.METHOD]]
    end, charge = stories.told("end")[story], stories.told("charge")[story]
    method = np.where((story != stories.PLAIN) & (method == INVOICE), CARD, method)
    unpaid_debt = (charge == Charge.NEVER) & (end == End.DELIVERED)
    method = np.where(unpaid_debt, INVOICE, method)
    return np.where(worth == Worth.GIVEN_AWAY, GIFT_CARD, method)


def _plans(dice: Array, story: Array, worth: Array, guest: Array) -> Array:
    """Draw how the payments are made up; the odd ones only where nothing else is odd."""
    plan = _PLANS[dice[Die.PLAN]]
    paid_oddly = plan >= Plan.OFF_BY_ONE
    unpaid = stories.told("charge")[story] == Charge.NEVER
    misfits = (paid_oddly & (story != stories.PLAIN)) | (worth != Worth.USUAL) | unpaid
    return np.where(misfits | ((plan == Plan.ON_ACCOUNT) & guest), Plan.WHOLE, plan)


def _paying(dice: Array, story: Array, worth: Array, method: Array) -> Array:
    transfer, invoice = method == TRANSFER, method == INVOICE
    end, charge = stories.told("end")[story], stories.told("charge")[story]
    on_shipping = _percent(dice[Die.CAPTURE], _CAPTURED_ON_SHIPPING) & (end != End.CANCELLED) & (end != End.UNAVAILABLE)
    paid = np.select(
        [transfer, invoice, on_shipping & (method == CARD)],
        [Paying.ON_APPROVAL, Paying.ON_INVOICE, Paying.ON_SHIPPING],
        Paying.AT_ONCE,
    )
    held = _percent(dice[Die.CAPTURE], _CANCELLABLE_HOLDS)
    unpaid = np.select([transfer | invoice, held], [Paying.WAITING, Paying.HELD], Paying.REFUSED)
    paying = np.where(charge == Charge.NEVER, unpaid, paid)
    paying = np.where(worth == Worth.GIVEN_AWAY, Paying.AT_ONCE, paying)
    return np.where(worth == Worth.SAMPLE, Paying.NOTHING, paying)


def _life(ordered: Array, dice: Array, story: Array, plan: Array, paying: Array) -> Array:
    """Set the moments of sales, in seconds from the midnight of their day."""
    at = np.full((len(Moment), dice.shape[1]), NEVER, dtype=np.int32)
    at[Moment.ORDERED] = ordered
    _fulfil(at, dice, story, paying)
    _pay(at, dice, plan, paying)
    _turn(at, dice, story)
    at[at >= NEVER] = NEVER
    return at


def _fulfil(at: Array, dice: Array, story: Array, paying: Array) -> None:
    ordered = at[Moment.ORDERED]
    end, charge = stories.told("end")[story], stories.told("charge")[story]
    cancelled = (end == End.CANCELLED) | (end == End.UNAVAILABLE)
    approval = np.select(
        [paying == Paying.ON_APPROVAL, (paying == Paying.ON_INVOICE) | (paying == Paying.WAITING)],
        [4 * _HOUR + below(dice[Die.APPROVAL], 44 * _HOUR), 600 + below(dice[Die.APPROVAL], 5 * _HOUR)],
        60 + below(dice[Die.APPROVAL], 840),
    )
    at[Moment.APPROVED] = np.where(cancelled & (charge == Charge.NEVER), NEVER, ordered + approval)
    shipped = at[Moment.APPROVED] + 4 * _HOUR + below(dice[Die.SHIPPING], 68 * _HOUR)
    at[Moment.SHIPPED] = np.where(cancelled, NEVER, shipped)
    delivered = shipped + 20 * _HOUR + below(dice[Die.DELIVERY], 148 * _HOUR)
    at[Moment.DELIVERED] = np.where(cancelled | (end == End.SHIPPED), NEVER, delivered)
    from_then = np.where(charge == Charge.NEVER, ordered, at[Moment.APPROVED])
    at[Moment.CANCELLED] = np.where(cancelled, from_then + _HOUR + below(dice[Die.CANCELLATION], 30 * _HOUR), NEVER)


def _pay(at: Array, dice: Array, plan: Array, paying: Array) -> None:
    ordered = at[Moment.ORDERED]
    again = plan == Plan.SECOND_TRY
    at[Moment.TRIED] = np.where(again, ordered + 20, NEVER)
    paid = ordered + 30 + np.where(again, 60 + below(dice[Die.SETTLEMENT], 1800), 0)
    at[Moment.PAID] = np.where(paying == Paying.NOTHING, NEVER, paid)
    invoiced = ordered + _DAY + below(dice[Die.SETTLEMENT], 12 * _DAY)
    ended = (paying == Paying.WAITING) | (paying == Paying.HELD)
    at[Moment.DECIDED] = np.select(
        [paying == Paying.ON_SHIPPING, paying == Paying.ON_APPROVAL, paying == Paying.ON_INVOICE, ended],
        [at[Moment.SHIPPED], np.maximum(at[Moment.APPROVED], paid), invoiced, at[Moment.CANCELLED]],
        NEVER,
    )


def _turn(at: Array, dice: Array, story: Array) -> None:
    """Set what comes after the sale: documents, refunds, chargebacks."""
    turned = np.flatnonzero(story != stories.PLAIN)
    if not len(turned):
        return
    life, dice, story = at[:, turned], dice[:, turned], story[turned]
    end, charge, document, refund = (stories.told(name)[story] for name in ("end", "charge", "document", "refund"))
    ordered, delivered = life[Moment.ORDERED], life[Moment.DELIVERED]
    returned = delivered + _DAY + below(dice[Die.RETURN], 9 * _DAY)
    documented = document != Document.NONE
    life[Moment.DOCUMENTED] = np.where(documented, returned, NEVER)
    life[Moment.RETURNED] = np.where(end == End.RETURNED, returned, NEVER)
    life[Moment.REPEATED] = np.where(
        charge == Charge.TWICE, life[Moment.PAID] + 5 + below(dice[Die.PORTION], 60), NEVER
    )
    wait = below(dice[Die.REFUND], 3 * _DAY)
    refunded = np.select(
        [
            charge == Charge.TWICE,
            stories.having(After.EARLY_REFUND)[story],
            documented,
            life[Moment.CANCELLED] < NEVER,
            end == End.SHIPPED,
        ],
        [
            ordered + _DAY + wait,
            returned - 600 - below(dice[Die.REFUND], 20 * _HOUR),
            returned + 600 + wait,
            life[Moment.CANCELLED] + 600 + wait,
            life[Moment.SHIPPED] + 7 * _DAY + wait,
        ],
        delivered + _DAY + 3 * wait,
    )
    life[Moment.REFUNDED] = np.where(refund != Refund.NONE, refunded, NEVER)
    pending = below(dice[Die.SETTLEMENT], 100) < _REFUNDS_PENDING
    settling = 4 * _HOUR + below(dice[Die.CAPTURE], 44 * _HOUR)
    life[Moment.REFUND_SETTLED] = np.where(pending & (refund != Refund.NONE), refunded + settling, NEVER)
    again = stories.having(After.REFUNDED_AGAIN)[story]
    life[Moment.REFUNDED_AGAIN] = np.where(again, refunded + _HOUR + below(dice[Die.CHOICE], 23 * _HOUR), NEVER)
    back = stories.having(After.CHARGEBACK)[story]
    life[Moment.CHARGED_BACK] = np.where(back, ordered + 5 * _DAY + below(dice[Die.REFUND], 15 * _DAY), NEVER)
    at[:, turned] = life
