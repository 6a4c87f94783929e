"""A landing file in blocks: lines proven plain on one side, everything else read as `records` reads it on the other.

A plain line ends with LF or CR LF, is UTF-8, holds neither quote nor NUL nor another CR, and has just the commas that
the header has: splitting it at its commas is all there is to its record. A blank line is no record. Any other line
is an island: from its beginning on, records are read by the exact reader, until one ends where a line begins.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ingestor import records
from ingestor.records import BOM, ByteStream, Record, RecordReader

BLOCK = 5 << 20
"""Bytes read at once."""

LINES = 1 << 15
"""Lines of a block, and records of its islands, if not a few more: what is made of each may be longer than itself."""

DECODED = 1 << 14
"""Bytes decoded at once, if not some more to a line's end; an error keeps a copy of them."""

Array = NDArray[np.int64]

_LF, _CR, _QUOTE, _COMMA, _NUL = 10, 13, 34, 44, 0


@dataclass(frozen=True)
class Block:
    """Some records of a file: plain lines, each with LF, the record numbers they have; and the records of islands."""

    lines: bytes
    offsets: Array
    """Where each plain line begins, and the end of the last."""
    numbers: Array
    islands: list[Record] = field(default_factory=list)


class _UnfinishedError(Exception):
    """The lines of a block end within a record."""


class Blocks:
    """Reads a file block by block: its header first, then its records."""

    def __init__(self, stream: ByteStream) -> None:
        self._whole = _WholeLines(stream)
        self._data = b""
        self._number = 0

    def header(self) -> Record | None:
        """Read the first record, none in a file that has none."""
        while True:
            position = 0
            try:
                while True:
                    record, size = _read(self._data, position, self._number, final=self._whole.ended)
                    position += size
                    if record is not None:
                        self._data = self._data[position:]
                        self._number += 1
                        return record
            except _UnfinishedError:
                self._data = self._data[position:] + self._whole.read()
            except StopIteration:
                return None

    def read(self, width: int) -> Iterator[Block]:
        """Read the records behind the header, whose number of fields is `width`."""
        while True:
            final = self._whole.ended
            size = 1
            while self._data and size:
                block, size = _split(self._data, width, self._number, final=final)
                self._data = self._data[size:]
                self._number += len(block.numbers) + len(block.islands)
                if len(block.numbers) or block.islands:
                    yield block
            if final:
                return
            self._data += self._whole.read()


class _WholeLines:
    """A stream in pieces that end with a line's end, without its BOM; of overlong lines only the beginning.

    That is a byte more than a record keeps of one, so that the reader sees that it was longer.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._begun = b""
        self._first = True
        self.ended = False

    def read(self) -> bytes:
        """Return some more lines, none at the end only."""
        data = b""
        while not data and not self.ended:
            self._begun = _shortened(self._begun)
            read = self._stream.read(BLOCK)
            self.ended = not read
            size = _whole(read)
            if size:
                data, self._begun = b"".join((self._begun, memoryview(read)[:size])), read[size:]
            elif self.ended or self._begun.endswith(b"\r"):  # which ends a line, for LF does not come next
                data, self._begun = self._begun, read
            else:
                self._begun += read
        if data and self._first:
            self._first = False
            data = data.removeprefix(BOM)
        return data


def _whole(data: bytes) -> int:
    """Count the bytes up to the end of the last line; a CR at the very end may be the half of a line end."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1


def _shortened(begun: bytes) -> bytes:
    limit = records.MAX_LINE + 1
    return begun if len(begun) <= limit else begun[:limit] + (b"\r" if begun.endswith(b"\r") else b"")


def _read(data: bytes, position: int, number: int, *, final: bool) -> tuple[Record | None, int]:
    """Read a record, or a blank line, and return how many bytes it takes. Raises _UnfinishedError, StopIteration."""
    reader = RecordReader(_physical_lines(data, position, final=final))
    record = reader.read(number)
    return record, reader.taken


def _physical_lines(data: bytes, position: int, *, final: bool) -> Iterator[bytes]:
    while position < len(data):
        end = data.find(b"\n", position) + 1 or len(data)
        yield from data[position:end].splitlines(keepends=True)
        position = end
    if not final:
        raise _UnfinishedError


def _split(data: bytes, width: int, number: int, *, final: bool) -> tuple[Block, int]:
    """Split whole lines into plain ones and islands, and return how many bytes that took.

    It is not all of them where there are many, or the last island is not finished.
    """
    codes = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(codes == _LF) + 1
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    starts = np.concatenate(([0], ends[:-1]))
    lines = _Lines(data, codes, starts, ends)
    odd = lines.odd(width)
    plain = ~(odd | lines.blank)
    odd, size = odd[:LINES], int(ends[:LINES][-1])
    islands: list[Record] = []
    at = np.empty(0, np.int64)
    if odd.any():
        islands, at, size = _islands(data, starts, plain, np.flatnonzero(odd), number, size, final=final)
    if size < len(data):
        plain[np.searchsorted(starts, size) :] = False
    places = np.flatnonzero(plain)
    numbers = number + np.arange(len(places)) + np.searchsorted(at, places)
    return Block(*lines.taken(plain), numbers, islands), size


def _islands(
    data: bytes, starts: Array, plain: NDArray[np.bool_], odd: Array, number: int, end: int, *, final: bool
) -> tuple[list[Record], Array, int]:
    """Read the islands that begin before an end; return the records, the line of each, and where reading ended.

    Lines that an island takes along are no longer plain.
    """
    found: list[Record] = []
    at: list[int] = []
    settled = 0  # lines before this one are plain or not for good; `number` counts their records
    for line in odd.tolist():
        if line < settled:
            continue
        number += int(np.count_nonzero(plain[settled:line]))
        begin, position = line, int(starts[line])
        while True:
            try:
                record, size = _read(data, position, number, final=final)
            except _UnfinishedError:
                return found, np.array(at, np.int64), position
            except StopIteration:
                settled, end = len(starts), len(data)
                break
            if record is not None:
                found.append(record)
                at.append(begin)
                number += 1
            position += size
            settled = int(np.searchsorted(starts, position))
            plain[line:settled] = False
            if position == (starts[settled] if settled < len(starts) else len(data)):
                end = max(end, position)
                break
            if len(found) >= LINES:
                return found, np.array(at, np.int64), position
            begin = settled - 1
    return found, np.array(at, np.int64), end


class _Lines:
    """The lines of a block, and what can be told of each at a glance."""

    def __init__(self, data: bytes, codes: NDArray[np.uint8], starts: Array, ends: Array) -> None:
        self._data = data
        self._codes = codes
        self._starts = starts
        self._ends = ends
        self._returns = np.flatnonzero(codes == _CR) if b"\r" in data else np.empty(0, np.int64)
        at = self._of(self._returns)
        self._before_lf = (self._returns == ends[at] - 2) & (codes[ends[at] - 1] == _LF)
        lengths = ends - starts
        lengths[at[self._before_lf]] -= 1
        self.blank = (lengths == 1) & (codes[ends - 1] == _LF)

    def odd(self, width: int) -> NDArray[np.bool_]:
        """Tell which lines are not to be split at their commas just so."""
        data, codes = self._data, self._codes
        odd: NDArray[np.bool_] = self._ends - self._starts > records.MAX_RECORD
        for byte in (_QUOTE, _NUL):
            if byte in data:
                odd[self._of(np.flatnonzero(codes == byte))] = True
        odd[self._of(self._returns[~self._before_lf])] = True
        if not data.isascii():
            odd[self._undecodable()] = True
            if BOM[0] in data and BOM in data:  # which Polars takes for no data
                odd[self._of(np.flatnonzero(codes == BOM[0]))] = True
        if not data.endswith(b"\n"):
            odd[-1] = True
        odd |= self._ragged(width - 1)
        odd &= ~self.blank
        return odd

    def taken(self, chosen: NDArray[np.bool_]) -> tuple[bytes, Array]:
        """Return these lines, each with LF only, and their offsets."""
        data, crlf = self._data, self._returns[self._before_lf]
        lengths = (self._ends - self._starts)[chosen]
        if len(crlf):
            of = self._of(crlf)
            keep = np.repeat(chosen, self._ends - self._starts)
            keep[crlf] = False
            with_cr = np.zeros(len(self._ends), np.int64)
            with_cr[of] = 1
            lengths = lengths - with_cr[chosen]
            data = self._codes[keep].tobytes()
        elif not chosen.all():
            edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False)).reshape(-1, 2)
            view = memoryview(data)
            data = b"".join([view[self._starts[i] : self._ends[j - 1]] for i, j in edges.tolist()])
        return data, np.concatenate(([0], np.cumsum(lengths)))

    def _undecodable(self) -> list[int]:
        """Find the lines that are not UTF-8. Polars is asked first whether there is one, for it is much faster."""
        with suppress(pl.exceptions.ComputeError):
            pl.Series([self._data], dtype=pl.Binary).cast(pl.String)
            return []
        found: list[int] = []
        begin = 0
        while begin < len(self._data):
            end = self._data.find(b"\n", begin + DECODED) + 1 or len(self._data)
            try:
                self._data[begin:end].decode()
                begin = end
            except UnicodeDecodeError as error:  # and on behind the line
                found.append(int(self._of(np.array(begin + error.start))))
                begin = int(self._ends[found[-1]])
        return found

    def _of(self, positions: Array) -> Array:
        """Tell which lines these positions are in."""
        return np.searchsorted(self._ends, positions, side="right")

    def _ragged(self, commas: int) -> NDArray[np.bool_]:
        """Tell which lines do not have so many commas. Counting 64 bytes at once is faster than listing all commas."""
        bits = np.packbits(self._codes == _COMMA, bitorder="little").tobytes()
        words = np.frombuffer(bits.ljust(len(self._codes) // 64 * 8 + 8, b"\0"), "<u8")  # the data may end with a word
        in_word = np.bitwise_count(words)
        before = np.cumsum(in_word, dtype=np.int64) - in_word
        at, bit = np.divmod(self._ends, 64)
        begun = words[at] & ((np.uint64(1) << bit.astype(np.uint64)) - np.uint64(1))
        counts: Array = np.diff(before[at] + np.bitwise_count(begun), prepend=0)
        return np.not_equal(counts, commas)
