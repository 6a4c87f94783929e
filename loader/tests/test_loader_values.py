"""What stands in the warehouse is, value for value, what the contract reads from the canonical text."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any, get_type_hints

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from loader_samples import DAY, DAYS, canonical_csv, put, row, rows
from pydantic import TypeAdapter

from libs.contracts.types import FieldType
from libs.entities import ENTITIES
from libs.storage.local import LocalStore
from loader import verify
from loader.load import load
from loader.targets.duckdb import DuckdbTarget, joined

NOW = datetime(2025, 11, 16, 3, 0, 0)  # noqa: DTZ001 - the warehouse's times have no zone

NASTY = [
    '"', '""', "'", ",", ",,", "\r", "\n", "\r\n", "\n\r", "\r\r", "a\rb", "a\nb", "a\r\nb", '"\r"', '"\n', '\n"',
    'a"b', '","', " ", " a ", "\t", "\\", "\\n", '\\"', "\\,", "NULL", "null", "NA", "nan", "None", "#", "# a", "--",
    ";", "|", "0", "007", "-0", "true", "1e3", "é", "日本", "😀", "\ufeff", "\u2028", "\x85", "\x0b", "\x0c", "\x01",
    "\x1a", "\x7f", "\u202e", "=1+1", "[]", "{}", "a" * 70_000, '"' * 30_000, "\r\n" * 30_000,
]  # fmt: skip


@pytest.fixture(scope="module")
def target() -> Iterator[DuckdbTarget]:
    with duckdb.connect(":memory:") as connection:
        yield DuckdbTarget(connection, "memory")


def rows_of(target: DuckdbTarget, entity: str, day: date) -> list[tuple[Any, ...]]:
    names = ", ".join(column.name for column in ENTITIES[entity].columns())
    return target._connection.execute(
        f"SELECT {names} FROM landing.{entity} WHERE _partition_date = ?", [day]
    ).fetchall()


def load_rows(target: DuckdbTarget, folder: Path, entity: str, records: list[dict[str, str]]) -> list[tuple[Any, ...]]:
    """Load records as the only partition, whatever was there, and return what the warehouse then holds."""
    store = LocalStore(str(folder))
    put(store, entity, DAY, records)
    (outcome,) = load(store, target, [(entity, DAY)], force=True, clock=lambda: NOW)
    assert (outcome.status, outcome.error) == ("done", None)
    return rows_of(target, entity, DAY)


def expected(entity: str, record: dict[str, str]) -> tuple[Any, ...]:
    return tuple(
        adapter.validate_python(record[name]) if record.get(name) else None
        for name, adapter in adapters(entity).items()
    )


@cache
def adapters(entity: str) -> dict[str, TypeAdapter[Any]]:
    """Return what reads each field alone: rules between fields do not matter to loading."""
    contract = ENTITIES[entity]
    hints = get_type_hints(contract, include_extras=True)
    return {column.name: TypeAdapter(hints[column.name]) for column in contract.columns()}


def without_zone(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in values)


def texts(field: FieldType) -> st.SearchStrategy[str]:
    """Return canonical texts of a type, limits included."""
    match field.kind:
        case "decimal":
            return st.one_of(st.integers(0, field.scale), st.just(field.scale)).flatmap(partial(decimals, field))
        case "integer":
            return st.integers(field.minimum, field.maximum).map(str)
        case "boolean":
            return st.sampled_from(["true", "false"])
        case "timestamp":
            moments = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31, 23, 59, 59, 999999))  # noqa: DTZ001
            return moments.map(lambda moment: moment.isoformat() + "Z")
    if field.values is not None:
        return st.sampled_from(field.values)
    if field.name == "id":
        return st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128)
    if field.name == "method":
        return st.sampled_from(["card", "bank_transfer", "x1"])
    anything = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
    pieces = st.lists(st.sampled_from(['"', ",", "\r", "\n", "\r\n", " ", "a", "é", "\\"]), min_size=1, max_size=12)
    return st.one_of(anything, pieces.map("".join), st.sampled_from(NASTY))


def decimals(field: FieldType, scale: int) -> st.SearchStrategy[str]:
    most = 10 ** (field.precision - field.scale + scale) - 1
    least = -most if field.minimum is None else 0
    return st.integers(least, most).map(lambda units: f"{Decimal(units).scaleb(-scale):f}")


def records(entity: str) -> st.SearchStrategy[list[dict[str, str]]]:
    columns = ENTITIES[entity].columns()
    one = st.fixed_dictionaries(
        {column.name: texts(column.type) for column in columns if not column.nullable},
        optional={column.name: texts(column.type) for column in columns if column.nullable},
    )
    return st.lists(one, min_size=1, max_size=6)


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_value_is_the_one_that_the_contract_reads(
    entity: str, target: DuckdbTarget, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store")

    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(records(entity))
    @example([row(entity)])
    def holds(given_records: list[dict[str, str]]) -> None:
        found = load_rows(target, folder, entity, given_records)
        assert Counter(found) == Counter(without_zone(expected(entity, record)) for record in given_records)

    holds()


@pytest.mark.parametrize("field", ["email", "last_name", "postal_code"])
def test_nasty_text_comes_through_alone_and_among_others(field: str, target: DuckdbTarget, tmp_path: Path) -> None:
    given_records = [row("customers", customer_id=f"c{n}", **{field: text}) for n, text in enumerate(NASTY)]

    found = load_rows(target, tmp_path, "customers", given_records)

    position = [column.name for column in ENTITIES["customers"].columns()].index(field)
    assert {values[0]: values[position] for values in found} == {f"c{n}": text for n, text in enumerate(NASTY)}


@pytest.mark.parametrize("text", ["\r", '"', "\n", "日本"])
def test_one_row_with_nasty_text_in_its_first_text_field_is_read(
    text: str, target: DuckdbTarget, tmp_path: Path
) -> None:
    ((_, email, *_),) = load_rows(target, tmp_path, "customers", [row("customers", email=text)])

    assert email == text


@pytest.mark.parametrize("text", ["a" * (1 << 20), "\r\n" * (1 << 19), '"' * (1 << 20)])
def test_a_record_of_a_mebibyte_is_loaded_however_it_is_quoted(text: str, target: DuckdbTarget, tmp_path: Path) -> None:
    given_records = [row("customers", customer_id=f"c{n}", street=text) for n in range(3)]

    found = load_rows(target, tmp_path, "customers", given_records)

    assert [values[6] == text for values in found] == [True] * 3


def test_files_longer_than_a_buffer_keep_quoted_line_breaks(target: DuckdbTarget, tmp_path: Path) -> None:
    text = "".join(["é\r\n", '"', ",", "\r", "#"]) * 4_000
    given_records = [row("customers", customer_id=f"c{n}", email=text[n % 97 :]) for n in range(1_200)]

    found = load_rows(target, tmp_path, "customers", given_records)  # some 43 MB, a buffer is 16 MiB

    assert Counter(values[:2] for values in found) == Counter((r["customer_id"], r["email"]) for r in given_records)


@pytest.mark.parametrize("texts", [["é-x "], ["é-x ", 'é\r\n",\r#']])
def test_long_files_are_read_exactly_with_and_without_a_quote_in_one_of_them(
    target: DuckdbTarget, tmp_path: Path, texts: list[str]
) -> None:
    store = LocalStore(str(tmp_path))
    days = [DAY + timedelta(days=number) for number in range(len(texts))]
    given = {
        day: [row("customers", customer_id=f"c{n}", email=(text * 4_000)[n % 97 :]) for n in range(1_200)]
        for day, text in zip(days, texts, strict=True)
    }
    for day, records in given.items():
        put(store, "customers", day, records)  # 24 MB and more, a buffer is 16 MiB

    outcomes = list(load(store, target, [("customers", day) for day in days], force=True, clock=lambda: NOW))

    assert [(outcome.status, outcome.error) for outcome in outcomes] == [("done", None)] * len(days)
    for day, records in given.items():
        found = Counter(values[:2] for values in rows_of(target, "customers", day))
        assert found == Counter((record["customer_id"], record["email"]) for record in records)


def test_objects_joined_in_memory_and_copies_make_the_same_warehouse(
    target: DuckdbTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, found = LocalStore(str(tmp_path)), []
    texts = [["", "a"], NASTY, [], ['"', '\n"\n', "b"], ["c"]]
    days = [DAY + timedelta(days=number) for number in range(len(texts))]
    for day, of_a_day in zip(days, texts, strict=True):
        put(store, "customers", day, [row("customers", customer_id=f"{n}", city=t) for n, t in enumerate(of_a_day)])
    for small in (0, 1 << 17):  # the second day is larger
        monkeypatch.setattr(verify, "SMALL", small)
        outcomes = list(load(store, target, [("customers", day) for day in days], force=True, clock=lambda: NOW))
        assert {outcome.status for outcome in outcomes} == {"done"}
        found.append([Counter(rows_of(target, "customers", day)) for day in days])
    assert found[0] == found[1]
    assert [one.total() for one in found[0]] == [len(of_a_day) for of_a_day in texts]


@given(st.lists(st.lists(st.text() | st.sampled_from(NASTY[:50]), max_size=5), max_size=4))
def test_joined_objects_hold_each_record_behind_the_number_of_its_object(files: list[list[str]]) -> None:
    objects = [canonical_csv("customers", [row("customers", city=text) for text in texts]) for texts in files]
    header = canonical_csv("customers", [])
    expected_records = [
        b"%d," % number + canonical_csv("customers", [row("customers", city=text)]).removeprefix(header)
        for number, texts in enumerate(files)
        for text in texts
    ]
    assert b"".join(joined(objects)) == b"".join([b"_part," + header, *expected_records] if files else [])


def test_an_empty_field_is_null_and_nothing_else_is(target: DuckdbTarget, tmp_path: Path) -> None:
    given_records = [
        row("customers", customer_id=f"c{n}", email=text) for n, text in enumerate(["", "NULL", "NA", "-"])
    ]

    found = load_rows(target, tmp_path, "customers", given_records)

    assert {values[1] for values in found} == {None, "NULL", "NA", "-"}


def test_decimals_and_times_are_exact_at_their_limits(target: DuckdbTarget, tmp_path: Path) -> None:
    most = "99999999999999.9999"
    given_records = [
        row("orders", order_id="a", subtotal=most, other=f"-{most}", ordered_at="1900-01-01T00:00:00Z"),
        row("orders", order_id="b", subtotal="0.0001", other="-0.0001", ordered_at="2199-12-31T23:59:59.999999Z"),
    ]

    load_rows(target, tmp_path, "orders", given_records)

    assert target._connection.execute(
        "SELECT subtotal::VARCHAR, other::VARCHAR, ordered_at::VARCHAR FROM landing.orders ORDER BY order_id"
    ).fetchall() == [
        (most, f"-{most}", "1900-01-01 00:00:00"),
        ("0.0001", "-0.0001", "2199-12-31 23:59:59.999999"),
    ]


def test_times_are_utc_whatever_the_zone_of_the_machine(
    target: DuckdbTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target._connection.execute("SET TimeZone = 'America/New_York'")

    found = load_rows(target, tmp_path, "payments", [row("payments", paid_at="2025-11-15T00:30:00Z")])

    assert found[0][-2] == datetime(2025, 11, 15, 0, 30, tzinfo=UTC).replace(tzinfo=None)


def test_each_row_says_its_day_its_object_and_when_it_was_loaded(target: DuckdbTarget, tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    for day in DAYS:
        put(store, "payments", day, rows("payments", 2))

    list(load(store, target, [("payments", day) for day in DAYS], force=True, clock=lambda: NOW))

    assert target._connection.execute(
        "SELECT DISTINCT _partition_date, _source_object, _loaded_at FROM landing.payments ORDER BY ALL"
    ).fetchall() == [(day, f"validated_raw/payments/{day:%Y/%m/%d}/payments.csv", NOW) for day in DAYS]
