"""The landing files of a shop, any of them alone."""

from datetime import date

import polars as pl

from generator import customers, order_items, orders, payments, products
from generator.cohorts import Cohorts
from generator.columns import canonical_csv
from generator.pools import Pools
from generator.shop import Shop


class Files:
    """Makes the files of a shop, in one thread. What it keeps between days saves work and changes no byte."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._pools = Pools()
        self._cohorts = Cohorts(shop)

    def table(self, entity: str, day: date) -> pl.DataFrame:
        """Return the rows of an entity that were created or changed on a day, with the contract's columns.

        Raises CallError for a day on which the shop has no files, KeyError for a name that is no entity.
        """
        self.shop.check(day)
        return {
            "customers": lambda: customers.table(self.shop, self._pools, day),
            "products": lambda: products.table(self.shop, self._pools, day),
            "orders": lambda: orders.table(self._cohorts.told_on(day), self._pools),
            "order_items": lambda: order_items.table(self._cohorts.told_on(day), self._pools),
            "payments": lambda: payments.table(self._cohorts.told_on(day)),
        }[entity]()

    def csv(self, entity: str, day: date) -> bytes:
        """Return the file of an entity and a day as canonical CSV."""
        return canonical_csv(self.table(entity, day))
