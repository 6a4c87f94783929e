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
from libs.entities import contract_of

T = TypeVar("T")


class Files:
    """Makes the files of a shop, one at a time. What it keeps between days saves work and changes no byte."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._pools = Pools()
        self._cohorts = Cohorts(shop)

    def table(self, entity: str, day: date) -> pl.DataFrame:
        """Return the rows of an entity that were created or changed on a day, with the contract's columns.

        Raises CallError for a name that is no entity, and for a day on which the shop has no files.
        """
        return pl.concat(self._each(entity, day, lambda table: table))

    def pieces(self, entity: str, day: date) -> Iterator[bytes]:
        """Iterate over the file of an entity and a day as canonical CSV, in pieces: its header, then its rows."""
        header = ",".join(column.name for column in contract_of(entity).columns())
        yield f"{header}\n".encode()
        yield from self._each(entity, day, canonical_csv)

    def csv(self, entity: str, day: date) -> bytes:
        """Return the file of an entity and a day as canonical CSV."""
        return b"".join(self.pieces(entity, day))

    def _each(self, entity: str, day: date, work: Callable[[pl.DataFrame], T]) -> Iterator[T]:
        """Do some work for the tables that a file is made of, several at once; results in the order of the file."""
        contract_of(entity)
        self.shop.check(day)
        if entity == "customers":
            yield work(customers.table(self.shop, self._pools, day))
        elif entity == "products":
            yield work(products.table(self.shop, self._pools, day))
        else:
            tables = self._tables_of(entity)
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                parts = threads.map(lambda part: [work(table) for table in tables(part())], self._cohorts.told_on(day))
                ends: list[T] = []
                for begin, *end in parts:
                    yield begin
                    ends += end
                yield from ends

    def _tables_of(self, entity: str) -> Callable[[Told], tuple[pl.DataFrame, ...]]:
        """Return what makes the tables of sales; all their rows of the first table come first in the file."""
        if entity == "orders":
            places = self._pools.places
            return lambda told: orders.tables(told, places)
        if entity == "order_items":
            _, names = products.named(self.shop, self._pools)
            return lambda told: order_items.tables(told, names)
        return lambda told: (payments.table(told),)
