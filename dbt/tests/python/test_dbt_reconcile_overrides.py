"""What docs/overrides.md says a shop may override: the page's own examples, all at once, in a copy of the project."""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from shop_warehouse import PROJECT, dbt_stage, query, shop

PAGE = PROJECT.parent / "docs/overrides.md"
HUF = {"currency": "HUF"}
SHOP: dict[str, list[dict[str, Any]]] = {
    "orders": [
        {"order_id": "late", "subtotal": 10, "ordered_at": "2025-11-01 23:30:00"},
        {"order_id": "held", "subtotal": 50, "status": "on_hold"},
        {"order_id": "refunded", "subtotal": 1000, "tax": 103, "shipping": 50, **HUF},
        {"order_id": "rounded", "subtotal": 1000, "discount": 101, **HUF},
        {"order_id": "over", "subtotal": 5},
    ],
    "order_items": [
        *({"order_id": "rounded", "line_number": number, "unit_price": 500, **HUF} for number in (1, 2)),
        {"order_id": "over", "unit_price": 5},
    ],
    "payments": [
        {"payment_id": "p1", "order_id": "late", "amount": 10, "paid_at": "2025-11-01 23:31:00"},
        {"payment_id": "p2", "order_id": "refunded", "amount": 1153, **HUF},
        {"payment_id": "p3", "order_id": "refunded", "kind": "refund", "amount": 500, **HUF},
        {"payment_id": "p4", "order_id": "rounded", "amount": 900, **HUF},
        {"payment_id": "p5", "order_id": "over", "amount": 7},
    ],
}


def blocks(language: str) -> Iterator[str]:
    """Return the fenced blocks of the page in a language."""
    yield from re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("override") / "dbt"
    no_part_of_it = shutil.ignore_patterns("python", "src", "target", "logs", "__pycache__")
    shutil.copytree(PROJECT, folder, ignore=no_part_of_it)

    (macro,) = blocks("sql")
    time = folder / "macros/time.sql"
    text, replaced = re.subn(
        r"{% macro day_of.*?{%- endmacro %}\n", lambda _: macro, time.read_text("utf-8"), count=1, flags=re.DOTALL
    )
    assert replaced == 1
    time.write_text(text, encoding="utf-8")

    (line,) = blocks("csv")
    seed = (folder / "seeds/minor_units.csv").read_text(encoding="utf-8")
    assert "HUF,2\n" in seed
    (folder / "shop_seeds").mkdir()
    (folder / "shop_seeds/minor_units.csv").write_text(seed.replace("HUF,2\n", line), encoding="utf-8")

    settings = folder / "dbt_project.yml"
    properties = folder / "models/marts/reconciliation.yml"
    overridden = yaml.safe_load(settings.read_text(encoding="utf-8"))
    mart = yaml.safe_load(properties.read_text(encoding="utf-8"))
    for block in map(yaml.safe_load, blocks("yaml")):
        if isinstance(block, dict):
            overridden.update(block)
        else:
            (changed,) = block
            tests = mart["models"][0]["data_tests"]
            named = [test["no_findings"]["name"] for test in tests].index(changed["no_findings"]["name"])
            tests[named] = changed
    settings.write_text(yaml.safe_dump(overridden), encoding="utf-8")
    properties.write_text(yaml.safe_dump(mart), encoding="utf-8")
    return folder


def test_the_examples_of_the_page_do_what_it_says(
    project: Path, tmp_path: Path, dbt_environment: dict[str, str]
) -> None:
    file = shop(tmp_path / "shop.duckdb", **SHOP)
    where = {**dbt_environment, "DBT_TARGET_PATH": str(tmp_path / "target")}  # another project, another parse
    ended = dbt_stage("--project-dir", str(project), "build", "--warehouse", str(file), "--json", **where)
    results = {one["entity"]: one["result"] for one in json.loads(ended.stdout)["outcomes"]}

    days = query(file, "select order_id, ordered_date from marts.fct_orders where currency = 'EUR' order by 1")
    assert days == [("held", date(2025, 11, 1)), ("late", date(2025, 11, 2)), ("over", date(2025, 11, 1))]
    assert query(file, "select paid_date from marts.fct_payments where payment_id = 'p1'") == [(date(2025, 11, 2),)]

    assert query(file, "select order_id from marts.fct_orders where not is_counted") == [("held",)]

    shares = query(file, "select discounts from marts.fct_order_items where currency = 'HUF' order by line_number")
    assert shares == [(51,), (50,)]
    refunded = "select net_sales, shipping_charges, taxes from marts.fct_orders where order_id = 'refunded'"
    assert query(file, refunded) == [(567, 28, 58)]
    findings = "select reason, subject_id from marts.reconciliation where reason <> 'order_without_items' order by 1"
    assert query(file, findings) == [("overpaid", "over"), ("payment_rounding", "rounded")]

    assert "events_after_their_partition" not in results
    assert results["payment_rounding"] == "pass"
    assert {name for name, result in results.items() if result not in ("success", "pass", "warn")} == {"overpaid"}
    assert (ended.returncode, results["overpaid"]) == (1, "fail")
