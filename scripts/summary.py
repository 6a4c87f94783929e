"""What came out of a demo, read from the marts and the manifests."""

import csv
import sys
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from libs import manifest
from libs.entities import ENTITIES
from libs.stage.warehouse import when_free
from libs.storage import open_store

_SALES = """
    select
        {period} as period,
        currency,
        sum(orders) as orders,
        sum(gross_sales - discounts) as revenue,
        cast(sum(gross_sales - discounts) / nullif(sum(orders), 0) as decimal(18, 2)) as average_order_value
    from marts.daily_sales
    group by all
    having sum(orders) > 0
    order by all
"""


def days(lake: str, warehouse: str, first: str, last: str) -> None:
    """Print orders, revenue, average order value and quarantine rate of each day."""
    rates = _quarantine_rates(lake, date.fromisoformat(first), date.fromisoformat(last))
    table = _table("Day by day", "day", "currency", "orders", "revenue", "AOV", "records", "quarantined")
    for day, currency, orders, revenue, average in _query(warehouse, _SALES.format(period="date_day")):
        if day not in rates:
            continue
        records, quarantined = rates[day]
        rate = f"{quarantined / records:.2%}" if records else ""
        table.add_row(str(day), currency, f"{orders:,}", f"{revenue:,.2f}", f"{average:,.2f}", f"{records:,}", rate)
    _print(table)
    print("Revenue is gross sales less discounts, by the day of the order; late days are still incomplete.")
    print(f"Warehouse:  {warehouse} (schema marts)\nQuarantine: {lake}/quarantine_raw")


def months(warehouse: str) -> None:
    """Print orders, revenue and average order value of each month."""
    table = _table("Month by month", "month", "currency", "orders", "revenue", "AOV")
    for month, currency, orders, revenue, average in _query(
        warehouse, _SALES.format(period="strftime(date_day, '%Y-%m')")
    ):
        table.add_row(month, currency, f"{orders:,}", f"{revenue:,.2f}", f"{average:,.2f}")
    _print(table)


def compare_olist(files: Path, lake: str, warehouse: str) -> None:
    """Print rows and money of Olist's files beside those at the marts. Exits with 1 where they differ."""
    orders, items = list(_rows(files, "orders")), list(_rows(files, "order_items"))
    payments, people = (
        list(_rows(files, "order_payments")),
        {row["customer_unique_id"] for row in _rows(files, "customers")},
    )
    in_files = {
        "documents": len(orders),
        "lines": len(items),
        "payments": len(payments),
        "products": sum(1 for _ in _rows(files, "products")),
        "people": len(people),
        "Σ price": _sum(items, "price"),
        "Σ freight": _sum(items, "freight_value"),
        "Σ payments": _sum(payments, "payment_value"),
    }
    at_marts = _query(
        warehouse,
        """
        select
            (select count(*) from marts.fct_orders), (select count(*) from marts.fct_order_items),
            (select count(*) from marts.fct_payments), (select count(*) from marts.dim_products where is_known),
            (select count(*) from marts.dim_customers where is_known), (select sum(subtotal) from marts.fct_orders),
            (select sum(shipping) from marts.fct_orders), (select sum(amount) from marts.fct_payments)
        """,
    )[0]
    table = _table("From the files to the marts", "", "in the files", "at the marts", "equal")
    equal = True
    for (name, expected), actual in zip(in_files.items(), at_marts, strict=True):
        equal = equal and expected == actual
        table.add_row(name, _number(expected), _number(actual), "yes" if expected == actual else "NO")
    _print(table)
    quarantined = sum(found.rows.quarantined for found in _manifests(lake))
    [(counted, gross, shipping, received)] = _query(
        warehouse,
        """
        select
            count(*) filter (where is_order), sum(gross_sales), sum(shipping) filter (where is_counted),
            (select sum(settled_amount) from marts.fct_payments)
        from marts.fct_orders
        """,
    )
    print(f"Quarantined records: {quarantined}")
    print(
        f"Counted: {counted:,} orders, gross sales {gross:,.2f}, shipping {shipping:,.2f}, payments {received:,.2f} BRL"
    )
    print(f"Warehouse:  {warehouse} (schema marts)\nQuarantine: {lake}/quarantine_raw")
    if not equal:
        sys.exit("demo-olist: the marts differ from the files")


def _quarantine_rates(lake: str, first: date, last: date) -> dict[date, tuple[int, int]]:
    store = open_store(lake)
    rates: dict[date, tuple[int, int]] = {}
    for offset in range((last - first).days + 1):
        day = first + timedelta(offset)
        found = [one[0].rows for entity in ENTITIES if (one := manifest.find(store, entity, day))]
        rates[day] = (sum(rows.raw for rows in found), sum(rows.quarantined for rows in found))
    return rates


def _manifests(lake: str) -> Iterator[manifest.Manifest]:
    store = open_store(lake)
    for key in store.list("manifests/"):
        with store.read(key) as stream:
            yield manifest.Manifest.from_bytes(stream.read(), store.url(key))


def _query(warehouse: str, sql: str) -> list[tuple[Any, ...]]:
    with when_free(lambda: duckdb.connect(warehouse, read_only=True), Path(warehouse), 60, print) as connection:
        return connection.execute(sql).fetchall()


def _rows(files: Path, name: str) -> Iterator[dict[str, str]]:
    with (files / f"olist_{name}_dataset.csv").open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _sum(rows: Iterable[dict[str, str]], column: str) -> Decimal:
    return sum((Decimal(row[column]) for row in rows), Decimal(0))


def _number(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, Decimal) else f"{value:,}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 or column == "currency" else "right")
    return table


def _print(table: Table) -> None:
    console = Console(highlight=False)
    console.print()
    console.print(table)
