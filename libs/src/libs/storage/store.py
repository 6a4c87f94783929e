"""What a stage needs of object storage, and no more."""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import BinaryIO, Protocol

import google_crc32c

CHUNK = 1 << 20
"""Bytes copied at once."""


@dataclasses.dataclass(frozen=True)
class Stat:
    """An object's size in bytes and its crc32c in hexadecimal, as the store keeps or counts them."""

    size: int
    crc32c: str


@dataclasses.dataclass(frozen=True)
class Listed:
    """An object as a listing shows it, unread: `fingerprint` differs where the content does, and maybe elsewhere."""

    key: str
    size: int
    fingerprint: str


class Checksums:
    """Size, sha256 and crc32c of a stream, counted as it goes by."""

    def __init__(self) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._crc32c = google_crc32c.Checksum()

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self.size += len(data)
        self._sha256.update(data)
        self._crc32c.update(data)

    @property
    def sha256(self) -> str:
        """Hexadecimal sha256 of all bytes so far."""
        return self._sha256.hexdigest()

    @property
    def crc32c(self) -> str:
        """Hexadecimal crc32c (Castagnoli) of all bytes so far."""
        return str(self._crc32c.hexdigest().decode())


class ObjectWriter(Protocol):
    """A stream into an object that does not exist before its `with` block has ended without an exception."""

    checksums: Checksums

    def write(self, data: bytes, /) -> object:
        """Append bytes."""


@dataclasses.dataclass(frozen=True)
class Commit:
    """Small objects, and one that follows when they stand, on the condition of `Store.write_if`."""

    objects: Mapping[str, bytes]
    key: str
    data: bytes
    version: str | None


class Committing(Protocol):
    """Commits on their way into a store, each whole and by itself, in less time together than one by one."""

    def begin(self) -> None:
        """Give all of them to the store, and do not wait."""

    def finish(self) -> Sequence[Exception | None]:
        """Wait for all; return of each, in their order, the error for which it is not in force, else None."""

    def close(self) -> None:
        """Drop what is not in force yet, where the store still can."""


class Store(Protocol):
    """Whole objects at keys below a URI. Keys are relative paths with `/`, made by `libs.layout`.

    Every operation raises StoreError, in words for people, where the store refuses or cannot be reached.
    """

    @property
    def uri(self) -> str:
        """Where the store is, as given."""

    @property
    def at_once(self) -> int:
        """In how many threads small objects are read in the least time."""

    def url(self, key: str) -> str:
        """Return where an object is, for people and reports."""

    def size(self, key: str) -> int | None:
        """Return an object's size in bytes without reading it, None where there is none."""

    def stat(self, key: str) -> Stat | None:
        """Return an object's size and checksum, None where there is none."""

    def read(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open an object for reading as a stream. Raises ObjectNotFoundError."""

    def write(self, key: str) -> AbstractContextManager[ObjectWriter]:
        """Write an object whole: it replaces what was there when the block ends, and nothing is left if it fails."""

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Return a small object's bytes with the version they have, None where there is none."""

    def write_if(self, key: str, data: bytes, version: str | None) -> None:
        """Write a small object if its version is still this one (None: if there is none). Raises ConflictError."""

    def commit(self, commits: Sequence[Commit]) -> Committing:
        """Return a few dozen commits that have not begun; each of their objects may be an open file until the end."""

    def list(self, prefix: str) -> Iterator[str]:
        """Iterate over the keys below a prefix, in order."""

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Iterate over the objects below a prefix, in order, without reading them."""

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""


@contextmanager
def write_all(store: Store, keys: Sequence[str]) -> Iterator[list[ObjectWriter]]:
    """Write several objects, which are finished side by side, for each waits for its disk or network.

    Nothing is left if the block fails. If one object cannot be finished, others may stand already.
    """
    writes = [store.write(key) for key in keys]
    with ExitStack() as unfinished:
        yield [unfinished.enter_context(write) for write in writes]
        unfinished.pop_all()
    with ThreadPoolExecutor(len(keys)) as threads:
        finished = [threads.submit(write.__exit__, None, None, None) for write in writes]
    for one in finished:
        one.result()


def put(store: Store, key: str, pieces: Iterable[bytes]) -> tuple[Checksums, bool]:
    """Write an object, unless one of the same content stands there; return its checksums, and if it was written.

    Where none stands, pieces are written as they come.
    """
    found = store.stat(key)
    if found is not None:
        pieces = list(pieces)
        if found.size == sum(map(len, pieces)):
            wanted = Checksums()
            for piece in pieces:
                wanted.update(piece)
            with store.read(key) as stream:
                if checksums_of(stream).sha256 == wanted.sha256:
                    return wanted, False
    with store.write(key) as writer:
        for piece in pieces:
            writer.write(piece)
    return writer.checksums, True


def checksums_of(stream: BinaryIO) -> Checksums:
    """Read a stream to its end and return its checksums."""
    checksums = Checksums()
    while data := stream.read(CHUNK):
        checksums.update(data)
    return checksums
