"""The types of fields, as data: a lexical pattern first, then the value.

Pydantic alone takes garbage from text (`5` is a date in 1970, `1_000` and `٣` are decimals, `yes` is true), so every
type first says what the text must look like. A `FieldType` yields Pydantic's core schema and is itself plain data
for whatever is not Pydantic: DDL, JSON Schema, a columnar engine.
"""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from libs.contracts.iso import COUNTRIES, MINOR_UNITS

Kind = Literal["text", "decimal", "integer", "boolean", "timestamp"]

FIRST_YEAR, LAST_YEAR = 1900, 2199


@dataclasses.dataclass(frozen=True)
class FieldType:
    """What the text of a field must be, and what value it stands for.

    `pattern` is a regular expression for the whole text, in what Rust's engine (Pydantic's, Polars') and Python's `re`
    share; with the latter use `fullmatch`, for its `$` also matches before a last line end. `precision` and `scale` are
    those of a decimal; `minimum` and `maximum` are inclusive; `values` is a closed list. Errors of the pattern have the
    type `<name>_format` and say what was `expects`-ed.
    """

    name: str
    kind: Kind
    pattern: str
    expects: str
    precision: int | None = None
    scale: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    values: tuple[str, ...] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Chain the lexical check and the type, both in pydantic-core."""
        lexical = core_schema.custom_error_schema(
            core_schema.str_schema(pattern=self.pattern),
            custom_error_type=f"{self.name}_format",
            custom_error_message=f"expected {self.expects}",
        )
        value = self._value_schema()
        return lexical if value is None else core_schema.chain_schema([lexical, value])

    def __get_pydantic_json_schema__(self, _: core_schema.CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the text in JSON Schema, which sees a row before its values are known."""
        return {"type": "string", **({"enum": list(self.values)} if self.values else {"pattern": self.pattern})}

    def _value_schema(self) -> core_schema.CoreSchema | None:
        match self.kind:
            case "decimal":
                return core_schema.decimal_schema(
                    max_digits=self.precision,
                    decimal_places=self.scale,
                    ge=None if self.minimum is None else Decimal(self.minimum),
                    le=None if self.maximum is None else Decimal(self.maximum),
                )
            case "integer":
                return core_schema.int_schema(ge=self.minimum, le=self.maximum)
            case "boolean":
                return core_schema.bool_schema()
            case "timestamp":
                return core_schema.no_info_after_validator_function(
                    _utc, core_schema.datetime_schema(microseconds_precision="error")
                )
            case "text" if self.values is not None:
                return core_schema.custom_error_schema(
                    core_schema.literal_schema(list(self.values)),
                    custom_error_type=f"{self.name}_unknown",
                    custom_error_message=f"expected {self.expects}",
                )
        return None


def _utc(value: datetime) -> datetime:
    """Convert an offset, take none for UTC, and hold the years after the conversion too."""
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if not FIRST_YEAR <= utc.year <= LAST_YEAR:
        raise PydanticCustomError(
            "timestamp_range",
            "expected a year from {first} to {last} in UTC",
            {"first": FIRST_YEAR, "last": LAST_YEAR},
        )
    return utc


def one_of(name: str, *values: str) -> FieldType:
    """Make the type of a closed list of lower-case words."""
    return FieldType(name, "text", "^[a-z_]+$", f"one of {', '.join(values)}", values=values)


_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
_INTEGER = r"^-?[0-9]+$"
_INT64 = 2**63 - 1

ID = FieldType(
    "id", "text", "^[!-~]([ -~]{0,126}[!-~])?$", "an id of 1 to 128 printable ASCII characters, no blank at either end"
)
TEXT = FieldType("text", "text", r"^[^\x00]*$", "text without NUL")
METHOD = FieldType("method", "text", "^[a-z][a-z0-9_]*$", "a method in lower snake case")
MONEY = FieldType("money", "decimal", _DECIMAL, "a plain decimal such as 12.50", precision=18, scale=4)
AMOUNT = dataclasses.replace(MONEY, minimum=0)
PRICE = FieldType("price", "decimal", _DECIMAL, "a plain decimal such as 12.5000", precision=18, scale=4)
CATALOGUE_PRICE = dataclasses.replace(PRICE, minimum=0)
QUANTITY = FieldType("quantity", "decimal", _DECIMAL, "a plain decimal such as 2 or 0.250", precision=18, scale=3)
COUNT = FieldType("integer", "integer", _INTEGER, "a plain integer such as 3", minimum=0, maximum=_INT64)
LINE_NUMBER = dataclasses.replace(COUNT, minimum=1)
BOOLEAN = FieldType("boolean", "boolean", "^(true|false)$", "true or false")
TIMESTAMP = FieldType(
    "timestamp",
    "timestamp",
    r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?$",
    "an ISO 8601 date and time with seconds, such as 2025-11-15T09:30:00Z, of the years 1900 to 2199",
)
COUNTRY = FieldType("country", "text", "^[A-Z]{2}$", "an ISO 3166 country such as DE", values=COUNTRIES)
CURRENCY = FieldType("currency", "text", "^[A-Z]{3}$", "an ISO 4217 currency such as EUR", values=tuple(MINOR_UNITS))
