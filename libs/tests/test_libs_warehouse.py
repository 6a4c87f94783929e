from pathlib import Path

import pytest

from libs.errors import CallError, StageError
from libs.stage import warehouse

LOCKED = 'IO Error: Could not set lock on file "/x": Conflicting lock is held in /usr/bin/python3 (PID 42). See also …'


@pytest.mark.parametrize(
    "name", ["landing.duckdb", "Marts.db", "staging", "main.duckdb", "temp.db", "o'x.duckdb", 'a"b']
)
def test_a_warehouse_is_not_named_like_a_schema(name: str) -> None:
    with pytest.raises(CallError, match="give --warehouse another file name"):
        warehouse.locate(Path(name), {})


def test_a_warehouse_is_a_local_file() -> None:
    with pytest.raises(CallError, match="is no file of this machine"):
        warehouse.locate(Path("s3://bucket/shop.duckdb"), {})


def test_the_argument_goes_before_the_environment_and_that_before_the_default() -> None:
    assert warehouse.locate(Path("a.duckdb"), {"WAREHOUSE": "b.duckdb"}) == Path("a.duckdb")
    assert warehouse.locate(None, {"WAREHOUSE": "b.duckdb"}) == Path("b.duckdb")
    assert warehouse.locate(None, {"WAREHOUSE": ""}) == Path(".data/warehouse/shop.duckdb")


def test_waiting_ends_when_the_file_is_free_and_is_told_once() -> None:
    answers: list[object] = [OSError(LOCKED), OSError(LOCKED), "connected"]
    said: list[str] = []

    def connect() -> object:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert warehouse.when_free(connect, Path("x"), 5, said.append) == "connected"
    assert said == ["the warehouse x is in use by PID 42 (/usr/bin/python3): waiting up to 5 s"]


def test_waiting_in_vain_names_the_holder() -> None:
    def connect() -> object:
        raise OSError(LOCKED)

    with pytest.raises(StageError, match=r"x is in use by PID 42 \(/usr/bin/python3\), waited 0 s: close"):
        warehouse.when_free(connect, Path("x"), 0, print)


def test_other_errors_are_not_waited_for() -> None:
    def connect() -> object:
        raise OSError("not a valid DuckDB database file")

    with pytest.raises(OSError, match="not a valid"):
        warehouse.when_free(connect, Path("x"), 5, print)
