"""The predicate never vouches for a row that Pydantic refuses, or that is rendered otherwise."""

import dataclasses
import os
import random
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Annotated, Any

import polars as pl
import pytest
from ingestor_files import DAY, columns, row
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from ingestor.canonical import RowFormat, timestamp
from ingestor.validate.columns import valid
from ingestor.validate.predicate import Predicate
from libs.contracts.base import Column, Contract
from libs.contracts.iso import MINOR_UNITS
from libs.contracts.orders import Order
from libs.contracts.rules import NonZero, Total
from libs.contracts.types import AMOUNT, COUNT, ID, MONEY, TIMESTAMP, FieldType
from libs.entities import ENTITIES, contract_of

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
VALUES = 900_000 if NIGHTLY else 15_000
ROWS = 200_000 if NIGHTLY else 6_000

SEEDS = {
    "text": ["A1", "a b", "sale", "EUR", "DE", "credit_card", "x" * 128, "x" * 129, "é", "a,b", "-", " ", "\ufeff"],
    "decimal": [
        "0", "-0", "0.0", "-0.00", "1", "-1", "12.50", "-0.5", "-0.05", "0.001", "0.0001", "0.00001",
        "99999999999999.9999",
        "100000000000000", "-99999999999999.9999", "999999999999999.999", "1000000000000000", "007", "1.", ".5",
        "1e3", "1.2300",
        "9999999999999", "0.1234", "-0.1234", "-0.0000", "-0.0001",
    ],
    "integer": ["0", "1", "-1", "-0", "00", "42", "9223372036854775807", "9223372036854775808", "999999999999999999",
    "1.0"],
    "boolean": ["true", "false", "True", "1", "yes"],
    "timestamp": [
        "2025-11-15T09:30:00Z", "2024-02-29T23:59:59Z", "2100-02-29T00:00:00Z", "2000-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1900-01-01T00:00:00Z", "1899-12-31T23:59:59Z", "2199-12-31T23:59:59.999999Z", "2200-01-01T00:00:00Z",
        "2025-04-31T00:00:00Z", "2025-11-15T24:00:00Z", "2025-11-15T09:30:60Z", "2025-11-15T09:30:00.5Z",
        "2025-11-15T09:30:00.500000Z", "2025-11-15T09:30:00.000000Z", "2025-11-15T09:30:00.000001Z",
        "2025-11-15T09:30:00.120000Z",
        "2025-11-15T09:30:00", "2025-11-15T09:30:00+00:00", "2025-11-15t09:30:00z", "2025-11-15 09:30:00Z",
    ],
}  # fmt: skip
LETTERS = "0123456789-+.:TZtzeE_, \t\n\r\"'aAzZ~!é٣０\u00a0\u2028\x7f\x1c"
TYPES = [
    *dict.fromkeys(column.type for contract in ENTITIES.values() for column in contract.columns()),
    dataclasses.replace(MONEY, precision=5, scale=2, minimum=-3, maximum=7),
    dataclasses.replace(MONEY, precision=4, scale=4),
    dataclasses.replace(MONEY, precision=30, scale=6),
    dataclasses.replace(MONEY, pattern=r"^[0-9]+\.[0-9]{2}$"),
    dataclasses.replace(AMOUNT, scale=0),
    dataclasses.replace(COUNT, minimum=-5, maximum=12, pattern="^-?[0-9]{1,2}$"),
    dataclasses.replace(TIMESTAMP, pattern=r"^2025.*$"),
    FieldType("word", "text", "^(a|b)", "a or b", values=("a", "b1", "c")),
]


def spoilt(text: str, rng: random.Random) -> str:
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        at = rng.randint(0, len(text))
        text = text[:at] + rng.choice([*LETTERS, ""]) + text[at + rng.randint(0, 1) :]
    return text


def instants(rng: random.Random) -> str:
    year = rng.choice([1900, 2000, 2023, 2024, 2100, 2199, rng.randint(1899, 2200)])
    tail = rng.choice(["Z", "Z", ".5Z", ".500000Z", "", "+00:00"])
    month, day, hour, minute = (rng.randint(0, most) for most in (13, 32, 24, 60))
    return f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:00{tail}"


def amount(rng: random.Random) -> Decimal:
    most = rng.choice([1, 10, 1000, 10**6, 10**10, 10**14, 10**18 - 1])
    places = rng.choice([0, 1, 2, 2, 3, 4])
    return Decimal(rng.choice([rng.randint(-most, most), rng.randint(0, most), most])).scaleb(-places)


NEAR: dict[str, Callable[[random.Random], str]] = {
    "timestamp": instants,
    "decimal": lambda rng: f"{amount(rng):f}",
    "integer": lambda rng: f"{amount(rng):.0f}",
}
"""Texts of which many are valid."""


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_a_text_that_is_vouched_for_is_valid_and_written_as_it_is(kind: FieldType) -> None:
    rng = random.Random(f"{kind}")  # noqa: S311
    seeds = [*SEEDS[kind.kind], *(kind.values or ())]
    texts = {spoilt(rng.choice(seeds), rng) for _ in range(VALUES // len(TYPES))}
    if near := NEAR.get(kind.kind):
        texts |= {near(rng) for _ in range(VALUES // len(TYPES))}
    given = sorted(texts | set(seeds) - {""})
    python = {"decimal": Decimal, "integer": int, "boolean": bool, "timestamp": datetime, "text": str}[kind.kind]
    adapter = TypeAdapter(Annotated[python, kind])  # type: ignore[valid-type]
    column = Column("x", kind, True, "")
    write = RowFormat([column]).line
    found = (
        pl.DataFrame({"x": [text or None for text in given]}).with_columns(valid(column).alias("ok"))["ok"].to_list()
    )
    plain = RowFormat([Column("x", FieldType("any", "text", "", ""), True, "")]).line
    for text, vouched in zip(given, found, strict=True):
        if vouched and text:
            assert write({"x": adapter.validate_python(text)}) == plain({"x": text}), text


def test_what_is_usual_is_vouched_for() -> None:
    usual = {
        "decimal": ["0", "0.00", "12.50", "-0.5", "-3", "99999999999999.9999"],
        "integer": ["1", "42"],
        "timestamp": ["2025-11-15T09:30:00Z", "2024-02-29T09:30:00Z", "2025-11-15T09:30:00.120000Z"],
        "text": ["A-1", "x" * 128],
    }
    for kind in (MONEY, COUNT, TIMESTAMP, ID):
        frame = pl.DataFrame({"x": usual[kind.kind]})
        assert frame.select(valid(Column("x", kind, False, "")).alias("ok"))["ok"].all()
    for entity, contract in ENTITIES.items():
        assert vouched(contract, [row(entity)]) == [True]


def test_only_a_nullable_field_may_be_null() -> None:
    frame = pl.DataFrame({"x": [None]}, schema={"x": pl.String})
    for kind in TYPES:
        for nullable in (True, False):
            found = frame.with_columns(valid(Column("x", kind, nullable, "")).alias("ok"))["ok"].to_list()
            assert found == [nullable] or (found == [False] and nullable)


def vouched(contract: type[Contract], rows: list[dict[str, str]], day: date | None = DAY) -> list[bool]:
    frame = pl.DataFrame(
        [{name: text or None for name, text in one.items()} for one in rows],
        schema=dict.fromkeys(rows[0], pl.String),
    )
    return Predicate(contract, pl.lit(day, pl.Date)).of(frame).to_list()


def holds(contract: type[Contract], texts: dict[str, str], day: date | None = DAY) -> bool:
    """Whether a row is valid and rendered as it stands."""
    try:
        found = contract.model_validate({name: text for name, text in texts.items() if text}, context=day)
    except ValidationError:
        return False
    names = contract.columns()
    plain = RowFormat([Column(column.name, FieldType("any", "text", "", ""), True, "") for column in names])
    return RowFormat(names).line(found.__dict__) == plain.line(texts)


def rows_near_the_rules(entity: str, rng: random.Random, count: int) -> Iterable[dict[str, str]]:
    """Rows whose rules hold, nearly or by a hair not."""
    names = contract_of(entity).columns()
    for _ in range(count):
        one = row(entity, currency=rng.choice(["EUR", "JPY", "KWD", "CLF", rng.choice(list(MINOR_UNITS))]))
        if "currency" not in columns(entity):
            del one["currency"]
        for column in names:
            chance = rng.random()
            if column.type.kind == "decimal" and chance < 0.7:
                one[column.name] = f"{amount(rng):f}"
            elif column.type.kind == "timestamp" and chance < 0.3:
                at = datetime(2025, 11, rng.randint(15, 17), rng.choice([0, 9, 23]), 59, 59, tzinfo=UTC)
                at += timedelta(microseconds=rng.choice([0, 0, 1, 500_000, 10**6]))
                one[column.name] = timestamp(at)
            elif column.type.values and chance < 0.2:
                one[column.name] = rng.choice(column.type.values)
            elif column.nullable and chance < 0.3:
                one[column.name] = ""
        near = rng.choice([Decimal(0)] * 3 + [Decimal(n).scaleb(-p) for n in (1, -1, 5, -5) for p in range(5)])
        if entity == "orders":
            parts = {name: Decimal(one[name]) for name in ("subtotal", "tax", "shipping", "other", "discount")}
            one["total"] = f"{sum(parts.values()) - 2 * parts['discount'] + near:f}"
        if entity == "order_items":
            with localcontext(prec=60):
                exact = Decimal(one["quantity"]) * Decimal(one["unit_price"]) - Decimal(one["discount"])
                places = Decimal(1).scaleb(-MINOR_UNITS[one["currency"]])
                one["line_total"] = f"{(exact + near).quantize(rng.choice([places, Decimal('0.0001')])):f}"
        yield one


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_row_that_is_vouched_for_is_valid_and_written_as_it_is(entity: str) -> None:
    contract = contract_of(entity)
    rng = random.Random(entity)  # noqa: S311
    rows = list(rows_near_the_rules(entity, rng, ROWS // len(ENTITIES)))
    found = vouched(contract, rows)
    for one, sure in zip(rows, found, strict=True):
        if sure:
            assert holds(contract, one), one
    assert sum(found) > len(rows) / 200


def agree(contract: type[Contract], rows: list[dict[str, str]]) -> None:
    """The predicate vouches for just the rows that hold, and there are such and others."""
    expected = [holds(contract, one) for one in rows]
    assert set(expected) == {True, False}
    assert vouched(contract, rows) == expected


@pytest.mark.parametrize("currency", ["JPY", "EUR", "KWD", "CLF"])
def test_amounts_have_the_decimals_of_their_currency(currency: str) -> None:
    values = [
        f"{sign}{text}" for sign in ("", "-") for text in ("7", "7.0000", "7.3", "7.30", "7.03", "7.003", "0.0003")
    ]
    rows = [
        {
            **row("orders", currency=currency, kind="adjustment", subtotal=value, total=value),
            **zero,
            "tax_included": part,
        }
        for value in values
        for part in ("", *values)
        for zero in [dict.fromkeys(("discount", "tax", "shipping", "other"), "0.000")]
    ]
    if currency == "CLF":
        rows.append({**rows[0], "total": "8"})
    agree(Order, rows)


@pytest.mark.parametrize(
    ("currency", "half"), [("JPY", "0.5"), ("EUR", "0.005"), ("KWD", "0.0005"), ("CLF", "0.00005")]
)
def test_the_total_of_a_line_is_within_half_a_minor_unit(currency: str, half: str) -> None:
    places = Decimal(1).scaleb(-MINOR_UNITS[currency])
    rows = [
        row("order_items", currency=currency, quantity=q, unit_price=p, discount="1", line_total=f"{total:f}")
        for q, p in (("3", "0.1667"), ("-1.5", "0.3333"), ("0.001", "0.05"), ("1.005", "1"), ("2.5", "1"), ("1", "1.5"))
        for nearest in [(Decimal(q) * Decimal(p) - 1).quantize(places) + 0]
        for total in (nearest, nearest + places, nearest - places)
    ]
    agree(contract_of("order_items"), rows)
    within = [Decimal(one["quantity"]) * Decimal(one["unit_price"]) - 1 - Decimal(one["line_total"]) for one in rows]
    assert vouched(contract_of("order_items"), rows) == [abs(one) <= Decimal(half) for one in within]


@pytest.mark.parametrize(("kind", "sign"), [("sale", 1), ("return", -1), ("adjustment", 0)])
def test_amounts_have_the_sign_of_their_kind(kind: str, sign: int) -> None:
    zero = dict.fromkeys(("subtotal", "discount", "tax", "shipping", "other", "total"), "0")
    rows = [
        {**row("orders", kind=kind, currency="CLF"), **zero, name: value, "other": other}
        for name in zero
        for value in ("1", "-1", "0", "-0.0001")
        for other in ("1", "-1", "0")
    ]
    agree(Order, rows)


@pytest.mark.parametrize("day", [None, date.min, date.max, date.max - timedelta(1), date(2025, 11, 13)])
def test_any_day_is_a_partition(day: date | None) -> None:
    for entity, contract in ENTITIES.items():
        assert vouched(contract, [row(entity)], day) == [holds(contract, row(entity), day)]


def test_no_sum_and_no_product_wraps() -> None:
    most = "99999999999999.9999"
    order = row(
        "orders", currency="CLF", subtotal=most, tax=most, shipping=most, other=most, discount="0", tax_included=""
    )
    items = [
        row("order_items", quantity=quantity, unit_price=price, discount="0", line_total=total)
        for quantity in ("4294967.296", "999999999999999.999", "-0.001")
        for price in ("429496.7296", "99999999999999.9999", "4294967296")
        for total in ("0", "1.00", most, "-" + most)
    ]
    assert not any(vouched(Order, [{**order, "total": total} for total in (most, "0", "-" + most, "1.0000")]))
    assert not any(vouched(contract_of("order_items"), items))


class _Thing(Contract):
    entity = "things"
    key = ("thing_id",)
    event_time = "made_at"

    thing_id: Annotated[str, ID]
    price: Annotated[Decimal, MONEY] | None = None
    made_at: Annotated[datetime, TIMESTAMP]
    updated_at: Annotated[datetime, TIMESTAMP]


_AT = "2025-11-15T09:30:00Z"
THING = {"thing_id": "T1", "price": "1.00", "made_at": _AT, "updated_at": _AT}


class _Validated(_Thing):
    @field_validator("price")
    @classmethod
    def _refuse(cls, value: Decimal) -> Decimal:
        raise ValueError(value)


class _ValidatedByType(_Thing):
    thing_id: Annotated[str, ID, AfterValidator(str.lower)]


class _NullableValidatedByType(_Thing):
    price: Annotated[Decimal, MONEY, AfterValidator(abs)] | None = None


class _NullableBounded(_Thing):
    price: Annotated[Decimal, MONEY, Field(gt=5)] | None = None


class _Listed(_Thing):
    thing_id: list[Annotated[str, ID]]  # type: ignore[assignment]


class _OfTwoTypes(_Thing):
    thing_id: Annotated[str, ID] | int  # type: ignore[assignment]


class _Stripped(_Thing):
    model_config = ConfigDict(str_strip_whitespace=True)


class _Aliased(_Thing):
    thing_id: Annotated[str, ID] = Field(alias="id")


class _Defaulted(_Thing):
    price: Annotated[Decimal, MONEY] | None = Decimal(1)


class _Ruled(_Thing):
    def model_post_init(self, context: Any, /) -> None:
        raise ValueError(context)


class _Rule(NonZero):
    """A rule of another class, whatever it says."""


class _ByRule(_Thing):
    own_rules = (_Rule("price"),)


class _ByKind(_Thing):
    own_rules = (Total("thing_id", plus=("price",), minus=()),)


class _Type(FieldType):
    """A type of another class."""


class _ByType(_Thing):
    thing_id: Annotated[str, _Type("id", "text", "^[A-Z0-9]+$", "an id")]


class _TooFine(_Thing):
    own_rules = (NonZero("price"),)

    price: Annotated[Decimal, dataclasses.replace(MONEY, precision=30, scale=20)] | None = None


UNKNOWN = [
    _Validated, _ValidatedByType, _NullableValidatedByType, _NullableBounded, _Listed, _OfTwoTypes, _Stripped, _Aliased,
    _Defaulted, _Ruled, _ByRule, _ByKind, _ByType, _TooFine,
]  # fmt: skip


def test_a_contract_of_data_alone_is_compiled() -> None:
    assert vouched(_Thing, [THING]) == [True]


@pytest.mark.parametrize("contract", UNKNOWN, ids=lambda contract: contract.__name__)
def test_what_the_compiler_does_not_know_is_never_vouched_for(contract: type[Contract]) -> None:
    assert vouched(contract, [THING]) == [False]
