"""Run an export: read the shop's files, run the SQL, write a landing file for each day and entity.

Nothing is written before every SELECT has succeeded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pycountry

from ingestor import export_rows, export_tables
from ingestor.canonical import line
from ingestor.export import Export
from ingestor.export_rows import DayRows, EntityAccount
from ingestor.export_tables import FileAccount
from libs import layout
from libs.entities import ENTITIES
from libs.errors import StageError
from libs.stage.report import Outcome
from libs.storage.store import Store, put


@dataclass(frozen=True)
class Accounts:
    """Where every row of the shop's files went."""

    files: list[FileAccount]
    entities: dict[str, EntityAccount]
    first_day: date
    last_day: date

    @property
    def days(self) -> int:
        """The number of days between the first and the last, both counted."""
        return (self.last_day - self.first_day).days + 1


@contextmanager
def workspace() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in a temporary folder, so that a large shop need not fit into memory.

    Raises StageError where disk or memory are not enough.
    """
    with TemporaryDirectory(prefix="land-") as folder, duckdb.connect(f"{folder}/shop.duckdb") as connection:
        try:
            yield connection
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise StageError(
                f"the export needs more room than there is in {folder}: {error}".splitlines()[0]
            ) from error


def make(connection: duckdb.DuckDBPyConnection, export: Export, folder: Path) -> Accounts:
    """Read the shop's files and run the export's SQL; the rows stay in the database, ready to be written.

    Raises StageError where files or SQL are not as they must be.
    """
    files = [
        account
        for name, table in export.settings.tables.items()
        for account in export_tables.load(connection, name, table, folder)
    ]
    _add_countries(connection)
    _give_and_lock(connection, export)
    if export.prepare:
        export_rows.prepare(connection, export.prepare)
    entities = {
        entity: export_rows.select(connection, script, ENTITIES[entity]) for entity, script in export.selects.items()
    }
    return Accounts(files, entities, *export_rows.span(connection, list(entities)))


def write(connection: duckdb.DuckDBPyConnection, accounts: Accounts, store: Store) -> Iterator[Outcome]:
    """Write the landing files, all entities of a day before the next day; what is there already is left alone.

    Raises StoreError at the first file that cannot be written; run again for the rest.
    """
    found = export_rows.by_day(connection, list(accounts.entities), accounts.first_day)
    rows = next(found, None)
    for number in range(accounts.days):
        day = accounts.first_day + timedelta(days=number)
        for entity in ENTITIES:
            is_next = rows is not None and (rows.day, rows.entity) == (day, entity)
            yield _write_one(store, entity, day, rows if is_next else None)
            if is_next:
                rows = next(found, None)


def _write_one(store: Store, entity: str, day: date, rows: DayRows | None) -> Outcome:
    header = line(column.name for column in ENTITIES[entity].columns())
    data = (header + (rows.text if rows else "")).encode()
    numbers = {"rows": rows.rows if rows else 0, "bytes": len(data)}
    key = layout.landing(entity, day)
    _, written = put(store, key, [data])
    return Outcome(entity, day, "done" if written else "unchanged", numbers)


def _add_countries(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table `countries`: the codes and names of ISO 3166."""
    columns = ("alpha_2", "alpha_3", "numeric", "name", "official_name", "common_name")
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(f"unnest(${n}::VARCHAR[]) AS {column}" for n, column in enumerate(columns, start=1))
    connection.execute(
        f"CREATE TABLE countries AS SELECT {names} FROM (SELECT {values})",
        [[getattr(country, column, None) for country in pycountry.countries] for column in columns],
    )


def _give_and_lock(connection: duckdb.DuckDBPyConnection, export: Export) -> None:
    """Give the export's SQL its variables, and take from it the world outside of the database."""
    connection.execute("SET VARIABLE time_zone = $1", [export.settings.time_zone])
    connection.execute("SET VARIABLE currency = $1", [export.settings.currency])
    connection.execute("""
        SET TimeZone = 'UTC';
        SET autoinstall_known_extensions = false;
        SET autoload_known_extensions = false;
        SET python_enable_replacements = false;
        SET enable_external_access = false;
        SET lock_configuration = true;
    """)
