"""The DuckDB file that dbt builds in: is it there, is it free, how many rows do its tables hold."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import duckdb

from libs.errors import StageError
from libs.stage import warehouse as shared


def locate(argument: Path | None, environment: Mapping[str, str]) -> Path:
    """Return the file (see `libs.stage.warehouse.locate`). Raises StageError where there is none."""
    path = shared.locate(argument, environment).resolve()
    if not path.is_file():
        raise StageError(f"there is no warehouse {path}: run `just demo`, or `loader load` with your own files, first")
    return path


def wait_until_free(path: Path, lock_wait: float, say: Callable[[str], None]) -> None:
    """Wait until nobody else has the file open. Raises StageError, which names the holder, after so many seconds."""
    _open(path, lock_wait, say, read_only=False).close()


def read(path: Path, lock_wait: float, say: Callable[[str], None]) -> duckdb.DuckDBPyConnection:
    """Open the file to read, waiting for whoever writes; close it soon, for nobody can write meanwhile.

    Raises StageError, which names the holder, after so many seconds.
    """
    return _open(path, lock_wait, say, read_only=True)


def _open(path: Path, lock_wait: float, say: Callable[[str], None], read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return shared.when_free(lambda: duckdb.connect(str(path), read_only=read_only), path, lock_wait, say)
    except duckdb.Error as error:
        raise StageError(f"{path} cannot be opened as a DuckDB file: {str(error).strip().splitlines()[0]}") from None


def row_counts(path: Path, tables: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Count the rows of tables, given as (schema, table) that dbt has just built."""
    with duckdb.connect(str(path), read_only=True) as db:
        return {(schema, table): _count(db, schema, table) for schema, table in tables}


def _count(db: duckdb.DuckDBPyConnection, schema: str, table: str) -> int:
    found = db.execute(f'select count(*) from "{schema}"."{table}"').fetchone()
    return int(found[0]) if found else 0
