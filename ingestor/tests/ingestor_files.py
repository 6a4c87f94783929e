"""Landing files for the tests of ingestion, and what an engine makes of them."""

import base64
import csv
import io
import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from hypothesis import strategies as st

from ingestor.validate.engine import Engine, Judgement
from ingestor.validate.reference import judge
from libs.entities import contract_of

DAY = date(2025, 11, 15)

_AT = "2025-11-15T09:30:00Z"
_ROWS = {
    "customers": {"customer_id": "C1", "city": "Berlin", "created_at": _AT, "updated_at": _AT},
    "products": {"product_id": "P1", "unit_price": "9.90", "currency": "EUR", "created_at": _AT, "updated_at": _AT},
    "orders": {
        "order_id": "O1", "kind": "sale", "status": "created", "currency": "EUR", "subtotal": "10.00",
        "discount": "1.00", "tax": "0", "shipping": "2.50", "other": "0", "total": "11.50", "ship_city": "Köln",
        "ordered_at": _AT, "updated_at": _AT,
    },
    "order_items": {
        "order_id": "O1", "line_number": "1", "quantity": "2", "unit_price": "5.00", "discount": "1.00",
        "line_total": "9.00", "currency": "EUR", "ordered_at": _AT, "updated_at": _AT,
    },
    "payments": {
        "payment_id": "B1", "order_id": "O1", "kind": "payment", "method": "card", "status": "settled",
        "amount": "11.50", "currency": "EUR", "paid_at": _AT, "updated_at": _AT,
    },
}  # fmt: skip


def columns(entity: str) -> list[str]:
    return [column.name for column in contract_of(entity).columns()]


def row(entity: str, **changes: str) -> dict[str, str]:
    """A row that keeps its contract, with these changes. Null columns are empty."""
    return dict.fromkeys(columns(entity), "") | _ROWS[entity] | changes


def file(entity: str, *rows: dict[str, str], names: list[str] | None = None) -> bytes:
    """A landing file of rows; with `names`, of these columns only, in this order."""
    out = io.StringIO()
    writer = csv.DictWriter(out, names or columns(entity), extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


class Sink:
    """An object in memory."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes, /) -> None:
        self.data += data


@dataclass
class Judged:
    """What an engine made of a file."""

    judgement: Judgement
    validated: bytes
    quarantine: bytes

    @property
    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.validated.decode(), newline=""), strict=True))

    @property
    def rejected(self) -> list[tuple[int, bytes, list[dict[str, Any]]]]:
        """Row number, record and errors of each record in quarantine."""
        csv.field_size_limit(32 << 20)
        found = csv.DictReader(io.StringIO(self.quarantine.decode(), newline=""), strict=True)
        return [
            (
                int(line["row_number"]),
                base64.b64decode(line["record"]) if line["record_encoding"] == "base64" else line["record"].encode(),
                json.loads(line["errors"]),
            )
            for line in found
        ]

    @property
    def first_errors(self) -> list[tuple[int, str | None, str]]:
        """Row number, field and type of the first error of each record in quarantine."""
        return [(number, errors[0]["field"], errors[0]["type"]) for number, _, errors in self.rejected]


def judged(entity: str, data: bytes, engine: Engine = judge, day: date = DAY) -> Judged:
    source, validated, quarantine = io.BytesIO(data), Sink(), Sink()
    judgement = engine(source, contract_of(entity), day, validated=validated, quarantine=quarantine)
    assert source.read() == b""
    return Judged(judgement, validated.data, quarantine.data)


class Repeated(io.RawIOBase):
    """A file that is never in memory as a whole: a line again and again."""

    def __init__(self, line: bytes, size: int) -> None:
        self._line = line
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return (self._line * (size // len(self._line) + 1))[:size]


PIECES = st.sampled_from(
    [b"a", b"1", b",", b'"', b"\n", b"\r", b"\r\n", b'""', b'","', b"\0", b"\xff", "é€".encode(), b" ", b"\xef\xbb\xbf"]
)
FILES = st.lists(PIECES, max_size=40).map(b"".join)
"""Files of a few bytes, with whatever structure."""
