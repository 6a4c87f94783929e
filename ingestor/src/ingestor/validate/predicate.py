"""The compiler: a contract to a predicate over columns of texts, sufficient for "valid, and written as it stands".

What a contract declares as data is compiled; where it has anything else, nothing is vouched for. A row that the
predicate does not vouch for is no bad row: Pydantic judges it. So only one thing must never happen, that it vouches for
a row that Pydantic refuses or that is rendered otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import reduce
from inspect import getattr_static
from operator import and_
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import polars as pl

from ingestor.validate.columns import DIGITS, number, valid
from libs.contracts.base import Contract
from libs.contracts.iso import MINOR_UNITS
from libs.contracts.rules import (
    AnyOf,
    LineTotal,
    MinorUnit,
    NonZero,
    NotAfterPartition,
    NotBefore,
    Requires,
    Rule,
    Sign,
    Total,
)
from libs.contracts.types import FieldType, Kind

_OWN = ("_keep_the_rules", "model_validate", "__get_pydantic_core_schema__", "__init__", "__new__", "model_post_init")
"""What a contract must not have anew: it would be more than its data."""

_SECONDS = len("2025-11-15T09:30:00")
_NEVER = pl.lit(False)
_INT64 = 2**63 - 1


class _UnknownError(Exception):
    """There is something that the compiler does not know."""


@dataclass(frozen=True)
class _Fields:
    """What rules are told of: the types of a contract's fields and the partition's day; and what they share."""

    types: dict[str, FieldType]
    partition_date: pl.Expr
    made: dict[str, pl.Expr]
    """Columns that rules share. Polars, asked lazily, finds common parts itself, but anew each time: that is slower."""

    def once(self, name: str, value: pl.Expr) -> pl.Expr:
        """Return a value as a column of this name (a space in it keeps it apart from the fields)."""
        self.made[name] = value
        return pl.col(name)

    def text(self, name: str, kind: Kind) -> pl.Expr:
        """Return a field of this kind as it stands."""
        if self.types[name].kind != kind:
            raise _UnknownError
        return pl.col(name)

    def number(self, name: str, scale: int | None = None) -> pl.Expr:
        """Return a field's number as Int64, at its own scale or a greater one (that may not fit: bound it)."""
        kind = self.types[name]
        more = 0 if scale is None else scale - self.scale(name)
        if kind.kind not in ("integer", "decimal") or self.scale(name) > DIGITS or more < 0:
            raise _UnknownError
        value = self.once(f"{name} as number", number(name, kind))
        return value * 10**more if more else value

    def scale(self, name: str) -> int:
        """Return the digits behind a number's point."""
        return self.types[name].scale or 0


class Predicate:
    """A contract as conditions over columns of texts, for rows of partitions of these days.

    `partition_date` is one for all rows, or a column with one for each, of type Date; null is none. Nothing is vouched
    for where the contract has anything that the compiler does not know.
    """

    def __init__(self, contract: type[Contract], partition_date: pl.Expr) -> None:
        conditions = [_NEVER]
        made: dict[str, pl.Expr] = {}
        if _is_data(contract):
            columns = contract.columns()
            fields = _Fields({column.name: column.type for column in columns}, partition_date, made)
            conditions = [*map(valid, columns), *(_compiled(rule, fields) for rule in contract.rules)]
        asked = {name for value in (*conditions, *made.values()) for name in value.meta.root_names()}
        self.names = asked - made.keys()
        """The columns that are asked."""
        self._made = [value.alias(name) for name, value in made.items()]
        self._conditions = [condition.alias(f"{n}") for n, condition in enumerate(conditions)]

    def of(self, rows: pl.DataFrame) -> pl.Series:
        """Tell which rows are vouched for. Never null.

        Each condition is a column at first: to plan one expression of them all takes Polars twice as long. A column of
        as many rows is with them, for conditions without a column have but one.
        """
        every = pl.repeat(True, rows.height).alias("every")
        found = rows.with_columns(*self._made).select(every, *self._conditions)
        return reduce(and_, found).fill_null(False)


def _is_data(contract: type[Contract]) -> bool:
    """Tell whether a contract is nothing but fields and rules, without validators or settings of its own."""
    decorators = contract.__pydantic_decorators__
    validators = (
        decorators.validators,
        decorators.field_validators,
        decorators.root_validators,
        decorators.field_serializers,
        decorators.model_serializers,
        decorators.computed_fields,
    )
    return (
        contract.model_config == Contract.model_config
        and not any(validators)
        and list(decorators.model_validators) == list(Contract.__pydantic_decorators__.model_validators)
        and all(getattr_static(contract, name) is getattr_static(Contract, name) for name in _OWN)
        and all(_is_plain(field) for field in contract.model_fields.values())
    )


def _is_plain(field: Any) -> bool:
    """Tell whether a field's type is all there is to it, and its absence is null."""
    return (
        _is_of_one_type(field)
        and (field.is_required() or (field.default is None and field.default_factory is None))
        and field.alias is None
        and field.validation_alias is None
        and not field.validate_default
    )


def _is_of_one_type(field: Any) -> bool:
    """Tell whether a field is annotated with a FieldType and nothing else, or with None besides."""
    declared = [field.metadata] if field.metadata else []
    if get_origin(field.annotation) in (Union, UnionType):
        declared += [getattr(one, "__metadata__", ()) for one in get_args(field.annotation) if one is not NoneType]
    return len(declared) == 1 and len(declared[0]) == 1 and isinstance(declared[0][0], FieldType)


def _compiled(rule: Rule, fields: _Fields) -> pl.Expr:
    compiler = _COMPILERS.get(type(rule))
    try:
        return _NEVER if compiler is None else compiler(rule, fields)
    except _UnknownError:
        return _NEVER


def _not_before(rule: NotBefore, fields: _Fields) -> pl.Expr:
    """Compare as texts: to the second the canonical form sorts as time does. Within one, only the same text will do."""
    late, early = fields.text(rule.field, "timestamp"), fields.text(rule.other, "timestamp")
    return (late == early) | (late.str.slice(0, _SECONDS) > early.str.slice(0, _SECONDS))


def _not_after_partition(rule: NotAfterPartition, fields: _Fields) -> pl.Expr:
    """Compare as texts, with the last day of all where there is no partition (the least one ignores null)."""
    time = fields.text(rule.field, "timestamp")
    first_refused = pl.min_horizontal(fields.partition_date + pl.duration(days=rule.days + 1), pl.lit(date.max))
    return time < first_refused.dt.strftime("%Y-%m-%d")


def _requires(rule: Requires, fields: _Fields) -> pl.Expr:
    return pl.col(rule.field).is_null() | pl.col(rule.other).is_not_null()


def _any_of(rule: AnyOf, fields: _Fields) -> pl.Expr:
    return pl.any_horizontal(pl.col(name).is_not_null() for name in rule.fields)


def _non_zero(rule: NonZero, fields: _Fields) -> pl.Expr:
    return fields.number(rule.field) != 0


def _sign(rule: Sign, fields: _Fields) -> pl.Expr:
    if rule.sign not in (1, -1):
        raise _UnknownError
    value = fields.number(rule.field)
    allowed = value >= 0 if rule.sign > 0 else value <= 0
    return pl.col(rule.field).is_null() | fields.text(rule.when, "text").ne_missing(rule.equals) | allowed


def _minor_unit(rule: MinorUnit, fields: _Fields) -> pl.Expr:
    """Divide by the minor unit, at the amount's scale."""
    scale = fields.scale(rule.field)
    unit = _by_currency(rule.currency, fields, lambda digits: 10 ** max(scale - digits, 0))
    held = fields.number(rule.field) % unit == 0
    return pl.col(rule.field).is_null() | pl.col(rule.currency).is_null() | held


def _by_currency(name: str, fields: _Fields, of: Callable[[int], int]) -> pl.Expr:
    """Map a currency to what its number of decimals stands for, null where it is unknown. Rules of one map share it."""
    currency = fields.text(name, "text")
    groups: dict[int, list[str]] = {}
    for code, digits in MINOR_UNITS.items():
        groups.setdefault(digits, []).append(code)
    value = pl.coalesce(
        pl.when(currency.is_in(codes)).then(pl.lit(of(digits), pl.Int64)) for digits, codes in groups.items()
    )
    return fields.once(f"{name} as {[of(digits) for digits in groups]}", value)


def _total(rule: Total, fields: _Fields) -> pl.Expr:
    """Add up at the greatest scale, if the sum of as many numbers of 18 digits fits Int64."""
    names = (rule.field, *rule.plus, *rule.minus)
    scales = {fields.scale(name) for name in names}
    if len(scales) > 1 or len(names) * 10**DIGITS > _INT64:
        raise _UnknownError
    plus = pl.lit(0, pl.Int64)
    for name in rule.plus:
        plus = plus + fields.number(name)
    for name in rule.minus:
        plus = plus - fields.number(name)
    return plus == fields.number(rule.field)


def _line_total(rule: LineTotal, fields: _Fields) -> pl.Expr:
    """Multiply at the scale of the product, where the product (told in floats) and the others surely fit Int64."""
    scale = fields.scale(rule.quantity) + fields.scale(rule.unit_price)
    if scale <= max(MINOR_UNITS.values()):
        raise _UnknownError
    quantity, price = fields.number(rule.quantity), fields.number(rule.unit_price)
    fits = (quantity.cast(pl.Float64) * price.cast(pl.Float64)).abs() < 10.0**DIGITS
    for name in (rule.discount, rule.field):
        most = 10 ** (DIGITS - scale + fields.scale(name))
        fits = fits & fields.number(name).is_between(-most, most)
    difference = quantity * price - fields.number(rule.discount, scale) - fields.number(rule.field, scale)
    half_unit = _by_currency(rule.currency, fields, lambda digits: 5 * 10 ** (scale - digits - 1))
    return fits & (difference.abs() <= half_unit)


_COMPILERS: dict[type[Any], Callable[[Any, _Fields], pl.Expr]] = {
    NotBefore: _not_before,
    NotAfterPartition: _not_after_partition,
    Requires: _requires,
    AnyOf: _any_of,
    NonZero: _non_zero,
    Sign: _sign,
    MinorUnit: _minor_unit,
    Total: _total,
    LineTotal: _line_total,
}
