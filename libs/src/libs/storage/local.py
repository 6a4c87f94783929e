"""Objects as files below a local folder. Paths are texts: pathlib takes longer than the system to open a file."""

import fcntl
import hashlib
import itertools
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from stat import S_ISREG
from typing import IO, BinaryIO, TypeVar

from libs.errors import ConflictError, ObjectNotFoundError, StoreError
from libs.storage.store import Checksums, Commit, Listed, Stat, checksums_of

T = TypeVar("T")

_TEMPORARY = ".tmp"
_STALE_SECONDS = 24 * 3600
_TRIES = 5
_SYNCED_AT_ONCE = 32 << 20
"""Bytes written before the disk is asked to take them."""


class _Told(AbstractContextManager[None]):
    """Turn the system's errors into words for people. May be entered again and again."""

    def __init__(self, store: "LocalStore", verb: str, key: str) -> None:
        self._what = store, verb, key

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            store, verb, key = self._what
            raise StoreError(f"cannot {verb} {store.url(key)}: {error.strerror or error}") from error


class _FileWriter:
    """Writes a file; the disk is let take what there is while more is made, so that its end is not waited for long."""

    def __init__(self, file: IO[bytes], told: AbstractContextManager[None], threads: ExitStack) -> None:
        self._file = file
        self._told = told
        self._threads = threads
        self._unsynced = 0
        self._syncing: Future[None] | None = None
        self.checksums = Checksums()

    def write(self, data: bytes, /) -> int:
        self.checksums.update(data)
        with self._told:
            written = self._file.write(data)
            self._unsynced += written
            if self._unsynced >= _SYNCED_AT_ONCE and (self._syncing is None or self._syncing.done()):
                self._settle()
                self._syncing = self._thread.submit(os.fsync, self._file.fileno())
                self._unsynced = 0
        return written

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return self._threads.enter_context(ThreadPoolExecutor(1))

    def finish(self) -> None:
        """Wait until all is on the disk, and close the file."""
        with self._told:
            self._settle()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def _settle(self) -> None:
        """Wait for a sync. Each is asked, for the system tells an error only once."""
        if self._syncing is not None:
            self._syncing.result()


class LocalStore:
    """A store in a local folder. Objects are made whole: a temporary file, fsync, rename."""

    at_once = 1  # what a file takes is Python's, not the disk's, and threads would wait for each other

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._shown = os.path.join("" if Path(uri) == Path() else str(Path(uri)), "")
        self._root = str(Path(uri).absolute())
        self._swept = False
        self._id = uuid.uuid4().hex
        self._count = itertools.count()

    def url(self, key: str) -> str:
        """Return the path of an object's file."""
        return self._shown + key

    def size(self, key: str) -> int | None:
        """Return a file's size."""
        with self._told("read", key):
            try:
                return os.stat(self._path(key)).st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def stat(self, key: str) -> Stat | None:
        """Return a file's size and checksum, for which it is read."""
        try:
            with self.read(key) as stream:
                found = checksums_of(stream)
        except ObjectNotFoundError:
            return None
        return Stat(found.size, found.crc32c)

    @contextmanager
    def read(self, key: str) -> Iterator[BinaryIO]:
        """Open a file for reading."""
        with self._told("read", key):
            try:
                file = open(self._path(key), "rb")  # noqa: SIM115
            except (FileNotFoundError, NotADirectoryError):
                missing = "" if os.path.isdir(self._root) else f" (there is no folder {self.uri})"
                raise ObjectNotFoundError(f"{self.url(key)} does not exist{missing}") from None
        with file:
            yield file

    @contextmanager
    def write(self, key: str) -> Iterator[_FileWriter]:
        """Write a temporary file, sync it and rename it into its place when the block has ended."""
        with self._told("write", key):
            temporary = self._temporary()
        try:
            with self._told("write", key):
                temporary.make()
            with ExitStack() as threads:
                writer = _FileWriter(temporary.file, self._told("write", key), threads)
                yield writer
                writer.finish()
            self._publish(key, temporary.path)
        except BaseException:
            temporary.remove()
            raise

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Return a file's bytes; their version is their sha256."""
        with self._told("read", key):
            try:
                with open(self._path(key), "rb") as file:
                    data = file.read()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return data, hashlib.sha256(data).hexdigest()

    def write_if(self, key: str, data: bytes, version: str | None) -> None:
        """Compare and set under a lock on the file's folder, which the system releases however the process ends."""
        with closing(self.commit([Commit({}, key, data, version)])) as committing:
            committing.begin()
            (error,) = committing.finish()
        if error is not None:
            raise error

    def commit(self, commits: Sequence[Commit]) -> "_Committing":
        """Let beginning write temporary files; finishing syncs all, then renames each commit's, the last if it may."""
        return _Committing(self, commits)

    def list(self, prefix: str) -> Iterator[str]:
        """Iterate over the files below a prefix, in the order of their keys."""
        return (found.key for found in self.listing(prefix))

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Iterate over the files below a prefix, in the order of their keys; fingerprints are of size and time."""
        root = Path(self._root)
        with self._told("list", prefix):
            found = sorted(_files(root / prefix.rpartition("/")[0]))
        for path, stat in found:
            key = path.relative_to(root).as_posix()
            if key.startswith(prefix) and root / _TEMPORARY not in path.parents:
                yield Listed(key, stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}")

    def delete(self, key: str) -> None:
        """Remove a file, and its folder if that is empty then."""
        with self._told("delete", key):
            Path(self._path(key)).unlink(missing_ok=True)
        with suppress(OSError):
            os.rmdir(os.path.dirname(self._path(key)))

    def _publish(self, key: str, temporary: str) -> None:
        with self._told("write", key):
            _in_folder(self._path(key), lambda path: os.rename(temporary, path))

    def _publish_if(self, key: str, temporary: str, version: str | None) -> None:
        with self._told("write", key):
            folder = _in_folder(self._path(key), lambda path: os.open(os.path.dirname(path), os.O_RDONLY))
        try:
            with self._told("lock", key):
                fcntl.flock(folder, fcntl.LOCK_EX)
            found = self.read_versioned(key)
            if (found[1] if found else None) != version:
                raise ConflictError(f"{self.url(key)} was changed by somebody else in the meantime: run again")
            self._publish(key, temporary)
        finally:
            os.close(folder)

    def _path(self, key: str) -> str:
        if key.startswith("/") or ".." in key.split("/"):
            raise ValueError(f"not a key of an object: {key!r}")
        return f"{self._root}/{key}"

    def _temporary(self) -> "_Temporary":
        folder = f"{self._root}/{_TEMPORARY}"
        if not self._swept:
            self._swept = True
            _sweep(Path(folder))
        return _Temporary(f"{folder}/{self._id}-{next(self._count)}")

    def _told(self, verb: str, key: str) -> _Told:
        return _Told(self, verb, key)


class _Temporary:
    """A temporary file, known before it is made: so it can be removed however its making ends."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.file: IO[bytes]

    def make(self) -> None:
        # With the mode that the umask gives; that of the module tempfile is private.
        self.file = _in_folder(self.path, lambda path: open(path, "xb"))  # noqa: SIM115

    def remove(self) -> None:
        """Remove it; what goes wrong with that is not what is to be told."""
        with suppress(OSError, AttributeError):
            self.file.close()
        with suppress(OSError):
            os.unlink(self.path)


class _Committing:
    """Commits on their way to the disk: the system begins to write their temporary files at once.

    So most is done when they are synced, and the syncs share the disk's commits; hence all are synced before the first
    is renamed. Of a commit that has an error nothing is renamed from then on.
    """

    def __init__(self, store: LocalStore, commits: Sequence[Commit]) -> None:
        self._store = store
        self._commits = commits
        self._files: list[dict[str, _Temporary]] = [{} for _ in commits]
        self._errors: list[Exception | None] = [None] * len(commits)

    def begin(self) -> None:
        self._each(self._write)

    def finish(self) -> Sequence[Exception | None]:
        self._each(self._sync)
        self._each(self._publish)
        return self._errors

    def close(self) -> None:
        for files in self._files:
            _remove(files)

    def _each(self, step: Callable[[Commit, dict[str, _Temporary]], None]) -> None:
        for index, commit in enumerate(self._commits):
            if self._errors[index] is None:
                try:
                    step(commit, self._files[index])
                except Exception as error:
                    self._errors[index] = error
                    _remove(self._files[index])

    def _write(self, commit: Commit, files: dict[str, _Temporary]) -> None:
        for key, data in (*commit.objects.items(), (commit.key, commit.data)):
            with self._store._told("write", key):
                files[key] = temporary = self._store._temporary()
                temporary.make()
                temporary.file.write(data)
                temporary.file.flush()
                _let_begin(temporary.file)

    def _sync(self, _: Commit, files: dict[str, _Temporary]) -> None:
        for key, temporary in files.items():
            with self._store._told("write", key):
                os.fsync(temporary.file.fileno())
                temporary.file.close()

    def _publish(self, commit: Commit, files: dict[str, _Temporary]) -> None:
        for key in commit.objects:
            self._store._publish(key, files[key].path)
            del files[key]
        self._store._publish_if(commit.key, files[commit.key].path, commit.version)
        files.clear()


def _remove(files: dict[str, _Temporary]) -> None:
    for temporary in files.values():
        temporary.remove()
    files.clear()


def _in_folder(path: str, work: Callable[[str], T]) -> T:
    """Do something to a file; only if its folder is missing (others may remove it again), make that first."""
    for _ in range(_TRIES):
        try:
            return work(path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
    return work(path)


def _let_begin(file: IO[bytes]) -> None:
    """Let the system begin to write what a file has, so that syncs of many files are one commit for the disk.

    Linux does so where told that the pages are not needed; elsewhere it is only slower.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _sweep(folder: Path) -> None:
    """Remove what killed writers left behind; a day is longer than any writer lives."""
    for leftover in folder.glob("*"):
        try:
            if leftover.stat().st_mtime < time.time() - _STALE_SECONDS:
                leftover.unlink()
        except OSError:  # swept by another process, or no file of ours
            continue


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Find files; one that goes away meanwhile is none."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            stat = path.stat()
            if S_ISREG(stat.st_mode):
                yield path, stat
