"""What outcomes mean: verdicts and tables, asked of outcomes that keep the rules and of some that break them."""

from datetime import date
from typing import Any

import dagster as dg
import pytest

from libs.stage.report import Outcome
from orchestrator.metadata import FEW_RECORDS, TOP_ERRORS, check, generated, ingested, key, loaded
from orchestrator.stage_assets import Verdict

DAY = date(2025, 11, 1)
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def ingestion(rows: int, validated: int, quarantined: int, **details: Any) -> Outcome:
    named = {"size": 10, "sha256": "aa", "crc32c": "bb"}
    layers = ("raw", "validated_raw", "quarantine_raw")
    usual = {
        "objects": dict.fromkeys(layers, named),
        "urls": {layer: f"/lake/{layer}" for layer in layers},
        "contract_version": "c1",
        "revision": 3,
        "drift": {"missing": [], "extra": []},
        "errors": {},
        "samples": [],
    }
    numbers = {"rows": rows, "validated": validated, "quarantined": quarantined, "bytes": 10}
    return Outcome("orders", DAY, "done", numbers, {**usual, **details})


def verdict(
    outcome: Outcome, name: str, layer: str = "validated_raw", warn: float = 0.05, error: float = 0.25
) -> Verdict:
    return ingested(warn, error)(outcome).checked[check(name, layer, "orders")]


@pytest.mark.parametrize(
    ("rows", "validated", "quarantined", "holds"),
    [
        (10, 7, 3, True),
        (0, 0, 0, True),
        (10, 7, 2, False),
        (10, 8, 3, False),
    ],
)
def test_conservation(rows: int, validated: int, quarantined: int, holds: bool) -> None:
    found = verdict(ingestion(rows, validated, quarantined), "conservation")
    assert (found.passed, found.severity) == (holds, ERROR)
    assert found.metadata == {"raw": rows, "validated_raw": validated, "quarantine_raw": quarantined}


@pytest.mark.parametrize(
    ("inserted", "skipped", "validated", "holds"),
    [
        (7, 0, 7, True),
        (0, 7, 7, True),
        (0, 0, 0, True),
        (6, 0, 7, False),
        (0, 8, 7, False),
    ],
)
def test_loaded_rows(inserted: int, skipped: int, validated: int, holds: bool) -> None:
    details = {"validated": validated, "warehouse": "shop.duckdb", "source_object": "o", "revision": 1}
    numbers = {"inserted": inserted, "deleted": 2, "skipped": skipped}
    facts = loaded(Outcome("orders", DAY, "done", numbers, details))
    found = facts.checked[check("loaded_rows", "warehouse", "orders")]
    assert (found.passed, found.severity) == (holds, ERROR)
    assert found.metadata == {"validated": validated, "loaded": inserted + skipped}
    assert facts.materialized[key("warehouse", "orders")]["dagster/row_count"] == inserted + skipped


@pytest.mark.parametrize(
    ("rows", "quarantined", "passed", "severity"),
    [
        (100, 0, True, WARN),
        (100, 5, True, WARN),
        (100, 6, False, WARN),
        (100, 25, False, WARN),
        (100, 26, False, ERROR),
        (FEW_RECORDS, FEW_RECORDS, False, ERROR),
        (FEW_RECORDS - 1, FEW_RECORDS - 1, False, WARN),  # of few records a share says little
        (0, 0, True, WARN),
    ],
)
def test_quarantine_rate(rows: int, quarantined: int, passed: bool, severity: dg.AssetCheckSeverity) -> None:
    found = verdict(ingestion(rows, rows - quarantined, quarantined), "quarantine_rate")
    assert (found.passed, found.severity) == (passed, severity)


@pytest.mark.parametrize(
    ("missing", "extra", "shown"),
    [
        ([], [], {}),
        (["email"], [], {"missing": "email"}),
        (["email"], ["e-mail", "age"], {"missing": "email", "extra": "e-mail, age"}),
    ],
)
def test_columns(missing: list[str], extra: list[str], shown: dict[str, str]) -> None:
    outcome = ingestion(1, 1, 0, drift={"missing": missing, "extra": extra})
    found = verdict(outcome, "columns", "raw")
    assert (found.passed, found.severity, found.metadata) == (not shown, WARN, shown)


def test_only_what_is_quarantined_shows_errors_and_only_the_most_frequent() -> None:
    errors = {f"kind_{n}": n for n in range(1, TOP_ERRORS + 3)}
    samples = [{"row_number": 2, "field": None, "value": "x"}, {"row_number": 9, "field": "email", "value": None}]
    made = ingested(0.05, 0.25)(ingestion(100, 72, 28, errors=errors, samples=samples)).materialized
    quarantined = made[key("quarantine_raw", "orders")]
    most = [f"kind_{n}" for n in range(TOP_ERRORS + 2, 2, -1)]
    assert [record.data["error"] for record in quarantined["top_errors"].records] == most
    assert [record.data for record in quarantined["preview"].records] == [
        {"row_number": 2, "field": "", "value": "x"},
        {"row_number": 9, "field": "email", "value": ""},
    ]
    types = {column.name: column.type for column in quarantined["preview"].schema.columns}
    assert types == {"row_number": "int", "field": "string", "value": "string"}
    assert not {"top_errors", "preview"} & {*made[key("raw", "orders")], *made[key("validated_raw", "orders")]}
    clean = ingested(0.05, 0.25)(ingestion(1, 1, 0)).materialized[key("quarantine_raw", "orders")]
    assert not {"top_errors", "preview"} & set(clean)


def test_what_was_left_alone_is_marked_unchanged() -> None:
    numbers = {"rows": 3, "faults": 0, "bytes": 10}
    for status, unchanged in (("done", False), ("unchanged", True)):
        outcome = Outcome("orders", DAY, status, numbers, {"url": "/lake/o", "sha256": "aa"})  # type: ignore[arg-type]
        assert generated(outcome).materialized[key("landing", "orders")]["unchanged"] is unchanged
