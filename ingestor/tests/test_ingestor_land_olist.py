"""A real shop: every row of Olist's files lands, and all add up to the cent."""

import csv
import json
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ingestor.cli import main
from libs.entities import ENTITIES

OLIST = Path(__file__).parents[3] / "shared/data/olist"

pytestmark = pytest.mark.skipif(not OLIST.is_dir(), reason="Olist's files are not beside this checkout")


def land(lake: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict]:
    with pytest.raises(SystemExit) as ended:
        main(f"land --export olist --input {OLIST} --dest {lake} --json".split())
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out)


def landed(lake: Path, entity: str) -> list[dict[str, str]]:
    """Read the landed rows of an entity. Those of every fifth day are judged: one that breaks its contract raises.

    That ingestion quarantines none of all the days is the end-to-end test's, which has to judge them anyway.
    """
    found: list[dict[str, str]] = []
    for number, path in enumerate(sorted(lake.rglob(f"{entity}_*.csv"))):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        if number % 5 == 0:
            for row in rows:
                values = {name: text for name, text in row.items() if text}
                ENTITIES[entity].model_validate(values, context=date.fromisoformat(path.stem[-10:]))
        found += rows
    return found


def test_olist_lands_whole_and_to_the_cent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = land(tmp_path, capsys)

    accounts = report["accounts"]
    assert {file["table"]: (file["rows"], file["damaged"]) for file in accounts["files"]} == {
        "shop_orders": (29_355, 0),
        "shop_customers": (29_355, 0),
        "shop_items": (32_719, 0),
        "shop_payments": (30_942, 0),
        "shop_products": (32_951, 0),
    }
    assert {entity: (a["returned"], a["folded"], a["undated"]) for entity, a in accounts["entities"].items()} == {
        "customers": (29_355, 393, 0),
        "products": (32_951, 0, 0),
        "orders": (29_355, 0, 0),
        "order_items": (32_719, 0, 0),
        "payments": (30_942, 0, 0),
    }
    assert (accounts["first_day"], accounts["last_day"], accounts["days"]) == ("2016-09-04", "2018-10-17", 774)
    assert {entity: sums["done"] for entity, sums in report["totals"].items()} == dict.fromkeys(ENTITIES, 774)

    rows = {entity: landed(tmp_path, entity) for entity in ENTITIES}
    assert {entity: len(found) for entity, found in rows.items()} == {
        "customers": 28_962,
        "products": 32_951,
        "orders": 29_355,
        "order_items": 32_719,
        "payments": 30_942,
    }
    counted = [row for row in rows["orders"] if row["status"] not in ("cancelled", "unavailable")]
    assert sum(Decimal(row["subtotal"]) for row in counted) == Decimal("3916655.82")
    assert sum(Decimal(row["shipping"]) for row in counted) == Decimal("649053.09")
    assert sum(Decimal(row["amount"]) for row in rows["payments"]) == Decimal("4837056.63")
    best: Counter[str] = Counter()
    for row in counted:
        best[row["ordered_at"][:10]] += Decimal(row["total"])  # type: ignore[assignment]
    assert best.most_common(1) == [("2017-11-24", Decimal("44899.53"))]
    with_orders = {row["ordered_at"][:10] for row in counted if Decimal(row["total"])}
    eventful = {row["ordered_at"][:10] for row in rows["orders"]} | {row["paid_at"][:10] for row in rows["payments"]}
    assert (774 - len(with_orders), len(eventful - with_orders)) == (162, 24)
    assert {row["method"] for row in rows["payments"]} == {"credit_card", "boleto", "voucher", "debit_card", "unknown"}
