"""The DuckDB file that dbt builds in: is it there, is it free."""

from collections.abc import Callable, Mapping
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
