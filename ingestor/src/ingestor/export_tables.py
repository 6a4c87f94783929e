"""A shop's own files as tables of text, record by record as the exact reader sees them."""

import io
import json
import re
from codecs import getincrementaldecoder, lookup
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

import duckdb

from ingestor.export import Table
from ingestor.records import Record, read_records
from libs.errors import StageError

OWN_COLUMNS = ("_file", "_row", "_rest")
"""File, number of the record in it, and what does not fit the columns."""

BATCH_ROWS = 4096
BATCH_BYTES = 4 << 20
_BLOCK = 1 << 18

_ESCAPED = re.compile(rb"\xed[\xb2\xb3][\x80-\xbf]")
"""A byte that a transcoded file's encoding does not know, as `_Transcoded` passes it on."""

_Kind = Literal["whole", "short", "surplus", "damaged"]


@dataclass(frozen=True)
class FileAccount:
    """What was read from one file: its records, how many of them were short, had surplus fields, or were damaged."""

    table: str
    file: str
    rows: int
    short: int
    surplus: int
    damaged: int


def quoted(identifier: str) -> str:
    """Quote a name for SQL, whatever characters it has."""
    return '"' + identifier.replace('"', '""') + '"'


def _fold(name: str) -> str:
    """Return what makes two names of columns one for DuckDB: upper and lower case of ASCII letters."""
    return name.encode().lower().decode()


def load(connection: duckdb.DuckDBPyConnection, name: str, table: Table, folder: Path) -> list[FileAccount]:
    """Make a table of the files below a folder that match its pattern, their columns joined by name.

    An empty field is null. Raises StageError where no file matches or a header cannot serve.
    """
    paths = sorted(path for path in folder.glob(table.files) if path.is_file())
    if not paths:
        raise StageError(f"no file in {folder} matches {table.files!r} (table {name}): mend `files` or --input")
    headers = {path: _header(path, table) for path in paths}
    columns: dict[str, str] = {}
    for header in headers.values():
        for column in header:
            columns.setdefault(_fold(column), column)
    types = [f"{quoted(column)} VARCHAR" for column in columns.values()]
    connection.execute(f"CREATE TABLE {quoted(name)} ({', '.join(types)}, _file VARCHAR, _row BIGINT, _rest VARCHAR[])")
    return [
        _load_file(connection, name, table, path, path.relative_to(folder).as_posix(), header)
        for path, header in headers.items()
    ]


def _header(path: Path, table: Table) -> list[str]:
    """Read the names of a file's columns; a column without a name is called by its position, `_column_3`."""
    with _records(path, table) as records:
        record = next(records, None)
    if record is None:
        raise StageError(f"{path} is empty: it has not even a header")
    if record.damage:
        raise StageError(f"the header of {path} cannot be read: {record.damage.message}")
    names = [field or f"_column_{position}" for position, field in enumerate(record.fields, start=1)]
    folded = [_fold(name) for name in names]
    repeated = [name for position, name in enumerate(names) if folded[position] in folded[:position]]
    if repeated:
        raise StageError(f"the header of {path} names a column twice (upper and lower case are one): {repeated[0]!r}")
    if own := [name for name in names if _fold(name) in OWN_COLUMNS]:
        raise StageError(f"the header of {path} has a column {own[0]!r}, a name that is kept for the reader's own")
    return names


def _load_file(
    connection: duckdb.DuckDBPyConnection, name: str, table: Table, path: Path, file: str, header: list[str]
) -> FileAccount:
    width = len(header)
    columns = ", ".join(quoted(column) for column in (*header, *OWN_COLUMNS))
    fields = ", ".join(f"nullif(r[{n + 2}], '')" for n in range(1, width + 1))
    # A batch as one JSON text is the fastest way in for text: number, text of a damaged record, fields.
    insert = f"""
        INSERT INTO {quoted(name)} ({columns})
        SELECT {fields}, $2, r[1]::BIGINT,
            CASE WHEN r[2] IS NOT NULL THEN [r[2]] WHEN len(r) > {width + 2} THEN r[{width + 3}:] END
        FROM (SELECT unnest(from_json($1, '[["VARCHAR"]]')) AS r)
    """
    kinds: Counter[_Kind] = Counter()
    with _records(path, table) as records:
        next(records)  # the header
        for batch in _batches(records):
            kinds.update(_kind(record, width) for record in batch)
            rows = [_row(record, table) for record in batch]
            connection.execute(insert, [json.dumps(rows, ensure_ascii=False), file])
    return FileAccount(name, file, kinds.total(), kinds["short"], kinds["surplus"], kinds["damaged"])


def _row(record: Record, table: Table) -> list[str | None]:
    """Return number, text if it is damaged, and fields of a record."""
    if record.damage:
        return [str(record.number), _readable(record.raw, table)]
    return [str(record.number), None, *record.fields]


def _kind(record: Record, width: int) -> _Kind:
    """Tell how a record fits the columns."""
    if record.damage:
        return "damaged"
    if len(record.fields) == width:
        return "whole"
    return "short" if len(record.fields) < width else "surplus"


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Put records together for one statement, so that a million rows are no million statements, nor one huge one."""
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.raw)
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@contextmanager
def _records(path: Path, table: Table) -> Iterator[Iterator[Record]]:
    try:
        with path.open("rb") as file:
            stream = file if _is_utf8(table) else cast(BinaryIO, io.BufferedReader(_Transcoded(file, table.encoding)))
            yield read_records(stream, delimiter=table.delimiter)
    except OSError as error:
        raise StageError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeError as error:
        raise StageError(f"{path} cannot be read as {table.encoding}: {error}") from error


def _is_utf8(table: Table) -> bool:
    return lookup(table.encoding).name in ("utf-8", "utf-8-sig")


class _Transcoded(io.RawIOBase):
    """A file of another encoding as UTF-8.

    Bytes that the encoding does not know become encoded surrogates, which no UTF-8 holds: so the reader finds them
    undecodable, as they are. (As bare bytes, two of them could happen to look like a letter.)
    """

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        super().__init__()
        self._file = file
        self._decoder = getincrementaldecoder(encoding)("surrogateescape")
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        """Tell the buffer that this can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Fill a buffer with what is ready; 0 at the end."""
        while not self._ready and not self._ended:
            block = self._file.read(_BLOCK)
            self._ended = not block
            self._ready = self._decoder.decode(block, final=self._ended).encode("utf-8", "surrogatepass")
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def _readable(raw: bytes, table: Table) -> str:
    r"""Return a damaged record as text: what is no text in it is written `\x81`."""
    if not _is_utf8(table):
        raw = _ESCAPED.sub(lambda found: b"\\x%02x" % (ord(found[0].decode("utf-8", "surrogatepass")) - 0xDC00), raw)
    return raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
