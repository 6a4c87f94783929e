"""The shop: the few settings that its bytes depend on, and the arithmetic of its days and ids."""

import dataclasses
from datetime import date, timedelta

import numpy as np

from generator.money import coin_of
from generator.streams import Array, Purpose, stream
from libs.contracts.iso import MINOR_UNITS
from libs.errors import CallError

SECONDS_A_DAY = 86_400
FIRST_YEAR, LAST_YEAR = 2001, 2099
MOST_ORDERS_PER_DAY = 1_000_000

_ID_ROOM = 10_000_000
"""Ids of one day. A day of the peak has at most four times the usual orders."""

_OPENING_CUSTOMERS = 4
_ORDERS_PER_NEW_CUSTOMER = 8


@dataclasses.dataclass(frozen=True)
class Shop:
    """A shop as it is made. Raises CallError for settings that no shop can have."""

    seed: int = 1
    opened: date = date(2025, 11, 1)
    orders_per_day: int = 200
    currencies: tuple[str, ...] = ("EUR",)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise CallError(f"--seed {self.seed} is negative: use 0 or more")
        if not 1 <= self.orders_per_day <= MOST_ORDERS_PER_DAY:
            raise CallError(f"--orders-per-day {self.orders_per_day} is not within 1 and {MOST_ORDERS_PER_DAY}")
        if not FIRST_YEAR <= self.opened.year <= LAST_YEAR:
            raise CallError(f"--opened {self.opened} is not within the years {FIRST_YEAR} and {LAST_YEAR}")
        for currency in self.currencies:
            if currency not in MINOR_UNITS:
                raise CallError(f"unknown currency {currency!r}: use a code of ISO 4217 such as EUR, JPY or KWD")

    def check(self, day: date) -> None:
        """Refuse a day on which the shop has no files."""
        if day < self.opened:
            raise CallError(
                f"{day} is before the shop opened on {self.opened}: use a later day, or an earlier --opened"
            )
        if day.year > LAST_YEAR:
            raise CallError(f"{day} is after the year {LAST_YEAR}, the last of the shop's ids")

    def stream(self, purpose: Purpose, day: date, *more: int) -> np.random.Generator:
        """Open the shop's stream of a purpose on a day."""
        return stream(self.seed, purpose, day, *more)

    @property
    def minor_units(self) -> Array:
        """Digits of the minor unit, for each of the shop's currencies."""
        return np.array([MINOR_UNITS[currency] for currency in self.currencies], dtype=np.int64)

    @property
    def coins(self) -> Array:
        """Minor units that a euro is worth, for each of the shop's currencies."""
        return np.array([coin_of(currency) for currency in self.currencies], dtype=np.int64)

    @property
    def first_customers(self) -> int:
        """Customers that the shop opens with."""
        return _OPENING_CUSTOMERS * self.orders_per_day + 20

    @property
    def new_customers(self) -> int:
        """Customers that come on every later day."""
        return self.orders_per_day // _ORDERS_PER_NEW_CUSTOMER + 1

    def customers_before(self, day: date) -> int:
        """Count the customers that an order of a day may come from: those of earlier days, or the first ones."""
        return self.first_customers + self.new_customers * max((day - self.opened).days - 1, 0)

    def customer_numbers(self, customers: Array) -> Array:
        """Return the numbers in the ids of customers, who are counted from 0 as they came."""
        later = customers - self.first_customers
        days = np.where(later < 0, 0, 1 + later // self.new_customers)
        places = np.where(later < 0, customers, later % self.new_customers)
        return numbers(epoch_day(self.opened) + days, places)


def epoch_day(day: date) -> int:
    """Return the days since 1970."""
    return (day - date(1970, 1, 1)).days


def numbers(days: Array, places: Array) -> Array:
    """Return ids' numbers: YYMMDD of the day (in days since 1970), then the place within the day in seven digits."""
    if not len(days):
        return np.zeros(0, dtype=np.int64)
    first = int(days.min())
    dates = [date(1970, 1, 1) + timedelta(first + n) for n in range(int(days.max()) - first + 1)]
    written = np.array([int(f"{day:%y%m%d}") for day in dates], dtype=np.int64)
    found: Array = written[days - first] * _ID_ROOM + places
    return found
