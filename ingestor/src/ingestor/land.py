"""`ingestor land`: a shop's own files become landing files, one for each day and entity.

The export says how (`ingestor.export`). Nothing is written before every SELECT has succeeded.
"""

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from ingestor import export_rows, export_tables
from ingestor.canonical import line
from ingestor.export import Export, find
from ingestor.export_rows import DayRows, EntityAccount
from ingestor.export_tables import FileAccount
from libs import layout
from libs.entities import ENTITIES
from libs.errors import CallError
from libs.stage import command
from libs.stage.report import Outcome, Report
from libs.storage import open_store
from libs.storage.store import Store, checksums_of


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


def add_command(subparsers: "argparse._SubParsersAction[command.ArgumentParser]") -> None:
    """Add `land` to the commands of the ingestor."""
    text = "Make landing files of a shop's own files, as an export says: one for each day and entity."
    parser = subparsers.add_parser("land", help=text, description=text)
    parser.add_argument("--export", required=True, metavar="NAME", help="a shipped export, or the path of a folder")
    parser.add_argument("--input", required=True, metavar="DIR", type=Path, help="folder of the shop's own files")
    parser.add_argument("--dest", required=True, metavar="URI", help="store of landing: gs://bucket[/prefix] or folder")
    command.add_report_arguments(parser)
    parser.set_defaults(handle=_handle)


def _handle(args: argparse.Namespace) -> int:
    export = find(args.export)
    store = open_store(args.dest)
    if not args.input.is_dir():
        raise CallError(f"there is no folder {args.input}: let --input name the folder of the shop's files")
    with _workspace() as connection:
        accounts = make(connection, export, args.input)
        report = Report("ingestor", "land", notes={"accounts": asdict(accounts) | {"days": accounts.days}})
        outcomes = write(connection, accounts, store)
        code = command.run(report, outcomes, total=accounts.days * len(ENTITIES), as_json=args.json)
    if not args.json:
        print(told(accounts))
    return code


@contextmanager
def _workspace() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in a temporary folder, so that a large shop need not fit into memory."""
    with TemporaryDirectory(prefix="land-") as folder, duckdb.connect(f"{folder}/shop.duckdb") as connection:
        yield connection


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
    if _is_there(store, key, data):
        return Outcome(entity, day, "unchanged", numbers)
    with store.write(key) as writer:
        writer.write(data)
    return Outcome(entity, day, "done", numbers)


def _is_there(store: Store, key: str, data: bytes) -> bool:
    stat = store.stat(key)
    if stat is None or stat.size != len(data):
        return False
    with store.read(key) as stream:
        return checksums_of(stream).sha256 == hashlib.sha256(data).hexdigest()


def _add_countries(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table `countries`: the codes and names of ISO 3166."""
    import pycountry

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


def told(accounts: Accounts) -> str:
    """Render the accounts for people."""
    files = [(f.file, f"-> {f.table}", f.rows, f.short or "", f.surplus or "", f.damaged or "") for f in accounts.files]
    entities = [(e, a.returned, a.folded or "", a.landed, a.undated or "") for e, a in accounts.entities.items()]
    days = f"{accounts.days:,} days, {accounts.first_day} to {accounts.last_day}"
    return "\n".join(
        [
            "",
            *_table(("read", "", "rows", "short", "surplus fields", "damaged"), files),
            "",
            *_table(("landed", "returned", "earlier versions", "landed", "without a day"), entities),
            "",
            days,
        ]
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Align columns: text to the left, numbers to the right; a column with nothing in it is left out."""
    shown = [n for n in range(len(head)) if any(row[n] != "" for row in rows)]
    cells = [[f"{row[n]:,}" if isinstance(row[n], int) else str(row[n]) for n in shown] for row in (head, *rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(shown))]
    right = [any(isinstance(row[n], int) for row in rows) for n in shown]
    return [
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
