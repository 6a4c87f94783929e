"""The columnar engine: Pydantic's verdict without asking Pydantic for each row.

A predicate compiled from the contract vouches for rows, column by column; those pass as they stand, in slices of the
file where its columns are the contract's. Everything else is judged as the reference judges it, record by record. What
both write is the same, byte for byte.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from io import BytesIO
from itertools import islice
from typing import NamedTuple, Self, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ingestor import canonical
from ingestor.canonical import RowFormat
from ingestor.partition import QUARANTINE_HEADER, RecordError, Sink, quarantine_line
from ingestor.records import ByteStream, Record
from ingestor.validate.blocks import Block, Blocks
from ingestor.validate.engine import Judged, Judgement, RefusedError, judge_alone
from ingestor.validate.header import Header, read_header
from ingestor.validate.predicate import Predicate
from ingestor.validate.reference import check
from ingestor.validate.seen import Seen, repeated
from ingestor.validate.versions import VersionFormat
from libs.contracts.base import Contract
from libs.manifest import Drift, Rows

T = TypeVar("T")
R = TypeVar("R")

_THREADS = 2
"""Blocks that the predicate is asked for at once, while another is read or written."""

FEW = 200
"""Records that Pydantic has judged before a predicate has begun."""

_PARTITION_DATE = "_partition_date"
"""A column with the day that a line's file is of, where files are judged together."""

_NOTHING = Block(b"", np.zeros(1, np.int64), np.empty(0, np.int64))
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
    vouching = _Vouching(contract, read_header(blocks.header(), contract), pl.lit(partition_date))
    with closing(Seen()) as seen, closing(_in_turn(blocks.read(vouching.header.width), turn)) as whole:
        pages = _Pages(_Judges(vouching, partition_date), seen.earlier)
        validated.write(vouching.row.header.encode())
        quarantine.write(QUARANTINE_HEADER.encode())
        for block in _ahead(vouching.of, whole):
            good, bad = pages.of(block)
            validated.write(good)
            quarantine.write(bad)
    return pages.judgement


def judge_together(files: Sequence[tuple[bytes, date]], contract: type[Contract]) -> Sequence[Judged | RefusedError]:
    """Judge small files of an entity (see `JudgeTogether`): the predicate is asked once for all that have one header.

    Asking takes milliseconds, however few the rows. A file that is more than a block is left to `judge`.
    """
    judged: dict[int, Judged | RefusedError] = {}
    alike: dict[Header, dict[int, Block]] = defaultdict(dict)
    for index, (data, day) in enumerate(files):
        blocks = Blocks(BytesIO(data))
        try:
            header = read_header(blocks.header(), contract)
        except RefusedError as error:
            judged[index] = error
            continue
        found = list(islice(blocks.read(header.width), 2))
        if len(found) <= 1:
            alike[header][index] = found[0] if found else _NOTHING
        else:
            judged[index] = judge_alone(judge, data, contract, day)
    for header, indexed in alike.items():
        vouching = _Vouching(contract, header, pl.col(_PARTITION_DATE))
        days = [files[index][1] for index in indexed]
        for index, day, vouched in zip(indexed, days, vouching.of_all(list(indexed.values()), days), strict=True):
            pages = _Pages(_Judges(vouching, day), repeated)
            good, bad = pages.of(vouched)
            good, bad = vouching.row.header.encode() + good, QUARANTINE_HEADER.encode() + bad
            judged[index] = Judged(files[index][0], good, bad, pages.judgement)
    return [judged[index] for index in range(len(files))]


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

    def part(self, block: Block, begin: int, end: int) -> Self:
        """Return what was found of one of several blocks: from a line to a line."""
        offsets = self.offsets[begin : end + 1]
        lines = self.lines[offsets[0] : offsets[-1]]
        return type(self)(block, self.ok[begin:end], self.versions[begin:end], lines, offsets - offsets[0])


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


class _Vouching:
    """Asks the predicate for the plain lines of files that have the same header."""

    def __init__(self, contract: type[Contract], header: Header, partition_date: pl.Expr) -> None:
        self.contract = contract
        self.header = header
        self.names = [column.name for column in contract.columns()]
        self.place = {name: position for position, name in header.positions}
        self.row = RowFormat(contract.columns())
        self.version = VersionFormat(contract)
        self.missing = [pl.lit(None, pl.String).alias(name) for name in self.names if name not in self.place]
        self._partition_date = partition_date
        self._as_it_stands = header.width == len(self.names) and [name for _, name in header.positions] == self.names

    @cached_property
    def predicate(self) -> Predicate:
        """What is asked."""
        return Predicate(self.contract, self._partition_date)

    @cached_property
    def _needed(self) -> list[str]:
        """The columns that must be read of plain lines."""
        asked = self.predicate.names | {*self.version.names}
        return [name for name in self.place if name in asked or not self._as_it_stands]

    def of(self, block: Block) -> _Vouched:
        """Ask for a block of the one file."""
        return self._of(block, [])

    def of_all(self, blocks: Sequence[Block], days: Sequence[date]) -> list[_Vouched]:
        """Ask for a block of each of some files, which are of these days."""
        counts = [len(block.numbers) for block in blocks]
        ends = np.cumsum(counts).tolist()
        lengths = np.concatenate([np.diff(block.offsets) for block in blocks])
        joined = Block(
            b"".join(block.lines for block in blocks),
            np.concatenate(([0], np.cumsum(lengths))),
            np.concatenate([block.numbers for block in blocks]),
        )
        whole = self._of(joined, [pl.Series(_PARTITION_DATE, np.repeat(np.array(days, "datetime64[D]"), counts))])
        return [whole.part(block, end - count, end) for block, count, end in zip(blocks, counts, ends, strict=True)]

    def _of(self, block: Block, more: Sequence[pl.Series]) -> _Vouched:
        count = len(block.numbers)
        if count < FEW:
            unknown = pl.Series([""]).new_from_index(0, count)
            return _Vouched(block, np.zeros(count, np.bool_), unknown, block.lines, block.offsets)
        texts = self._texts(block.lines).with_columns(*self.missing, *more)
        version = pl.concat_str([pl.col(name).fill_null("") for name in self.version.names], separator=",")
        ok, versions = self.predicate.of(texts), texts.select(version).to_series()
        lines, offsets = block.lines, block.offsets
        if not self._as_it_stands:
            lines, offsets = _written(texts.select(self.names))
        if not len(ok) == len(versions) == len(offsets) - 1 == count:
            raise AssertionError(f"Polars reads {len(ok)} rows in {count} lines, and writes {len(offsets) - 1}")
        return _Vouched(block, ok.to_numpy(), versions, lines, offsets)

    def _texts(self, lines: bytes) -> pl.DataFrame:
        """Split plain lines at their commas: the columns that are needed, empty fields as null."""
        names = {position: name for name, position in self.place.items()}
        return pl.read_csv(
            lines,
            has_header=False,
            schema={names.get(position, f"{position}"): pl.String for position in range(self.header.width)},
            columns=[self.place[name] for name in self._needed],
            quote_char=None,
            glob=False,
        )


class _Judges:
    """Judges the records of a file one by one, and counts their errors by type."""

    def __init__(self, vouching: _Vouching, partition_date: date) -> None:
        self._vouching = vouching
        self._partition_date = partition_date
        self.errors = Counter[str]()

    @property
    def drift(self) -> Drift:
        """How the file's columns differ from the contract's."""
        return self._vouching.header.drift

    @property
    def version(self) -> VersionFormat:
        """What the version of a row is."""
        return self._vouching.version

    def slow(self, slow: Sequence[_Slow]) -> Iterator[_Edit]:
        """Judge records one by one."""
        vouching = self._vouching
        for one, is_sure in zip(slow, self._sure(slow), strict=True):
            if is_sure:
                texts = {name: one.record.fields[position] for name, position in vouching.place.items()}
                version = canonical.line(texts[name] for name in vouching.version.names)[:-1]
                yield _Edit(*one, canonical.line(texts.get(name, "") for name in vouching.names), True, version)
                continue
            verdict = check(one.record, vouching.header, vouching.contract, self._partition_date)
            if isinstance(verdict, list):
                yield self.rejected(one, verdict)
            else:
                yield _Edit(*one, vouching.row.line(verdict.__dict__), True, self.version.text(verdict.__dict__))

    def rejected(self, one: _Slow, errors: Sequence[RecordError]) -> _Edit:
        """Quarantine a record with its errors."""
        self.errors.update(error.type for error in errors)
        return _Edit(*one, quarantine_line(one.record, errors), False)

    def _sure(self, slow: Sequence[_Slow]) -> Iterator[bool]:
        """Tell for which records of islands the predicate vouches; of plain lines it has been asked already."""
        width = self._vouching.header.width
        whole = [not o.lines and o.record.damage is None and len(o.record.fields) == width for o in slow]
        rows = [one.record.fields for one, is_whole in zip(slow, whole, strict=True) if is_whole]
        if len(rows) < FEW:
            return iter([False] * len(slow))
        columns = {name: [row[position] or None for row in rows] for name, position in self._vouching.place.items()}
        frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        frame = frame.with_columns(*self._vouching.missing, pl.lit(self._partition_date).alias(_PARTITION_DATE))
        found = iter(self._vouching.predicate.of(frame).to_list())
        return (is_whole and next(found) for is_whole in whole)


class _Pages:
    """Makes what is to be written of each block, and counts."""

    def __init__(self, judges: _Judges, earlier: Callable[[pl.Series, NDArray[np.int64]], dict[int, int]]) -> None:
        self._judges = judges
        self._earlier = earlier
        self._raw = self._passed = 0

    @property
    def judgement(self) -> Judgement:
        """What was found so far."""
        rows = Rows(raw=self._raw, validated=self._passed, quarantined=self._raw - self._passed)
        return Judgement(rows, dict(sorted(self._judges.errors.items())), self._judges.drift)

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
        return {int(numbers[index]): number for index, number in self._earlier(versions, numbers).items()}

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
