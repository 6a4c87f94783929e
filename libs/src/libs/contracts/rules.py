"""Rules between the fields of a row, declared as data.

A rule is a frozen dataclass: its class is what it says, its attributes are the fields it says it of. Pydantic's
validator (`Contract`) asks `broken`; a compiler or a document reads the attributes. A rule whose fields are null holds,
unless it is about nulls.
"""

import dataclasses
import decimal
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol

from libs.contracts.iso import MINOR_UNITS

Values = Mapping[str, Any]

_EXACT = decimal.Context(prec=100, traps=[decimal.Inexact])
"""The product of two decimals of 18 digits has 36: more than the default context keeps."""


class Rule(Protocol):
    """What all rules have in common."""

    @property
    def type(self) -> str:
        """The type of the error in quarantine."""

    @property
    def field(self) -> str:
        """The field that the error is reported on."""

    @property
    def says(self) -> str:
        """The rule in words."""

    def broken(self, values: Values, partition_date: date | None) -> bool:
        """Tell whether a row of a partition breaks the rule."""


@dataclasses.dataclass(frozen=True)
class NotBefore:
    """A time is never before another."""

    field: str
    other: str
    type = "time_order"

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"{self.field} is not before {self.other}"

    def broken(self, values: Values, partition_date: date | None) -> bool:
        """Compare the two times."""
        return bool(values[self.field] < values[self.other])


@dataclasses.dataclass(frozen=True)
class NotAfterPartition:
    """A time lies no more than `days` after its partition's day (for files cut in local time)."""

    field: str
    days: int = 1
    type = "future_date"

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"{self.field} is at most {self.days} day after its partition's day"

    def broken(self, values: Values, partition_date: date | None) -> bool:
        """Compare the UTC date with the partition's; without a partition nothing is in its future."""
        if partition_date is None:
            return False
        return bool(values[self.field].date() - partition_date > timedelta(days=self.days))


@dataclasses.dataclass(frozen=True)
class Requires:
    """Where one field has a value, another must have one."""

    field: str
    other: str
    type = "requires_other"

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"{self.field} needs a {self.other}"

    def broken(self, values: Values, partition_date: date | None) -> bool:
        """Look for the one without the other."""
        return values[self.field] is not None and values[self.other] is None


@dataclasses.dataclass(frozen=True)
class AnyOf:
    """At least one of the fields has a value."""

    fields: tuple[str, ...]
    type = "none_given"

    @property
    def field(self) -> str:
        """The first of them."""
        return self.fields[0]

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"at least one of {', '.join(self.fields)} is given"

    def broken(self, values: Values, partition_date: date | None) -> bool:
        """Look for a value."""
        return all(values[name] is None for name in self.fields)


@dataclasses.dataclass(frozen=True)
class NonZero:
    """A number is not zero."""

    field: str
    type = "zero"

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"{self.field} is not 0"

    def broken(self, values: Values, partition_date: date | None) -> bool:
        """Compare with zero."""
        return bool(values[self.field] == 0)


@dataclasses.dataclass(frozen=True)
class Sign:
    """Where `when` has the value `equals`, a number is not negative (sign 1) or not positive (sign -1)."""

    field: str
    when: str
    equals: str
    sign: int
    type = "wrong_sign"

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"{self.field} of a {self.equals} is not {'negative' if self.sign > 0 else 'positive'}"

    def broken(self, values: Values, partition_date: date | None) -> bool:
        """Look at the sign where the rule applies."""
        value = values[self.field]
        return value is not None and values[self.when] == self.equals and value * self.sign < 0


@dataclasses.dataclass(frozen=True)
class MinorUnit:
    """An amount has no more decimals than its currency's minor unit (ISO 4217), by value: JPY 1000.00 holds."""

    field: str
    currency: str = "currency"
    type = "minor_unit"

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"{self.field} has no more decimals than its currency's minor unit"

    def broken(self, values: Values, partition_date: date | None) -> bool:
        """Count the digits after the point that are not trailing zeros."""
        value, currency = values[self.field], values[self.currency]
        if value is None or currency is None:
            return False
        return bool(value % Decimal(1).scaleb(-MINOR_UNITS[currency]) != 0)


@dataclasses.dataclass(frozen=True)
class Total:
    """A total is exactly the sum of some fields less the sum of others."""

    field: str
    plus: tuple[str, ...]
    minus: tuple[str, ...]
    type = "total_mismatch"

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"{self.field} = {' + '.join(self.plus)} − {' − '.join(self.minus)}, exactly"

    def broken(self, values: Values, partition_date: date | None) -> bool:
        """Add up, in exact decimals."""
        total = sum((values[name] for name in self.plus), Decimal(0))
        return bool(total - sum(values[name] for name in self.minus) != values[self.field])


@dataclasses.dataclass(frozen=True)
class LineTotal:
    """A line's total is quantity × unit price − discount, within half a minor unit of the currency."""

    field: str = "line_total"
    quantity: str = "quantity"
    unit_price: str = "unit_price"
    discount: str = "discount"
    currency: str = "currency"
    type = "total_mismatch"

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"{self.field} = {self.quantity} × {self.unit_price} − {self.discount}, within half a minor unit"

    def broken(self, values: Values, partition_date: date | None) -> bool:
        """Multiply in exact decimals and compare."""
        exact = _EXACT.multiply(values[self.quantity], values[self.unit_price])
        difference = _EXACT.subtract(_EXACT.subtract(exact, values[self.discount]), values[self.field])
        half_unit = Decimal(5).scaleb(-MINOR_UNITS[values[self.currency]] - 1)
        return abs(difference) > half_unit
