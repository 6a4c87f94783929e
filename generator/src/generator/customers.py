"""The customers: those the shop opens with, those who come every day, and those who move."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from generator.columns import codes, datetimes, flags, words
from generator.pools import LOCALES, PLACES, Pools, market_of
from generator.seasons import roll_moments
from generator.shop import SECONDS_A_DAY, Shop, epoch_day
from generator.streams import FACES, Array, Purpose, below, deck, roll

_MAIL_HOSTS = ("example.com", "example.org", "example.net")
_COMPANIES, _PHONES, _MAILS, _REGIONS = 10, 70, 97, 92
"""Percent of customers of whom the shop knows it."""

_OPT_IN = deck((35, 45, 20))
_MOVES_IN_THOUSAND = 2
_MOVERS_SINCE = 30
"""Days since they came within which customers move, besides the first ones: a bound on how far back a file looks."""


def places_of(customers: Array) -> Array:
    """Return the towns of customers: by arithmetic, so that orders know them without the customers' rows."""
    mixed = customers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    found: Array = ((mixed >> np.uint64(40)) % np.uint64(PLACES)).astype(np.int64)
    return found


def table(shop: Shop, pools: Pools, day: date) -> pl.DataFrame:
    """Return the customers created or changed on a day."""
    came = _rows(shop, pools, day)
    return came if day == shop.opened else pl.concat([came, _moved(shop, pools, day)])


def ids(shop: Shop, customers: Array, valid: Array | None = None) -> pl.Series:
    """Write the ids of customers."""
    return codes("C", shop.customer_numbers(customers), valid)


def _first_of(shop: Shop, day: date) -> int:
    return 0 if day == shop.opened else shop.customers_before(day)


def _rows(shop: Shop, pools: Pools, day: date, chosen: Array | None = None) -> pl.DataFrame:
    """Return the customers who came on a day, as they came; `chosen` are places among them."""
    opening = day == shop.opened
    count = shop.first_customers if opening else shop.new_customers
    rng = shop.stream(Purpose.CUSTOMERS, day)
    chosen = np.arange(count) if chosen is None else chosen
    dice = roll(rng, 11, count)[:, chosen]
    came = epoch_day(day) * SECONDS_A_DAY + np.sort(roll_moments(rng, count))[chosen]
    customers = _first_of(shop, day) + chosen
    changed = np.full(len(chosen), epoch_day(day) * SECONDS_A_DAY) if opening else came
    created = came - SECONDS_A_DAY * (1 + below(dice[0], 700)) if opening else came
    place = places_of(customers)
    market = market_of(place)
    last = pools.by_market(pools.last_names, market, dice[1])
    mail = words(pools.mail_names, last) + codes(".", customers) + "@" + words(_MAIL_HOSTS, below(dice[2], 3))
    opt_in = _OPT_IN[dice[3]]
    prefixes = words([prefix for _, _, prefix, _ in LOCALES], market)
    phone = prefixes + codes(" ", 10_000_000 + below(dice[4], 89_999_999))
    return pl.DataFrame(
        {
            "customer_id": ids(shop, customers),
            "email": _known(mail, dice[5], _MAILS),
            "first_name": words(pools.first_names, pools.by_market(pools.first_names, market, dice[6])),
            "last_name": words(pools.last_names, last),
            "company": _known(
                words(pools.companies, pools.by_market(pools.companies, market, dice[7])), dice[8], _COMPANIES
            ),
            "phone": _known(phone, dice[9], _PHONES),
            **_address(pools, place, dice[10], dice[4]),
            "marketing_opt_in": flags(opt_in == 0, valid=opt_in < 2),
            "created_at": datetimes(created),
            "updated_at": datetimes(changed),
        }
    )


def _moved(shop: Shop, pools: Pools, day: date) -> pl.DataFrame:
    """Return the customers who moved on a day, each within the country, with the address that a later move replaces."""
    recent = max(shop.opened + timedelta(1), day - timedelta(_MOVERS_SINCE))
    first_recent = _first_of(shop, recent)
    pool = shop.first_customers + shop.customers_before(day) - first_recent
    rng = shop.stream(Purpose.MOVES, day)
    count = 1 + pool * _MOVES_IN_THOUSAND // 1000
    drawn = np.unique(rng.integers(0, pool, size=count))
    movers = np.where(drawn < shop.first_customers, drawn, drawn - shop.first_customers + first_recent)
    dice = roll(rng, 3, len(movers))
    moved = epoch_day(day) * SECONDS_A_DAY + roll_moments(rng, len(movers))
    days = [shop.opened, *(recent + timedelta(n) for n in range((day - recent).days))]
    firsts = [_first_of(shop, one) for one in days] + [shop.customers_before(day)]
    kept = []
    for one, first, end in zip(days, firsts, firsts[1:], strict=False):
        there = movers[(movers >= first) & (movers < end)] - first
        if len(there):
            kept.append(_rows(shop, pools, one, there))
    market = market_of(places_of(movers))
    towns = np.searchsorted(market_of(np.arange(PLACES)), np.arange(len(LOCALES) + 1))
    place = towns[market] + below(dice[0], towns[market + 1] - towns[market])
    return pl.concat(kept).with_columns(**_address(pools, place, dice[1], dice[2]), updated_at=datetimes(moved))


def _address(pools: Pools, place: Array, street: Array, house: Array) -> dict[str, pl.Series]:
    streets = words(pools.streets, pools.by_market(pools.streets, market_of(place), street))
    return {
        "street": streets + codes(" ", 1 + house.astype(np.int64) * 120 // FACES),
        "city": words(pools.places["city"], place),
        "region": _known(words(pools.places["region"], place), house, _REGIONS),
        "postal_code": words(pools.places["postal_code"], place),
        "country_code": words(pools.places["country_code"], place),
    }


def _known(column: pl.Series, dice: Array, share: int) -> pl.Series:
    mask = pl.Series(below(dice, 100) < share)
    return pl.select(pl.when(mask).then(column)).to_series()
