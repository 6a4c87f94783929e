import functools
import hashlib
import io
import json
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingestor_files import DAY, file, row

from ingestor.ingest import ingest
from ingestor.validate import reference
from libs import layout
from libs.errors import CallError, ConflictError, StageError, StoreError
from libs.manifest import Manifest, NamedObject, find
from libs.stage.report import Outcome
from libs.storage.local import LocalStore
from libs.storage.store import ObjectWriter, Stat, Store, checksums_of

A = file("orders", row("orders"), row("orders", order_id="O2"), row("orders", order_id="O3", kind="gift"))
B = file("orders", row("orders"), row("orders", order_id="O2", status="shipped"))
C = file("orders", row("orders"), row("orders", order_id="O2"), row("orders", order_id="O4", kind="gift"))
"""As long as A, object by object."""

KEYS = {
    layer: key("orders", DAY)
    for layer, key in {
        "raw": layout.raw,
        "validated_raw": layout.validated_raw,
        "quarantine_raw": layout.quarantine_raw,
        "manifest": layout.manifest,
    }.items()
}


def land(store: Store, data: bytes, entity: str = "orders") -> None:
    with store.write(layout.landing(entity, DAY)) as writer:
        writer.write(data)


def run(source: Store, dest: Store) -> Outcome:
    return ingest(source, dest, "orders", DAY, reference.judge)


def contents(folder: Path) -> dict[str, bytes]:
    """Every object below a folder that is not in landing, by its key."""
    store = LocalStore(str(folder))
    found = {}
    for key in store.list(""):
        with store.read(key) as stream:
            found[key] = stream.read()
    return {key: data for key, data in found.items() if not key.startswith("landing/")}


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "lake"))


@pytest.fixture
def lake_of(tmp_path: Path) -> Callable[..., dict[str, bytes]]:
    """What clean runs make of these landing files, one after the other."""

    @functools.cache
    def clean(*files: bytes) -> dict[str, bytes]:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        store = LocalStore(str(folder))
        for data in files:
            land(store, data)
            run(store, store)
        return contents(folder)

    return clean


def test_raw_is_the_landing_file_and_the_manifest_names_every_object_as_it_is(lake: LocalStore, tmp_path: Path) -> None:
    messy = b"\xef\xbb\xbf" + A.replace(b"\n", b"\r\n") + b'\r\n"O5\xff'
    land(lake, messy)
    outcome = run(lake, lake)
    found = contents(tmp_path / "lake")
    assert sorted(found) == sorted(KEYS.values())
    assert found[KEYS["raw"]] == messy
    manifest, _ = find(lake, "orders", DAY) or pytest.fail("no manifest")
    for layer in ("raw", "validated_raw", "quarantine_raw"):
        named = getattr(manifest, layer)
        with lake.read(KEYS[layer]) as stream:
            assert named == NamedObject.of(KEYS[layer], checksums_of(stream))
    assert (manifest.source.key, manifest.source.sha256) == (layout.landing("orders", DAY), manifest.raw.sha256)
    assert outcome.status == "done"
    assert outcome.numbers == {"rows": 4, "validated": 2, "quarantined": 2, "bytes": len(messy)}
    assert outcome.details["errors"] == {"csv_error": 1, "kind_unknown": 1}
    assert [sample["row_number"] for sample in outcome.details["samples"]] == [3, 4]
    assert outcome.details["revision"] == 1
    assert outcome.details["urls"]["validated_raw"] == lake.url(KEYS["validated_raw"])
    json.dumps(outcome.as_dict())


def test_source_and_destination_may_be_two_stores(tmp_path: Path) -> None:
    source, dest = LocalStore(str(tmp_path / "s")), LocalStore(str(tmp_path / "d"))
    land(source, A)
    run(source, dest)
    assert contents(tmp_path / "s") == {}
    assert sorted(contents(tmp_path / "d")) == sorted(KEYS.values())


def test_a_second_run_is_unchanged_and_says_the_same_numbers(lake: LocalStore, tmp_path: Path) -> None:
    land(lake, A)
    first = run(lake, lake)
    before = contents(tmp_path / "lake")
    files = {key: (tmp_path / "lake" / key).stat() for key in before}
    second = run(lake, lake)
    assert second.status == "unchanged"
    assert (second.numbers, second.details) == (first.numbers, first.details)
    assert {key: (tmp_path / "lake" / key).stat() for key in before} == files


def test_a_changed_file_is_a_new_revision(lake: LocalStore) -> None:
    for revision, data in enumerate([A, B, C, A], start=1):
        land(lake, data)
        outcome = run(lake, lake)
        assert (outcome.status, outcome.details["revision"]) == ("done", revision)


def test_another_contract_or_format_version_is_reason_to_ingest_again(lake: LocalStore) -> None:
    land(lake, A)
    run(lake, lake)
    for change in ({"contract_version": "0" * 16}, {"format_version": 0}):
        manifest, version = find(lake, "orders", DAY) or pytest.fail("no manifest")
        lake.write_if(KEYS["manifest"], manifest.model_copy(update=change).to_bytes(), version)
        outcome = run(lake, lake)
        assert (outcome.status, outcome.details["revision"]) == ("done", manifest.revision + 1)


@pytest.mark.parametrize("layer", ["raw", "validated_raw", "quarantine_raw"])
@pytest.mark.parametrize("damage", [None, b"", b"x"])
def test_an_object_lost_or_damaged_is_written_again_under_the_same_revision(
    layer: str, damage: bytes | None, lake: LocalStore, tmp_path: Path
) -> None:
    land(lake, A)
    run(lake, lake)
    before = contents(tmp_path / "lake")
    if damage is None:
        lake.delete(KEYS[layer])
    else:
        with lake.write(KEYS[layer]) as writer:
            writer.write(damage * len(before[KEYS[layer]]))
    assert run(lake, lake).status == "done"
    assert contents(tmp_path / "lake") == before
    assert run(lake, lake).status == "unchanged"


@pytest.mark.parametrize("garbage", [b"", b"{}", b"\xff\0", b'{"revision": 7}', b"[1"])
def test_an_unreadable_manifest_is_replaced_and_said(
    garbage: bytes, lake: LocalStore, tmp_path: Path, lake_of: Callable[..., dict[str, bytes]]
) -> None:
    land(lake, A)
    run(lake, lake)
    _, version = find(lake, "orders", DAY) or pytest.fail("no manifest")
    lake.write_if(KEYS["manifest"], garbage, version)
    outcome = run(lake, lake)
    assert outcome.status == "done"
    assert "is no manifest" in outcome.details["warning"]
    assert contents(tmp_path / "lake") == lake_of(A)


def test_a_file_that_has_not_arrived_is_an_error_that_says_where_it_was_looked_for(lake: LocalStore) -> None:
    with pytest.raises(StageError, match=r"the landing file has not arrived: .*orders_2025-11-15.csv does not exist"):
        run(lake, lake)
    land(lake, A)
    run(lake, lake)
    lake.delete(layout.landing("orders", DAY))
    with pytest.raises(StageError, match="has not arrived"):
        run(lake, lake)


@pytest.mark.parametrize("refused", [b"", b"order_id\nO1\n", A.replace(b"total,", b"kind,")])
def test_of_a_refused_file_nothing_is_written_and_the_previous_manifest_stays(
    refused: bytes, lake: LocalStore, tmp_path: Path
) -> None:
    land(lake, refused)
    with pytest.raises(StageError, match=r"orders_2025-11-15.csv is refused, nothing was written: it"):
        run(lake, lake)
    assert contents(tmp_path / "lake") == {}
    land(lake, A)
    run(lake, lake)
    before = contents(tmp_path / "lake")
    land(lake, refused)
    with pytest.raises(StageError, match="is refused"):
        run(lake, lake)
    assert contents(tmp_path / "lake") == before


def test_an_unknown_entity_is_a_wrong_call(lake: LocalStore) -> None:
    with pytest.raises(CallError, match="unknown entity 'order'"):
        ingest(lake, lake, "order", DAY, reference.judge)


class Died(BaseException):
    """What a killed process does: it stops, and catches nothing."""


class MortalStore:
    """A store whose process dies at the n-th of all the things that it does, before or after it is done."""

    def __init__(self, store: LocalStore, deadline: int) -> None:
        self._store = store
        self._left = deadline
        self.uri = store.uri

    def _step(self) -> None:
        if self._left == 0:
            raise Died
        self._left -= 1

    def url(self, key: str) -> str:
        return self._store.url(key)

    def stat(self, key: str) -> Stat | None:
        self._step()
        return self._store.stat(key)

    @contextmanager
    def read(self, key: str) -> Iterator[BinaryIO]:
        self._step()
        with self._store.read(key) as stream:
            yield stream

    @contextmanager
    def write(self, key: str) -> Iterator[ObjectWriter]:
        self._step()
        with self._store.write(key) as writer:
            yield MortalWriter(writer, self._step)
            self._step()
        self._step()

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        self._step()
        return self._store.read_versioned(key)

    def write_if(self, key: str, data: bytes, version: str | None) -> None:
        self._step()
        self._store.write_if(key, data, version)
        self._step()

    def list(self, prefix: str) -> Iterator[str]:
        return self._store.list(prefix)

    def delete(self, key: str) -> None:
        self._store.delete(key)


class MortalWriter:
    def __init__(self, writer: ObjectWriter, step: Callable[[], None]) -> None:
        self._writer = writer
        self._step = step
        self.checksums = writer.checksums

    def write(self, data: bytes, /) -> object:
        self._step()
        return self._writer.write(data)


@pytest.mark.parametrize(
    ("history", "dead", "last"),
    [((), A, A), ((A,), B, B), ((A, B), A, A), ((A,), A, A), ((A,), C, A), ((B,), A, C), ((A,), C, C)],
    ids=["first", "changed", "changed back", "unchanged", "dead run undone", "dead run overtaken", "of equal sizes"],
)
def test_a_run_killed_anywhere_and_then_a_clean_one_are_one_clean_run(
    history: tuple[bytes, ...], dead: bytes, last: bytes, tmp_path: Path, lake_of: Callable[..., dict[str, bytes]]
) -> None:
    before = LocalStore(str(tmp_path / "before"))
    for data in history:
        land(before, data)
        run(before, before)
    land(before, dead)
    for deadline in range(200):
        folder = tmp_path / f"dead{deadline}"
        shutil.copytree(tmp_path / "before", folder)
        store = LocalStore(str(folder))
        committed = store.read_versioned(KEYS["manifest"])
        mortal = MortalStore(store, deadline)
        try:
            run(mortal, mortal)
            died = False
        except Died:
            died = True
        # Killed behind its commit, the dead run counts as a run.
        counts = store.read_versioned(KEYS["manifest"]) != committed
        land(store, last)
        run(store, store)
        files = (*history, dead, last) if counts else (*history, last)
        assert contents(folder) == lake_of(*files), deadline
        if not died:
            assert deadline > 5
            return
    pytest.fail("the run never came to its end")


def test_runs_at_the_same_time_do_the_work_of_one(tmp_path: Path, lake_of: Callable[..., dict[str, bytes]]) -> None:
    folder = tmp_path / "lake"
    for before, history in (((), ()), ((B,), (A,))):
        for data in history:
            land(LocalStore(str(folder)), data)
            run(LocalStore(str(folder)), LocalStore(str(folder)))
        land(LocalStore(str(folder)), B)
        together = threading.Barrier(6)
        outcomes: list[Outcome] = []

        def work(together: threading.Barrier = together, outcomes: list[Outcome] = outcomes) -> None:
            store = LocalStore(str(folder))
            together.wait()
            outcomes.append(run(store, store))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == 6
        assert {outcome.status for outcome in outcomes} <= {"done", "unchanged"}
        assert contents(folder) == lake_of(*before, *history, B)


class OvertakenStore(MortalStore):
    """A store where another run does all its work just before this one does a thing for the first time."""

    def __init__(self, store: LocalStore, thing: str, meanwhile: Callable[[], object]) -> None:
        super().__init__(store, 10_000)
        self._thing = thing
        self._meanwhile = meanwhile

    def _at(self, thing: str) -> None:
        if thing == self._thing:
            self._thing = ""
            self._meanwhile()

    @contextmanager
    def write(self, key: str) -> Iterator[ObjectWriter]:
        self._at("write")
        with super().write(key) as writer:
            yield writer

    def write_if(self, key: str, data: bytes, version: str | None) -> None:
        self._at("write_if")
        super().write_if(key, data, version)


OVERTAKEN = pytest.mark.parametrize("thing", ["write", "write_if"])


@OVERTAKEN
def test_a_run_overtaken_by_one_of_the_same_file_has_done_its_work(thing: str, lake: LocalStore) -> None:
    land(lake, A)
    dest = OvertakenStore(lake, thing, lambda: run(lake, lake))
    assert run(lake, dest).details["revision"] == 1
    assert run(lake, lake).status == "unchanged"


@OVERTAKEN
def test_a_run_overtaken_by_one_of_another_file_fails_and_the_next_is_right(
    thing: str, lake: LocalStore, tmp_path: Path, lake_of: Callable[..., dict[str, bytes]]
) -> None:
    other = LocalStore(str(tmp_path / "other"))
    land(lake, A)
    land(other, B)
    with pytest.raises(ConflictError, match="changed by somebody else in the meantime: run again"):
        run(lake, OvertakenStore(lake, thing, lambda: run(other, lake)))
    run(lake, lake)
    assert contents(tmp_path / "lake") == lake_of(B, A)


class ChangingStore(MortalStore):
    """A landing file that is another one each time it is opened."""

    def __init__(self, store: LocalStore, files: list[bytes]) -> None:
        super().__init__(store, 10_000)
        self._files = files

    @contextmanager
    def read(self, key: str) -> Iterator[BinaryIO]:
        assert key == layout.landing("orders", DAY)
        yield io.BytesIO(self._files.pop(0))


def test_a_landing_file_that_changes_meanwhile_is_taken_as_it_was_read(lake: LocalStore, tmp_path: Path) -> None:
    land(lake, A)
    run(lake, lake)
    run(ChangingStore(lake, [B, C]), lake)
    found = contents(tmp_path / "lake")
    manifest = Manifest.from_bytes(found[KEYS["manifest"]], "here")
    assert found[KEYS["raw"]] == C
    assert found[KEYS["validated_raw"]] == lines_of(C, 0, 1, 2)
    assert manifest.source.sha256 == manifest.raw.sha256 == hashlib.sha256(C).hexdigest()
    assert run(lake, lake).status == "done"


def lines_of(data: bytes, *numbers: int) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(lines[number] for number in numbers)


class FullStore(MortalStore):
    """A store without room for an object."""

    def __init__(self, store: LocalStore, key: str) -> None:
        super().__init__(store, 10_000)
        self._key = key

    @contextmanager
    def write(self, key: str) -> Iterator[ObjectWriter]:
        with super().write(key) as writer:
            yield writer
            if key == self._key:
                raise StoreError(f"cannot write {self.url(key)}: No space left on device")


@pytest.mark.parametrize("layer", ["raw", "validated_raw", "quarantine_raw"])
def test_where_an_object_cannot_be_written_the_previous_manifest_stays_in_force(
    layer: str, lake: LocalStore, tmp_path: Path, lake_of: Callable[..., dict[str, bytes]]
) -> None:
    land(lake, A)
    run(lake, lake)
    before = contents(tmp_path / "lake")[KEYS["manifest"]]
    land(lake, B)
    with pytest.raises(StoreError, match="No space left on device"):
        run(lake, FullStore(lake, KEYS[layer]))
    assert contents(tmp_path / "lake")[KEYS["manifest"]] == before
    run(lake, lake)
    assert contents(tmp_path / "lake") == lake_of(A, B)


@settings(max_examples=25)
@given(st.lists(st.sampled_from([b"\n", b"\xff", b'"', b",", b"\0", b"O9", b"\r"]), max_size=8), st.integers(0, len(A)))
def test_ingesting_twice_changes_nothing_whatever_the_file(pieces: list[bytes], at: int) -> None:
    header = len(file("orders"))
    at = max(at, header)
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(folder)
        land(store, A[:at] + b"".join(pieces) + A[at:])
        first = run(store, store)
        before = contents(Path(folder))
        second = run(store, store)
        assert (first.status, second.status) == ("done", "unchanged")
        assert (second.numbers, second.details) == (first.numbers, first.details)
        assert contents(Path(folder)) == before
        land(store, before[KEYS["validated_raw"]])
        again = run(store, store)
        assert again.numbers["quarantined"] == 0
        assert contents(Path(folder))[KEYS["validated_raw"]] == before[KEYS["validated_raw"]]


@pytest.mark.docker
def test_a_bucket_gets_the_bytes_that_a_folder_gets(fake_gcs: str, lake_of: Callable[..., dict[str, bytes]]) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    from libs.storage.gcs import GcsStore

    client = storage.Client("test", AnonymousCredentials(), client_options={"api_endpoint": fake_gcs})
    bucket = f"ingestor-{uuid.uuid4().hex}"
    client.bucket(bucket).create()
    store = GcsStore(client, bucket, "some/prefix")
    with pytest.raises(StageError, match="has not arrived"):
        run(store, store)
    for data, status in ((A, "done"), (A, "unchanged"), (B, "done")):
        land(store, data)
        assert run(store, store).status == status
    for key, expected in lake_of(A, B).items():
        with store.read(key) as stream:
            assert stream.read() == expected


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'"open\n' + b"x" * (1 << 20) + b"\n", "record_too_long"),
        (b"a,\xff" + b"x" * 900_000 + b"\n", "undecodable"),
    ],
)
def test_a_sample_of_a_huge_quarantined_record_is_shown(lake: LocalStore, body: bytes, kind: str) -> None:
    land(lake, A + body)
    outcome = run(lake, lake)
    assert outcome.status == "done"
    assert kind in {sample["type"] for sample in outcome.details["samples"]}
    assert run(lake, lake).details == outcome.details


def test_the_manifest_of_another_partition_is_replaced(lake: LocalStore, tmp_path: Path) -> None:
    land(lake, A)
    run(lake, lake)
    before = contents(tmp_path / "lake")
    path = tmp_path / "lake" / KEYS["manifest"]
    text = path.read_text()
    path.write_text(text.replace('"key": "raw/', '"key": "../raw/'))
    assert "the manifest of another partition" in run(lake, lake).details["warning"]
    assert contents(tmp_path / "lake") == before
