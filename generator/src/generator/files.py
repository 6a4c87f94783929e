"""The landing files of a shop, any of them alone."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import TypeVar

import polars as pl

from generator import customers, order_items, orders, payments, products
from generator.cohorts import Cohorts, Told
from generator.columns import canonical_csv
from generator.pools import Pools
from generator.shop import Shop

T = TypeVar("T")


class Files:
    """Makes the files of a shop, one at a time. What it keeps between days saves work and changes no byte."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._pools = Pools()
        self._cohorts = Cohorts(shop)

    def table(self, entity: str, day: date) -> pl.DataFrame:
        """Return the rows of an entity that were created or changed on a day, with the contract's columns.

        Raises CallError for a day on which the shop has no files, KeyError for a name that is no entity.
        """
        return pl.concat(self._each(entity, day, lambda table: table))

    def pieces(self, entity: str, day: date) -> Iterator[bytes]:
        """Iterate over the file of an entity and a day as canonical CSV, in pieces: its header, then its rows.

        Pieces are made ahead, as fast as they can be: all that are not fetched wait in memory. Raises as `table` does.
        """
        header = None
        for names, rows in self._each(entity, day, lambda table: (table.columns, canonical_csv(table))):
            if header is None:
                header = ",".join(names) + "\n"
                yield header.encode()
            yield rows

    def csv(self, entity: str, day: date) -> bytes:
        """Return the file of an entity and a day as canonical CSV."""
        return b"".join(self.pieces(entity, day))

    def _each(self, entity: str, day: date, work: Callable[[pl.DataFrame], T]) -> Iterator[T]:
        """Do some work for each table that a file is made of; results in the order of the file."""
        self.shop.check(day)
        match entity:
            case "customers":
                yield work(customers.table(self.shop, self._pools, day))
            case "products":
                yield work(products.table(self.shop, self._pools, day))
            case "orders":
                places = self._pools.places  # filled here, for pools are for one thread
                yield from self._of_parts(day, lambda told: list(map(work, orders.tables(told, places))))
            case "order_items":
                _, names = products.named(self.shop, self._pools)
                yield from self._of_parts(day, lambda told: list(map(work, order_items.tables(told, names))))
            case "payments":
                yield from self._of_parts(day, lambda told: [work(payments.table(told))])
            case _:
                raise KeyError(entity)

    def _of_parts(self, day: date, work: Callable[[Told], list[T]]) -> Iterator[T]:
        """Do some work for each part of the sales told of, several at once: what comes first of each, then the rest."""
        threads = ThreadPoolExecutor(os.cpu_count())
        try:
            rest: list[T] = []
            for first, *others in threads.map(lambda part: work(part()), self._cohorts.told_on(day)):
                yield first
                rest += others
            yield from rest
        finally:
            threads.shutdown(cancel_futures=True)
