"""The columnar engine: Pydantic's verdict without asking Pydantic for each row.

A predicate compiled from the contract vouches for rows, column by column; those pass as they stand, in slices of the
file where its columns are the contract's. Everything else is judged as the reference judges it, record by record. What
both write is the same, byte for byte.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from io import BytesIO
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ingestor import canonical
from ingestor.canonical import RowFormat
from ingestor.partition import QUARANTINE_HEADER, RecordError, Sink, quarantine_line
from ingestor.records import ByteStream, Record
from ingestor.validate.blocks import Block, Blocks
from ingestor.validate.engine import Judgement
from ingestor.validate.header import Header, read_header
from ingestor.validate.predicate import predicate
from ingestor.validate.reference import check
from ingestor.validate.seen import Seen
from ingestor.validate.versions import VersionFormat
from libs.contracts.base import Contract
from libs.manifest import Rows

T = TypeVar("T")
R = TypeVar("R")

_THREADS = 2
"""Blocks that the predicate is asked for at once, while another is read or written."""

FEW = 200
"""Records that Pydantic has judged before a predicate has begun."""

_ALONE = nullcontext()


def judge(
    source: ByteStream,
    contract: type[Contract],
    partition_date: date,
    *,
    validated: Sink,
    quarantine: Sink,
    turn: AbstractContextManager[object] = _ALONE,
) -> Judgement:
    """Judge every record of a landing file (see `Engine`).

    Of the files that are judged at once, one at a time goes on behind its first block: the one that has the `turn`, a
    lock that they share. It takes all cores anyhow, and so memory is bounded.
    """
    blocks = Blocks(source)
    header = read_header(blocks.header(), contract)
    judges = _Judges(contract, header, partition_date)
    with closing(Seen()) as seen, closing(_in_turn(blocks.read(header.width), turn)) as whole:
        pages = _Pages(judges, seen)
        validated.write(RowFormat(contract.columns()).header.encode())
        quarantine.write(QUARANTINE_HEADER.encode())
        for block in _ahead(judges.vouched, whole):
            good, bad = pages.of(block)
            validated.write(good)
            quarantine.write(bad)
    return Judgement(pages.rows, dict(sorted(judges.errors.items())), header.drift)


def _in_turn(blocks: Iterator[Block], turn: AbstractContextManager[object]) -> Generator[Block]:
    """Wait for the turn behind the first block, where there is more."""
    yield from islice(blocks, 1)
    second = next(blocks, None)
    if second is not None:
        with turn:
            yield second
            yield from blocks


def _ahead(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Do the work for some items ahead, in threads of their own; results in the order of the items."""
    with ThreadPoolExecutor(_THREADS) as threads:
        begun: deque[Future[R]] = deque()
        for item in items:
            begun.append(threads.submit(work, item))
            if len(begun) > _THREADS:
                yield begun.popleft().result()
        for result in begun:
            yield result.result()


@dataclass(frozen=True)
class _Vouched:
    """A block, and what the predicate found of its plain lines."""

    block: Block
    ok: NDArray[np.bool_]
    versions: pl.Series
    lines: bytes
    """The lines in the contract's columns, written anew where the file has them in another order."""
    offsets: NDArray[np.int64]


class _Slow(NamedTuple):
    """A record that is judged by itself: plain line (`lines` is 1) or island (0) at a position among plain lines."""

    position: int
    lines: int
    record: Record


class _Edit(NamedTuple):
    """What is written of such a record: the canonical line of its row, or a line of quarantine; the row's version."""

    position: int
    lines: int
    record: Record
    line: str
    is_good: bool
    version: str = ""


class _Judges:
    """What a record of a file has to be, for all ways of judging it."""

    def __init__(self, contract: type[Contract], header: Header, partition_date: date) -> None:
        self._contract = contract
        self._header = header
        self._partition_date = partition_date
        self._names = [column.name for column in contract.columns()]
        self._place = {name: position for position, name in header.positions}
        self._as_it_stands = header.width == len(self._names) and [name for _, name in header.positions] == self._names
        self._row = RowFormat(contract.columns())
        self._version = VersionFormat(contract)
        self.errors = Counter[str]()
        self._missing = [pl.lit(None, pl.String).alias(name) for name in self._names if name not in self._place]

    @cached_property
    def _predicate(self) -> pl.Expr:
        return predicate(self._contract, self._partition_date)

    @cached_property
    def _needed(self) -> list[str]:
        """The columns that must be read of plain lines."""
        asked = {*self._predicate.meta.root_names(), *self._version.names}
        return [name for name in self._place if name in asked or not self._as_it_stands]

    @property
    def version(self) -> VersionFormat:
        """What the version of a row is."""
        return self._version

    def vouched(self, block: Block) -> _Vouched:
        """Ask the predicate for the plain lines of a block."""
        count = len(block.numbers)
        if count < FEW:
            unknown = pl.Series([""]).new_from_index(0, count)
            return _Vouched(block, np.zeros(count, np.bool_), unknown, block.lines, block.offsets)
        texts = self._texts(block.lines).with_columns(self._missing)
        version = pl.concat_str([pl.col(name).fill_null("") for name in self._version.names], separator=",")
        found = texts.lazy().select(self._predicate.alias("ok"), version.alias("version")).collect()
        lines, offsets = block.lines, block.offsets
        if not self._as_it_stands:
            lines, offsets = _written(texts.select(self._names))
        if not found.height == len(offsets) - 1 == count:
            raise AssertionError(f"Polars reads {found.height} rows in {count} lines, and writes {len(offsets) - 1}")
        return _Vouched(block, found["ok"].to_numpy(), found["version"], lines, offsets)

    def _texts(self, lines: bytes) -> pl.DataFrame:
        """Split plain lines at their commas: the columns that are needed, empty fields as null."""
        names = {position: name for name, position in self._place.items()}
        return pl.read_csv(
            lines,
            has_header=False,
            schema={names.get(position, f"{position}"): pl.String for position in range(self._header.width)},
            columns=[self._place[name] for name in self._needed],
            quote_char=None,
            glob=False,
        )

    def slow(self, slow: Sequence[_Slow]) -> Iterator[_Edit]:
        """Judge records one by one."""
        names = self._names
        for one, is_sure in zip(slow, self._sure(slow), strict=True):
            if is_sure:
                texts = {name: one.record.fields[position] for name, position in self._place.items()}
                version = canonical.line(texts[name] for name in self._version.names)[:-1]
                yield _Edit(*one, canonical.line(texts.get(name, "") for name in names), True, version)
                continue
            verdict = check(one.record, self._header, self._contract, self._partition_date)
            if isinstance(verdict, list):
                yield self.rejected(one, verdict)
            else:
                yield _Edit(*one, self._row.line(verdict.__dict__), True, self._version.text(verdict.__dict__))

    def rejected(self, one: _Slow, errors: Sequence[RecordError]) -> _Edit:
        """Quarantine a record with its errors."""
        self.errors.update(error.type for error in errors)
        return _Edit(*one, quarantine_line(one.record, errors), False)

    def _sure(self, slow: Sequence[_Slow]) -> Iterator[bool]:
        """Tell for which records of islands the predicate vouches; of plain lines it has been asked already."""
        whole = [not o.lines and o.record.damage is None and len(o.record.fields) == self._header.width for o in slow]
        rows = [one.record.fields for one, is_whole in zip(slow, whole, strict=True) if is_whole]
        if len(rows) < FEW:
            return iter([False] * len(slow))
        columns = {name: [row[position] or None for row in rows] for name, position in self._place.items()}
        frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).lazy().with_columns(self._missing)
        found = iter(frame.with_columns(self._predicate.alias("ok")).collect()["ok"].to_list())
        return (is_whole and next(found) for is_whole in whole)


class _Pages:
    """Makes what is to be written of each block, and counts."""

    def __init__(self, judges: _Judges, seen: Seen) -> None:
        self._judges = judges
        self._seen = seen
        self._raw = self._passed = 0

    @property
    def rows(self) -> Rows:
        """The numbers of records so far."""
        return Rows(raw=self._raw, validated=self._passed, quarantined=self._raw - self._passed)

    def of(self, vouched: _Vouched) -> tuple[bytes, bytes]:
        """Return the validated rows, and the quarantined records."""
        block = vouched.block
        edits = list(self._judges.slow(_slow(block, np.flatnonzero(~vouched.ok))))
        again = self._again(vouched, edits)
        if again:
            edits = self._with_duplicates(block, edits, again)
        good: list[bytes | memoryview] = []
        bad: list[str] = []
        lines, begun = memoryview(vouched.lines), 0
        for edit in edits:
            if vouched.offsets[edit.position] > begun:
                good.append(lines[begun : vouched.offsets[edit.position]])
            if edit.is_good:
                good.append(edit.line.encode())
            else:
                bad.append(edit.line)
            begun = vouched.offsets[edit.position + edit.lines]
        good.append(lines[begun:])
        self._raw += len(block.numbers) + len(block.islands)
        self._passed += len(block.numbers) + len(block.islands) - len(bad)
        return b"".join(good) if edits else vouched.lines, "".join(bad).encode()

    def _again(self, vouched: _Vouched, edits: Sequence[_Edit]) -> dict[int, int]:
        """Return the numbers of rows whose version an earlier one has, each with that one's number."""
        numbers, versions = vouched.block.numbers, vouched.versions
        if not vouched.ok.all():
            numbers, versions = numbers[vouched.ok], versions.filter(pl.Series(vouched.ok))
        others = [edit for edit in edits if edit.is_good]
        if others:
            numbers = np.concatenate((numbers, [edit.record.number for edit in others]))
            versions = pl.concat([versions, pl.Series([edit.version for edit in others], dtype=pl.String)])
            order = np.argsort(numbers)
            numbers, versions = numbers[order], versions.gather(order)
        return {int(numbers[index]): number for index, number in self._seen.earlier(versions, numbers).items()}

    def _with_duplicates(self, block: Block, edits: Sequence[_Edit], again: Mapping[int, int]) -> list[_Edit]:
        """Let rows whose version is an earlier one's be quarantined too."""
        judged = {edit.record.number: _Slow(edit.position, edit.lines, edit.record) for edit in edits}
        plain = [number for number in again if number not in judged]
        positions = np.searchsorted(block.numbers, plain).tolist()
        rejected = [judged[number] for number in again if number in judged]
        rejected += [_Slow(position, 1, _record(block, position)) for position in positions]
        edits = [edit for edit in edits if edit.record.number not in again]
        edits += [
            self._judges.rejected(one, [self._judges.version.duplicate(again[one.record.number])]) for one in rejected
        ]
        return sorted(edits, key=lambda edit: edit.record.number)


def _written(texts: pl.DataFrame) -> tuple[bytes, NDArray[np.int64]]:
    """Write fields of plain lines, which need no quotes, as lines; return them with their offsets."""
    buffer = BytesIO()
    texts.write_csv(buffer, include_header=False, quote_style="never")
    lines = buffer.getvalue()
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n")) + 1
    return lines, np.concatenate(([0], ends))


def _slow(block: Block, suspects: NDArray[np.int64]) -> list[_Slow]:
    """Return the records of a block that are to be judged one by one, in their order."""
    slow = [_Slow(position, 1, _record(block, position)) for position in suspects.tolist()]
    if block.islands:
        positions = np.searchsorted(block.numbers, [record.number for record in block.islands]).tolist()
        slow += [_Slow(position, 0, record) for position, record in zip(positions, block.islands, strict=True)]
        slow.sort(key=lambda one: one.record.number)
    return slow


def _record(block: Block, position: int) -> Record:
    """Return the record of a plain line."""
    raw = block.lines[block.offsets[position] : block.offsets[position + 1] - 1]
    return Record(int(block.numbers[position]), raw, raw.decode().split(","), None)
