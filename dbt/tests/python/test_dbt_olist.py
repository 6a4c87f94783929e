"""A real shop, to the cent: the figures of Olist that the marts page names."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from shop_warehouse import OLIST, dbt_stage, load_olist, query

FIGURES = {
    "documents": ("select count(*) from marts.fct_orders", 29_355),
    "orders": ("select count(*) from marts.fct_orders where is_order", 28_113),
    "zero-value orders": ("select sum(zero_value_orders) from marts.daily_sales", 8),
    "zero-value orders that are paid and have no lines": (
        "select count(*) from marts.fct_orders"
        " where is_counted and not is_order and amount_paid > 0 and line_count = 0",
        8,
    ),
    "cancelled": ("select count(*) from marts.fct_orders where not is_counted and status = 'cancelled'", 625),
    "unavailable": ("select count(*) from marts.fct_orders where not is_counted and status = 'unavailable'", 609),
    "uncounted": ("select sum(cancelled_orders) from marts.daily_sales", 1_234),
    "uncounted totals": ("select sum(cancelled_total) from marts.daily_sales", Decimal("108026.21")),
    "cancelled, handed over": (
        "select count(*) from marts.fct_orders where status = 'cancelled' and shipped_at is not null",
        75,
    ),
    "cancelled, delivered": (
        "select count(*) from marts.fct_orders where status = 'cancelled' and delivered_at is not null",
        6,
    ),
    "gross_sales": ("select sum(gross_sales) from marts.daily_sales", Decimal("3916655.82")),
    "net_sales": ("select sum(net_sales) from marts.daily_sales", Decimal("3916655.82")),
    "shipping_charges": ("select sum(shipping_charges) from marts.daily_sales", Decimal("649053.09")),
    "total_sales": ("select sum(total_sales) from marts.daily_sales", Decimal("4565708.91")),
    "total_sales by order": ("select sum(total_sales) from marts.fct_orders", Decimal("4565708.91")),
    **{
        f"total_sales {year}": (f"select sum(total_sales) from marts.daily_sales where year(date_day) = {year}", amount)
        for year, amount in {
            2016: Decimal("18581.80"),
            2017: Decimal("2046851.58"),
            2018: Decimal("2500275.53"),
        }.items()
    },
    "average_order_value": (
        "select round((sum(gross_sales) - sum(discounts)) / sum(orders), 4)::decimal(18, 4) from marts.daily_sales",
        Decimal("139.3183"),
    ),
    "not AOV: every document counted": (
        "select round(sum(subtotal - discount) / count(*), 2)::decimal(18, 2) from marts.fct_orders",
        Decimal("136.74"),
    ),
    "not AOV: with shipping": (
        "select round(sum(gross_sales - discounts + shipping_charges) / sum(orders), 2)::decimal(18, 2)"
        " from marts.daily_sales",
        Decimal("162.41"),
    ),
    "customers": ("select count(*) from marts.dim_customers", 28_962),
    "customers with an order": ("select count(*) from marts.dim_customers where orders > 0", 27_765),
    "repeat customers": ("select count(*) from marts.dim_customers where is_repeat_customer", 294),
    "repeat customers, if cancelled orders counted": (
        "select count(*) from (select customer_id from marts.fct_orders group by customer_id having count(*) > 1)",
        333,
    ),
    "customers whose first document was no order": (  # or no more than one of several in that second
        "select count(*) from (select customer_id from marts.fct_orders group by customer_id"
        " having min(ordered_at) filter (where not is_order) <= min(ordered_at) filter (where is_order))",
        11,
    ),
    "customers and seconds that several orders share": (
        "select count(*) from (select customer_id from marts.fct_orders where is_order"
        " group by customer_id, ordered_at having count(*) > 1)",
        28,
    ),
    "repeat orders": ("select sum(repeat_orders) from marts.daily_sales", 348),
    "payments": ("select count(*) from marts.fct_payments", 30_942),
    "amount received": ("select sum(amount_received) from marts.fct_orders", Decimal("4837056.63")),
    "amount received, if payments were joined to lines": (
        "select sum(p.amount) from marts.fct_payments as p inner join marts.fct_order_items as i using (order_id)",
        Decimal("6020440.12"),
    ),
    "amount received by day": ("select sum(amount_received) from marts.daily_sales", Decimal("4837056.63")),
    "documents with several payments": ("select count(*) from marts.fct_orders where payment_count > 1", 883),
    "payments of zero": ("select count(*) from marts.fct_payments where amount = 0", 7),
    "documents without lines": ("select count(*) from marts.fct_orders where line_count = 0", 775),
    "lines": ("select count(*) from marts.fct_order_items", 32_719),
    "units_sold": ("select sum(units_sold) from marts.daily_sales", 32_170),
    "products on lines": ("select count(distinct product_id) from marts.fct_order_items", 14_850),
    "products": ("select count(*) from marts.dim_products", 32_951),
    "first day": ("select min(date_day) from marts.daily_sales", date(2016, 9, 4)),
    "last day": ("select max(date_day) from marts.daily_sales", date(2018, 10, 17)),
    "days": ("select count(*) from marts.daily_sales", 774),
    "days without orders": ("select count(*) from marts.daily_sales where orders = 0", 162),
    "of them with payments or cancelled orders": (
        "select count(*) from marts.daily_sales where orders = 0 and (amount_paid > 0 or cancelled_orders > 0)",
        24,
    ),
    "last day with orders": ("select max(date_day) from marts.daily_sales where orders > 0", date(2018, 9, 3)),
    "best day": ("select arg_max(date_day, total_sales) from marts.daily_sales", date(2017, 11, 24)),
    "best day's total_sales": ("select max(total_sales) from marts.daily_sales", Decimal("44899.53")),
    "cash less sales": ("select sum(-balance) from marts.fct_orders", Decimal("271347.72")),
}
FINDINGS = {
    "cancelled_but_paid": (1_231, Decimal("269735.11")),
    "overpaid": (81, Decimal("932.24")),
    "paid_without_items": (8, Decimal("915.06")),
    "unpaid": (1, Decimal("-143.46")),
    "underpaid": (13, Decimal("-91.06")),
    "payment_rounding": (79, Decimal("-0.17")),
}


@pytest.mark.skipif(not OLIST.is_dir(), reason=f"Olist's files are not at {OLIST}")
def test_olists_figures_are_those_of_the_page(tmp_path: Path, dbt_environment: dict[str, str]) -> None:
    file = tmp_path / "olist.duckdb"
    with duckdb.connect(str(file)) as db:
        load_olist(db)
    ended = dbt_stage("build", "--warehouse", str(file), **dbt_environment)
    assert ended.returncode == 0, ended.stderr
    assert " 0 failed, 0 skipped" in ended.stdout
    assert "  warning: order_without_items, 775 rows: A sale or return without lines." in ended.stdout.splitlines()
    found = {name: query(file, sql)[0][0] for name, (sql, _) in FIGURES.items()}
    assert found == {name: figure for name, (_, figure) in FIGURES.items()}
    findings = query(file, "select reason, count(*), sum(difference) from marts.reconciliation group by reason")
    others = {row[0]: row[1:] for row in findings if row[0] not in FINDINGS}
    assert {row[0]: row[1:] for row in findings if row[0] in FINDINGS} == FINDINGS
    assert {name: count for name, (count, _) in others.items()} == {"order_without_items": 775}
    uncounted = "select count(*) from marts.reconciliation where reason = 'order_without_items' and not is_counted"
    assert query(file, uncounted) == [(767,)]
