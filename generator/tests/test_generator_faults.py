import csv
import io
import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from generator.faults import FAULTS, Plan, damage
from generator.files import Files
from generator.shop import Shop
from generator.stories import STORIES
from libs.entities import ENTITIES
from libs.errors import CallError

SHOP = Shop(orders_per_day=60, currencies=("EUR", "KWD"))
DAY = SHOP.opened + timedelta(16)  # a Monday: products come too


def refused(data: bytes, name: str, day: date) -> set[int]:
    """Judge records as the pipeline must: csv decides what a record is, then bytes, then the contract, then the key."""
    contract = ENTITIES[name]
    lines = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")
    header = next(csv.reader([lines.readline()]))
    found: set[int] = set()
    seen = set()
    for number, line in enumerate(lines, start=1):
        try:
            values = next(csv.reader([line], strict=True))
            if len(values) != len(header):
                raise ValueError("ragged")
            line.encode()
            fields = {field: text for field, text in zip(header, values, strict=True) if text}
            row = contract.model_validate(fields, context=day)
            version = tuple(getattr(row, field) for field in (*contract.key, contract.change_time))
            if version in seen:
                raise ValueError("again")
            seen.add(version)
        except (csv.Error, ValueError, ValidationError):
            found.add(number)
    return found


@pytest.fixture(scope="module")
def clean():
    files = Files(SHOP)
    return {name: files.csv(name, DAY) for name in ENTITIES}


@pytest.mark.parametrize("name", ENTITIES)
@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0])
def test_exactly_the_damaged_records_are_refused(clean, name, rate):
    data, truths = damage(SHOP, Plan(rate), name, DAY, clean[name])
    assert {truth.row_number for truth in truths} == refused(data, name, DAY)
    records = clean[name].count(b"\n") - 1
    assert int(rate * records) <= len(truths) <= int(rate * records) + 1


@pytest.mark.parametrize(("kind", "name"), [(fault.name, name) for fault in FAULTS.values() for name in fault.entities])
def test_each_kind_of_fault_is_refused_by_itself(clean, kind, name):
    data, truths = damage(SHOP, Plan(0.5, (kind,)), name, DAY, clean[name])
    assert truths
    assert {truth.kind for truth in truths} == {kind}
    assert {truth.row_number for truth in truths} == refused(data, name, DAY)


def test_records_that_are_not_damaged_stay_as_they_are(clean):
    data, truths = damage(SHOP, Plan(0.3), "orders", DAY, clean["orders"])
    damaged = {truth.row_number for truth in truths}
    kept = [line for number, line in enumerate(data.split(b"\n")) if number not in damaged]
    left = clean["orders"].split(b"\n")
    assert len(kept) == len(left) - sum(truth.kind != "duplicate_version" for truth in truths)
    assert set(kept) <= set(left)


def test_faults_are_the_same_every_time_and_each_kind_occurs(clean):
    once, again = (damage(SHOP, Plan(0.5), "orders", DAY, clean["orders"]) for _ in range(2))
    assert once == again
    assert {truth.kind for truth in once[1]} == {f.name for f in FAULTS.values() if "orders" in f.entities}


def test_a_kind_that_does_not_suit_an_entity_leaves_it_clean(clean):
    assert damage(SHOP, Plan(1.0, ("no_such_currency",)), "customers", DAY, clean["customers"]) == (
        clean["customers"],
        [],
    )


def test_a_file_without_records_stays_a_header(clean):
    header = clean["orders"].split(b"\n")[0] + b"\n"
    assert damage(SHOP, Plan(1.0), "orders", DAY, header) == (header, [])


def test_truth_is_a_line_of_json(clean):
    _, truths = damage(SHOP, Plan(1.0, ("ragged_row", "bad_type")), "payments", DAY, clean["payments"])
    for truth in truths:
        read = json.loads(truth.to_line())
        assert list(read) == ["row_number", "kind", "field"]
        assert (read["field"] is None) == (read["kind"] == "ragged_row")


@pytest.mark.parametrize("plan", [(-0.1, ()), (1.5, ()), (float("nan"), ()), (0.1, ("bad_tpye",))])
def test_a_plan_that_cannot_be_is_refused(plan):
    with pytest.raises(CallError):
        Plan(*plan)


def test_the_readme_lists_faults_and_stories_as_they_are():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    for fault in FAULTS.values():
        suits = "all" if len(fault.entities) == len(ENTITIES) else ", ".join(fault.entities)
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{fault.name}` |"))
        assert row.startswith(f"| `{fault.name}` | {fault.says}")
        assert row.endswith(f"| {suits} |")
    rows = [line.split("|")[1:3] for line in readme.splitlines() if re.match(r"\| `\w+`.* \| [0-9, ]+ \|", line)]
    pairs = [pair for names, numbers in rows for pair in zip(names.split(","), numbers.split(","), strict=True)]
    shares = {name.strip(" `"): int(share) for name, share in pairs}
    assert shares == {story.name: story.share for story in STORIES if story.name != "plain"}
