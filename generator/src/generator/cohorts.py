"""The sales that a day's files tell of: those of the day and those of earlier days to which something happens on it."""

import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from generator.amounts import Amounts, Lines, document, price
from generator.sales import HORIZON, Sales, draw, happening
from generator.shop import SECONDS_A_DAY, Shop, epoch_day
from generator.streams import Array

_KEPT_ORDERS = 1_500_000
"""Sales kept in memory from one day of a range to the next, if that is enough for all the days looked back at."""


@dataclasses.dataclass(frozen=True)
class Told:
    """Sales of which the files of a day tell, priced, with the documents that follow them.

    `lag` is how many days after the sale's own the files' day is.
    """

    shop: Shop
    sales: Sales
    lag: Array
    lines: Lines
    amounts: Amounts
    back_lines: Lines
    back: Amounts

    def seconds(self, at: Array, which: Array) -> Array:
        """Turn moments of some sales, from the midnight of their day, into seconds since 1970."""
        found: Array = at.astype(np.int64) + self.sales.day[which] * SECONDS_A_DAY
        return found


class Cohorts:
    """The sales of a shop by the day of the files that tell of them."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._remembers = shop.orders_per_day * (HORIZON + 1) <= _KEPT_ORDERS
        self._drawn: Callable[[date], list[Sales]] = lru_cache(HORIZON + 1)(lambda day: list(draw(shop, day)))
        self._told: Callable[[date], Told] = lru_cache(1)(self._tell)

    def told_on(self, day: date) -> Told:
        """Return the sales that the files of a day tell of, oldest first."""
        return self._told(day)

    def _tell(self, day: date) -> Told:
        lags = range(min(HORIZON, (day - self._shop.opened).days), -1, -1)
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # numpy works outside of Python's lock
            drawn = threads.map(lambda lag: self._happening(day - timedelta(lag), lag), lags)
            sales = Sales.together(chunk for chunks in drawn for chunk in chunks)
        lines, amounts = price(self._shop, sales)
        back_lines, back = document(self._shop, sales, lines, amounts)
        return Told(self._shop, sales, epoch_day(day) - sales.day, lines, amounts, back_lines, back)

    def _happening(self, day: date, lag: int) -> list[Sales]:
        if self._remembers:
            return [happening(chunk, lag) for chunk in self._drawn(day)]
        return list(draw(self._shop, day, lag))
