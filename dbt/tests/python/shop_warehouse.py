"""Warehouses for the tests: landing tables made from the contracts, rows put in directly."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from dbt_stage.sources import data_type
from libs.entities import ENTITIES

PROJECT = Path(__file__).resolve().parents[2]
ROOT = PROJECT.parent
OLIST = ROOT.parent / "shared/data/olist"

Row = Mapping[str, Any]

_DEFAULTS: dict[str, dict[str, Any]] = {
    "customers": {"created_at": "2025-11-01 08:00:00"},
    "products": {"created_at": "2025-11-01 08:00:00"},
    "orders": {"kind": "sale", "status": "delivered", "currency": "EUR", "ordered_at": "2025-11-01 10:00:00"},
    "order_items": {
        "line_number": 1,
        "quantity": 1,
        "discount": 0,
        "currency": "EUR",
        "ordered_at": "2025-11-01 10:00:00",
    },
    "payments": {
        "kind": "payment",
        "method": "card",
        "status": "settled",
        "currency": "EUR",
        "paid_at": "2025-11-01 10:05:00",
    },
}


def create_landing(db: duckdb.DuckDBPyConnection) -> None:
    """Create the empty landing tables, as the loader does."""
    db.execute("create schema landing")
    for contract in ENTITIES.values():
        columns = ", ".join(f"{column.name} {data_type(column.type)}" for column in contract.columns())
        db.execute(
            f"create table landing.{contract.entity} "
            f"({columns}, _partition_date date, _source_object varchar, _loaded_at timestamp)"
        )


def insert(db: duckdb.DuckDBPyConnection, entity: str, rows: Iterable[Row]) -> None:
    """Insert rows of an entity; what a row leaves out is plain: no change after the event, loaded on its own day."""
    contract = ENTITIES[entity]
    names = [*(column.name for column in contract.columns()), "_partition_date", "_source_object", "_loaded_at"]
    for row in rows:
        values = {**_DEFAULTS[entity], **row}
        if entity == "orders":
            values = _with_amounts(values)
        if entity == "order_items":
            values = _with_line_total(values)
        values.setdefault(contract.change_time, values[contract.event_time])
        values.setdefault("_partition_date", str(values[contract.event_time])[:10])
        values.setdefault("_source_object", f"{entity}.csv")
        unknown = set(values) - set(names)
        assert not unknown, f"{entity} has no {unknown}"
        given = {name: None if value is None else str(value) for name, value in values.items()}
        marks = ", ".join("?" for _ in names)
        db.execute(f"insert into landing.{entity} values ({marks})", [given.get(name) for name in names])


def shop(path: Path, **rows: Iterable[Row]) -> Path:
    """Make a warehouse file with the rows of some entities."""
    with duckdb.connect(str(path)) as db:
        create_landing(db)
        for entity, some in rows.items():
            insert(db, entity, some)
    return path


def dbt_stage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call the stage as its command does, in a process of its own."""
    code = "from dbt_stage.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def dbt(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call dbt itself in the project's folder, as `uv run dbt` does."""
    return subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--no-use-colors", *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask a warehouse, read-only."""
    with duckdb.connect(str(path), read_only=True) as db:
        return db.execute(sql).fetchall()


def _with_amounts(values: dict[str, Any]) -> dict[str, Any]:
    from decimal import Decimal

    amounts = {name: Decimal(str(values.get(name, 0))) for name in ("subtotal", "discount", "tax", "shipping", "other")}
    total = sum(amounts.values(), Decimal(0)) - 2 * amounts["discount"]
    return {**values, **amounts, "total": values.get("total", total)}


def _with_line_total(values: dict[str, Any]) -> dict[str, Any]:
    from decimal import Decimal

    price = Decimal(str(values["unit_price"]))
    total = Decimal(str(values["quantity"])) * price - Decimal(str(values["discount"]))
    return {**values, "line_total": values.get("line_total", total)}


def load_olist(db: duckdb.DuckDBPyConnection, folder: Path = OLIST) -> None:
    """Put Olist's files into landing tables, as its export and the loader would."""
    for table in ("customers", "order_items", "order_payments", "orders", "products"):
        db.execute(
            f"create temp table olist_{table} as "
            f"select * from read_csv('{folder}/olist_{table}_dataset.csv', all_varchar = true)"
        )
    create_landing(db)
    for statement in _OLIST.split(";"):
        db.execute(statement)


_OLIST = """
create temp view bought as
select
    orders.order_id,
    customers.customer_unique_id as customer_id,
    customers.customer_city as city,
    customers.customer_state as region,
    customers.customer_zip_code_prefix as postal_code,
    case order_status when 'canceled' then 'cancelled' else order_status end as status,
    order_purchase_timestamp::timestamp as ordered_at,
    order_approved_at::timestamp as approved_at,
    order_delivered_carrier_date::timestamp as shipped_at,
    order_delivered_customer_date::timestamp as delivered_at,
    order_estimated_delivery_date::timestamp as estimated_delivery_at,
    greatest(ordered_at, coalesce(approved_at, ordered_at), coalesce(shipped_at, ordered_at),
             coalesce(delivered_at, ordered_at)) as updated_at
from olist_orders as orders
join olist_customers as customers using (customer_id);

insert into landing.customers by name
select
    customer_id,
    arg_max(city, (ordered_at, order_id)) as city,
    arg_max(region, (ordered_at, order_id)) as region,
    arg_max(postal_code, (ordered_at, order_id)) as postal_code,
    'BR' as country_code,
    min(ordered_at) as created_at,
    min(ordered_at) as updated_at,
    min(ordered_at)::date as _partition_date
from bought
group by customer_id;

insert into landing.products by name
select
    product_id,
    product_category_name as category,
    product_weight_g::decimal(18, 3) as weight_g,
    timestamp '2016-09-04' as created_at,
    timestamp '2016-09-04' as updated_at,
    date '2016-09-04' as _partition_date
from olist_products;

insert into landing.orders by name
select
    bought.* exclude (city, region, postal_code),
    'sale' as kind,
    'BRL' as currency,
    coalesce(lines.subtotal, 0) as subtotal,
    0 as discount,
    0 as tax,
    coalesce(lines.shipping, 0) as shipping,
    0 as other,
    coalesce(lines.subtotal + lines.shipping, 0) as total,
    city as ship_city,
    region as ship_region,
    postal_code as ship_postal_code,
    'BR' as ship_country_code,
    ordered_at::date as _partition_date
from bought
left join (
    select order_id, sum(price::decimal(18, 4)) as subtotal, sum(freight_value::decimal(18, 4)) as shipping
    from olist_order_items
    group by order_id
) as lines using (order_id);

insert into landing.order_items by name
select
    order_id,
    order_item_id::bigint as line_number,
    product_id,
    1 as quantity,
    price::decimal(18, 4) as unit_price,
    0 as discount,
    freight_value::decimal(18, 4) as shipping,
    price::decimal(18, 4) as line_total,
    'BRL' as currency,
    ordered_at,
    ordered_at as updated_at,
    ordered_at::date as _partition_date
from olist_order_items
join bought using (order_id);

insert into landing.payments by name
select
    order_id || '-' || payment_sequential as payment_id,
    order_id,
    'payment' as kind,
    payment_type as method,
    'settled' as status,
    payment_value::decimal(18, 4) as amount,
    payment_installments::bigint as installments,
    'BRL' as currency,
    coalesce(approved_at, ordered_at) as paid_at,
    paid_at as updated_at,
    paid_at::date as _partition_date
from olist_order_payments
join bought using (order_id);

update landing.orders set _source_object = 'orders.csv'
"""
