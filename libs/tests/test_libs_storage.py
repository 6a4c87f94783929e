"""The same tests on local folders and on GCS (fake-gcs-server in a container)."""

import errno
import hashlib
import itertools
import os
import resource
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from libs.errors import CallError, ConflictError, ObjectNotFoundError, StoreError
from libs.storage import open_store
from libs.storage.local import LocalStore
from libs.storage.store import Store, checksums_of, write_all
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


def test_many_small_objects_stand_when_they_are_finished(store: Store) -> None:
    put(store, "a/1", b"before")
    objects = {f"{'abc'[n % 3]}/{n}": bytes([n]) * n for n in range(40)}
    with closing(store.begin_many(objects)) as writing:
        assert not writing.finish()
    assert {key: get(store, key) for key in store.list("")} == {**objects, "a/1": b"before"}


def test_of_many_small_objects_each_is_compared_and_set(store: Store) -> None:
    store.write_if("a/1", b"1", None)
    store.write_if("a/2", b"2", None)
    version = (store.read_versioned("a/2") or (b"", ""))[1]
    with closing(
        store.begin_many_if({"a/1": (b"other", None), "a/2": (b"other", version), "a/3": (b"3", None)})
    ) as writing:
        errors = writing.finish()
    assert [(key, type(error)) for key, error in errors.items()] == [("a/1", ConflictError)]
    assert {key: get(store, key) for key in store.list("")} == {"a/1": b"1", "a/2": b"other", "a/3": b"3"}


def test_of_many_small_objects_those_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "lake/a/2/in the way").mkdir(parents=True)
    store = LocalStore(str(tmp_path / "lake"))
    errors = store.begin_many({"a/1": b"1", "a/2": b"2", "b": b"3"}).finish()
    assert [(key, str(error)) for key, error in errors.items()] == [
        ("a/2", f"cannot write {tmp_path}/lake/a/2: Is a directory")
    ]
    assert list(store.list("")) == ["a/1", "b"]
    assert not list((tmp_path / "lake/.tmp").iterdir())


def test_many_small_objects_that_are_not_finished_leave_nothing(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path / "lake"))
    with closing(store.begin_many({"a/1": b"1", "b": b"2"})):
        assert len(list((tmp_path / "lake/.tmp").iterdir())) == 2
    assert not [path for path in (tmp_path / "lake").rglob("*") if path.is_file()]


def test_a_small_object_that_does_not_reach_the_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync, calls = os.fsync, itertools.count()

    def fsync(descriptor: int) -> None:
        if next(calls) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    store = LocalStore(str(tmp_path / "lake"))
    errors = store.begin_many({"a": b"1", "b": b"2", "c": b"3"}).finish()
    assert [(key, str(error)) for key, error in errors.items()] == [
        ("b", f"cannot write {tmp_path}/lake/b: Input/output error")
    ]
    assert list(store.list("")) == ["a", "c"]


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
    with pytest.raises(StoreError, match="cannot write gs://no-such-bucket/a"), store.write("a") as writer:
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
    put(LocalStore(str(tmp_path)), "a", b"x")
    assert [path.name for path in leftovers.iterdir()] == ["young"]
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
