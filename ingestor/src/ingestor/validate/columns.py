"""What a column of texts must be for its field to be valid and written as it stands: types as Polars expressions.

An expression is true where Pydantic surely accepts the text and canonical CSV surely renders it unchanged (quotes
aside). It may be false for a text that is valid all the same: Pydantic will say so. A null is an empty field. A text
holds no NUL, for a record with one is damaged; so free text need not be looked at.
"""

import calendar
import dataclasses
import re

import polars as pl

from libs.contracts.base import Column
from libs.contracts.types import BOOLEAN, COUNT, FIRST_YEAR, LAST_YEAR, MONEY, TEXT, TIMESTAMP, FieldType

DIGITS = 18
"""Digits of a number that always fit Int64."""

_IMPLIED = {BOOLEAN.pattern, COUNT.pattern, MONEY.pattern, TIMESTAMP.pattern}
"""Patterns that every canonical text of their kind matches; any other is matched besides."""

_MONTH_DAY = "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
"""Of any year: without 29 February."""

_MICROSECONDS = "(?:[0-9]{5}[1-9]|[0-9]{4}[1-9]0|[0-9]{3}[1-9]00|[0-9]{2}[1-9]000|[0-9][1-9]0000|[1-9]00000)"
"""Six digits, not all of them 0."""


def valid(column: Column) -> pl.Expr:
    """Tell where a field is valid by itself, in canonical form. Never null."""
    text = pl.col(column.name)
    if column.type == dataclasses.replace(TEXT, name=column.type.name, expects=column.type.expects):
        return pl.lit(True) if column.nullable else text.is_not_null()
    found = _canonical(column.name, column.type).fill_null(False)
    return text.is_null() | found if column.nullable else found


def number(name: str, kind: FieldType) -> pl.Expr:
    """Return a field's decimal or integer as Int64, at the type's scale. Only for texts that are `valid`."""
    text = pl.col(name)
    if kind.scale is None:
        return text.cast(pl.Int64, strict=False)
    return text.cast(pl.Decimal(DIGITS, kind.scale), strict=False).to_physical().cast(pl.Int64, strict=False)


def _canonical(name: str, kind: FieldType) -> pl.Expr:
    text = pl.col(name)
    if type(kind) is not FieldType:
        return pl.lit(False)
    if kind.values is not None:
        matching = [value for value in kind.values if re.fullmatch(kind.pattern, value)]
        return text.is_in(matching) if kind.kind == "text" else pl.lit(False)
    match kind.kind:
        case "text":
            return text.str.contains(kind.pattern)
        case "boolean":
            found = text.is_in(["true", "false"])
        case "integer":
            found = text.str.contains(rf"^(?:0|-?[1-9][0-9]{{0,{DIGITS - 1}}})$") & _within(name, kind)
        case "decimal":
            found = _decimal(name, kind)
        case "timestamp":
            found = text.str.contains(_timestamp())
        case _:
            return pl.lit(False)
    return found if kind.pattern in _IMPLIED else found & text.str.contains(kind.pattern)


def _decimal(name: str, kind: FieldType) -> pl.Expr:
    """Match plain decimals of bounded digits: no leading zeros, no negative zero."""
    if kind.precision is None or kind.scale is None or not 0 < kind.scale < min(kind.precision, DIGITS):
        return pl.lit(False)
    whole, scale = min(kind.precision, DIGITS) - kind.scale, kind.scale
    # Behind "-0." there are some zeros, none to all but one, and a digit that is none.
    below_one = "|".join(f"0{{{zeros}}}[1-9][0-9]{{0,{scale - zeros - 1}}}" for zeros in range(scale))
    pattern = rf"^(?:(?:0|-?[1-9][0-9]{{0,{whole - 1}}})(?:\.[0-9]{{1,{scale}}})?|-0\.(?:{below_one}))$"
    return pl.col(name).str.contains(pattern) & _within(name, kind)


def _within(name: str, kind: FieldType) -> pl.Expr:
    value, unit = number(name, kind), 10 ** (kind.scale or 0)
    found = pl.lit(True)
    if kind.minimum is not None:
        found = found & (value >= kind.minimum * unit)
    if kind.maximum is not None and kind.maximum * unit < 10**DIGITS:
        found = found & (value <= kind.maximum * unit)
    return found


def _timestamp() -> str:
    """Match the instants that exist, in the years allowed, in UTC, with microseconds only where there are some."""
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    leap = "|".join(str(year) for year in years if calendar.isleap(year))
    day = f"(?:(?:{'|'.join(map(str, years))})-{_MONTH_DAY}|(?:{leap})-02-29)"
    return rf"^{day}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.{_MICROSECONDS})?Z$"
