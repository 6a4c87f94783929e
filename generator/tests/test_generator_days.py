import dataclasses
import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import numpy as np
import pytest
from generator_reading import days

from generator import stories
from generator.files import Files
from generator.sales import HORIZON, NEVER, QUIET_AFTER, Sales, draw, happening
from generator.seasons import black_friday, sales_on
from generator.shop import SECONDS_A_DAY, Shop
from generator.streams import deck
from libs.entities import ENTITIES

SHOP = Shop(seed=7, orders_per_day=30, currencies=("EUR", "JPY"))


def test_a_day_alone_has_the_bytes_it_has_in_any_order_and_company():
    files = Files(SHOP)
    in_a_range = {(name, day): files.csv(name, day) for day in days(SHOP, 38) for name in ENTITIES}
    backwards = Files(SHOP)
    for name, day in reversed(in_a_range):
        assert backwards.csv(name, day) == in_a_range[name, day]
    for day in (SHOP.opened, SHOP.opened + timedelta(1), SHOP.opened + timedelta(37)):
        for name in ENTITIES:
            assert Files(SHOP).csv(name, day) == in_a_range[name, day]


@pytest.mark.parametrize("part", [1, 1 << 16])
def test_a_shop_too_big_to_be_remembered_has_the_same_bytes(monkeypatch, part):
    """Its files are made in parts: of each day looked back at one, or some with few sales each."""
    day = SHOP.opened + timedelta(33)
    remembered = {name: Files(SHOP).csv(name, day) for name in ENTITIES}
    monkeypatch.setattr("generator.cohorts._KEPT_ORDERS", 0)
    monkeypatch.setattr("generator.cohorts._PART", part)
    files = Files(SHOP)
    assert {name: files.csv(name, day) for name in ENTITIES} == remembered


@pytest.mark.parametrize("name", ENTITIES)
def test_a_table_is_what_the_file_holds(name):
    files, day = Files(SHOP), SHOP.opened + timedelta(3)
    table = files.table(name, day)
    assert table.columns == [column.name for column in ENTITIES[name].columns()]
    assert files.csv(name, day).split(b"\n", 1)[0] == ",".join(table.columns).encode()
    assert files.csv(name, day).count(b"\n") == 1 + table.height


def test_no_part_is_made_that_nobody_fetches(monkeypatch):
    """As where the disk is full; and the next file is whole."""
    monkeypatch.setattr("generator.cohorts._KEPT_ORDERS", 0)
    day, files, made, ended = SHOP.opened + timedelta(20), Files(SHOP), [], threading.Event()

    class Threads(ThreadPoolExecutor):
        def map(self, work, parts):
            def counted(part):
                made.append(part)
                assert part is parts[0] or ended.wait(60)
                return work(part)

            return super().map(counted, parts)

        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            ended.set()
            super().shutdown(wait=wait)

    with monkeypatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 2)
        patch.setattr("generator.files.ThreadPoolExecutor", Threads)
        pieces = files.pieces("payments", day)
        next(pieces)
        pieces.close()
    assert len(made) <= 3
    assert files.csv("payments", day) == Files(SHOP).csv("payments", day)


def test_a_name_that_is_no_entity_has_no_file():
    with pytest.raises(KeyError, match="coupons"):
        Files(SHOP).csv("coupons", SHOP.opened)


def test_the_bytes_of_a_day_are_pinned():
    """A change here changes every shop: make it on purpose only, and say so in the commit."""
    files = Files(Shop(orders_per_day=1500))
    day = files.shop.opened + timedelta(9)
    found = {name: hashlib.sha256(files.csv(name, day)).hexdigest()[:16] for name in ENTITIES}
    assert found == {
        "customers": "75c295eb6de9b22f",
        "products": "2fbdbd6b2a8ca675",
        "orders": "69a9a382ee265d20",
        "order_items": "92e99e8d1e15b3fd",
        "payments": "26645f8af72d4c5f",
    }


@pytest.mark.parametrize(
    "other",
    [
        Shop(seed=8, orders_per_day=30),
        Shop(seed=7, orders_per_day=31),
        Shop(seed=7, orders_per_day=30, opened=date(2025, 10, 31)),
        Shop(seed=7, orders_per_day=30, currencies=("KWD",)),
    ],
    ids=["seed", "orders per day", "opening day", "currency"],
)
def test_each_setting_makes_another_shop(other):
    day = date(2025, 11, 5)
    assert Files(other).csv("orders", day) != Files(Shop(seed=7, orders_per_day=30)).csv("orders", day)


def test_the_hash_seed_of_python_changes_nothing():
    code = (
        "import hashlib; from generator.files import Files; from generator.shop import Shop\n"
        "from libs.entities import ENTITIES\n"
        "f = Files(Shop(orders_per_day=5)); d = f.shop.opened\n"
        "print(hashlib.sha256(b''.join(f.csv(name, d) for name in ENTITIES)).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "4711")
    }
    assert len(found) == 1


def test_nothing_happens_to_a_sale_after_the_horizon_nor_to_a_plain_one_after_the_quiet_day():
    day = SHOP.opened + timedelta(3)
    sales = Sales.together(list(draw(Shop(orders_per_day=60_000), day)))
    last = np.where(sales.at < NEVER, sales.at, 0).max(axis=0) // SECONDS_A_DAY
    plain = sales.story == stories.PLAIN
    assert 20 < last.max() + 2 <= HORIZON
    assert 10 < last[plain].max() + 2 <= QUIET_AFTER + 2
    assert last[plain].max() <= QUIET_AFTER


@pytest.mark.parametrize("lag", [0, 1, 2, 5, QUIET_AFTER, QUIET_AFTER + 1, 20, HORIZON])
def test_what_a_later_file_tells_of_is_drawn_the_same_alone(lag):
    shop, day = Shop(orders_per_day=40_000), date(2025, 11, 20)
    of_all = Sales.together([happening(chunk, lag) for chunk in draw(shop, day)])
    alone = Sales.together(list(draw(shop, day, lag)))
    for field in dataclasses.fields(Sales):
        assert (getattr(alone, field.name) == getattr(of_all, field.name)).all()


def test_black_friday_is_the_peak_and_sundays_differ_from_saturdays():
    assert black_friday(2025) == date(2025, 11, 28)
    shop = Shop(orders_per_day=10_000)
    usual = [sales_on(shop, date(2025, 11, 3) + timedelta(n)) for n in range(7)]
    assert 9_000 < min(usual) <= max(usual) < 16_000
    assert sales_on(shop, date(2025, 11, 28)) > 1.8 * max(usual)
    assert sum(sales_on(shop, date(2025, 2, n)) for n in range(1, 29)) < 28 * 10_000
    year = [sales_on(shop, date(2025, 11, 1) + timedelta(n)) for n in range(365)]
    assert 9_500 < sum(year) / 365 < 11_000


def test_a_deck_holds_each_card_by_its_share():
    cards = deck((1, 0, 3))
    assert len(cards) == 65_536
    assert np.bincount(cards).tolist() == [16_384, 0, 49_152]


def test_a_shop_of_one_order_a_day_or_none_can_be_made():
    files = Files(Shop(orders_per_day=1, opened=date(2025, 12, 25)))
    assert sales_on(files.shop, files.shop.opened) == 0
    assert files.csv("payments", files.shop.opened).count(b"\n") == 1
    for day in days(files.shop, 3):
        for name, contract in ENTITIES.items():
            header = files.csv(name, day).split(b"\n")[0].decode()
            assert header == ",".join(column.name for column in contract.columns())


def test_a_day_on_which_nothing_happened_is_a_header_alone():
    assert Files(SHOP).csv("products", SHOP.opened + timedelta(1)).count(b"\n") == 1
