"""Arrivals: pure, from listings and a cursor to what has come."""

import json
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from libs import layout
from libs.entities import ENTITIES
from libs.storage.store import Listed
from orchestrator.arrivals import DAYS_REMEMBERED, MOST_AT_ONCE, arrived

DAYS = [f"2025-11-{n:02d}" for n in range(1, 31)]


def file(entity: str, day: str, fingerprint: str = "1") -> Listed:
    return Listed(layout.landing(entity, date.fromisoformat(day)), 1, fingerprint)


def names(files: list[Listed], cursor: str | None) -> tuple[list[str], str]:
    found, cursor = arrived(files, DAYS, cursor)
    return [f"{one.entity} {one.day}" for one in found], cursor


def test_a_day_is_told_once_when_its_files_have_settled() -> None:
    files = [file("orders", DAYS[0]), file("payments", DAYS[0])]
    found, cursor = names(files, None)
    assert found == []
    found, cursor = names([*files, file("customers", DAYS[0])], cursor)
    assert found == []
    found, cursor = names([*files, file("customers", DAYS[0])], cursor)
    assert found == ["customers 2025-11-01", "orders 2025-11-01", "payments 2025-11-01"]
    assert names([*files, file("customers", DAYS[0])], cursor)[0] == []


def settle(files: list[Listed], cursor: str | None) -> tuple[list[str], str]:
    _, cursor = names(files, cursor)
    return names(files, cursor)


def test_only_what_was_changed_is_told_again() -> None:
    _, cursor = settle([file("orders", DAYS[0]), file("payments", DAYS[0])], None)
    changed = [file("orders", DAYS[0]), file("payments", DAYS[0], "2")]
    assert settle(changed, cursor)[0] == ["payments 2025-11-01"]


def test_a_file_that_was_removed_and_comes_back_is_told_again() -> None:
    here = [file("orders", DAYS[0])]
    _, cursor = settle(here, None)
    found, cursor = settle([], cursor)
    assert found == []
    assert settle(here, cursor)[0] == ["orders 2025-11-01"]


def test_other_files_and_days_that_are_no_partitions_are_not_arrivals() -> None:
    others = [
        Listed(layout.faults("orders", date(2025, 11, 1)), 1, "1"),
        Listed("landing/ecommerce/2025-11-01/orders_2025-11-02.csv", 1, "1"),
        Listed("landing/ecommerce/2025-11-01/invoices_2025-11-01.csv", 1, "1"),
        Listed("landing/ecommerce/README", 1, "1"),
        file("orders", "2030-01-01"),
    ]
    assert settle(others, None)[0] == []


def test_a_tick_tells_a_bounded_number_and_the_next_ones_the_rest() -> None:
    days = [date.fromordinal(735_000 + n).isoformat() for n in range(250)]
    files = [file(entity, day) for day in days for entity in ENTITIES]
    _, cursor = arrived(files, days, None)
    told: list[str] = []
    for _ in range(4):
        found, cursor = arrived(files, days, cursor)
        assert len(found) <= MOST_AT_ONCE
        told += [f"{one.entity} {one.day}" for one in found]
    assert sorted(told) == sorted(f"{entity} {day}" for day in days for entity in ENTITIES)


def test_the_cursor_is_bounded() -> None:
    days = [date.fromordinal(735_000 + n).isoformat() for n in range(DAYS_REMEMBERED + 100)]
    files = [file(entity, day) for day in days for entity in ENTITIES]
    cursor: str | None = None
    for _ in range(15):
        _, cursor = arrived(files, days, cursor)
    assert cursor is not None
    assert len(json.loads(cursor)["told"]) == DAYS_REMEMBERED
    assert len(cursor) < 200_000


@given(
    st.lists(
        st.dictionaries(st.tuples(st.sampled_from(list(ENTITIES)), st.sampled_from(DAYS[:3])), st.sampled_from("abc")),
        max_size=12,
    )
)
def test_in_the_end_the_last_content_of_every_file_was_told(listings: list[dict[tuple[str, str], str]]) -> None:
    cursor: str | None = None
    last_told: dict[tuple[str, str], str] = {}
    ends = [*listings, *(listings[-1:] * 2)]
    for now in ends:
        found, cursor = arrived([file(*part, fingerprint) for part, fingerprint in now.items()], DAYS, cursor)
        for one in found:
            last_told[one.entity, one.day] = one.file.fingerprint
    for part, fingerprint in (ends[-1] if ends else {}).items():
        assert last_told[part] == fingerprint
