"""The sales that a day's files tell of: those of the day and those of earlier days to which something happens on it."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import cache, lru_cache, partial
from itertools import chain

import numpy as np

from generator.amounts import Amounts, Lines, chosen_lines, document, price
from generator.sales import HORIZON, Sales, draw, happening
from generator.shop import SECONDS_A_DAY, Shop, epoch_day
from generator.streams import Array

_KEPT_ORDERS = 1_500_000
"""Sales kept in memory from one day of a range to the next, if that is enough for all the days looked back at."""

_PART = 1 << 16
"""Sales of a day that make a part, if not some more: enough to make what is done once for each cost little."""


@dataclasses.dataclass(frozen=True)
class Told:
    """Sales of which the files of a day tell, priced, with the documents that follow them.

    `lag` is how many days after the sale's own the files' day is; `lines` are those of the sales that come for the
    first time; `chosen` is the total of the one line of each sale that a refund or a return would be for.
    """

    shop: Shop
    sales: Sales
    lag: Array
    lines: Lines
    chosen: Array
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
        self._parts: Callable[[date], list[Callable[[], Told]]] = lru_cache(1)(self._make_parts)

    def told_on(self, day: date) -> list[Callable[[], Told]]:
        """Return the sales that the files of a day tell of, oldest first, in parts; each is priced when first asked."""
        return self._parts(day)

    def _make_parts(self, day: date) -> list[Callable[[], Told]]:
        lags = range(min(HORIZON, (day - self._shop.opened).days), -1, -1)
        if self._remembers:
            found = [happening(chunk, lag) for lag in lags for chunk in self._drawn(day - timedelta(lag))]
            parts = [Sales.together(found)]
        else:
            with ThreadPoolExecutor(os.cpu_count()) as threads:  # numpy works outside of Python's lock
                drawn = threads.map(lambda lag: list(_gathered(draw(self._shop, day - timedelta(lag), lag))), lags)
                parts = list(chain.from_iterable(drawn))
        return [cache(partial(_priced, self._shop, day, sales)) for sales in parts]


def _gathered(drawn: Iterable[Sales]) -> Iterator[Sales]:
    """Put sales together until they are enough for a part."""
    waiting: list[Sales] = []
    for sales in drawn:
        waiting.append(sales)
        if sum(map(len, waiting)) >= _PART:
            yield Sales.together(waiting)
            waiting.clear()
    if waiting:
        yield Sales.together(waiting)


def _priced(shop: Shop, day: date, sales: Sales) -> Told:
    lag = epoch_day(day) - sales.day
    lines, amounts = price(shop, sales)
    back_lines, back = document(shop, sales, lines, amounts)
    chosen = lines.total[chosen_lines(sales)]
    new = lines.take((sales.late == lag)[lines.owner])
    return Told(shop, sales, lag, new, chosen, amounts, back_lines, back)
