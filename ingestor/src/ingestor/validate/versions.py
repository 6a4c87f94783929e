"""The versions of rows that a file has brought so far: exact, in bounded memory."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from ingestor.canonical import RowFormat
from ingestor.partition import RecordError
from libs.contracts.base import Contract
from libs.errors import StageError

IN_MEMORY = 250_000
"""Versions kept in memory before they move to disk."""

_CACHE_KIB = 32 * 1024


class VersionFormat:
    """What the version of a row is, its key with its change time; and the error of a row that brings one again."""

    def __init__(self, contract: type[Contract]) -> None:
        self.names = (*contract.key, contract.change_time)
        columns = {column.name: column for column in contract.columns()}
        self._format = RowFormat([columns[name] for name in self.names])
        self._says = f"{' and '.join(self.names)} are those of row"

    def text(self, values: Mapping[str, Any]) -> str:
        """Write the version of a row of validated values: canonical CSV, a line without its end."""
        return self._format.line(values)[:-1]

    def duplicate(self, earlier: int) -> RecordError:
        """Tell that an earlier row has brought the version."""
        return RecordError(None, "duplicate_version", f"{self._says} {earlier}")


def no_room(error: Exception) -> StageError:
    """Say that versions cannot be kept."""
    return StageError(f"cannot remember the keys of the file ({error}): is the temporary folder full?")


class Versions:
    """Remembers the row number that each version (a key with its change time) was first seen in."""

    def __init__(self) -> None:
        self._recent: dict[str, int] = {}
        self._database: sqlite3.Connection | None = None

    def earlier(self, version: str, row_number: int) -> int | None:
        """Return the number of the earlier row of this version; remember this one where there is none.

        Raises StageError where the temporary folder cannot hold the versions.
        """
        try:
            found = self._find(version)
            if found is None:
                self._recent[version] = row_number
                if len(self._recent) >= IN_MEMORY:
                    self._spill()
        except sqlite3.Error as error:
            raise no_room(error) from error
        return found

    def close(self) -> None:
        """Forget everything."""
        if self._database is not None:
            self._database.close()

    def _find(self, version: str) -> int | None:
        found = self._recent.get(version)
        if found is None and self._database is not None:
            row = self._database.execute("SELECT row_number FROM seen WHERE version = ?", (version,)).fetchone()
            return None if row is None else int(row[0])
        return found

    def _spill(self) -> None:
        if self._database is None:
            self._database = _temporary_database()
        self._database.executemany("INSERT INTO seen VALUES (?, ?)", sorted(self._recent.items()))
        self._recent.clear()


def _temporary_database() -> sqlite3.Connection:
    """Open a private database that goes to a temporary file beyond its cache, and ends with its connection."""
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    database.execute("CREATE TABLE seen (version TEXT PRIMARY KEY, row_number INTEGER) WITHOUT ROWID")
    database.execute("BEGIN")
    return database
