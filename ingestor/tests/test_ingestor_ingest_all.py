"""Many partitions at once: what is made of them is what is made of each by itself."""

import os
import random
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from ingestor_files import DAY, file, row
from ingestor_mangled import random_file

from ingestor import ingest_all as module
from ingestor import ingest_small
from ingestor.ingest import ingest
from ingestor.ingest_all import ingest_all
from ingestor.validate import columnar, reference
from ingestor.validate.engine import Judged, RefusedError
from libs import layout
from libs.contracts.base import Contract
from libs.entities import ENTITIES
from libs.stage.command import Partition, each
from libs.stage.report import Outcome
from libs.storage.local import LocalStore
from libs.storage.store import Commit

TURNS = 10 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 1

GOOD = file("orders", *(row("orders", order_id=f"O{n}") for n in range(3)))
FILES = {
    DAY: GOOD,
    DAY + timedelta(1): file("orders"),
    DAY + timedelta(2): None,
    DAY + timedelta(3): file("orders", row("orders"), row("orders"), row("orders", order_id="O2", kind="gift")),
    DAY + timedelta(4): b"order_id\n",
    DAY + timedelta(5): file("orders", *(row("orders", order_id=f"O{n}") for n in range(900))),
    DAY + timedelta(6): GOOD.replace(b"O1", b'"O1"') + b'a,"b\n',
    DAY + timedelta(7): GOOD,
}
"""Landing files: usual, without rows, none, with bad rows, refused, large, with islands, usual."""


@pytest.fixture
def source(tmp_path: Path) -> LocalStore:
    store = LocalStore(str(tmp_path / "source"))
    for day, data in FILES.items():
        if data is not None:
            land(store, "orders", day, data)
    for entity in ("customers", "payments"):
        land(store, entity, DAY, file(entity, row(entity)))
    return store


def land(store: LocalStore, entity: str, day: date, data: bytes) -> None:
    with store.write(layout.landing(entity, day)) as writer:
        writer.write(data)


PARTS = [(entity, day) for day in FILES for entity in ENTITIES]


def contents(store: LocalStore) -> dict[str, bytes]:
    return {key: (Path(store.uri) / key).read_bytes() for key in store.list("")}


def run(source: LocalStore, dest: LocalStore, parts: Sequence[Partition] = PARTS) -> list[Outcome]:
    return list(ingest_all(source, dest, parts, columnar.judge, columnar.judge_together))


def by_itself(source: LocalStore, dest: LocalStore, parts: Sequence[Partition] = PARTS) -> list[Outcome]:
    return list(each(parts, lambda entity, day: ingest(source, dest, entity, day, reference.judge)))


def without_place(outcomes: list[Outcome], *stores: LocalStore) -> list[str]:
    texts = [repr(outcome) for outcome in outcomes]
    for store in stores:
        texts = [text.replace(store.uri, "") for text in texts]
    return texts


@pytest.mark.parametrize("window", [1, 7, 320])
def test_many_are_ingested_as_each_is_by_itself(
    window: int, source: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WINDOW", window)
    monkeypatch.setattr(columnar, "FEW", 2)
    assert len(FILES[DAY + timedelta(5)] or b"") > ingest_small.SMALL
    one, many = LocalStore(str(tmp_path / "one")), LocalStore(str(tmp_path / "many"))
    for _ in range(2):  # the second time there is nothing to do
        assert without_place(run(source, many), many) == without_place(by_itself(source, one), one)
        assert contents(many) == contents(one)
    land(source, "orders", DAY, file("orders", row("orders")))
    (first, *_) = [outcome for outcome in run(source, many) if outcome.name == f"orders {DAY}"]
    assert (first.status, first.details["revision"], first.numbers["rows"]) == ("done", 2, 1)


@pytest.mark.parametrize("seed", range(4))
def test_mangled_files_have_the_objects_and_manifests_that_the_reference_makes(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(f"manifests {seed}")  # noqa: S311
    days = [DAY + timedelta(n) for n in range(-3, 3)]
    for turn in range(TURNS):
        source, one, many = (LocalStore(str(tmp_path / f"{name}{turn}")) for name in ("source", "one", "many"))
        parts = [(entity, day) for day in days for entity in ENTITIES]
        for entity, day in parts:
            land(source, entity, day, random_file(rng, entity)[1])
        monkeypatch.setattr(ingest_small, "SMALL", rng.choice([0, 1000, 1 << 16]))
        monkeypatch.setattr(columnar, "FEW", rng.choice([1, 10, 200]))
        assert without_place(run(source, many, parts), many) == without_place(by_itself(source, one, parts), one)
        assert contents(many) == contents(one)
        assert any(key.startswith("manifest") for key in contents(one))


def test_small_ones_are_judged_together_and_others_are_not(source: LocalStore, tmp_path: Path) -> None:
    asked: list[tuple[str, list[date]]] = []

    def noted(files: Sequence[tuple[bytes, date]], contract: type[Contract]) -> Sequence[Judged | RefusedError]:
        asked.append((contract.entity, [day for _, day in files]))
        return columnar.judge_together(files, contract)

    list(ingest_all(source, LocalStore(str(tmp_path / "lake")), PARTS, columnar.judge, noted))
    orders = [day for day, data in FILES.items() if data is not None and len(data) <= ingest_small.SMALL]
    assert asked == [("customers", [DAY]), ("orders", orders), ("payments", [DAY])]


def test_after_a_defect_in_judging_together_each_is_judged_by_itself(
    source: LocalStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(files: Sequence[tuple[bytes, date]], contract: type[Contract]) -> Sequence[Judged | RefusedError]:
        raise AssertionError("on purpose")

    one, many = LocalStore(str(tmp_path / "one")), LocalStore(str(tmp_path / "many"))
    found = list(ingest_all(source, many, PARTS, columnar.judge, broken))
    assert without_place(found, many) == without_place(by_itself(source, one), one)
    assert contents(many) == contents(one)
    assert "AssertionError: on purpose" in capsys.readouterr().err


def test_what_has_not_begun_is_left_after_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[date] = []

    def interrupted(files: Sequence[tuple[bytes, date]], contract: type[Contract]) -> Sequence[Judged | RefusedError]:
        asked.extend(day for _, day in files)
        if len(asked) > 30:
            raise KeyboardInterrupt
        return columnar.judge_together(files, contract)

    lake = LocalStore(str(tmp_path / "lake"))
    parts = [("orders", DAY + timedelta(n)) for n in range(100)]
    for entity, day in parts:
        land(lake, entity, day, GOOD)
    monkeypatch.setattr(ingest_small, "BATCH_FILES", 10)
    with pytest.raises(KeyboardInterrupt):
        list(ingest_all(lake, lake, parts, columnar.judge, interrupted))
    assert len(list(lake.list("manifests/"))) == len(list(lake.list("raw/"))) == 20
    assert not list((tmp_path / "lake/.tmp").iterdir())
    assert {one.status for one in run(lake, lake, parts)} == {"done", "unchanged"}


class Died(BaseException):
    """The process was killed."""


class Mortal:
    """The system, as a process sees it that dies at the n-th sync or rename and removes nothing from then on."""

    def __init__(self, deadline: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dead = False
        self._left = deadline
        self._unlink = os.unlink
        monkeypatch.setattr(os, "unlink", self.unlink)
        for name in ("fsync", "rename"):
            monkeypatch.setattr(os, name, partial(self.step, getattr(os, name)))

    def step(self, work: Callable[..., None], *args: object) -> None:
        self._left -= 1
        if self._left < 0:
            self.dead = True
            raise Died
        work(*args)

    def unlink(self, path: str) -> None:
        if not self.dead:
            self._unlink(path)


@pytest.mark.parametrize("earlier", [None, GOOD.replace(b"O1", b"O9")], ids=["first", "changed"])
def test_a_run_killed_at_any_sync_or_rename_and_then_a_clean_one_are_one_clean_run(
    earlier: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [("orders", DAY), ("orders", DAY + timedelta(7))]

    def landed(name: str) -> LocalStore:
        lake = LocalStore(str(tmp_path / name))
        for data in filter(None, (earlier, GOOD)):
            if data is GOOD and earlier:
                run(lake, lake, parts)
            for entity, day in parts:
                land(lake, entity, day, data)
        return lake

    clean = landed("clean")
    run(clean, clean, parts)
    for deadline in range(200):
        lake = landed(str(deadline))
        with monkeypatch.context() as patch, suppress(Died):
            mortal = Mortal(deadline, patch)
            run(lake, lake, parts)
        assert bool(list((Path(lake.uri) / ".tmp").iterdir())) == mortal.dead
        assert {one.status for one in run(lake, lake, parts)} <= {"done", "unchanged"}
        assert contents(lake) == contents(clean), deadline
        if not mortal.dead:
            assert deadline >= 2 * 4 * len(parts)  # more, where a rename fails before its folder is made
            return
    pytest.fail("the run never came to its end")


def test_where_an_object_cannot_be_written_only_its_partition_fails(source: LocalStore, tmp_path: Path) -> None:
    one, many = LocalStore(str(tmp_path / "one")), LocalStore(str(tmp_path / "many"))
    for lake in (one, many):
        for entity, key in (("orders", layout.validated_raw), ("payments", layout.manifest)):
            (Path(lake.uri) / key(entity, DAY) / "in the way").mkdir(parents=True)
    found, alone = run(source, many), by_itself(source, one)
    assert without_place(found, many) == without_place(alone, one)
    failed = [outcome.name for outcome in found if "Is a directory" in (outcome.error or "")]
    assert failed == [f"orders {DAY}", f"payments {DAY}"]
    assert many.size(layout.manifest("orders", DAY)) is None


class Overtaken(LocalStore):
    """A store where another run does all its work just before this one commits."""

    def __init__(self, uri: str, meanwhile: Callable[[], object]) -> None:
        super().__init__(uri)
        self._meanwhile = [meanwhile]

    def commit(self, commits: Sequence[Commit]) -> Any:
        if self._meanwhile and len(commits) > 1:  # a single one is the other run's
            self._meanwhile.pop()()
        return super().commit(commits)


def test_a_run_overtaken_by_another_has_done_its_work_or_says_what_changed(tmp_path: Path) -> None:
    parts = [("orders", DAY), ("orders", DAY + timedelta(7))]
    source, other, lake = (LocalStore(str(tmp_path / name)) for name in ("source", "other", "lake"))
    for entity, day in parts:
        land(source, entity, day, GOOD)
        land(other, entity, day, GOOD if day == DAY else file("orders", row("orders")))
    overtaken = Overtaken(lake.uri, lambda: by_itself(other, lake, parts))
    same, changed = run(source, overtaken, parts)
    assert (same.status, same.details["revision"]) == ("done", 1)
    assert "changed by somebody else in the meantime: run again" in (changed.error or "")
    again = run(source, lake, parts)
    assert [(one.status, one.details["revision"]) for one in again] == [("unchanged", 1), ("done", 2)]


BLANK = GOOD + b"\n" * 20


@pytest.mark.parametrize(
    ("limit", "most", "groups"),
    [
        ("BATCH_FILES", 3, [[GOOD] * 3, [GOOD, BLANK, BLANK], [GOOD, BLANK + BLANK]]),
        ("BATCH_BYTES", 3 * len(GOOD), [[GOOD] * 3, [GOOD, BLANK], [BLANK, GOOD], [BLANK + BLANK]]),
        ("BATCH_LINES", 30, [[GOOD] * 4, [BLANK], [BLANK, GOOD], [BLANK + BLANK]]),
    ],
)
def test_what_is_judged_together_is_bounded(
    limit: str, most: int, groups: list[list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[bytes]] = []

    def noted(files: Sequence[tuple[bytes, date]], contract: type[Contract]) -> Sequence[Judged | RefusedError]:
        asked.append([data for data, _ in files])
        return columnar.judge_together(files, contract)

    store = LocalStore(str(tmp_path / "lake"))
    landed = [data for group in groups for data in group]
    parts = [("orders", DAY + timedelta(n)) for n in range(len(landed))]
    for (entity, day), data in zip(parts, landed, strict=True):
        land(store, entity, day, data)
    monkeypatch.setattr(ingest_small, limit, most)
    assert {one.status for one in ingest_all(store, store, parts, columnar.judge, noted)} == {"done"}
    assert asked == groups


def test_no_more_is_held_of_many_batches_than_of_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_small, "BATCH_FILES", 1)
    bad = file("orders") + b"x\n" * 300  # of which some 100 times as much is written

    def peak(days: int) -> int:
        lake = LocalStore(str(tmp_path / f"{days}"))
        parts = [("orders", DAY + timedelta(n)) for n in range(days)]
        for entity, day in parts:
            land(lake, entity, day, bad)
        tracemalloc.start()
        try:
            assert {one.numbers["quarantined"] for one in run(lake, lake, parts)} == {300}
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # what is imported and kept
    few, many = peak(3), peak(12)
    assert many < 1.5 * few


def test_small_files_need_no_more_open_files_than_macos_lets_a_process_have(tmp_path: Path) -> None:
    lake = LocalStore(str(tmp_path / "lake"))
    days = [DAY + timedelta(n) for n in range(60)]
    for day in days:
        land(lake, "orders", day, GOOD)
    call = [
        "--entity",
        "orders",
        "--date",
        f"{days[0]}",
        "--to",
        f"{days[-1]}",
        "--source",
        lake.uri,
        "--dest",
        lake.uri,
    ]
    done = subprocess.run(
        [Path(sys.executable).with_name("ingestor"), "ingest", *call],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


class Counting(LocalStore):
    """Notes what is read."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.noted: list[str] = []

    def read(self, key: str) -> AbstractContextManager[BinaryIO]:
        self.noted.append(key)
        return super().read(key)

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        self.noted.append(key)
        return super().read_versioned(key)


def test_a_small_landing_file_is_read_once_behind_the_manifest(tmp_path: Path) -> None:
    lake = Counting(str(tmp_path / "lake"))
    land(lake, "orders", DAY, GOOD)
    order = [layout.manifest("orders", DAY), layout.landing("orders", DAY)]
    for data, status in ((GOOD, "done"), (GOOD, "unchanged"), (GOOD + GOOD.split(b"\n")[1] + b"\n", "done")):
        land(lake, "orders", DAY, data)
        lake.noted.clear()
        assert [one.status for one in run(lake, lake, [("orders", DAY)])] == [status]
        assert [key for key in lake.noted if key in order][:2] == order
        assert lake.noted.count(order[1]) == 1
