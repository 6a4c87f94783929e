"""The cash bridge of a small shop: its figures for people and for machines, and calls that cannot succeed."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from shop_warehouse import PROJECT, dbt, shop

from dbt_stage.cli import main
from dbt_stage.reconcile import OTHER_REASONS, PAYMENT_REASONS

JPY, KWD = {"currency": "JPY"}, {"currency": "KWD"}
SHOP: dict[str, list[dict[str, Any]]] = {
    "customers": [{"customer_id": "ann"}],
    "orders": [
        {"order_id": "fine", "subtotal": 1000, "customer_id": "ann"},
        *({"order_id": f"gone{number}", "status": "cancelled", "subtotal": 50} for number in (1, 2, 3, 4)),
        {"order_id": "twice", "subtotal": 20, "customer_id": "zed"},
        {"order_id": "cent", "subtotal": "9.99"},
        {"order_id": "short [b]", "subtotal": 30},
        {"order_id": "nothing", "subtotal": 70},
        {"order_id": "debt", "kind": "adjustment", "subtotal": -7},
        {"order_id": "yen", "subtotal": 1500, **JPY},
        {"order_id": "dinar", "subtotal": "2.500", **KWD},
        {"order_id": "dinar2", "subtotal": "1.255", **KWD},
    ],
    "order_items": [
        {"order_id": order_id, "unit_price": price}
        for order_id, price in (
            *(("fine", 900), ("twice", 20), ("cent", "9.99"), ("short [b]", 30), ("nothing", 70)),
            *((f"gone{number}", 50) for number in (1, 2, 3, 4)),
        )
    ],
    "payments": [
        {"payment_id": "p1", "order_id": "fine", "amount": 1000},
        {"payment_id": "p2", "order_id": "gone1", "amount": 50},
        {"payment_id": "p3", "order_id": "gone2", "amount": 40},
        {"payment_id": "p4", "order_id": "gone3", "amount": 50},
        {"payment_id": "p5", "order_id": "gone4", "amount": 1234},
        {"payment_id": "p6", "order_id": "twice", "amount": 40},
        {"payment_id": "p7", "order_id": "cent", "amount": 10},
        {"payment_id": "p8", "order_id": "short [b]", "amount": 25},
        {"payment_id": "p9", "order_id": "debt", "kind": "refund", "amount": 7},
        {"payment_id": "q1", "order_id": "dinar", "amount": "2.505", **KWD},
        {"payment_id": "q2", "order_id": "dinar2", "amount": "1.255", **KWD},
        {"payment_id": "q3", "order_id": "lost", "amount": 3, "currency": "USD"},
    ],
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, dbt_environment: dict[str, str]) -> Path:
    file = shop(tmp_path_factory.mktemp("shop") / "small.duckdb", **SHOP)
    leave_out = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    ended = dbt("build", "--select", "+reconciliation", *leave_out, WAREHOUSE=str(file), **dbt_environment)
    assert ended.returncode == 0, ended.stdout
    return file


@pytest.fixture
def copy(warehouse: Path, tmp_path: Path) -> Path:
    return shutil.copy(warehouse, tmp_path / "copy.duckdb")


def reconcile(capsys: pytest.CaptureFixture[str], file: Path, *arguments: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["reconcile", "--warehouse", str(file), *arguments])
    printed = capsys.readouterr()
    return caught.value.code, printed.out, printed.err


def test_every_cent_between_sales_and_cash_has_a_reason(warehouse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, said = reconcile(capsys, warehouse, "--currency", "EUR")
    assert (code, said) == (0, "")
    bridge, others = printed.rstrip().split("\n\n")
    assert [line.rstrip() for line in bridge.splitlines()] == [
        "EUR: from sales to cash",
        "                           findings     amount  examples, the largest",
        "total sales                           1,129.99",
        "  cancelled_but_paid              4  +1,374.00  gone4 +1,234.00, gone1 +50.00, gone3 +50.00",
        "  over_refunded                   0       0.00",
        "  charged_back                    0       0.00",
        "  unpaid                          1     -70.00  nothing -70.00",
        "  payment_rounding                1      +0.01  cent +0.01",
        "  refund_due                      0       0.00",
        "  paid_without_items              0       0.00",
        "  overpaid                        1     +20.00  twice +20.00",
        "  underpaid                       1      -5.00  short [b] -5.00",
        "  received on adjustments         1      -7.00  debt -7.00",
        "cash (amount received)                2,442.00",
    ]
    assert others.splitlines()[2].split() == ["items_differ", "order", "1", "-100.00", "EUR", "fine", "-100.00"]


def test_each_currency_has_its_own_bridge_in_its_minor_units(
    warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, _ = reconcile(capsys, warehouse)
    lines = [line.split() for line in printed.splitlines()]
    assert code == 0
    assert [line[0] for line in lines if line[1:] == ["from", "sales", "to", "cash"]] == ["EUR:", "KWD:"]
    assert ["total", "sales", "3.755"] in lines
    assert ["paid_without_items", "1", "+0.005", "dinar", "+0.005"] in lines
    assert ["payment_without_order", "payment", "1", "+3.00", "USD", "q3", "+3.00"] in lines
    assert ["unknown_customer", "customer", "1", "zed"] in lines


def test_a_currency_whose_payments_are_not_known_is_one_line(
    warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, _ = reconcile(capsys, warehouse, "--currency", "JPY")
    assert code == 0
    assert printed.splitlines()[0].startswith("JPY: payments are not known (")
    assert printed.splitlines()[0].endswith("so there is no bridge; total sales 1,500")
    assert "cash" not in printed


def test_json_says_the_same_as_data(warehouse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = reconcile(capsys, warehouse, "--json")
    report = json.loads(printed)
    by_currency = {outcome["entity"]: outcome for outcome in report["outcomes"]}
    eur = by_currency["EUR"]
    assert (code, report["exit_code"], list(by_currency)) == (0, 0, ["EUR", "JPY", "KWD", "USD"])
    assert [step["reason"] for step in eur["steps"]] == [*PAYMENT_REASONS, "received_on_adjustments"]
    assert (eur["total_sales"], eur["amount_received"], eur["missing"]) == ("1129.99", "2442.00", "0.00")
    assert (eur["findings"], eur["payments_known"]) == (9, True)
    assert eur["steps"][0] == {
        "reason": "cancelled_but_paid",
        "subject": "order",
        "currency": "EUR",
        "findings": 4,
        "amount": "1374.00",
        "examples": [
            {"subject_id": "gone4", "difference": "1234.00"},
            {"subject_id": "gone1", "difference": "50.00"},
            {"subject_id": "gone3", "difference": "50.00"},
        ],
    }
    assert (by_currency["JPY"]["payments_known"], by_currency["JPY"]["steps"]) == (False, [])
    unknown = next(one for one in report["other_findings"] if one["reason"] == "unknown_customer")
    assert (unknown["amount"], unknown["examples"]) == (None, [{"subject_id": "zed", "difference": None}])


def test_a_bridge_that_does_not_add_up_says_by_how_much(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with duckdb.connect(str(copy)) as db:
        db.execute("delete from marts.reconciliation where subject_id = 'gone4'")
    code, printed, said = reconcile(capsys, copy)
    assert code == 1
    assert "  without a reason                   +1,234.00\n" in printed
    assert said.startswith("dbt-stage reconcile: the bridge of EUR does not add up: cash is 1,234.00 EUR more than ")
    assert said.count("\n") == 1
    code, printed, _ = reconcile(capsys, copy, "--json")
    failed = {
        outcome["entity"]: outcome["missing"] for outcome in json.loads(printed)["outcomes"] if "error" in outcome
    }
    assert (code, failed) == (1, {"EUR": "1234.00"})


def test_amounts_finer_than_the_minor_unit_are_not_rounded_away(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with duckdb.connect(str(copy)) as db:
        db.execute("update staging.minor_units set minor_unit = 0 where currency = 'KWD'")
    _, printed, _ = reconcile(capsys, copy, "--currency", "KWD")
    assert ["total", "sales", "3.755"] in [line.split() for line in printed.splitlines()]


def test_marts_that_are_missing_say_what_to_run_first(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with duckdb.connect(str(copy)) as db:
        db.execute("drop table marts.reconciliation")
    code, printed, said = reconcile(capsys, copy)
    assert (code, printed, said.count("\n")) == (1, "", 1)
    assert said.endswith("(Table with name reconciliation does not exist): run `just build` first\n")


def test_empty_marts_are_said_so(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with duckdb.connect(str(copy)) as db:
        db.execute("delete from marts.reconciliation")
        db.execute("delete from marts.fct_orders")
    assert reconcile(capsys, copy) == (0, "The marts hold no orders and no findings.\n", "")


def test_a_currency_that_the_shop_has_not_is_told_those_it_has(
    warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, said = reconcile(capsys, warehouse, "--currency", "CHF")
    assert code == 1
    assert said == "dbt-stage reconcile: no order and no finding is in CHF: the marts have EUR, JPY, KWD, USD\n"


@pytest.mark.parametrize("code", ["eur", "XXZ", "'; drop"])
def test_what_is_no_currency_is_a_wrong_call(code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended, _, said = reconcile(capsys, tmp_path / "none.duckdb", "--currency", code)
    assert ended == 2
    assert "is no ISO 4217 currency: write it as EUR" in said


def test_a_warehouse_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = reconcile(capsys, tmp_path / "none.duckdb")
    assert (code, said.count("\n")) == (1, 1)
    assert "there is no warehouse" in said
    assert not (tmp_path / "none.duckdb").exists()


def test_a_file_that_is_no_warehouse_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop.duckdb").write_text("not a database " * 1000)
    code, _, said = reconcile(capsys, tmp_path / "shop.duckdb")
    assert (code, said.count("\n")) == (1, 1)
    assert "cannot be opened as a DuckDB file" in said


def test_the_reasons_are_those_of_the_mart_in_its_order() -> None:
    properties = yaml.safe_load((PROJECT / "models/marts/reconciliation.yml").read_text(encoding="utf-8"))
    columns = {column["name"]: column for column in properties["models"][0]["columns"]}
    accepted = columns["reason"]["data_tests"][0]["accepted_values"]["arguments"]["values"]
    assert [*PAYMENT_REASONS, *OTHER_REASONS] == accepted


def test_each_reason_is_explained_to_whoever_works_through_the_list() -> None:
    page = (PROJECT.parent / "docs/reconciliation.md").read_text(encoding="utf-8")
    explained = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = [reason for cell in explained for reason in re.findall("`(.*?)`", cell)]
    assert named == [*PAYMENT_REASONS, *OTHER_REASONS]
