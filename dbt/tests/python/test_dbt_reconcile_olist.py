"""The cash bridge of a real shop, to the cent."""

import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from shop_warehouse import OLIST, dbt, dbt_stage, load_olist

STEPS = {
    "cancelled_but_paid": (1_231, Decimal("269735.11")),
    "over_refunded": (0, 0),
    "charged_back": (0, 0),
    "unpaid": (1, Decimal("-143.46")),
    "payment_rounding": (79, Decimal("-0.17")),
    "refund_due": (0, 0),
    "paid_without_items": (8, Decimal("915.06")),
    "overpaid": (81, Decimal("932.24")),
    "underpaid": (13, Decimal("-91.06")),
    "received_on_adjustments": (0, 0),
}


@pytest.mark.skipif(not OLIST.is_dir(), reason=f"Olist's files are not at {OLIST}")
def test_olists_cash_bridge_is_that_of_the_page(tmp_path: Path, dbt_environment: dict[str, str]) -> None:
    file = tmp_path / "olist.duckdb"
    with duckdb.connect(str(file)) as db:
        load_olist(db)
    leave_out = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    built = dbt("build", "--select", "+reconciliation", *leave_out, WAREHOUSE=str(file), **dbt_environment)
    assert built.returncode == 0, built.stdout
    ended = dbt_stage("reconcile", "--warehouse", str(file), "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    report = json.loads(ended.stdout)
    (bridge,) = report["outcomes"]
    assert (bridge["entity"], bridge["total_sales"], bridge["amount_received"], bridge["missing"]) == (
        "BRL",
        "4565708.91",
        "4837056.63",
        "0.00",
    )
    assert {step["reason"]: (step["findings"], Decimal(step["amount"])) for step in bridge["steps"]} == STEPS
    assert sum(Decimal(step["amount"]) for step in bridge["steps"]) == Decimal("271347.72")
    assert [(one["reason"], one["findings"]) for one in report["other_findings"]] == [("order_without_items", 775)]
    shown = dbt_stage("reconcile", "--warehouse", str(file)).stdout.splitlines()
    assert "total sales                          4,565,708.91" in shown
    assert "cash (amount received)               4,837,056.63" in shown
