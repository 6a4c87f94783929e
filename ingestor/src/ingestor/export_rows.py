"""The SELECTs of an export: run, checked against the contracts, and rendered as the lines of landing files.

Identifiers in the SQL of this module are names of entities and of contracts' columns; patterns are the contracts'.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from ingestor.export import Script
from ingestor.export_tables import quoted
from libs.contracts.base import Column, Contract
from libs.contracts.types import FIRST_YEAR, LAST_YEAR, TIMESTAMP
from libs.errors import StageError

SCHEMA = "_landing"
"""Where the results are kept, out of the way of the user's tables."""

_AS_IT_IS = ("BIGINT", "BOOLEAN", "HUGEINT", "INTEGER", "SMALLINT", "TINYINT", '"NULL"')
_UNSIGNED = ("UBIGINT", "UHUGEINT", "UINTEGER", "USMALLINT", "UTINYINT")
_LOCAL_TIMES = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS")


@dataclass(frozen=True)
class EntityAccount:
    """What became of the rows that a SELECT returned: returned = landed + folded.

    `folded` were earlier versions of a key on the same day; `undated`, rows without a usable day, are among the landed.
    """

    returned: int
    landed: int
    folded: int
    undated: int


@dataclass(frozen=True)
class DayRows:
    """The rows of an entity that land on a day, as lines of canonical CSV."""

    day: date
    entity: str
    rows: int
    text: str


def prepare(connection: duckdb.DuckDBPyConnection, script: Script) -> None:
    """Run prepare.sql. Raises StageError with DuckDB's words."""
    try:
        connection.execute(script.text)
    except duckdb.Error as error:
        raise _told(script, error) from error


def select(connection: duckdb.DuckDBPyConnection, script: Script, contract: type[Contract]) -> EntityAccount:
    """Run the SELECT of an entity and keep its rows rendered, one row a key a day.

    Raises StageError where the SQL fails, or where its columns are not the contract's.
    """
    try:
        relation = connection.sql(_one_select(connection, script))
        types = _types(script, relation, contract)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        relation.create(f"{SCHEMA}.{contract.entity}_returned")
    except duckdb.Error as error:
        raise _told(script, error) from error
    connection.execute(_rendering(contract, types))
    returned, landed, undated = connection.execute(
        f"SELECT count(*), count(*) FILTER (version = 1), count(*) FILTER (day IS NULL) FROM {SCHEMA}.{contract.entity}"
    ).fetchall()[0]
    return EntityAccount(returned, landed, returned - landed, undated)


def span(connection: duckdb.DuckDBPyConnection, entities: Sequence[str]) -> tuple[date, date]:
    """Return the first and the last day of all rows. Raises StageError where no row has a usable day."""
    days = " UNION ALL ".join(f"SELECT day FROM {SCHEMA}.{entity}" for entity in entities)
    first, last = connection.execute(f"SELECT min(day), max(day) FROM ({days})").fetchall()[0]
    if first is None:
        raise StageError("no row of the export has a usable day, so there is no day to land: look at the event times")
    return first, last


def by_day(connection: duckdb.DuckDBPyConnection, entities: Sequence[str], first: date) -> Iterator[DayRows]:
    """Iterate over what lands, day by day, the entities in the given order; rows by event time, then by key.

    Rows without a usable day land on the first one, behind its own.
    """
    parts = " UNION ALL ".join(
        f"SELECT coalesce(day, $1) AS on_day, {position} AS position, '{entity}' AS entity, count(*), "
        "string_agg(line, '' ORDER BY event NULLS LAST, key NULLS LAST, line) "
        f"FROM {SCHEMA}.{entity} WHERE version = 1 GROUP BY on_day"
        for position, entity in enumerate(entities)
    )
    result = connection.execute(f"{parts} ORDER BY on_day, position", [first])
    while found := result.fetchone():
        day, _, entity, rows, text = found
        yield DayRows(day, entity, rows, text)


def _one_select(connection: duckdb.DuckDBPyConnection, script: Script) -> str:
    """Return the statement without what ends it, its lines where they were."""
    statements = connection.extract_statements(script.text)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise StageError(f"{script.path}: expected one SELECT and nothing else")
    text = bytearray(script.text.encode())
    for offset, _ in duckdb.tokenize(script.text):
        if text[offset : offset + 1] == b";":
            text[offset : offset + 1] = b" "
    return text.decode()


def _types(script: Script, relation: duckdb.DuckDBPyRelation, contract: type[Contract]) -> dict[str, str]:
    """Return the SQL type of each of the contract's columns that the SELECT returns, having checked them all."""
    columns = {column.name: column for column in contract.columns()}
    returned = [name.lower() for name in relation.columns]
    problems = {
        "returns twice": [name for name in columns if returned.count(name) > 1],
        "does not return": [name for name, column in columns.items() if not column.nullable and name not in returned],
        f"returns what {contract.entity} do not have:": [
            name for name in relation.columns if name.lower() not in columns
        ],
    }
    if told := [f"{what} {', '.join(names)}" for what, names in problems.items() if names]:
        raise StageError(f"{script.path} {'; '.join(told)}")
    types = dict(zip(returned, map(str, relation.types), strict=True))
    if told := [f"{name} is {type_}: {advice}" for name, type_ in types.items() if (advice := _advice(type_))]:
        raise StageError(f"{script.path}: {'; '.join(told)}")
    return types


def _advice(sql_type: str) -> str | None:
    """Tell what to cast a type to that has no one way to be written as text; None for those that have."""
    if sql_type in ("DOUBLE", "FLOAT"):
        return "floats are not exact, cast it to DECIMAL, or better the text it comes from"
    if sql_type in ("DATE", "TIMESTAMP_NS"):
        return "cast it to TIMESTAMP"
    if sql_type in (*_AS_IT_IS, *_UNSIGNED, *_LOCAL_TIMES, "VARCHAR", "TIMESTAMP WITH TIME ZONE"):
        return None
    return None if sql_type.startswith("DECIMAL(") else "cast it to VARCHAR"


def _rendering(contract: type[Contract], types: dict[str, str]) -> str:
    """Write the SQL that makes of returned rows: line, key, event time, its day, and the version within key and day."""
    columns = contract.columns()
    texts = ", ".join(f"{_as_text(name, sql_type)} AS {quoted(name)}" for name, sql_type in types.items())
    line = " || ',' || ".join(_as_field(column.name, types) for column in columns)
    keys = ", ".join(_as_key(column) for column in columns if column.name in contract.key)
    known = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in contract.key)
    return f"""
        CREATE TABLE {SCHEMA}.{contract.entity} AS
        WITH texts AS (SELECT {texts} FROM {SCHEMA}.{contract.entity}_returned),
        lines AS (
            SELECT
                {line} || chr(10) AS line,
                row({keys}) AS key,
                {known} AS is_known,
                {_as_instant(contract.event_time)} AS event,
                {_as_instant(contract.change_time)} AS changed
            FROM texts
        ),
        dated AS (
            SELECT *, event::DATE AS day, is_known AND event IS NOT NULL AND changed IS NOT NULL AS folds
            FROM lines
        )
        -- What its contract will reject in any case is no version of anything, and stays.
        SELECT line, key, event, day,
            CASE WHEN folds
                THEN row_number() OVER (PARTITION BY folds, key, day ORDER BY changed DESC, line)
                ELSE 1
            END AS version
        FROM dated
    """


def _as_text(name: str, sql_type: str) -> str:
    """Write the SQL of a column's canonical text; empty text is null."""
    column = quoted(name)
    if sql_type == "VARCHAR":
        return f"nullif({column}, '')"
    if sql_type.startswith("DECIMAL"):  # DuckDB writes 0.5 of DECIMAL(3,3) as .5
        return rf"regexp_replace({column}::VARCHAR, '^(-?)\.', '\10.')"
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        column = f"({column} AT TIME ZONE 'UTC')"
    if sql_type.startswith("TIMESTAMP"):
        # Microseconds only where there are some.
        return f"replace(strftime({column}::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%fZ'), '.000000Z', 'Z')"
    return f"{column}::VARCHAR"


def _as_field(name: str, types: dict[str, str]) -> str:
    """Write the SQL of a field of canonical CSV: text is in quotes where it holds a comma, a quote, CR or LF."""
    column, sql_type = quoted(name), types.get(name)
    if sql_type is None:
        return "''"
    if sql_type == "VARCHAR":
        in_quotes = f"""'"' || replace({column}, '"', '""') || '"'"""
        column = f"""CASE WHEN regexp_matches({column}, '[,"\\r\\n]') THEN {in_quotes} ELSE {column} END"""
    return f"coalesce({column}, '')"


def _as_key(column: Column) -> str:
    """Write the SQL of a part of the key: numbers are in the order of numbers."""
    name = quoted(column.name)
    return f"try_cast({name} AS BIGINT), {name}" if column.type.kind == "integer" else name


def _as_instant(name: str) -> str:
    """Write the SQL of the UTC time that a text stands for by the contracts' type of times, null where it is none."""
    column = quoted(name)
    instant = f"(try_cast({column} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')"
    return (
        f"CASE WHEN regexp_matches({column}, '{TIMESTAMP.pattern}') "
        f"AND year({instant}) BETWEEN {FIRST_YEAR} AND {LAST_YEAR} THEN {instant} END"
    )


def _told(script: Script, error: duckdb.Error) -> StageError:
    """Say in one line where and why SQL failed."""
    words = str(error)
    line = re.search(r"^LINE (\d+):", words, re.MULTILINE)
    return StageError(f"{script.path}{f', line {line[1]}' if line else ''}: {words.splitlines()[0]}")
