"""A load killed at any point leaves each partition as it was or as it shall be; run again, it ends as one clean run."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pytest
from loader_samples import DAYS, content, put, rows

from libs.entities import ENTITIES
from libs.stage.command import Partition
from libs.storage.local import LocalStore
from libs.storage.store import Store
from loader.load import load
from loader.targets.duckdb import DuckdbTarget, open_duckdb

PARTS = [(entity, day) for day in DAYS[:2] for entity in ("orders", "payments")]
NOW = datetime(2025, 11, 16, 3)  # noqa: DTZ001 - the warehouse's times have no zone


class Killed(BaseException):
    """What no code may catch."""


class DyingStore:
    """A store that dies at its n-th operation, and at the first chunk of what is read then."""

    def __init__(self, store: Store, last: int) -> None:
        self._store = store
        self._left = last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        self._step()
        return self._store.read_versioned(key)

    @contextmanager
    def read(self, key: str) -> Iterator[BinaryIO]:
        self._step()
        with self._store.read(key) as stream:
            self._step()
            yield stream
            self._step()


def run(store: Store, warehouse: Path, parts: list[Partition] = PARTS) -> list[str]:
    with open_duckdb(warehouse, 0, pytest.fail) as target:
        return [outcome.status for outcome in load(store, target, parts, force=False, clock=lambda: NOW)]


def ingest(store: Store, revision: int, days: list[date] = DAYS) -> None:
    for entity in ENTITIES:
        for number, day in enumerate(days):
            put(store, entity, day, rows(entity, number + revision - 1), revision)


def consistent(warehouse: Path) -> bool:
    """Tell whether the ledger and the tables agree on each partition. Where tables are missing nothing is loaded."""
    counts = "SELECT '{0}' AS entity, _partition_date, count(*) FROM landing.{0} GROUP BY ALL"
    with duckdb.connect(warehouse, read_only=True) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'landing'").fetchall()
        if len(tables) < len(ENTITIES) + 1:
            return True
        ledger = connection.execute("SELECT entity, partition_date, rows FROM landing._loads WHERE rows > 0").fetchall()
        counted = connection.execute(" UNION ALL ".join(map(counts.format, ENTITIES))).fetchall()
    return sorted(ledger) == sorted(counted)


def test_dying_at_each_operation_of_the_store_and_running_again_ends_as_a_clean_run(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path / "store"))
    before, clean, killed = (tmp_path / f"{name}.duckdb" for name in ("before", "clean", "killed"))
    ingest(store, 1)
    run(store, before)
    ingest(store, 2)
    shutil.copy(before, clean)
    run(store, clean)
    wanted = content(clean)
    deaths = 0
    while True:
        shutil.copy(before, killed)
        try:
            run(DyingStore(store, deaths), killed)
            break
        except Killed:
            assert consistent(killed)
            run(store, killed)
            assert content(killed) == wanted
            deaths += 1

    assert deaths == 4 * len(PARTS)


class DyingConnection:
    """A connection whose process is killed as it is about to do its n-th thing."""

    def __init__(self, connection: Any, last: int) -> None:
        self._connection = connection
        self._left = last

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def step(*args: Any) -> Any:
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
            return getattr(self._connection, name)(*args)

        return step


def in_a_process(work: Callable[[], object]) -> int:
    """Do something in a process of its own; return its exit code, or the signal that ended it, negative."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at_every_statement(folder: Path, start: str) -> int:
    """Kill a load before each of its statements in turn; return how many there were.

    It starts in an `empty` or a `loaded` warehouse. To be called in a process that has no thread, and so has never
    opened DuckDB: it forks.
    """
    store = LocalStore(str(folder / "store"))
    before, clean, killed = (folder / f"{name}.duckdb" for name in ("before", "clean", "killed"))
    wanted = folder / "wanted"
    parts = [part for part in PARTS if part[0] == "orders"]

    def begin() -> None:
        ingest(store, 1)
        run(store, before, parts)
        ingest(store, 2)
        run(store, clean, parts)
        wanted.write_text(repr(content(clean)))

    def die(statement: int) -> None:
        with open_duckdb(killed, 0, pytest.fail) as target:
            dying = DuckdbTarget(DyingConnection(target._connection, statement), str(killed))  # type: ignore[arg-type]
            list(load(store, dying, parts, force=False, clock=lambda: NOW))

    def mend() -> None:
        assert consistent(killed)
        run(store, killed, parts)
        assert repr(content(killed)) == wanted.read_text()

    assert in_a_process(begin) == 0
    for statement in itertools.count():
        for file in folder.glob("killed.duckdb*"):
            file.unlink()
        if start == "loaded":
            shutil.copy(before, killed)
        code = in_a_process(lambda n=statement: die(n))  # type: ignore[misc]
        assert code in (0, -signal.SIGKILL), f"statement {statement}: {code}"
        if code == 0:
            return statement
        assert in_a_process(mend) == 0, f"killed before statement {statement}"
    raise AssertionError("unreachable")


@pytest.mark.parametrize(("start", "least"), [("empty", 20), ("loaded", 12)])
def test_sigkill_before_each_statement_and_running_again_ends_as_a_clean_run(
    start: str, least: int, tmp_path: Path
) -> None:
    call = "t.kill_at_every_statement(pathlib.Path(sys.argv[1]), sys.argv[2])"

    done = subprocess.run(
        [sys.executable, "-c", f"import pathlib, sys, test_loader_kills as t; print({call})", tmp_path, start],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= least


@pytest.mark.parametrize("after", [0.02, 0.3])
def test_sigkill_at_some_moment_and_running_again_ends_as_a_clean_run(after: float, tmp_path: Path) -> None:
    days = [date.fromordinal(DAYS[0].toordinal() + n) for n in range(12)]
    parts = [(entity, day) for day in days for entity in ENTITIES]
    store = LocalStore(str(tmp_path / "store"))
    ingest(store, 2, days)
    clean, killed = tmp_path / "clean.duckdb", tmp_path / "new" / "killed.duckdb"
    run(store, clean, parts)

    command = [sys.executable, "-m", "loader", "load", "--date", f"{days[0]}", "--to", f"{days[-1]}"]
    with subprocess.Popen(
        [*command, "--source", store.uri, "--warehouse", killed], stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and not killed.exists():
            time.sleep(0.01)
        time.sleep(after)
        process.kill()

    assert consistent(killed)
    run(store, killed, parts)
    assert content(killed) == content(clean)
