"""The exact record reader: what a record of a CSV file is, whatever has happened to the file.

Physical lines end with LF, CR LF or a lone CR. The csv module with `strict=True` decides which lines make a record;
blank lines make none. What it refuses is a damaged record, and reading goes on behind it, so that one bad line never
costs the rest of the file:

* a csv error takes the physical lines that the csv module had consumed, and reading resumes at the next line;
* a record over 1 MiB (an unclosed quote) takes its first line only, and reading resumes at the second;
* bytes that are not UTF-8, and NUL bytes, damage the record that holds them.
"""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

BLOCK = 1 << 18
"""Bytes read at once."""

MAX_RECORD = 1 << 20
"""Bytes of a record with its line ends; what is longer is no record."""

MAX_LINE = 16 << 20
"""Bytes kept of one physical line."""

BOM = b"\xef\xbb\xbf"


class ByteStream(Protocol):
    """What a file is read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Why a record cannot be used: `csv_error`, `record_too_long`, `undecodable` or `nul_byte`, and in words."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file.

    `number` is 0 for the first record of the file, its header; so data records count from 1, damaged ones included.
    `raw` is the record as it stands in the file, without its last line end (and without the file's BOM). `fields` is
    empty where the damage leaves no fields (`csv_error`, `record_too_long`); bytes that are not UTF-8 are in it as
    surrogate escapes.
    """

    number: int
    raw: bytes
    fields: list[str]
    damage: Damage | None


class _TooLongError(Exception):
    """The record has more bytes than a record may have."""


class _Feed:
    """The lines for the csv module; it remembers which of them the present record has taken."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._returned: deque[bytes] = deque()
        self.taken: list[bytes] = []
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append(line)
        self._size += len(line)
        if self._size > MAX_RECORD:
            raise _TooLongError
        return line.decode("utf-8", "surrogateescape")

    def begin(self) -> None:
        """Begin a new record."""
        self.taken = []
        self._size = 0

    def keep_first(self) -> None:
        """Give back every line of the present record but its first."""
        # None given back earlier is left: it takes all of them, and a line more, to be too long without the first.
        self._returned.extend(self.taken[1:])
        del self.taken[1:]


class RecordReader:
    """Reads the records of physical lines one by one; between two records it remembers nothing."""

    def __init__(self, lines: Iterator[bytes], *, delimiter: str = ",") -> None:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD))  # of the process; fields end with their record
        self._feed = _Feed(lines)
        self._reader = csv.reader(self._feed, delimiter=delimiter, strict=True)

    @property
    def taken(self) -> int:
        """The bytes that the latest record took, or the blank line, with line ends."""
        return sum(map(len, self._feed.taken))

    def read(self, number: int) -> Record | None:
        """Read the next record and give it this number; none where there is a blank line. Raises StopIteration."""
        feed = self._feed
        feed.begin()
        damage = None
        fields: list[str] = []
        try:
            fields = next(self._reader)
        except csv.Error as error:
            damage = Damage("csv_error", f"no CSV record: {error}")
        except _TooLongError:
            feed.keep_first()
            damage = _too_long(feed.taken[0])
        else:
            if not fields:  # a blank line
                return None
        raw = feed.taken[0] if len(feed.taken) == 1 else b"".join(feed.taken)
        raw = _without_line_end(raw)[:MAX_LINE]
        return Record(number, raw, fields, damage or _bad_bytes(raw))


def read_records(stream: ByteStream, *, delimiter: str = ",") -> Iterator[Record]:
    """Read the records of a UTF-8 file (with or without BOM) one after the other, in bounded memory."""
    reader = RecordReader(_physical_lines(stream), delimiter=delimiter)
    number = 0
    while True:
        try:
            record = reader.read(number)
        except StopIteration:
            return
        if record is not None:
            yield record
            number += 1


def _physical_lines(stream: ByteStream) -> Iterator[bytes]:
    """Split a stream behind each LF, CR LF or lone CR, drop its BOM; of an overlong line keep MAX_LINE bytes and one.

    The one byte more tells the overlong line from one that is just as long as may be.
    """
    lines = _split(stream)
    for first in islice(lines, 1):
        yield first.removeprefix(BOM)
    yield from lines


def _split(stream: ByteStream) -> Iterator[bytes]:
    begun = bytearray()  # a line whose end has not been read yet
    for block in _blocks(stream):
        lines = block.splitlines(keepends=True)
        last = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        if begun and lines:
            yield bytes(begun + lines.pop(0))[: MAX_LINE + 1]
            begun.clear()
        for line in lines:
            yield line[: MAX_LINE + 1]
        begun += last
        del begun[MAX_LINE + 1 :]
    if begun:
        yield bytes(begun)


def _blocks(stream: ByteStream) -> Iterator[bytes]:
    """Read in blocks that never end between a CR and its LF."""
    held = b""
    while block := stream.read(BLOCK):
        block = held + block
        held = b"\r" if block.endswith(b"\r") else b""
        if rest := block.removesuffix(held):
            yield rest
    if held:
        yield held


def _too_long(first_line: bytes) -> Damage:
    message = f"the record that begins here has more than {MAX_RECORD:,} bytes: is a quote not closed?"
    if len(first_line) > MAX_LINE:
        message += (
            f" Of its first line only the first {MAX_LINE:,} bytes are kept here; the raw object holds all of it."
        )
    return Damage("record_too_long", message)


def _bad_bytes(raw: bytes) -> Damage | None:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return Damage("undecodable", f"byte {error.start + 1} of the record, 0x{raw[error.start]:02x}, is not UTF-8")
    if b"\0" in raw:
        return Damage("nul_byte", f"byte {raw.index(0) + 1} of the record is NUL")
    return None


def _without_line_end(raw: bytes) -> bytes:
    if raw.endswith(b"\r\n"):
        return raw[:-2]
    return raw[:-1] if raw.endswith((b"\n", b"\r")) else raw
