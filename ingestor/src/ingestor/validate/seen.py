"""The versions of rows, a block at a time: exact, in memory that does not grow with the file.

Each version is known by a hash of 64 bits. A filter of fixed size tells of nearly every hash that it is new; the few
others are looked for among all hashes, which lie in sorted runs in a temporary file, and what is found there is
compared with the version itself, which lies in another. So neither filter nor hash decides, they only spare looking.
"""

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from typing import BinaryIO, NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ingestor.validate.versions import no_room

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

RUN = 1 << 20
"""Hashes kept in memory before they move to disk."""

_FENCE = 256
"""Hashes on disk that are read at once."""

_SEED = 7
_PLACE = np.dtype([("end", np.int64), ("number", np.int64)])


class Seen:
    """Remembers the row number that each version was first seen in."""

    def __init__(self) -> None:
        self._last: tuple[pl.Series, Hashes, NDArray[np.int64]] | None = None  # the block to be remembered
        self._recent: list[_Sorted] = []
        self._runs: list[_Run] = []
        self._temporaries = ExitStack()
        self._count = 0  # versions remembered
        self._size = 0  # bytes of their texts

    def close(self) -> None:
        """Forget everything."""
        self._temporaries.close()

    def earlier(self, versions: pl.Series, numbers: NDArray[np.int64]) -> dict[int, int]:
        """Return, by their index, the rows whose version an earlier row has, and its number; remember all others.

        Raises StageError where the temporary folder cannot hold the versions.
        """
        try:
            return self._earlier(versions, numbers)
        except OSError as error:
            raise no_room(error) from error

    @cached_property
    def _filter(self) -> "_Filter":
        return _Filter()

    @cached_property
    def _files(self) -> "_Files":
        return _Files(*(self._temporaries.enter_context(tempfile.TemporaryFile(buffering=0)) for _ in range(3)))

    def _earlier(self, versions: pl.Series, numbers: NDArray[np.int64]) -> dict[int, int]:
        hashes = hashed(versions)
        suspected = _repeated(hashes)
        if self._last:
            self._remember(*self._last)
            suspected |= self._filter.suspects(hashes)
        suspects = np.flatnonzero(suspected)
        found: dict[int, int] = {}
        if len(suspects):
            before = self._find(np.unique(hashes[suspects]))
            for index in suspects.tolist():
                text = versions[index]
                known = before[int(hashes[index])]
                if text in known:
                    found[index] = known[text]
                else:
                    known[text] = int(numbers[index])
        if found:
            new = np.ones(len(hashes), np.bool_)
            new[list(found)] = False
            versions, hashes, numbers = versions.filter(pl.Series(new)), hashes[new], numbers[new]
        self._last = versions, hashes, numbers
        return found

    def _remember(self, versions: pl.Series, hashes: Hashes, numbers: NDArray[np.int64]) -> None:
        self._filter.add(hashes)
        places = np.empty(len(hashes), _PLACE)
        places["end"] = self._size + np.cumsum(versions.str.len_bytes().to_numpy())
        places["number"] = numbers
        _append(self._files.places, places.tobytes())
        _append(self._files.texts, versions.str.join("")[0].encode())
        self._recent.append(_Sorted.of(hashes, np.arange(self._count, self._count + len(hashes))))
        self._count += len(hashes)
        self._size = int(places["end"][-1]) if len(places) else self._size
        if sum(len(part.hashes) for part in self._recent) >= RUN:
            whole = _Sorted.of(*(np.concatenate(arrays) for arrays in zip(*self._recent, strict=True)))
            self._runs.append(_Run(self._files.hashes, whole))
            self._recent.clear()

    def _find(self, hashes: Hashes) -> dict[int, dict[str, int]]:
        """Find what was remembered under these hashes (distinct, sorted): by hash, by text, the number."""
        found: dict[int, dict[str, int]] = defaultdict(dict)
        for part in (*(part for run in self._runs for part in run.find(hashes)), *self._recent):
            for value, place in part.equal(hashes):
                text, number = self._read(place)
                found[value][text] = number
        return found

    def _read(self, place: int) -> tuple[str, int]:
        """Read a version and its row's number."""
        first = max(place - 1, 0)
        data = _read(self._files.places, (place + 1 - first) * _PLACE.itemsize, first * _PLACE.itemsize)
        ends = np.frombuffer(data, _PLACE)
        begin = int(ends["end"][0]) if place else 0
        return _read(self._files.texts, int(ends["end"][-1]) - begin, begin).decode(), int(ends["number"][-1])


class _Files(NamedTuple):
    """Temporary files: of sorted runs of hashes, of the versions' places, and of the versions."""

    hashes: BinaryIO
    places: BinaryIO
    texts: BinaryIO


class _Sorted(NamedTuple):
    """Hashes in order, with the place of the version that each is of."""

    hashes: Hashes
    places: Places

    @classmethod
    def of(cls, hashes: Hashes, places: Places) -> Self:
        """Sort them."""
        order = np.argsort(hashes)
        return cls(hashes[order], places[order])

    def equal(self, hashes: Hashes) -> Iterator[tuple[int, int]]:
        """Iterate over those that are one of these, each with its place."""
        begins = np.searchsorted(self.hashes, hashes, side="left")
        ends = np.searchsorted(self.hashes, hashes, side="right")
        for one in np.flatnonzero(begins < ends).tolist():
            for place in self.places[begins[one] : ends[one]].tolist():
                yield int(hashes[one]), place


class _Run:
    """Sorted hashes on disk, and each 256th of them in memory."""

    def __init__(self, file: BinaryIO, content: _Sorted) -> None:
        self._file = file
        self._hashes_at = _append(file, content.hashes.tobytes())
        self._places_at = _append(file, content.places.tobytes())
        self._count = len(content.hashes)
        self._fences = content.hashes[::_FENCE].copy()

    def find(self, hashes: Hashes) -> Iterator[_Sorted]:
        """Read the parts in which these hashes are, if they are anywhere."""
        # A hash may begin in the part before the first fence that is not below it, and go on over several.
        begins = np.maximum(np.searchsorted(self._fences, hashes, side="left") - 1, 0)
        ends = np.searchsorted(self._fences, hashes, side="right")
        read = 0  # parts before this one
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            if max(begin, read) < end:
                yield self._part(max(begin, read) * _FENCE, min(end * _FENCE, self._count))
                read = end

    def _part(self, begin: int, end: int) -> _Sorted:
        hashes = _read(self._file, 8 * (end - begin), self._hashes_at + 8 * begin)
        places = _read(self._file, 8 * (end - begin), self._places_at + 8 * begin)
        return _Sorted(np.frombuffer(hashes, np.uint64), np.frombuffer(places, np.int64))


class _Filter:
    """A Bloom filter, each hash in one word: it never takes a hash for new that was added.

    Its size is fixed, so that memory is; of 20 million hashes it takes one in a thousand new ones for known. Pages
    of it that nothing has touched take no memory, so a small file has a small one.
    """

    _BITS = 23  # 8 Mi words of 64 bits

    def __init__(self) -> None:
        self._words = np.zeros(1 << self._BITS, np.uint64)

    def suspects(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Tell which hashes may have been added."""
        bits = self._bits(hashes)
        found: NDArray[np.bool_] = (self._words[self._at(hashes)] & bits) == bits
        return found

    def add(self, hashes: Hashes) -> None:
        """Add hashes."""
        while len(hashes):
            at, bits = self._at(hashes), self._bits(hashes)
            self._words[at] |= bits  # of some that share a word only one gets its bits
            hashes = hashes[(self._words[at] & bits) != bits]

    def _at(self, hashes: Hashes) -> NDArray[np.int64]:
        return (hashes >> np.uint64(64 - self._BITS)).astype(np.int64)

    def _bits(self, hashes: Hashes) -> Hashes:
        one, six = np.uint64(1), np.uint64(63)
        bits = one << (hashes & six)
        for shift in (6, 12, 18):
            bits |= one << ((hashes >> np.uint64(shift)) & six)
        return bits


def repeated(versions: pl.Series, numbers: NDArray[np.int64]) -> dict[int, int]:
    """Return what `Seen.earlier` does of a file that is but one block of few rows."""
    first: dict[str, int] = {}
    earlier = [first.setdefault(text, number) for text, number in zip(versions, numbers.tolist(), strict=True)]
    return {index: number for index, number in enumerate(earlier) if number != numbers[index]}


def hashed(versions: pl.Series) -> Hashes:
    """Hash versions to 64 bits."""
    return versions.hash(_SEED).to_numpy()


def _repeated(hashes: Hashes) -> NDArray[np.bool_]:
    """Tell which hashes come more than once."""
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.isin(hashes, twice) if len(twice) else np.zeros(len(hashes), np.bool_)


def _append(file: BinaryIO, data: bytes) -> int:
    """Write at the end of a file, all of it; return where that is."""
    at = file.seek(0, os.SEEK_END)
    rest = memoryview(data)
    while len(rest):
        rest = rest[file.write(rest) :]
    return at


def _read(file: BinaryIO, size: int, at: int) -> bytes:
    return os.pread(file.fileno(), size, at)
