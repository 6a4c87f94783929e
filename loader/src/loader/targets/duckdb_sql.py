"""DuckDB's SQL text, built from the contracts' columns. Names are checked and quoted, values are parameters."""

import dataclasses
from collections.abc import Sequence

from libs.contracts.base import Column, Contract
from libs.contracts.types import FieldType
from loader.targets.target import LEDGER, SCHEMA, identifier

MAX_RECORD_BYTES = 8 << 20
"""A record read from landing has up to 1 MiB; written canonically, with quotes doubled, it may grow."""

CREATE_SCHEMA = f"CREATE SCHEMA IF NOT EXISTS {identifier(SCHEMA)}"

LEDGER_TABLE = f"{identifier(SCHEMA)}.{identifier(LEDGER)}"

CREATE_LEDGER = f"""
CREATE TABLE IF NOT EXISTS {LEDGER_TABLE} (
    "entity" VARCHAR NOT NULL,
    "partition_date" DATE NOT NULL,
    "revision" INTEGER NOT NULL,
    "manifest_sha256" VARCHAR NOT NULL,
    "rows" BIGINT NOT NULL,
    "loaded_at" TIMESTAMP NOT NULL,
    PRIMARY KEY ("entity", "partition_date")
)
"""

SELECT_LEDGER = f'SELECT "entity", "partition_date", "revision", "manifest_sha256", "rows" FROM {LEDGER_TABLE}'

FORGET_ENTITY = f'DELETE FROM {LEDGER_TABLE} WHERE "entity" = ?'

RECORD_LOADS = f"""
INSERT OR REPLACE INTO {LEDGER_TABLE}
SELECT ?, unnest(?::DATE[]), unnest(?::INTEGER[]), unnest(?::VARCHAR[]), unnest(?::BIGINT[]), ?::TIMESTAMP
"""
"""Parameters: entity, then of the partitions: days, revisions, checksums of manifests, rows; then the time."""

ALL_COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = ?
"""
"""Parameter: schema."""


@dataclasses.dataclass(frozen=True)
class TableColumn:
    """A column of a table: DuckDB's type, and whether it may be null."""

    name: str
    type: str
    nullable: bool

    @property
    def definition(self) -> str:
        """The column in CREATE TABLE and ADD COLUMN."""
        return f"{identifier(self.name)} {self.type}{'' if self.nullable else ' NOT NULL'}"


OWN_COLUMNS = (
    TableColumn("_partition_date", "DATE", nullable=False),
    TableColumn("_source_object", "VARCHAR", nullable=False),
    TableColumn("_loaded_at", "TIMESTAMP", nullable=False),
)
"""What landing tables have besides the contract's columns."""


def table(contract: type[Contract]) -> str:
    """Return the landing table of an entity, quoted."""
    return f"{identifier(SCHEMA)}.{identifier(contract.entity)}"


def columns(contract: type[Contract]) -> tuple[TableColumn, ...]:
    """Return the columns of a landing table, in order."""
    return (*(TableColumn(c.name, _type(c.type), c.nullable) for c in contract.columns()), *OWN_COLUMNS)


def _type(field: FieldType) -> str:
    match field.kind:
        case "text":
            return "VARCHAR"
        case "decimal":
            return f"DECIMAL({field.precision},{field.scale})"
        case "integer":
            return "BIGINT"
        case "boolean":
            return "BOOLEAN"
        case "timestamp":
            return "TIMESTAMP"


def create_table(contract: type[Contract]) -> str:
    """Return the statement that makes a landing table."""
    return f"CREATE TABLE {table(contract)} ({', '.join(column.definition for column in columns(contract))})"


def add_column(contract: type[Contract], column: TableColumn) -> str:
    """Return the statement that adds a column to a landing table."""
    return f"ALTER TABLE {table(contract)} ADD COLUMN {column.definition}"


def delete_days(contract: type[Contract]) -> str:
    """Return the statement that empties partitions. Parameter: days."""
    return f'DELETE FROM {table(contract)} WHERE "_partition_date" IN (SELECT unnest(?::DATE[]))'


def count_days(contract: type[Contract]) -> str:
    """Return the query for the number of rows of partitions. Parameter: days."""
    return f"""
SELECT "_partition_date", count(*) FROM {table(contract)}
WHERE "_partition_date" IN (SELECT unnest(?::DATE[]))
GROUP BY "_partition_date"
"""


JOINED = "_part"
"""The first column of files that are joined to one: which of them a record is of."""


def insert_files(contract: type[Contract], *, parallel: bool) -> str:
    """Return the statement that loads files of canonical CSV.

    Parameters: loaded_at; patterns that match the files' names; then, of each file: its name, its day, its source.

    Nothing is sniffed: everything is text first, with an empty unquoted field as the only null, and is then cast.
    `parallel` is for files without a quote: split between threads, quoted line breaks at a buffer's edge fail (DuckDB
    2.0), where one thread was exact on everything tried. `hive_partitioning = false`: a folder `a=b` is no column.
    """
    return _insert(contract, [], "_file", "filename = '_file'", parallel=parallel)


def insert_joined(contract: type[Contract], *, parallel: bool) -> str:
    """Return the statement that loads files joined to one as `insert_files` does.

    Parameters: as there, instead of a name what stands in the first column of the file's records.
    """
    return _insert(contract, [JOINED], JOINED, "filename = false", parallel=parallel)


def _insert(contract: type[Contract], before: Sequence[str], part: str, options: str, *, parallel: bool) -> str:
    fields = contract.columns()
    names = [*before, *(field.name for field in fields)]
    return f"""
INSERT INTO {table(contract)} ({", ".join(identifier(column.name) for column in columns(contract))})
SELECT {", ".join(map(_cast, fields))}, part.day, part.source, ?::TIMESTAMP
FROM read_csv(
    ?,
    columns = {{{", ".join(f"{identifier(name)}: 'VARCHAR'" for name in names)}}},
    auto_detect = false,
    header = true,
    delim = ',',
    quote = '"',
    escape = '"',
    comment = '',
    nullstr = '',
    allow_quoted_nulls = false,
    new_line = '\\n',
    encoding = 'utf-8',
    compression = 'none',
    strict_mode = true,
    null_padding = false,
    ignore_errors = false,
    max_line_size = {MAX_RECORD_BYTES},
    buffer_size = {2 * MAX_RECORD_BYTES},
    hive_partitioning = false,
    parallel = {str(parallel).lower()},
    {options}
) AS record
JOIN (
    SELECT unnest(?::VARCHAR[]) AS name, unnest(?::DATE[]) AS day, unnest(?::VARCHAR[]) AS source
) AS part ON part.name = record.{identifier(part)}
"""


def _cast(column: Column) -> str:
    name = f"record.{identifier(column.name)}"
    return name if column.type.kind == "text" else f"CAST({name} AS {_type(column.type)})"
