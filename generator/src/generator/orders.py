"""The orders of a day's file: sales in each state they reached on it, returns and adjustments."""

import numpy as np
import polars as pl

from generator import stories
from generator.amounts import COUPONS, Amounts, coupons
from generator.cohorts import Told
from generator.columns import amounts as money
from generator.columns import codes, datetimes, words
from generator.customers import ids as customer_ids
from generator.customers import places_of
from generator.sales import Die, Moment
from generator.shop import SECONDS_A_DAY, epoch_day, numbers
from generator.stories import Document, End, Link
from generator.streams import Array, deck

CHANNELS = ("web", "app", "marketplace", "phone")
MARKETPLACE = CHANNELS.index("marketplace")
_CHANNEL_SHARES = deck((60, 26, 11, 3))

STATUSES = ("created", "approved", "shipped", "delivered", "cancelled", "returned", "unavailable")
_UNAVAILABLE = STATUSES.index("unavailable")

_PROMISED_DAYS = 6
_PROMISED_HOUR = 18
_DANGLING_DAYS = 60
"""A dangling return names an order from before the shop's own days: from a system that nobody brought over."""


def channels(dice: Array) -> Array:
    """Return the sales channel of each sale, an index into CHANNELS."""
    found: Array = _CHANNEL_SHARES[dice[Die.CHANNEL]]
    return found


def document_ids(told: Told, which: Array) -> pl.Series:
    """Write the ids of the documents that follow sales: R for returns, A for adjustments."""
    prefixes = words(["R", "A"], _documents(told)[which] == Document.ADJUSTMENT)
    return codes(prefixes, told.sales.number[which])


def documented(told: Told) -> Array:
    """Return the places of the sales whose following document is made on the day of the files."""
    return np.flatnonzero(told.sales.at[Moment.DOCUMENTED] // SECONDS_A_DAY == told.lag)


def tables(told: Told, places: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the orders created or changed on the day, of the sales told of: these, oldest first, and what follows."""
    return _sales(told, places), _following(told, places)


def _documents(told: Told) -> Array:
    found: Array = stories.told("document")[told.sales.story]
    return found


def _versions(told: Told) -> tuple[Array, Array]:
    """Return the places of the sales that have a row, and as of which day after their own the row is.

    A row tells the state at the end of the day; the first one of a sale may come late, with the state of its own day.
    """
    sales = told.sales
    changes = sales.at[: Moment.DOCUMENTED]
    changed = ((changes >= told.lag * SECONDS_A_DAY) & (changes < (told.lag + 1) * SECONDS_A_DAY)).any(axis=0)
    on_time = np.flatnonzero(changed & ((told.lag > 0) | (sales.late == 0)))
    late = np.flatnonzero((sales.late > 0) & (sales.late == told.lag))
    which, as_of = np.concatenate([late, on_time]), np.concatenate([np.zeros(len(late)), told.lag[on_time]])
    order = np.argsort(which, kind="stable")
    return which[order], as_of[order].astype(np.int64)


def _sales(told: Told, places: pl.DataFrame) -> pl.DataFrame:
    sales = told.sales
    which, as_of = _versions(told)
    changes = sales.at[: Moment.DOCUMENTED][:, which]
    seen = changes < (as_of + 1) * SECONDS_A_DAY
    times = {moment: datetimes(told.seconds(changes[moment], which), valid=seen[moment]) for moment in range(6)}
    status = np.max(seen * np.arange(6, dtype=np.uint8)[:, None], axis=0)
    unavailable = (stories.told("end")[sales.story[which]] == End.UNAVAILABLE) & (status == Moment.CANCELLED)
    updated = np.max(changes * seen, axis=0)
    amounts = told.amounts.take(which)
    promised = (_PROMISED_DAYS * 24 + _PROMISED_HOUR) * 3600 + np.zeros(len(which), dtype=np.int64)
    return pl.DataFrame(
        {
            "order_id": codes("O", sales.number[which]),
            "customer_id": customer_ids(told.shop, sales.buyer[which], valid=~sales.guest[which]),
            "kind": words(["sale"], np.zeros(len(which))),
            "original_order_id": pl.Series([None], dtype=pl.String).new_from_index(0, len(which)),
            "status": words(STATUSES, np.where(unavailable, _UNAVAILABLE, status)),
            **_money(told, which, amounts, 1),
            **_way(told, which, places),
            "ordered_at": times[Moment.ORDERED],
            "approved_at": times[Moment.APPROVED],
            "shipped_at": times[Moment.SHIPPED],
            "delivered_at": times[Moment.DELIVERED],
            "estimated_delivery_at": datetimes(told.seconds(promised, which)),
            "cancelled_at": times[Moment.CANCELLED],
            "updated_at": datetimes(told.seconds(updated, which)),
        }
    )


def _following(told: Told, places: pl.DataFrame) -> pl.DataFrame:
    sales = told.sales
    which = documented(told)
    documents = _documents(told)[which]
    adjustment = documents == Document.ADJUSTMENT
    link = stories.told("link")[sales.story[which]]
    before_opening = epoch_day(told.shop.opened) - _DANGLING_DAYS - sales.day[which] % _DANGLING_DAYS
    unknown = numbers(before_opening, sales.number[which] % 1000)
    amounts = told.back.take(which)
    made = datetimes(told.seconds(sales.at[Moment.DOCUMENTED, which], which))
    never = datetimes(np.zeros(len(which)), valid=np.zeros(len(which)))
    return pl.DataFrame(
        {
            "order_id": document_ids(told, which),
            "customer_id": customer_ids(told.shop, sales.buyer[which], valid=~sales.guest[which]),
            "kind": words(["return", "adjustment"], adjustment),
            "original_order_id": codes(
                "O",
                np.where(link == Link.DANGLING, unknown, sales.number[which]),
                valid=(link != Link.UNLINKED) & ~adjustment,
            ),
            "status": words(["approved"], np.zeros(len(which))),
            **_money(told, which, amounts, -1),
            **_way(told, which, places),
            "ordered_at": made,
            "approved_at": made,
            "shipped_at": never,
            "delivered_at": never,
            "estimated_delivery_at": never,
            "cancelled_at": never,
            "updated_at": made,
        }
    ).with_columns(coupon_code=pl.lit(None, dtype=pl.String))


def _money(told: Told, which: Array, amounts: Amounts, sign: int) -> dict[str, pl.Series]:
    currency = told.sales.currency[which]
    units = told.shop.minor_units
    names = ("subtotal", "discount", "tax", "shipping", "other", "total")
    return {
        "currency": words(told.shop.currencies, currency),
        **{name: money(sign * getattr(amounts, name), currency, units) for name in names},
        "tax_included": money(sign * amounts.tax_included, currency, units, valid=~amounts.on_top),
    }


def _way(told: Told, which: Array, places: pl.DataFrame) -> dict[str, pl.Series]:
    """Return how a document was sold and where it goes."""
    sales = told.sales
    place = places_of(sales.buyer[which])
    return {
        "channel": words(CHANNELS, channels(sales.dice[:, which])),
        "coupon_code": words(COUPONS, coupons(sales)[which]),
        "ship_city": words(places["city"], place),
        "ship_region": words(places["region"], place),
        "ship_postal_code": words(places["postal_code"], place),
        "ship_country_code": words(places["country_code"], place),
    }
