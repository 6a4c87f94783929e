"""Makers of landing files whose store dies at every operation in turn, then a clean run: what one clean run gives."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import BinaryIO

import pytest
from stages import objects

from generator.cli import generate
from generator.faults import FAULTS, Plan
from generator.files import Files
from generator.shop import Shop
from ingestor import export, export_run
from libs.storage.local import LocalStore
from libs.storage.store import ObjectWriter, Stat, Store

DAY = date(2025, 11, 1)


class Died(BaseException):
    """The process was killed."""


class DyingStore(LocalStore):
    """A local store that lets so many operations happen and no more."""

    def __init__(self, uri: str, operations: int) -> None:
        super().__init__(uri)
        self._left = operations

    def _step(self) -> None:
        if self._left == 0:
            raise Died
        self._left -= 1

    def stat(self, key: str) -> Stat | None:
        self._step()
        return super().stat(key)

    @contextmanager
    def read(self, key: str) -> Iterator[BinaryIO]:
        self._step()
        with super().read(key) as stream:
            yield stream

    @contextmanager
    def write(self, key: str) -> Iterator[ObjectWriter]:  # type: ignore[override]
        self._step()
        with super().write(key) as writer:
            yield writer
            self._step()
        self._step()

    def delete(self, key: str) -> None:
        self._step()
        super().delete(key)
        self._step()


@functools.cache
def files() -> Files:
    return Files(Shop(1, DAY, 20, ("EUR",)))


def generated(store: Store, rate: float = 0.1) -> None:
    plan = Plan(rate, tuple(FAULTS))
    for entity in ("customers", "orders"):
        generate(files(), plan, store, entity, DAY)


@pytest.fixture(scope="module")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a shop of two customers on two days, and its export."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "export.toml").write_text('[tables.people]\nfiles = "people.csv"\n')
    (folder / "customers.sql").write_text(
        "SELECT id AS customer_id, since AS created_at, since AS updated_at FROM people"
    )
    (folder / "people.csv").write_text("id,since\na,2025-11-01T10:00:00Z\nb,2025-11-02T10:00:00Z\n")
    return folder


def landed(folder: Path) -> Callable[[Store], None]:
    def land(store: Store) -> None:
        with export_run.workspace() as connection:
            accounts = export_run.make(connection, export.find(str(folder)), folder)
            assert {outcome.status for outcome in export_run.write(connection, accounts, store)} <= {
                "done",
                "unchanged",
            }

    return land


def _dies_everywhere(make: Callable[[Store], None], before: Callable[[Store], None], tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    before(LocalStore(str(clean)))
    make(LocalStore(str(clean)))
    for operations in range(200):
        lake = tmp_path / str(operations)
        before(LocalStore(str(lake)))
        try:
            make(DyingStore(str(lake), operations))
        except Died:
            make(LocalStore(str(lake)))
            assert objects(lake) == objects(clean), operations
        else:
            assert objects(lake) == objects(clean)
            assert operations > 3
            return
    raise AssertionError("it never ends")


def test_a_generator_killed_anywhere_and_run_again_made_what_a_clean_one_makes(tmp_path: Path) -> None:
    _dies_everywhere(generated, lambda _: None, tmp_path)


def test_a_generator_killed_while_it_takes_faults_back_made_what_a_clean_one_makes(tmp_path: Path) -> None:
    _dies_everywhere(lambda store: generated(store, 0), generated, tmp_path)


def test_a_landing_killed_anywhere_and_run_again_made_what_a_clean_one_makes(
    small_export: Path, tmp_path: Path
) -> None:
    _dies_everywhere(landed(small_export), lambda _: None, tmp_path)
