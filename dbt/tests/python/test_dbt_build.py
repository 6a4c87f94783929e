"""dbt builds a small shop: figures, report, and what a broken row does to it."""

import json
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from shop_warehouse import Row, dbt, dbt_stage, query, shop

from libs.entities import ENTITIES

SHOP: dict[str, Iterable[Row]] = {
    "customers": [{"customer_id": "ann", "city": "Bonn"}, {"customer_id": "bob"}],
    "products": [{"product_id": "mug", "unit_price": 30, "currency": "EUR"}],
    "orders": [
        {
            "order_id": "s1",
            "customer_id": "ann",
            "status": "created",
            "subtotal": 90,
            "updated_at": "2025-11-01 11:00:00",
        },
        {
            "order_id": "s1",
            "customer_id": "ann",
            "subtotal": 100,
            "discount": 10,
            "tax": 18,
            "shipping": 5,
            "shipped_at": "2025-11-01 23:59:59",
            "delivered_at": "2025-11-03 00:00:01",
            "estimated_delivery_at": "2025-11-02 00:00:00",
            "updated_at": "2025-11-03 00:00:01",
        },
        {
            "order_id": "s2",
            "customer_id": "ann",
            "currency": "JPY",
            "subtotal": 1500,
            "discount": 100,
            "ordered_at": "2025-11-03 10:00:00",
        },
        {"order_id": "s3", "subtotal": 20, "ordered_at": "2025-11-03 10:00:00"},
        {"order_id": "c1", "customer_id": "bob", "status": "cancelled", "subtotal": 50},
        {"order_id": "z1", "customer_id": "bob"},
        {
            "order_id": "r1",
            "customer_id": "ann",
            "kind": "return",
            "original_order_id": "s1",
            "subtotal": -50,
            "ordered_at": "2025-11-04 10:00:00",
        },
        {"order_id": "a1", "kind": "adjustment", "subtotal": -7, "ordered_at": "2025-11-04 10:00:00"},
    ],
    "order_items": [
        {"order_id": "s1", "line_number": 1, "product_id": "mug", "quantity": 2, "unit_price": 30},
        {"order_id": "s1", "line_number": 2, "product_id": "cup", "quantity": 1, "unit_price": 40, "discount": 4},
        *({"order_id": "s2", "line_number": number, "currency": "JPY", "unit_price": 500} for number in (1, 2, 3)),
        {"order_id": "z1", "quantity": -3, "unit_price": 0},
        {"order_id": "r1", "product_id": "mug", "quantity": -1, "unit_price": 50},
        {"order_id": "lost", "unit_price": 5},
    ],
    "payments": [
        {"payment_id": "p1", "order_id": "s1", "amount": "56.50"},
        {"payment_id": "p2", "order_id": "s1", "amount": "56.50"},
        {"payment_id": "p3", "order_id": "s1", "amount": 113, "status": "failed"},
        {"payment_id": "p4", "order_id": "s1", "amount": 9, "currency": "USD"},
        {"payment_id": "p5", "order_id": "r1", "kind": "refund", "amount": 50, "paid_at": "2025-11-05 10:00:00"},
        {"payment_id": "p6", "order_id": "c1", "amount": 50},
        {"payment_id": "p7", "order_id": "s3", "kind": "chargeback", "amount": 20, "paid_at": "2025-11-05 10:00:00"},
        {"payment_id": "p8", "order_id": "lost", "customer_id": "zed", "amount": 3},
    ],
}


def plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Make decimals plain numbers, which are read more easily where a test fails."""
    return [tuple(float(v) if isinstance(v, Decimal) else v for v in row) for row in rows]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, dbt_environment: dict[str, str]) -> Path:
    """A small shop, built as a user of dbt builds it, unit tests included."""
    file = shop(tmp_path_factory.mktemp("shop") / "small.duckdb", **SHOP)
    ended = dbt("build", WAREHOUSE=str(file), **dbt_environment)
    assert ended.returncode == 0, ended.stdout
    assert "eprecat" not in ended.stdout
    return file


def test_documents_count_as_the_page_says(warehouse: Path) -> None:
    found = query(
        warehouse,
        "select order_id, sales_order_id, is_counted, is_order, order_type, order_sequence, gross_sales, discounts, "
        "adjustments, amount_paid, amount_refunded, amount_charged_back, payment_count, line_count, units "
        "from marts.fct_orders order by order_id",
    )
    assert plain(found) == [
        ("a1", "a1", True, False, None, None, 0, 0, -7, 0, 0, 0, 0, 0, 0),
        ("c1", "c1", False, False, None, None, 0, 0, 0, 50, 0, 0, 1, 0, 0),
        ("r1", "s1", True, False, None, None, 0, 0, 0, 0, 0, 0, 0, 1, 0),
        ("s1", "s1", True, True, "first", 1, 100, 10, 0, 113, 50, 0, 2, 2, 3),
        ("s2", "s2", True, True, "repeat", 2, 1500, 100, 0, 0, 0, 0, 0, 3, 3),
        ("s3", "s3", True, True, "guest", None, 20, 0, 0, 0, 0, 20, 0, 0, 0),
        ("z1", "z1", True, False, None, None, 0, 0, 0, 0, 0, 0, 0, 1, 0),
    ]


def test_times_of_an_order_are_differences_of_days(warehouse: Path) -> None:
    found = query(
        warehouse,
        "select days_to_ship, days_to_deliver, is_late, days_since_previous_order from marts.fct_orders "
        "where order_id in ('s1', 's2') order by order_id",
    )
    assert found == [(0, 2, True, None), (None, None, None, 2)]


def test_lines_carry_their_share_of_the_orders_discount(warehouse: Path) -> None:
    found = query(
        warehouse,
        "select order_id, line_number, is_applied, gross_sales, discounts, units_sold, units_returned "
        "from marts.fct_order_items order by order_id, line_number",
    )
    assert plain(found) == [
        ("lost", 1, False, 0, 0, 0, 0),
        ("r1", 1, True, 0, 0, 0, 1),
        ("s1", 1, True, 60, 3.75, 2, 0),
        ("s1", 2, True, 40, 6.25, 1, 0),
        ("s2", 1, True, 500, 33, 1, 0),
        ("s2", 2, True, 500, 34, 1, 0),
        ("s2", 3, True, 500, 33, 1, 0),
        ("z1", 1, True, 0, 0, 0, 0),
    ]


def test_daily_sales_has_every_day_and_currency(warehouse: Path) -> None:
    found = query(
        warehouse,
        "select date_day, currency, orders, zero_value_orders, cancelled_orders, cancelled_total, gross_sales, "
        "adjustments, average_order_value, amount_received from marts.daily_sales order by currency, date_day",
    )
    days = [date(2025, 11, day) for day in range(1, 6)]
    assert [(row[0], row[1]) for row in found] == [(day, code) for code in ("EUR", "JPY", "USD") for day in days]
    told = [row[2:] for row in plain(found)]
    nothing = (0, 0, 0, 0, 0, 0, None, 0)
    assert told[:5] == [
        (1, 1, 1, 50, 100, 0, 90, 166),
        nothing,
        (1, 0, 0, 0, 20, 0, 20, 0),
        (0, 0, 0, 0, 0, -7, None, 0),
        (0, 0, 0, 0, 0, 0, None, -70),
    ]
    assert told[5:10] == [nothing, nothing, (1, 0, 0, 0, 1500, 0, 1400, 0), nothing, nothing]
    assert told[10:] == [(0, 0, 0, 0, 0, 0, None, 9), *[nothing] * 4]


def test_dimensions_have_members_that_are_only_named(warehouse: Path) -> None:
    customers = query(
        warehouse, "select customer_id, is_known, orders, is_repeat_customer from marts.dim_customers order by 1"
    )
    assert customers == [("ann", True, 2, True), ("bob", True, 0, False), ("zed", False, 0, False)]
    products = query(warehouse, "select product_id, is_known from marts.dim_products order by 1")
    assert products == [("cup", False), ("mug", True)]
    dates = query(warehouse, "select min(date_day), max(date_day), count(*) from marts.dim_dates")
    assert dates == [(date(2025, 1, 1), date(2025, 12, 31), 365)]


def test_iso_weeks_are_duckdbs(warehouse: Path) -> None:
    wrong = (
        "select count(*) from marts.dim_dates "
        "where (iso_week, iso_year, iso_weekday) <> (week(date_day), isoyear(date_day), isodow(date_day))"
    )
    assert query(warehouse, wrong) == [(0,)]


def test_staging_has_the_contracts_columns_with_their_types(warehouse: Path) -> None:
    for entity in ENTITIES:
        staged = query(warehouse, f"select column_name, column_type from (describe staging.stg_{entity})")
        landed = query(warehouse, f"select column_name, column_type from (describe landing.{entity})")
        assert staged == landed[:-3]


def test_the_report_tells_rows_and_warnings(warehouse: Path, dbt_environment: dict[str, str]) -> None:
    ended = dbt_stage("build", "--warehouse", str(warehouse), "--json", **dbt_environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    report = json.loads(ended.stdout)
    by_name = {outcome["entity"]: outcome for outcome in report["outcomes"]}
    assert by_name["fct_orders"]["rows"] == 7
    assert by_name["daily_sales"]["rows"] == 15
    warned = {name: one["failing_rows"] for name, one in by_name.items() if one["result"] == "warn"}
    assert warned == {
        "cancelled_but_paid": 1,
        "charged_back": 1,
        "currency_differs": 1,
        "delivered_without_delivered_at": 3,
        "item_without_order": 1,
        "order_without_items": 2,
        "payment_without_order": 1,
        "unknown_customer": 1,
        "unknown_product": 1,
    }
    assert (report["exit_code"], report["failed"], report["skipped"]) == (0, 0, 0)
    assert (report["tests_warned"], report["warehouse"]) == (9, str(warehouse))


def test_a_selection_of_nothing_is_said_so(warehouse: Path, dbt_environment: dict[str, str]) -> None:
    ended = dbt_stage("build", "--warehouse", str(warehouse), "--select", "fct_order", **dbt_environment)
    assert ended.returncode == 1
    assert ended.stderr.startswith("dbt-stage build: nothing in the project is selected by 'fct_order'")


def test_a_row_that_breaks_a_test_fails_the_build_and_stops_what_depends_on_it(
    tmp_path: Path, dbt_environment: dict[str, str]
) -> None:
    file = shop(tmp_path / "broken.duckdb", **SHOP)
    with duckdb.connect(str(file)) as db:
        db.execute("update landing.payments set kind = 'gift' where payment_id = 'p8'")
    ended = dbt_stage("build", "--warehouse", str(file), **dbt_environment)
    assert ended.returncode == 1
    failures = [line for line in ended.stderr.splitlines() if "stg_payments_kind_is_accepted" in line]
    assert len(failures) == 1
    assert ": 1 row: " in failures[0]
    assert "1 failed" in ended.stdout
    built = query(file, "select table_name from information_schema.tables where table_schema = 'marts'")
    assert ("fct_payments",) not in built
    assert ("dim_products",) in built
