"""The same tests on local folders and on GCS (fake-gcs-server in a container)."""

import builtins
import errno
import fcntl
import hashlib
import itertools
import os
import resource
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from libs.errors import CallError, ConflictError, ObjectNotFoundError, StoreError
from libs.storage import open_store
from libs.storage.local import LocalStore
from libs.storage.store import Commit, Store, checksums_of, write_all
from libs.storage.store import put as put_pieces


@pytest.fixture(params=["local", pytest.param("gcs", marks=pytest.mark.docker)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(str(tmp_path / "lake"))
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    from libs.storage.gcs import GcsStore

    client = storage.Client(
        project="test",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": request.getfixturevalue("fake_gcs")},
    )
    name = f"lake-{uuid.uuid4().hex}"
    client.bucket(name).create()
    return GcsStore(client, name, "some/prefix")


def put(store: Store, key: str, data: bytes) -> None:
    with store.write(key) as writer:
        writer.write(data)


def get(store: Store, key: str) -> bytes:
    with store.read(key) as stream:
        return stream.read()


def test_what_is_written_is_read_with_its_checksums(store: Store) -> None:
    data = os.urandom(3_000_000)
    with store.write("raw/a.csv") as writer:
        for start in range(0, len(data), 700_000):
            writer.write(data[start : start + 700_000])
    assert (writer.checksums.size, writer.checksums.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    with store.read("raw/a.csv") as stream:
        again = checksums_of(stream)
    assert (again.sha256, again.crc32c) == (writer.checksums.sha256, writer.checksums.crc32c)
    assert store.size("raw/a.csv") == len(get(store, "raw/a.csv"))
    found = store.stat("raw/a.csv")
    assert found is not None
    assert found.size == len(data)


def test_an_empty_object_is_an_object(store: Store) -> None:
    put(store, "empty", b"")
    assert get(store, "empty") == b""
    assert store.size("empty") == 0
    found = store.stat("empty")
    assert found is not None
    assert found.size == 0


def test_an_object_is_replaced_whole(store: Store) -> None:
    put(store, "a", b"long and old")
    put(store, "a", b"new")
    assert get(store, "a") == b"new"


def test_a_failing_writer_leaves_what_was_there(store: Store) -> None:
    put(store, "a", b"old")
    with pytest.raises(RuntimeError), store.write("a") as writer:
        writer.write(b"half")
        raise RuntimeError
    with pytest.raises(RuntimeError), store.write("b") as writer:
        writer.write(b"half")
        raise RuntimeError
    assert get(store, "a") == b"old"
    assert list(store.list("")) == ["a"]


def test_objects_written_together_stand_when_the_block_has_ended(store: Store) -> None:
    with write_all(store, ["a/1", "a/2", "b"]) as writers:
        for number, writer in enumerate(writers):
            writer.write(bytes([number]) * 100_000)
        assert not list(store.list(""))
    assert {key: get(store, key) for key in store.list("")} == {
        key: bytes([number]) * 100_000 for number, key in enumerate(["a/1", "a/2", "b"])
    }


def test_of_objects_written_together_none_is_left_if_the_block_fails(store: Store) -> None:
    put(store, "b", b"before")
    with (
        pytest.raises(RuntimeError, match="on purpose"),
        write_all(store, ["a", "b"]) as writers,
    ):
        for writer in writers:
            writer.write(b"half")
        raise RuntimeError("on purpose")
    assert list(store.list("")) == ["b"]
    assert get(store, "b") == b"before"


def test_an_object_that_cannot_be_finished_is_told_and_leaves_nothing_half(tmp_path: Path) -> None:
    (tmp_path / "lake/a/2/in the way").mkdir(parents=True)
    store = LocalStore(str(tmp_path / "lake"))
    with pytest.raises(StoreError, match=r"cannot write .*/a/2: "), write_all(store, ["a/1", "a/2", "b"]) as writers:
        for writer in writers:
            writer.write(b"whole")
    assert list(store.list("")) == ["a/1", "b"]
    assert not list((tmp_path / "lake/.tmp").iterdir())


def test_commits_are_in_force_when_they_are_finished(store: Store) -> None:
    put(store, "raw/1", b"before")
    commits = [Commit({f"raw/{n}": bytes([n]) * n, f"good/{n}": b"x"}, f"m/{n}", bytes([n]), None) for n in range(20)]
    with closing(store.commit(commits)) as committing:
        committing.begin()
        assert list(committing.finish()) == [None] * 20
    expected = {key: data for one in commits for key, data in {**one.objects, one.key: one.data}.items()}
    assert {key: get(store, key) for key in store.list("")} == expected


def test_each_commit_is_compared_and_set_and_those_that_fail_are_told(store: Store) -> None:
    store.write_if("m/1", b"1", None)
    store.write_if("m/2", b"2", None)
    version = (store.read_versioned("m/2") or (b"", ""))[1]
    commits = [Commit({f"raw/{n}": b"new"}, f"m/{n}", b"new", v) for n, v in ((1, None), (2, version), (3, None))]
    with closing(store.commit(commits)) as committing:
        committing.begin()
        errors = committing.finish()
    assert [type(error) for error in errors] == [ConflictError, type(None), type(None)]
    assert {key: get(store, key) for key in store.list("m/")} == {"m/1": b"1", "m/2": b"new", "m/3": b"new"}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_commits_that_are_not_finished_leave_nothing(tmp_path: Path) -> None:
    with closing(LocalStore(str(tmp_path)).commit([Commit({"a": b"1"}, "b", b"2", None)] * 2)) as committing:
        assert not files_below(tmp_path)
        committing.begin()
        assert len(files_below(tmp_path)) == 4
    assert not files_below(tmp_path)


COMMITS = [Commit({f"raw/{n}": b"1", f"good/{n}": b"2"}, f"m/{n}", b"3", None) for n in range(3)]


def failing(monkeypatch: pytest.MonkeyPatch, owner: object, call: str, at: int, error: BaseException) -> None:
    """Let a call raise an error at one of its times, counted from 0, or each time if that is -1."""
    work, calls = getattr(owner, call), itertools.count()

    def fail(*args: Any) -> Any:
        if next(calls) == at or at < 0:
            raise error
        return work(*args)

    monkeypatch.setattr(owner, call, fail)


def committed(store: LocalStore) -> Sequence[Exception | None]:
    for key in ("raw", "good", "m", ".tmp"):
        Path(store.uri, key).mkdir(exist_ok=True)
    with closing(store.commit(COMMITS)) as committing:
        committing.begin()
        return committing.finish()


STEPS = [(builtins, "open"), (os, "fsync"), (os, "rename")]


@pytest.mark.parametrize(("owner", "call"), STEPS, ids=["open", "fsync", "rename"])
def test_of_a_commit_with_an_error_nothing_more_is_written_and_others_are_in_force(
    owner: object, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(str(tmp_path))
    second = 4  # the second object of the second commit, each of which has two and what follows
    failing(monkeypatch, owner, call, second, OSError(errno.EIO, os.strerror(errno.EIO)))
    errors = committed(store)
    assert [str(error or "") for error in errors] == ["", f"cannot write {tmp_path}/good/1: Input/output error", ""]
    expected = {key for n, one in enumerate(COMMITS) if n != 1 for key in (*one.objects, one.key)}
    found = {path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)}
    assert found - {"raw/1"} == expected
    assert ("raw/1" in found) == (call == "rename")


def test_an_error_is_told_even_if_what_is_left_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in ("fsync", "unlink"):
        failing(monkeypatch, os, call, -1, OSError(errno.EROFS, os.strerror(errno.EROFS)))
    assert [str(error) for error in committed(LocalStore(str(tmp_path)))] == [
        f"cannot write {tmp_path}/raw/{n}: Read-only file system" for n in range(3)
    ]


def test_a_system_that_takes_no_advice_is_only_slower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, os, "posix_fadvise", -1, OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)))
    assert committed(LocalStore(str(tmp_path))) == [None] * 3


def test_a_folder_that_cannot_be_locked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, fcntl, "flock", 0, OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)))
    assert [str(error or "") for error in committed(LocalStore(str(tmp_path)))] == [
        f"cannot lock {tmp_path}/m/0: No locks available", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(("owner", "call"), STEPS, ids=["open", "fsync", "rename"])
@pytest.mark.parametrize("at", range(9))
def test_an_interruption_leaves_no_temporary_file(
    owner: object, call: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(str(tmp_path))
    failing(monkeypatch, owner, call, at, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        committed(store)
    assert not files_below(tmp_path / ".tmp")
    assert len(files_below(tmp_path)) == (at if call == "rename" else 0)


def test_a_temporary_file_is_removed_if_its_making_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = open

    def interrupted(path: str, mode: str) -> None:
        work(path, mode).close()
        raise KeyboardInterrupt

    store = LocalStore(str(tmp_path))
    for write in (lambda: committed(store), lambda: put(store, "a", b"1")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(builtins, "open", interrupted)
            write()
        assert not files_below(tmp_path)


def test_an_interrupted_conditional_write_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        LocalStore(str(tmp_path)).write_if("m", b"1", None)
    assert not files_below(tmp_path)


def test_what_is_not_there_is_told_with_its_place(store: Store) -> None:
    assert store.stat("no/such.csv") is None
    assert store.size("no/such.csv") is None
    assert store.read_versioned("no/such.csv") is None
    store.delete("no/such.csv")
    with pytest.raises(ObjectNotFoundError, match=r"no/such\.csv does not exist"), store.read("no/such.csv"):
        pass


def test_keys_are_listed_by_prefix_in_order(store: Store) -> None:
    for key in ("b/2", "b/1", "a/1", "bb/1"):
        put(store, key, b"x")
    assert list(store.list("b/")) == ["b/1", "b/2"]
    assert [(found.key, found.size) for found in store.listing("b/")] == [("b/1", 1), ("b/2", 1)]
    assert list(store.list("b")) == ["b/1", "b/2", "bb/1"]
    store.delete("b/1")
    assert list(store.list("")) == ["a/1", "b/2", "bb/1"]


def test_a_conditional_write_needs_the_version_that_was_read(store: Store) -> None:
    store.write_if("m", b"1", None)
    with pytest.raises(ConflictError, match="changed by somebody else"):
        store.write_if("m", b"2", None)
    found = store.read_versioned("m")
    assert found is not None
    assert found[0] == b"1"
    store.write_if("m", b"2", found[1])
    with pytest.raises(ConflictError):
        store.write_if("m", b"3", found[1])
    assert get(store, "m") == b"2"


def test_of_racing_conditional_writers_one_wins(store: Store) -> None:
    won, lost = [], []
    barrier = threading.Barrier(8)

    def race(number: int) -> None:
        barrier.wait()
        try:
            store.write_if("m", str(number).encode(), None)
            won.append(number)
        except ConflictError:
            lost.append(number)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert get(store, "m") == str(won[0]).encode()


@pytest.mark.docker
def test_a_missing_bucket_is_told(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", request.getfixturevalue("fake_gcs"))
    store = open_store("gs://no-such-bucket")
    with pytest.raises(StoreError, match="there is no bucket gs://no-such-bucket"), store.read("a"):
        pass
    with (
        pytest.raises(StoreError, match="cannot write gs://no-such-bucket/a: there is no such bucket"),
        store.write("a") as writer,
    ):
        writer.write(b"x")


@pytest.mark.parametrize("uri", ["s3://bucket", "gs://", "", "https://x"])
def test_a_uri_of_another_kind_is_a_wrong_call(uri: str) -> None:
    with pytest.raises(CallError):
        open_store(uri)


def test_no_credentials_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(StoreError, match="gcloud auth application-default login"):
        open_store("gs://bucket")


@pytest.mark.parametrize("key", ["/etc/passwd", "../x", "a/../../x"])
def test_a_key_never_leaves_its_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        LocalStore(str(tmp_path)).stat(key)


def test_a_file_is_synced_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.storage.local._SYNCED_AT_ONCE", 1000)
    sync, synced = os.fsync, threading.Event()

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        synced.set()

    monkeypatch.setattr("os.fsync", fsync)
    store, data = LocalStore(str(tmp_path)), os.urandom(9000)
    with store.write("a") as writer:
        writer.write(data[:5000])
        assert synced.wait(10)
        writer.write(data[5000:])
    assert get(store, "a") == data


def test_a_disk_that_fails_meanwhile_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.storage.local._SYNCED_AT_ONCE", 1000)
    sync, calls = os.fsync, itertools.count()

    def fsync(descriptor: int) -> None:
        if next(calls) == 0:
            raise OSError(errno.EIO, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    store = LocalStore(str(tmp_path))
    with pytest.raises(StoreError, match=r"cannot write .*a: Input/output error"), store.write("a") as writer:
        writer.write(b"x" * 5000)
        writer.write(b"x" * 5000)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_that_gets_too_big_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    """Its last bytes cannot be written when it is closed, either."""
    store, limits = LocalStore(str(tmp_path)), resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(StoreError, match=r"cannot write .*a: File too large"):
        try:
            with store.write("a") as writer:
                writer.write(b"x" * 3000)
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_unwritable_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = LocalStore(str(tmp_path / "file" / "lake"))
    with pytest.raises(StoreError, match="cannot write"), store.write("a"):
        pass


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFoundError, match="there is no folder"), LocalStore(str(tmp_path / "typo")).read("a"):
        pass


def test_a_file_has_the_mode_that_the_umask_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        put(LocalStore(str(tmp_path)), "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_what_killed_writers_left_is_swept_after_a_day(tmp_path: Path) -> None:
    leftovers = tmp_path / ".tmp"
    leftovers.mkdir()
    for name, age in (("old", 25 * 3600), ("young", 60)):
        (leftovers / name).write_text("half")
        changed = (leftovers / name).stat().st_mtime - age
        os.utime(leftovers / name, (changed, changed))
    (leftovers / "not ours").mkdir()
    os.utime(leftovers / "not ours", (0, 0))
    put(LocalStore(str(tmp_path)), "a", b"x")
    assert sorted(path.name for path in leftovers.iterdir()) == ["not ours", "young"]
    assert list(LocalStore(str(tmp_path)).list("")) == ["a"]


def test_pieces_are_put_unless_they_stand_there(store: Store) -> None:
    checksums, written = put_pieces(store, "a", iter([b"one,", b"", b"two"]))
    assert (written, get(store, "a")) == (True, b"one,two")
    assert checksums.sha256 == hashlib.sha256(b"one,two").hexdigest()
    again, written = put_pieces(store, "a", iter([b"one", b",two"]))
    assert (written, again.sha256, again.crc32c, again.size) == (False, checksums.sha256, checksums.crc32c, 7)
    _, written = put_pieces(store, "a", iter([b"one,", b"six"]))
    assert (written, get(store, "a")) == (True, b"one,six")


@pytest.mark.parametrize("before", [None, b"before"])
def test_pieces_that_cannot_be_made_leave_what_stood_there(store: Store, before: bytes | None) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one"
        raise ValueError("no more")

    if before is not None:
        put(store, "a", before)
    with pytest.raises(ValueError, match="no more"):
        put_pieces(store, "a", pieces())
    assert list(store.list("")) == ([] if before is None else ["a"])
    assert before is None or get(store, "a") == before


def test_a_listing_tells_what_was_changed(store: Store) -> None:
    for key, data in (("a", b"1"), ("b", b"1"), ("c", b"1")):
        put(store, key, data)
    before = {found.key: found.fingerprint for found in store.listing("")}
    assert before == {found.key: found.fingerprint for found in store.listing("")}
    put(store, "b", b"2")
    put(store, "c", b"12")
    after = {found.key: found.fingerprint for found in store.listing("")}
    assert {key for key in after if after[key] != before[key]} == {"b", "c"}
