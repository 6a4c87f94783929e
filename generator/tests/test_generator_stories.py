from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal

import pytest
from generator_reading import Tables, every, latest, read

from generator.shop import Shop

DAYS = 40


@pytest.fixture(scope="module")
def tables() -> Tables:
    return read(Shop(orders_per_day=400), DAYS)


@pytest.fixture(scope="module")
def orders(tables):
    return {number: row for (number,), row in latest(tables, "orders").items()}


@pytest.fixture(scope="module")
def sales(orders):
    return {number: row for number, row in orders.items() if row["kind"] == "sale"}


@pytest.fixture(scope="module")
def payments(tables):
    found = defaultdict(list)
    for row in latest(tables, "payments").values():
        found[row["order_id"]].append(row)
    return found


def amount(rows, kind, status="settled"):
    return sum(Decimal(row["amount"]) for row in rows if row["kind"] == kind and row["status"] == status)


def test_sales_move_on_from_file_to_file(tables):
    seen = defaultdict(list)
    for row in every(tables, "orders"):
        if row["kind"] == "sale":
            seen[row["order_id"]].append((row["updated_at"], row["status"]))
    ways = Counter(tuple(dict.fromkeys(status for _, status in sorted(found))) for found in seen.values())
    assert ways["approved", "shipped", "delivered"] > 1000
    assert ways["created", "approved", "shipped", "delivered"] > 100
    assert ways["approved", "shipped", "delivered", "returned"] > 50
    assert {way[-1] for way in ways} >= {"cancelled", "returned", "unavailable", "delivered"}


def test_rows_come_late_and_out_of_order(tables):
    late = out_of_order = 0
    seen: dict[str, str] = {}
    for day, found in tables["orders"].items():
        for row in found:
            late += date.fromisoformat(row["updated_at"][:10]) < day
            out_of_order += row["updated_at"] < seen.get(row["order_id"], "")
            seen[row["order_id"]] = max(row["updated_at"], seen.get(row["order_id"], ""))
    assert late > 50
    assert out_of_order > 0
    assert any(
        date.fromisoformat(row["updated_at"][:10]) < day for day, found in tables["payments"].items() for row in found
    )


def test_returns_are_linked_unlinked_and_dangling(orders, sales):
    returns = [row for row in orders.values() if row["kind"] == "return"]
    links = Counter(
        "unlinked" if not row["original_order_id"] else "linked" if row["original_order_id"] in sales else "dangling"
        for row in returns
    )
    assert links["linked"] > 200
    assert links["unlinked"] > 20
    assert links["dangling"] > 2
    wholly = [
        row for row in returns if (o := sales.get(row["original_order_id"])) and row["subtotal"] == f"-{o['subtotal']}"
    ]
    assert 20 < len(wholly) < len(returns)
    assert any(Decimal(row["other"]) > 0 for row in returns), "a restocking fee that is kept"


def test_refunds_are_partial_and_full_with_and_without_a_return(orders, sales, payments):
    returned = {row["original_order_id"] for row in orders.values() if row["kind"] == "return"}
    found = Counter()
    for number, order in sales.items():
        refunded = amount(payments[number], "refund")
        if refunded and order["status"] not in ("cancelled", "unavailable"):
            how = (
                "full"
                if refunded == Decimal(order["total"])
                else "over"
                if refunded > Decimal(order["total"])
                else "part"
            )
            found[how, number in returned] += 1
    for case in (("full", False), ("part", False), ("full", True), ("part", True), ("over", False)):
        assert found[case] > 0, case
    assert any(row["line_number"] for rows in payments.values() for row in rows)
    assert any(amount(payments[number], "refund") for number, row in orders.items() if row["kind"] == "return")


def test_a_refund_may_come_before_its_return(orders, payments):
    assert any(
        payment["kind"] == "refund" and payment["paid_at"] < order["ordered_at"]
        for order in orders.values()
        if order["kind"] == "return"
        for payment in payments[order["original_order_id"]]
    )


def test_customers_are_charged_twice_and_mostly_get_it_back(sales, payments):
    kept = Counter(
        amount(payments[number], "refund") > 0
        for number, order in sales.items()
        if amount(payments[number], "payment") >= 2 * Decimal(order["total"]) > 0
    )
    assert kept[True] > kept[False] > 0


def test_payments_are_charged_back(payments):
    assert any(row["kind"] == "chargeback" for rows in payments.values() for row in rows)


def test_cancelled_orders_were_paid_kept_refunded_or_not(sales, payments):
    found = Counter()
    for number, order in sales.items():
        if order["status"] == "cancelled":
            found[amount(payments[number], "payment") > 0, amount(payments[number], "refund") > 0] += 1
    assert found[True, True] > 0
    assert found[True, False] > 0
    assert found[False, False] > 0


def test_payments_are_split_retried_deferred_and_voided(sales, payments):
    whole_sales = [payments[number] for number in sales]
    assert any(sum(r["status"] == "settled" and r["kind"] == "payment" for r in rows) == 2 for rows in whole_sales)
    assert any({"failed", "settled"} <= {r["status"] for r in rows if r["kind"] == "payment"} for rows in whole_sales)
    every_payment = [row for rows in payments.values() for row in rows]
    assert {row["status"] for row in every_payment} == {"pending", "authorized", "settled", "failed", "voided"}
    assert {row["installments"] for row in every_payment} >= {"1", "3", "12", ""}
    assert any(row["order_id"] == "" and row["customer_id"] for row in every_payment)
    assert any(Decimal(row["amount"]) == 0 for row in every_payment)


def test_payments_settle_on_later_days(tables):
    seen = defaultdict(list)
    for row in every(tables, "payments"):
        seen[row["payment_id"]].append(row["status"])
    ways = Counter(tuple(found) for found in seen.values())
    assert ways["pending", "settled"] > 100
    assert ways["authorized", "settled"] > 100


def test_most_sales_are_paid_to_the_cent_and_a_few_are_not(sales, payments):
    found = Counter()
    for number, order in sales.items():
        if order["status"] == "delivered" and not amount(payments[number], "refund"):
            difference = amount(payments[number], "payment") - Decimal(order["total"])
            found["rounding" if 0 < abs(difference) <= Decimal("0.01") else "paid" if not difference else "off"] += 1
    assert found["paid"] > 20 * (found["rounding"] + found["off"])
    assert found["rounding"] > 0
    assert found["off"] > 0


def test_there_are_adjustments_and_orders_of_no_value(orders, sales):
    assert any(row["kind"] == "adjustment" for row in orders.values())
    assert any(Decimal(row["subtotal"]) == Decimal(row["total"]) == 0 for row in sales.values())
    assert any(Decimal(row["subtotal"]) > Decimal(row["total"]) == 0 for row in sales.values())


def test_orders_have_guests_coupons_taxes_and_channels(sales):
    rows = list(sales.values())
    assert 0.04 < sum(row["customer_id"] == "" for row in rows) / len(rows) < 0.12
    assert 0.05 < sum(row["coupon_code"] != "" for row in rows) / len(rows) < 0.25
    assert 0.05 < sum(Decimal(row["tax"]) > 0 for row in rows) / len(rows) < 0.2
    assert {row["channel"] for row in rows} == {"web", "app", "marketplace", "phone"}
    assert any(Decimal(row["other"]) < 0 for row in rows)


def test_lines_are_one_to_many_with_discounts_lengths_and_fees(tables):
    lines = list(every(tables, "order_items"))
    assert max(int(row["line_number"]) for row in lines) >= 10
    assert any(Decimal(row["quantity"]) % 1 for row in lines)
    assert any(Decimal(row["discount"]) > 0 for row in lines)
    fees = {row["product_id"] for row in every(tables, "products") if row["category"] == "fee"}
    assert any(row["product_id"] in fees for row in lines)


def test_customers_move_within_their_country(tables):
    first: dict[str, dict[str, str]] = {}
    moved = 0
    for row in every(tables, "customers"):
        before = first.setdefault(row["customer_id"], row)
        if before is not row:
            moved += 1
            assert row["country_code"] == before["country_code"]
            assert (row["email"], row["created_at"]) == (before["email"], before["created_at"])
            assert row["street"] != before["street"]
    assert moved > 20


def test_prices_change_on_mondays(tables):
    changed = {day.weekday() for day, found in list(tables["products"].items())[1:] if found}
    assert changed == {0}
