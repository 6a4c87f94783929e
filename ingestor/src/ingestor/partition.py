"""What ingestion writes of a partition's records: the line of a good row, the line of a quarantined record."""

import base64
import csv
import json
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from itertools import islice
from typing import Any, BinaryIO, NamedTuple, Protocol

from ingestor import canonical
from ingestor.records import MAX_LINE, Record

QUARANTINE_COLUMNS = ("row_number", "record", "record_encoding", "errors")
QUARANTINE_HEADER = canonical.line(QUARANTINE_COLUMNS)

_BLOCK = 1 << 18
_SAMPLE_LENGTH = 200
_LONGEST_FIELD = 2 * MAX_LINE


class RecordError(NamedTuple):
    """Why a record is quarantined.

    `field` is null where the error is the whole record's; `value` is the field's text as it stood in the file, null
    where there was none.
    """

    field: str | None
    type: str
    message: str
    value: str | None = None


class Sink(Protocol):
    """What an object is written to."""

    def write(self, data: bytes, /) -> object:
        """Append bytes."""


class Lines:
    """Lines of text on their way to a sink, in blocks."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: list[str] = []
        self._size = 0

    def append(self, line: str) -> None:
        """Take a line, which ends with LF."""
        self._waiting.append(line)
        self._size += len(line)
        if self._size >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._sink.write("".join(self._waiting).encode())
        self._waiting.clear()
        self._size = 0


def quarantine_line(record: Record, errors: Sequence[RecordError]) -> str:
    """Write a record with its errors: `utf-8` where it is text without NUL, else `base64`."""
    try:
        text, encoding = record.raw.decode(), "utf-8"
    except UnicodeDecodeError:
        encoding = "base64"
    if encoding == "base64" or "\0" in text:
        text, encoding = base64.b64encode(record.raw).decode(), "base64"
    listed = json.dumps([error._asdict() for error in errors], ensure_ascii=False)
    return canonical.line((str(record.number), text, encoding, listed))


def samples(quarantine: BinaryIO, limit: int) -> Iterator[dict[str, Any]]:
    """Read the first records of a quarantine object: the row's number and its first error, its value shortened."""
    # Ours, so whole; but a record stands here in quotes or base64, and may so be longer than a landing file's may be.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    with TextIOWrapper(quarantine, encoding="utf-8", newline="") as lines:
        for number, _, _, errors in islice(csv.reader(lines, strict=True), 1, 1 + limit):
            first = json.loads(errors)[0]
            if first["value"] is not None:
                first["value"] = first["value"][:_SAMPLE_LENGTH]
            yield {"row_number": int(number), **first}
