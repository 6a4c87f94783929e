import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from libs.contracts import types
from libs.contracts.base import Contract
from libs.contracts.iso import COUNTRIES, MINOR_UNITS, WITHDRAWN
from libs.entities import ENTITIES, contract_of
from libs.errors import CallError

DAY = date(2025, 11, 15)
ORDER = {
    "order_id": "o-1",
    "kind": "sale",
    "status": "created",
    "currency": "EUR",
    "subtotal": "100.00",
    "discount": "10",
    "tax": "18.00",
    "shipping": "5",
    "other": "0",
    "total": "113.00",
    "ordered_at": "2025-11-15T09:30:00Z",
    "updated_at": "2025-11-15T09:30:00Z",
}
LINE = {
    "order_id": "o-1",
    "line_number": "1",
    "quantity": "3",
    "unit_price": "0.3350",
    "discount": "0",
    "line_total": "1.01",
    "currency": "EUR",
    "ordered_at": "2025-11-15T09:30:00Z",
    "updated_at": "2025-11-15T09:30:00Z",
}
PAYMENT = {
    "payment_id": "p-1",
    "order_id": "o-1",
    "kind": "payment",
    "method": "credit_card",
    "status": "settled",
    "amount": "113.00",
    "currency": "EUR",
    "paid_at": "2025-11-15T09:31:00Z",
    "updated_at": "2025-11-15T09:31:00Z",
}
PRODUCT = {"product_id": "x", "created_at": "2025-11-15T00:00:00Z", "updated_at": "2025-11-15T00:00:00Z"}
CUSTOMER = {"customer_id": "c", "created_at": "2025-11-15T00:00:00Z", "updated_at": "2025-11-15T00:00:00Z"}
ROWS = {"orders": ORDER, "order_items": LINE, "payments": PAYMENT, "products": PRODUCT, "customers": CUSTOMER}


def judge(entity: str, **changes: str | None) -> list[tuple[str, str]]:
    """Return (field, error type) of a good row with changes; None removes a field."""
    row = {name: text for name, text in {**ROWS[entity], **changes}.items() if text is not None}
    try:
        ENTITIES[entity].model_validate(row, context=DAY)
    except ValidationError as error:
        return [(".".join(map(str, found["loc"])), found["type"]) for found in error.errors()]
    return []


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_good_row_keeps_its_contract(entity: str) -> None:
    assert judge(entity) == []


@pytest.mark.parametrize(
    "text", ["1_000", "1e3", "٣", " 12", "12 ", "+1", ".5", "5.", "0x1", "NaN", "Infinity", "1,5", ""]
)
def test_an_amount_is_a_plain_decimal(text: str) -> None:
    assert judge("payments", amount=text) == [("amount", "money_format")]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("5", "timestamp_format"),
        ("2025-11-15", "timestamp_format"),
        ("2025-11-15 09:30:00", "timestamp_format"),
        ("2025-11-15T09:30", "timestamp_format"),
        ("2025-11-15T09:30:00+03", "timestamp_format"),
        ("2025-11-15T09:30:00,5Z", "timestamp_format"),
        ("2025-11-15T09:30:00.1234567Z", "timestamp_format"),
        ("1899-12-31T23:59:59Z", "timestamp_format"),
        ("2025-11-15T24:00:00Z", "datetime_from_date_parsing"),
        ("2025-02-29T00:00:00Z", "datetime_from_date_parsing"),
        ("1900-01-01T00:30:00+01:00", "timestamp_range"),
        ("2199-12-31T23:30:00-01:00", "timestamp_range"),
    ],
)
def test_a_time_is_an_iso_date_and_time_with_seconds(text: str, error: str) -> None:
    [(field, found)] = judge("orders", approved_at=text)
    assert field == "approved_at"
    assert found in {error, "datetime_parsing"}


def test_an_offset_is_converted_and_none_means_utc() -> None:
    order = contract_of("orders").model_validate(
        {**ORDER, "approved_at": "2025-11-15T12:00:00.5+02:00", "shipped_at": "2025-11-15T12:00:00"}, context=DAY
    )
    assert order.approved_at == datetime(2025, 11, 15, 10, 0, 0, 500000, tzinfo=UTC)  # type: ignore[attr-defined]
    assert order.shipped_at == datetime(2025, 11, 15, 12, tzinfo=UTC)  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["yes", "1", "True", "TRUE", "t"])
def test_a_boolean_is_true_or_false(text: str) -> None:
    assert judge("customers", marketing_opt_in=text) == [("marketing_opt_in", "boolean_format")]


@pytest.mark.parametrize("text", ["", " a", "a ", "é", "a\tb", "a\nb", "x" * 129])
def test_an_id_is_printable_ascii_without_blanks_at_the_ends(text: str) -> None:
    assert judge("orders", order_id=text) == [("order_id", "id_format")]


@pytest.mark.parametrize("text", ["#1001", "a b", "x" * 128, "0"])
def test_ids_of_real_shops_pass(text: str) -> None:
    assert judge("orders", order_id=text) == []


@pytest.mark.parametrize(
    ("entity", "changes", "errors"),
    [
        ("orders", {"total": "113.01"}, [("total", "total_mismatch")]),
        ("orders", {"tax_included": "-1"}, [("tax_included", "wrong_sign")]),
        ("orders", {"other": "-3", "total": "110"}, []),
        ("orders", {"currency": "JPY"}, []),
        (
            "orders",
            {"currency": "JPY", "tax": "18.50", "total": "113.50"},
            [("tax", "minor_unit"), ("total", "minor_unit")],
        ),
        ("orders", {"currency": "KWD", "tax": "18.125", "total": "113.125"}, []),
        ("orders", {"currency": "EUR", "tax": "18.00000", "total": "113.000000"}, []),
        ("orders", {"currency": "ZZZ"}, [("currency", "currency_unknown")]),
        ("orders", {"currency": "eur"}, [("currency", "currency_format")]),
        ("orders", {"ship_country_code": "XX"}, [("ship_country_code", "country_unknown")]),
        ("orders", {"status": "lost"}, [("status", "status_unknown")]),
        ("orders", {"status": None}, [("status", "missing")]),
        ("orders", {"colour": "red"}, [("colour", "extra_forbidden")]),
        ("orders", {"updated_at": "2025-11-15T09:29:59Z"}, [("updated_at", "time_order")]),
        ("orders", {"ordered_at": "2025-11-16T23:59:59Z", "updated_at": "2025-11-16T23:59:59Z"}, []),
        (
            "orders",
            {"ordered_at": "2025-11-17T00:00:00Z", "updated_at": "2025-11-17T00:00:00Z"},
            [("ordered_at", "future_date")],
        ),
        ("order_items", {"quantity": "0", "line_total": "0"}, [("quantity", "zero")]),
        ("order_items", {"line_total": "1.00"}, []),
        ("order_items", {"line_total": "0.99"}, [("line_total", "total_mismatch")]),
        ("order_items", {"currency": "JPY", "unit_price": "0.5", "line_total": "1"}, []),
        (
            "order_items",
            {"currency": "JPY", "unit_price": "0.5", "line_total": "3"},
            [("line_total", "total_mismatch")],
        ),
        ("order_items", {"line_number": "0"}, [("line_number", "greater_than_equal")]),
        ("order_items", {"line_number": "1.0"}, [("line_number", "integer_format")]),
        ("order_items", {"quantity": "1.2345"}, [("quantity", "decimal_max_places")]),
        ("payments", {"order_id": None}, [("order_id", "none_given")]),
        ("payments", {"order_id": None, "customer_id": "c"}, []),
        ("payments", {"amount": "-1"}, [("amount", "greater_than_equal")]),
        ("payments", {"amount": "123456789012345"}, [("amount", "decimal_whole_digits")]),
        ("payments", {"method": "Credit Card"}, [("method", "method_format")]),
        ("products", {"unit_price": "5"}, [("unit_price", "requires_other")]),
        ("products", {"unit_price": "5.1234", "currency": "JPY"}, []),
        ("products", {"unit_price": "-5", "currency": "JPY"}, [("unit_price", "greater_than_equal")]),
        ("customers", {"email": "a\x00b"}, [("email", "text_format")]),
    ],
)
def test_rules_and_types(entity: str, changes: dict[str, str | None], errors: list[tuple[str, str]]) -> None:
    assert sorted(judge(entity, **changes)) == sorted(errors)


def test_a_returns_amounts_are_not_positive_but_other_may_be() -> None:
    back: dict[str, str | None] = {
        "subtotal": "-50",
        "discount": "-5",
        "tax": "-9",
        "shipping": "0",
        "other": "4",
        "total": "-50",
    }
    assert judge("orders", **{**back, "kind": "return"}) == []
    assert judge("orders", kind="return") == [
        (name, "wrong_sign") for name in ("subtotal", "discount", "tax", "shipping", "total")
    ]


def test_every_broken_rule_is_told_with_its_field_and_in_words() -> None:
    with pytest.raises(ValidationError) as caught:
        contract_of("orders").model_validate(
            {**ORDER, "total": "1.001", "updated_at": "2025-11-14T00:00:00Z"}, context=DAY
        )
    assert {(found["loc"][0], found["msg"]) for found in caught.value.errors()} == {
        ("updated_at", "broken rule: updated_at is not before ordered_at"),
        ("total", "broken rule: total = subtotal + tax + shipping + other − discount, exactly"),
        ("total", "broken rule: total has no more decimals than its currency's minor unit"),
    }


@given(
    st.decimals(-(10**14) + 1, 10**14 - 1, places=4),
    st.decimals(-(10**15) + 1, 10**15 - 1, places=3),
    st.decimals(-(10**14) + 1, 10**14 - 1, places=2),
)
def test_a_lines_total_is_judged_exactly_whatever_its_size(price: Decimal, quantity: Decimal, total: Decimal) -> None:
    from fractions import Fraction

    errors = judge("order_items", quantity=f"{quantity:f}", unit_price=f"{price:f}", line_total=f"{total:f}")
    close = abs(Fraction(quantity) * Fraction(price) - Fraction(total)) <= Fraction(1, 200)
    assert (("line_total", "total_mismatch") not in errors) == close


FIELD_TYPES: set[types.FieldType] = {column.type for contract in ENTITIES.values() for column in contract.columns()}
PYTHON: dict[str, Any] = {"text": str, "decimal": Decimal, "integer": int, "boolean": bool, "timestamp": datetime}


@pytest.mark.parametrize("declared", sorted(FIELD_TYPES, key=str))
@given(data=st.data())
def test_what_pydantic_accepts_matches_the_pattern_in_pythons_re_too(
    declared: types.FieldType, data: st.DataObject
) -> None:
    text = data.draw(st.one_of(st.from_regex(declared.pattern), st.text()))
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[PYTHON[declared.kind], declared])  # type: ignore[arg-type]
    try:
        adapter.validate_python(text)
    except ValidationError as error:
        formatted = error.errors()[0]["type"] != f"{declared.name}_format"
    else:
        formatted = True
    assert formatted == (re.fullmatch(declared.pattern.removesuffix("$"), text) is not None)


def test_columns_tell_what_is_declared() -> None:
    columns = {column.name: column for column in contract_of("orders").columns()}
    assert list(columns)[:3] == ["order_id", "customer_id", "kind"]
    assert (columns["total"].type, columns["total"].nullable) == (types.MONEY, False)
    assert (columns["tax_included"].type, columns["tax_included"].nullable) == (types.MONEY, True)
    assert all(column.description for contract in ENTITIES.values() for column in contract.columns())


def test_the_version_changes_with_the_rules_and_not_with_the_words() -> None:
    order: Any = contract_of("orders")
    versions = {contract.version() for contract in ENTITIES.values()}
    assert len(versions) == len(ENTITIES)

    class Looser(order):  # type: ignore[misc]
        own_rules = order.own_rules[1:]

    assert Looser.version() != order.version()


def test_a_field_without_a_declared_type_is_refused() -> None:
    class Careless(Contract):
        """A contract whose author forgot."""

        entity = "careless"
        key = ("name",)
        event_time = "name"
        name: str

    with pytest.raises(TypeError, match="declares one FieldType"):
        Careless.columns()


def test_an_unknown_entity_is_a_wrong_call() -> None:
    with pytest.raises(CallError, match=r"unknown entity 'order': use one of customers, products"):
        contract_of("order")


def test_the_codes_are_those_of_iso() -> None:
    assert set(COUNTRIES) == {country.alpha_2 for country in pycountry.countries}
    without_minor_unit = set("XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX".split())
    active = {currency.alpha_3 for currency in pycountry.currencies} - without_minor_unit
    assert set(MINOR_UNITS) == active | set(WITHDRAWN)
    assert [MINOR_UNITS[code] for code in ("JPY", "EUR", "KWD", "CLF")] == [0, 2, 3, 4]
