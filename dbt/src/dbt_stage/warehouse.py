"""The DuckDB file that dbt builds in: is it there, is it free, how many rows do its tables hold."""

import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from libs.errors import CallError, StageError

DEFAULT = Path(".data/warehouse/shop.duckdb")
_SCHEMAS = ("landing", "staging", "intermediate", "marts")
_HOLDER = re.compile(r"held in (?P<program>.+) \(PID (?P<pid>[0-9]+)\)")
_PAUSE_S = 0.25


def locate(argument: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the file: --warehouse, WAREHOUSE, or the default, which counts from the working directory.

    Raises CallError for a name that DuckDB would confuse with a schema, StageError where there is no file.
    """
    path = (argument or Path(environment.get("WAREHOUSE") or DEFAULT)).resolve()
    if path.stem in _SCHEMAS:
        raise CallError(f"{path} is named like the schema {path.stem!r}: give the warehouse another name")
    if not path.is_file():
        raise StageError(f"there is no warehouse {path}: run `just demo`, or `loader load` with your own files, first")
    return path


def wait_until_free(path: Path, seconds: float) -> None:
    """Wait until nobody else has the file open. Raises StageError, which names the holder, after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            duckdb.connect(str(path)).close()
        except duckdb.Error as error:
            if not is_lock(str(error)):
                raise StageError(f"{path} cannot be opened as a DuckDB file: {_first_line(error)}") from None
            if time.monotonic() >= deadline:
                raise StageError(locked(path, str(error), seconds)) from None
        else:
            return
        time.sleep(min(_PAUSE_S, max(0.0, deadline - time.monotonic())))


def is_lock(message: str) -> bool:
    """Tell whether DuckDB's message is about a lock that somebody else holds."""
    return "Could not set lock on file" in message


def locked(path: Path, message: str, seconds: float) -> str:
    """Say who holds the file and what to do."""
    holder = _HOLDER.search(message)
    who = f"process {holder['pid']} ({holder['program']})" if holder else "another process"
    return f"{path} is still held by {who} after {seconds:g} s: end it, or wait for it with --lock-wait"


def row_counts(path: Path, tables: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Count the rows of tables, given as (schema, table) that dbt has just built."""
    with duckdb.connect(str(path), read_only=True) as db:
        return {(schema, table): _count(db, schema, table) for schema, table in tables}


def _count(db: duckdb.DuckDBPyConnection, schema: str, table: str) -> int:
    found = db.execute(f'select count(*) from "{schema}"."{table}"').fetchone()
    return int(found[0]) if found else 0


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
