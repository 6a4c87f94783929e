"""What may happen to a sale, one story each, with its share: the whole of the shop's after-sales in one table."""

import dataclasses
from enum import Enum, IntEnum, auto
from typing import Any

import numpy as np

from generator.streams import Array, deck


class End(IntEnum):
    """How far a sale comes."""

    DELIVERED = 0
    SHIPPED = 1
    CANCELLED = 2
    UNAVAILABLE = 3
    RETURNED = 4


class Charge(IntEnum):
    """How often the customer is charged."""

    ONCE = 0
    NEVER = 1
    TWICE = 2


class Document(IntEnum):
    """What document follows, and how much of the sale it takes back."""

    NONE = 0
    RETURN_SOME = 1
    RETURN_ALL = 2
    ADJUSTMENT = 3


class Link(IntEnum):
    """Which original order a return names: the sale, none, or one that the shop does not know."""

    LINKED = 0
    UNLINKED = 1
    DANGLING = 2


class Refund(IntEnum):
    """What is paid back."""

    NONE = 0
    PART = 1
    LINE = 2
    DOCUMENT = 3
    FULL = 4


class After(Enum):
    """Further turns of a story."""

    EARLY_REFUND = auto()
    """The money goes back before the return is documented."""
    REFUNDED_AGAIN = auto()
    """The money goes back twice."""
    KEPT_FEE = auto()
    """The shop keeps a restocking fee."""
    CHARGEBACK = auto()
    """The customer's bank takes the money back."""


@dataclasses.dataclass(frozen=True)
class Story:
    """A story and its share in 10,000 sales."""

    name: str
    share: int
    end: End = End.DELIVERED
    charge: Charge = Charge.ONCE
    document: Document = Document.NONE
    link: Link = Link.LINKED
    refund: Refund = Refund.NONE
    after: After | None = None


_RETURN: dict[str, Any] = {"document": Document.RETURN_SOME, "refund": Refund.DOCUMENT}
_RETURN_ALL: dict[str, Any] = {"end": End.RETURNED, "document": Document.RETURN_ALL, "refund": Refund.DOCUMENT}
_DEBT: dict[str, Any] = {"charge": Charge.NEVER}

STORIES = (
    Story("plain", 8739),
    # cancelled, before it was paid or after
    Story("cancelled_unpaid", 150, End.CANCELLED, Charge.NEVER),
    Story("cancelled_refunded", 174, End.CANCELLED, refund=Refund.FULL),
    Story("cancelled_refunded_twice", 6, End.CANCELLED, refund=Refund.FULL, after=After.REFUNDED_AGAIN),
    Story("cancelled_but_paid", 30, End.CANCELLED),
    Story("unavailable", 25, End.UNAVAILABLE, refund=Refund.FULL),
    Story("lost", 20, End.SHIPPED, refund=Refund.FULL),
    # given back
    Story("returned", 180, **_RETURN_ALL),
    Story("returned_less_fee", 30, **_RETURN_ALL, after=After.KEPT_FEE),
    Story("returned_after_refund", 20, **_RETURN_ALL, after=After.EARLY_REFUND),
    Story("returned_some", 220, **_RETURN),
    Story("returned_some_after_refund", 20, **_RETURN, after=After.EARLY_REFUND),
    Story("returned_unlinked", 45, **_RETURN, link=Link.UNLINKED),
    Story("returned_dangling", 8, **_RETURN, link=Link.DANGLING),
    Story("refund_due", 25, document=Document.RETURN_SOME),
    Story("refunded_part", 60, refund=Refund.PART),
    Story("refunded_line", 60, refund=Refund.LINE),
    Story("refunded_full", 40, refund=Refund.FULL),
    Story("refunded_twice", 6, refund=Refund.FULL, after=After.REFUNDED_AGAIN),
    Story("returned_without_credit", 8, End.RETURNED),
    # charged wrongly
    Story("charged_twice", 40, charge=Charge.TWICE, refund=Refund.FULL),
    Story("charged_twice_kept", 8, charge=Charge.TWICE),
    Story("charged_back", 24, after=After.CHARGEBACK),
    # never paid
    Story("unpaid", 20, **_DEBT),
    Story("written_off", 42, **_DEBT, document=Document.ADJUSTMENT),
)
PLAIN = 0

DECK = deck([story.share for story in STORIES])


def told(attribute: str) -> Array:
    """Return an attribute of all stories, to be indexed by story."""
    return np.array([getattr(story, attribute) for story in STORIES], dtype=np.uint8)


def having(after: After) -> Array:
    """Tell which stories take a turn, to be indexed by story."""
    return np.array([story.after is after for story in STORIES])
