"""On random shops the marts are what the page says, and every identity holds.

dbt compiles the project once; its SQL then runs on many small shops without dbt. SHOPS sets their number.
"""

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from marts_page import TERMS, Page, latest
from random_shop import RandomShop
from shop_warehouse import create_landing, dbt

from libs.contracts.iso import MINOR_UNITS
from libs.entities import ENTITIES

SHOPS = int(os.environ.get("SHOPS", "10"))
ORDER_COLUMNS = (
    *TERMS,
    *(
        "ordered_date",
        "sales_order_id",
        "is_counted",
        "is_order",
        "order_sequence",
        "order_type",
        "line_count",
        "units",
    ),
    *("amount_returned", "amount_credited", "amount_paid", "amount_refunded", "amount_charged_back", "amount_received"),
    *("balance", "payment_count", "days_since_previous_order", "days_to_ship", "days_to_deliver", "is_late"),
)
REASONS = """
    cancelled_but_paid over_refunded charged_back unpaid payment_rounding refund_due paid_without_items overpaid
    underpaid order_without_items items_rounding items_differ discounts_differ shipping_differs tax_differs
    item_without_order payment_without_order unknown_original_order currency_differs unknown_customer unknown_product
    customer_balance returned_without_credit
""".split()
ITEM_COLUMNS = ("is_applied", "order_discount_share", "gross_sales", "discounts", "units_sold", "units_returned")
CREDIT_COLUMNS = ("returned", "credited", "goods", "shipping", "tax", "other", "tax_included")
CUSTOMER_COLUMNS = ("is_known", "orders", "first_order_at", "latest_order_at", "is_repeat_customer")
PAYMENT_COLUMNS = ("paid_date", "is_applied", "sales_order_id", "settled_amount", "customer_id")


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, dbt_environment: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """The statements that build every model, in order; and every singular test's query by its name."""
    folder = tmp_path_factory.mktemp("compiled")
    ended = dbt("compile", WAREHOUSE=str(folder / "random.duckdb"), **dbt_environment)
    assert ended.returncode == 0, ended.stdout
    nodes = json.loads((Path(dbt_environment["DBT_TARGET_PATH"]) / "manifest.json").read_text())["nodes"]
    models = {key: node for key, node in nodes.items() if node["resource_type"] == "model"}
    statements = [
        f"create {'view' if models[key]['config']['materialized'] == 'view' else 'table'} "
        f"{models[key]['relation_name']} as {models[key]['compiled_code']}"
        for key in _in_order(models)
    ]
    identities = {
        node["name"]: node["compiled_code"]
        for node in nodes.values()
        if node["resource_type"] == "test" and "/identities/" in node["original_file_path"]
    }
    assert len(statements) > 20
    assert len(identities) > 10
    return statements, identities


def _in_order(models: dict[str, Any]) -> Iterator[str]:
    done: set[str] = set()
    while len(done) < len(models):
        ready = [
            key
            for key, node in models.items()
            if key not in done and all(one in done for one in node["depends_on"]["nodes"] if one in models)
        ]
        assert ready
        done.update(ready)
        yield from ready


def _warehouse(shop: RandomShop, statements: list[str]) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect()
    db.execute("attach ':memory:' as random; use random")
    create_landing(db)
    for schema in ("staging", "intermediate", "marts"):
        db.execute(f"create schema {schema}")
    db.execute("create table staging.minor_units (currency varchar, minor_unit integer)")
    db.executemany("insert into staging.minor_units values (?, ?)", list(MINOR_UNITS.items()))
    for entity, contract in ENTITIES.items():
        names = [*(column.name for column in contract.columns()), "_partition_date"]
        marks = ", ".join("?" for _ in names)
        rows = [[row.get(name) for name in names] for row in shop.rows[entity]]
        if rows:
            db.executemany(f"insert into landing.{entity} ({', '.join(names)}) values ({marks})", rows)
    for statement in statements:
        db.execute(statement)
    return db


def _page(shop: RandomShop) -> Page:
    rows = {
        entity: [
            {**{column.name: None for column in contract.columns()}, **row}
            for row in latest(shop.rows[entity], contract.key)
        ]
        for entity, contract in ENTITIES.items()
    }
    return Page(rows, MINOR_UNITS)


def _marts(db: duckdb.DuckDBPyConnection, table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> dict[Any, Any]:
    found = db.execute(f"select {', '.join((*key, *columns))} from marts.{table}").fetchall()
    return {
        (row[: len(key)] if len(key) > 1 else row[0]): dict(zip(columns, row[len(key) :], strict=True)) for row in found
    }


@pytest.mark.parametrize("seed", range(SHOPS))
def test_a_random_shops_marts_are_what_the_page_says(seed: int, project: tuple[list[str], dict[str, str]]) -> None:
    statements, identities = project
    shop = RandomShop(seed)
    page = _page(shop)
    with _warehouse(shop, statements) as db:
        orders = _marts(db, "fct_orders", ("order_id",), ORDER_COLUMNS)
        assert orders == {key: {name: row[name] for name in ORDER_COLUMNS} for key, row in page.orders.items()}
        items = _marts(db, "fct_order_items", ("order_id", "line_number"), ITEM_COLUMNS)
        assert items == page.items
        payments = _marts(db, "fct_payments", ("payment_id",), PAYMENT_COLUMNS)
        assert payments == {key: {name: row[name] for name in PAYMENT_COLUMNS} for key, row in page.payments.items()}
        assert _marts(db, "dim_customers", ("customer_id",), CUSTOMER_COLUMNS) == page.customers
        assert _marts(db, "dim_products", ("product_id",), ("is_known",)) == page.products
        given_back = db.execute(
            f"select sales_order_id, source_id, date_day, {', '.join(CREDIT_COLUMNS)} "
            "from intermediate.int_order_credits"
        ).fetchall()
        events = [
            (event["sale"], event["source"], event["day"], *(event[name] for name in CREDIT_COLUMNS))
            for event in page.credit_events
        ]
        assert sorted(row for row in given_back if any(row[3:])) == sorted(row for row in events if any(row[3:]))
        columns = tuple(next(iter(page.daily.values()), {"orders": 0}))
        assert _marts(db, "daily_sales", ("date_day", "currency"), columns) == page.daily
        findings = db.execute(
            "select reason, subject, subject_id, currency, expected, actual, is_counted, difference "
            "from marts.reconciliation"
        )
        listed: list[tuple[Any, ...]] = findings.fetchall()
        assert {row[:4]: row[4:7] for row in listed} == page.findings
        assert all(row[7] == (None if row[4] is None else row[5] - row[4]) for row in listed)
        assert len(listed) == len(page.findings)
        broken = {name: found for name, sql in identities.items() if (found := db.execute(sql).fetchall())}
        assert broken == {}


def test_random_shops_have_everything_that_the_page_has_a_rule_for() -> None:
    reasons: set[str] = set()
    negative_events = 0
    hanging: set[tuple[str, str]] = set()
    for seed in range(20):
        page = _page(RandomShop(seed))
        reasons |= {reason for reason, *_ in page.findings}
        negative_events += sum(1 for event in page.credit_events if event["credited"] < Decimal(0))
        hanging |= {
            (one["kind"], named["kind"])
            for one in page.documents.values()
            if (named := page.hangs_on(one)) is not None and not page.is_counted(named)
        }
    assert negative_events > 0
    assert hanging >= {(one, named) for one in ("return", "adjustment") for named in ("sale", "return")}
    assert set(REASONS) - reasons == set()
