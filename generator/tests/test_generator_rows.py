from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from generator_reading import Tables, every, latest, read, rows

from generator.faults import line_of
from generator.files import Files
from generator.shop import Shop
from libs.contracts.iso import MINOR_UNITS
from libs.entities import ENTITIES

SHOPS = {
    "euro": Shop(orders_per_day=60),
    "four currencies": Shop(seed=3, orders_per_day=60, currencies=("EUR", "JPY", "KWD", "USD")),
}


@pytest.fixture(scope="module", params=SHOPS)
def shop(request) -> Shop:
    return SHOPS[request.param]


@pytest.fixture(scope="module")
def tables(shop) -> Tables:
    return read(shop, 36)


@pytest.mark.parametrize("name", ENTITIES)
def test_every_row_keeps_its_contract(tables, name):
    for day, found in tables[name].items():
        for row in found:
            ENTITIES[name].model_validate({field: text for field, text in row.items() if text}, context=day)


@pytest.mark.parametrize("name", ENTITIES)
def test_files_are_canonical_csv(shop, name):
    for day in (shop.opened, shop.opened + timedelta(20)):
        data = Files(shop).csv(name, day)
        header = [column.name for column in ENTITIES[name].columns()]
        again = [line_of(header), *(line_of(row.values()) for row in rows(data))]
        assert data == b"\n".join(again) + b"\n"


@pytest.mark.parametrize("name", ENTITIES)
def test_a_file_holds_what_changed_on_its_day_or_came_late(tables, name):
    for day, found in tables[name].items():
        versions = [tuple(row[field] for field in (*ENTITIES[name].key, "updated_at")) for row in found]
        assert len(set(versions)) == len(versions)
        for row in found:
            lateness = (day - date.fromisoformat(row["updated_at"][:10])).days
            assert 0 <= lateness <= (2 if name in ("orders", "order_items", "payments") else 0)


def test_no_link_is_broken_but_for_dangling_returns(shop, tables):
    customers = {row["customer_id"] for row in every(tables, "customers")}
    products = {row["product_id"] for row in every(tables, "products")}
    orders = {row["order_id"]: row for row in every(tables, "orders")}
    late = set(list(tables["orders"])[-2:])
    for row in orders.values():
        assert row["customer_id"] in customers | {""}
        if row["original_order_id"] not in orders:
            original = row["original_order_id"]
            assert not original or original < f"O{shop.opened:%y%m%d}"
    for row in every(tables, "order_items"):
        assert row["product_id"] in products
    for name in ("order_items", "payments"):
        for day, found in tables[name].items():
            assert day in late or {row["order_id"] for row in found} <= orders.keys() | {""}
    for row in every(tables, "payments"):
        assert row["customer_id"] in customers | {""}


def test_customers_come_before_they_order(tables):
    known = set()
    for day, found in tables["orders"].items():
        known |= {row["customer_id"] for row in tables["customers"][day]}
        assert {row["customer_id"] for row in found} <= known | {""}


def test_money_of_documents_is_that_of_their_lines(tables):
    lines = defaultdict(list)
    for row in latest(tables, "order_items").values():
        lines[row["order_id"]].append(row)
    checked = 0
    for (number,), order in latest(tables, "orders").items():
        if order["kind"] == "adjustment":
            assert number not in lines
            continue
        if number not in lines:  # comes with the next files
            continue
        unit = Decimal(1).scaleb(-MINOR_UNITS[order["currency"]])
        own = lines[number]
        gross = [Decimal(one["quantity"]) * Decimal(one["unit_price"]) for one in own]
        assert sum(one.quantize(unit, ROUND_HALF_UP) for one in gross) == Decimal(order["subtotal"])
        sign = -1 if order["kind"] == "return" else 1
        assert sign * sum(Decimal(one["discount"]) for one in own) <= sign * Decimal(order["discount"])
        assert {one["currency"] for one in own} == {order["currency"]}
        assert sorted(int(one["line_number"]) for one in own) == list(range(1, len(own) + 1))
        for field in ("tax", "shipping"):
            if all(one[field] for one in own):
                assert sum(Decimal(one[field]) for one in own) == Decimal(order[field])
        checked += 1
    assert checked > 1500


def test_prices_look_right_in_each_currency(shop, tables):
    totals = defaultdict(list)
    for order in latest(tables, "orders").values():
        if order["kind"] == "sale":
            totals[order["currency"]].append(Decimal(order["total"]))
    assert set(totals) == set(shop.currencies)
    worth = {"EUR": Decimal(1), "JPY": Decimal(165), "KWD": Decimal("0.33"), "USD": Decimal("1.08")}
    for currency, found in totals.items():
        assert 30 < sum(found) / len(found) / worth[currency] < 120
