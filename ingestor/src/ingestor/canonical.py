"""Canonical CSV: one way to write a row, byte for byte.

UTF-8, LF, quotes only around fields that hold a comma, a quote, CR or LF; null is empty. The csv module is not used:
that of Python 3.11 leaves a lone CR unquoted.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from libs.contracts.base import Column
from libs.contracts.types import Kind

_needs_quotes = re.compile('[,"\r\n]').search
_UTC_OFFSET = len("+00:00")

Formatter = Callable[[Any], str]


def field(text: str) -> str:
    """Write one field."""
    return '"' + text.replace('"', '""') + '"' if _needs_quotes(text) else text


def line(fields: Iterable[str]) -> str:
    """Write one line of texts."""
    return ",".join(map(field, fields)) + "\n"


def decimal(value: Decimal) -> str:
    """Write a decimal plainly: no exponent, the scale as it came, no negative zero."""
    text = format(value, "f")
    return text if value else text.removeprefix("-")


def timestamp(value: datetime) -> str:
    """Write an instant of UTC with `Z`; microseconds, six digits, only where there are some."""
    return value.isoformat()[:-_UTC_OFFSET] + "Z"


def boolean(value: bool) -> str:
    """Write `true` or `false`."""
    return "true" if value else "false"


_FORMATTERS: dict[Kind, Formatter] = {
    "text": field,
    "decimal": decimal,
    "integer": str,
    "boolean": boolean,
    "timestamp": timestamp,
}


class RowFormat:
    """Writes the values of some columns of a contract, in the order of the columns."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.header = line(column.name for column in columns)
        self._columns = [(column.name, _FORMATTERS[column.type.kind]) for column in columns]

    def line(self, values: Mapping[str, Any]) -> str:
        """Write one row of validated values."""
        return (
            ",".join(["" if (value := values[name]) is None else formatter(value) for name, formatter in self._columns])
            + "\n"
        )
