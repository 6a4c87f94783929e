"""The embedded target: a DuckDB file."""

import glob
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import duckdb

from libs.contracts.base import Contract
from libs.errors import StageError
from libs.stage.command import Partition
from libs.stage.warehouse import when_free
from loader.targets import duckdb_sql as sql
from loader.targets.target import SCHEMA, Loaded, Verified

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


@contextmanager
def open_duckdb(path: Path, lock_wait: float, on_wait: Callable[[str], None]) -> Iterator["DuckdbTarget"]:
    """Open the warehouse in a file for writing; make the file and its folder where there is none.

    Waits up to `lock_wait` seconds for whoever has it open, and says so once by `on_wait`. Raises StageError.
    """
    if path.is_dir():
        raise StageError(f"{path} is a folder: let --warehouse name a file, such as {path / 'shop.duckdb'}")
    if not path.exists():
        _make(path)
    with _connect(path, lock_wait, on_wait) as connection:
        yield DuckdbTarget(connection, str(path))


def _make(path: Path) -> None:
    """Make an empty warehouse under another name and move it into its place: half a file would never open again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", ignore_cleanup_errors=True) as folder:
            made = Path(folder) / path.name
            duckdb.connect(made, config=_CONFIG).close()
            with suppress(FileExistsError):  # somebody else was faster
                path.hardlink_to(made)
    except (OSError, duckdb.Error) as error:
        raise StageError(f"cannot make the warehouse {path}: {_reason(error)}") from error


def _connect(path: Path, lock_wait: float, on_wait: Callable[[str], None]) -> duckdb.DuckDBPyConnection:
    try:
        return when_free(lambda: duckdb.connect(path.absolute(), config=_CONFIG), path, lock_wait, on_wait)
    except duckdb.Error as error:
        raise StageError(_not_opened(path, error)) from error


def _not_opened(path: Path, error: duckdb.Error) -> str:
    if "not a valid DuckDB database file" in str(error):
        return f"{path} is no DuckDB file: let --warehouse name another, or move it away"
    return f"cannot open the warehouse {path}: {_reason(error)}"


class DuckdbTarget:
    """A warehouse in a DuckDB file. The connection is passed in; `open_duckdb` makes the usual one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, warehouse: str) -> None:
        self._connection = connection
        self.warehouse = warehouse

    def prepare(self, contracts: Iterable[type[Contract]]) -> Mapping[str, str]:
        """Make the ledger and the landing tables where they are missing, and look at those that are there."""
        misfits = {}
        execute = self._connection.execute
        with self._transaction("cannot make the landing tables"):
            execute(sql.CREATE_SCHEMA)
            execute(sql.CREATE_LEDGER)
            tables = self._tables()
            for contract in contracts:
                found = tables.get(contract.entity)
                if found is None:
                    execute(sql.FORGET_ENTITY, [contract.entity])
                    execute(sql.create_table(contract))
                elif misfit := _misfit(contract, found):
                    misfits[contract.entity] = (
                        f"the table {SCHEMA}.{contract.entity} of {self.warehouse} does not fit the contract "
                        f"({misfit}): drop that table and load all its days again, or use another --warehouse"
                    )
                else:
                    for column in sql.columns(contract):
                        if column.name not in found:
                            execute(sql.add_column(contract, column))
        return misfits

    def ledger(self) -> Mapping[Partition, Loaded]:
        """Return what is loaded; the file's lock keeps others from changing it."""
        with self._told("cannot read the ledger"):
            rows = self._connection.execute(sql.SELECT_LEDGER).fetchall()
        return {(entity, day): Loaded(*rest) for entity, day, *rest in rows}

    def replace(self, contract: type[Contract], parts: Sequence[Verified], loaded_at: datetime) -> Mapping[date, int]:
        """Delete, insert, count, and write the ledger in one transaction; return the rows deleted of each day."""
        days = [part.day for part in parts]
        filled = [part for part in parts if part.rows]
        execute = self._connection.execute
        with self._transaction("cannot load"):
            deleted = self._count(contract, days)
            if deleted:
                execute(sql.delete_days(contract), [days])
            self._insert_small(contract, filled, loaded_at)
            self._insert_files(contract, filled, loaded_at)
            found = self._count(contract, days)
            for part in parts:
                _compare(part, found.get(part.day, 0))
            execute(
                sql.RECORD_LOADS,
                [
                    contract.entity,
                    days,
                    [part.revision for part in parts],
                    [part.manifest_sha256 for part in parts],
                    [part.rows for part in parts],
                    loaded_at,
                ],
            )
        return deleted

    def _insert_small(self, contract: type[Contract], parts: Sequence[Verified], loaded_at: datetime) -> None:
        """Load what is in memory as one file: opening a file takes DuckDB as long as reading some thousand records."""
        contents = [part.content.at for part in parts if isinstance(part.content.at, bytes)]
        small = [part for part in parts if isinstance(part.content.at, bytes)]
        if not small:
            return
        statement = sql.insert_joined(contract, parallel=not any(part.content.quoted for part in small))
        with ExitStack() as opened:
            try:
                file = Path(opened.enter_context(TemporaryDirectory(prefix="loader-"))) / "joined.csv"
                with file.open("wb") as copy:
                    copy.writelines(joined(contents))
            except OSError as error:
                raise StageError(f"cannot write a file in {gettempdir()}: {error.strerror or error}") from error
            self._insert(statement, loaded_at, [str(file)], map(str, range(len(small))), small)

    def _insert_files(self, contract: type[Contract], parts: Sequence[Verified], loaded_at: datetime) -> None:
        large = [part for part in parts if isinstance(part.content.at, Path)]
        if not large:
            return
        statement = sql.insert_files(contract, parallel=not any(part.content.quoted for part in large))
        files = [str(part.content.at) for part in large]
        self._insert(statement, loaded_at, files, files, large)

    def _insert(
        self, statement: str, loaded_at: datetime, files: Iterable[str], names: Iterable[str], parts: Sequence[Verified]
    ) -> None:
        """Load files; of each partition its records are known by a name."""
        days, sources = [part.day for part in parts], [part.source_object for part in parts]
        self._connection.execute(statement, [loaded_at, [*map(glob.escape, files)], [*names], days, sources])

    def _tables(self) -> dict[str, dict[str, sql.TableColumn]]:
        """Return the columns of each table of the schema, by name."""
        tables: dict[str, dict[str, sql.TableColumn]] = {}
        for table, name, type_, nullable in self._connection.execute(sql.ALL_COLUMNS, [SCHEMA]).fetchall():
            tables.setdefault(table, {})[name] = sql.TableColumn(name, type_, nullable)
        return tables

    def _count(self, contract: type[Contract], days: Sequence[date]) -> dict[date, int]:
        return dict(self._connection.execute(sql.count_days(contract), [days]).fetchall())

    @contextmanager
    def _transaction(self, what: str) -> Iterator[None]:
        with self._told(what):
            self._connection.begin()
            try:
                yield
                self._connection.commit()
            except BaseException:
                with suppress(duckdb.Error):  # a failed commit has rolled back already
                    self._connection.rollback()
                raise

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn DuckDB's errors into words for people."""
        try:
            yield
        except (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException) as error:
            raise StageError(
                f"{what}: the object is not what its contract says ({_reason(error)}): ingest again"
            ) from error
        except duckdb.Error as error:
            raise StageError(f"{what} in {self.warehouse}: {_reason(error)}") from error


def joined(contents: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of canonical CSV files of the same columns as one file: each record behind its file's number."""
    for number, content in enumerate(contents):
        header, *lines, _ = content.split(b"\n")
        if not number:
            yield f"{sql.JOINED},".encode() + header + b"\n"
        within_quotes = False
        for line in lines:
            yield line + b"\n" if within_quotes else b"%d,%s\n" % (number, line)
            within_quotes ^= line.count(b'"') % 2 == 1


def _misfit(contract: type[Contract], found: Mapping[str, sql.TableColumn]) -> str:
    """Say where a table differs from the contract otherwise than by nullable columns that are missing."""
    expected = {column.name: column for column in sql.columns(contract)}
    unknown = [f"{name} is no column of the contract" for name in found if name not in expected]
    missing = [f"{name} is missing" for name, column in expected.items() if name not in found and not column.nullable]
    other = [
        f"{found[name].definition} should be {column.definition}"
        for name, column in expected.items()
        if name in found and found[name] != column
    ]
    return "; ".join(unknown + missing + other)


def _compare(part: Verified, found: int) -> None:
    if found != part.rows:
        raise StageError(
            f"{part.source_object} holds {found} rows, its manifest says {part.rows}: nothing loaded, ingest again"
        )


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    return next(iter((said or str(error)).splitlines()), type(error).__name__)
