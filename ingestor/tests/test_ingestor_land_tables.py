"""A shop's files as tables of text: nothing is guessed, nothing is shifted, nothing vanishes."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor import canonical
from ingestor.export import Script, Table
from ingestor.export_rows import by_day, select, span
from ingestor.export_tables import BATCH_ROWS, load
from libs.contracts.customers import Customer


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, columns: str = "*") -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT {columns} FROM t ORDER BY _file, _row").fetchall()


def test_what_duckdb_would_guess_stays_text(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'n,x\n#1001,007\n"",NULL\n1e3, 2024-01-01 \n')

    load(database, "t", Table(files="*.csv"), tmp_path)

    assert rows(database) == [
        ("#1001", "007", "a.csv", 1, None),
        (None, "NULL", "a.csv", 2, None),
        ("1e3", " 2024-01-01 ", "a.csv", 3, None),
    ]


def test_files_of_a_pattern_are_joined_by_name(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "2024").mkdir()
    (tmp_path / "2024/b.csv").write_bytes(b"y,X,new\n1,2,3\n")
    (tmp_path / "a.csv").write_bytes(b"x,y\n4,5\n")

    accounts = load(database, "t", Table(files="**/*.csv"), tmp_path)

    assert [(account.file, account.rows) for account in accounts] == [("2024/b.csv", 1), ("a.csv", 1)]
    assert rows(database, "x, y, new, _file") == [("2", "1", "3", "2024/b.csv"), ("4", "5", None, "a.csv")]


def test_names_of_columns_may_be_anything(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('order,"a ""b""",,É,é\n1,2,3,4,5\n'.encode())

    load(database, "t", Table(files="a.csv"), tmp_path)

    assert rows(database, '"order", "a ""b""", _column_3, "É", "é"') == [("1", "2", "3", "4", "5")]


def test_ragged_records_keep_their_columns_and_the_rest(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x,y,z\n1\n\n1,2,3,4,,6\n1,2,3\n")

    [account] = load(database, "t", Table(files="a.csv"), tmp_path)

    assert (account.rows, account.short, account.surplus, account.damaged) == (3, 1, 1, 0)
    assert rows(database, "x, y, z, _row, _rest") == [
        ("1", None, None, 1, None),
        ("1", "2", "3", 2, ["4", "", "6"]),
        ("1", "2", "3", 3, None),
    ]


def test_damaged_records_are_there_as_text(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'x,y\n1,\xff\n2,\0\n"3"x,4\n5,6\n')

    [account] = load(database, "t", Table(files="a.csv"), tmp_path)

    assert (account.rows, account.damaged) == (4, 3)
    assert rows(database, "x, y, _row, _rest") == [
        (None, None, 1, [r"1,\xff"]),
        (None, None, 2, [r"2,\x00"]),
        (None, None, 3, ['"3"x,4']),
        ("5", "6", 4, None),
    ]


def test_a_byte_that_an_encoding_does_not_know_damages_its_record(
    database: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    # The two bytes would be a letter if they were passed on as they are.
    (tmp_path / "a.csv").write_bytes(b"x\n1\n\xc3\xa9\n2\n")

    [account] = load(database, "t", Table(files="a.csv", encoding="ascii"), tmp_path)

    assert account.damaged == 1
    assert rows(database, "x, _rest") == [("1", None), (None, [r"\xc3\xa9"]), ("2", None)]


def test_more_records_than_a_batch_are_all_there(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n" + "".join(f"{n}\n" for n in range(1, BATCH_ROWS + 3)))

    [account] = load(database, "t", Table(files="a.csv"), tmp_path)

    assert account.rows == BATCH_ROWS + 2
    assert rows(database, "x") == [(str(n),) for n in range(1, BATCH_ROWS + 3)]


# What a field may hold: everything but NUL, which damages a record.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(
    records=st.lists(st.tuples(TEXTS, TEXTS, TEXTS).filter(any), max_size=8),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-le", "utf-7", "gb18030"]),
    delimiter=st.sampled_from([",", ";", "\t", "|", "¦"]),
)
@settings(deadline=None, derandomize=True, max_examples=30)
def test_every_text_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[str, ...]], encoding: str, delimiter: str
) -> None:
    folder = tmp_path_factory.mktemp("files")
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("a", "b", "c"), *records])
    (folder / "x.csv").write_bytes(text.getvalue().encode(encoding))

    with duckdb.connect() as connection:
        load(connection, "t", Table(files="x.csv", encoding=encoding, delimiter=delimiter), folder)

        assert rows(connection, "a, b, c, _rest") == [(*(field or None for field in r), None) for r in records]


@given(names=st.lists(TEXTS | st.sampled_from(['"', "\r", "a\nb", ",", '""', " "]), min_size=1))
@settings(deadline=None, derandomize=True, max_examples=25)
def test_rows_are_written_as_canonical_csv(names: list[str]) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; CREATE TABLE t (id VARCHAR, name VARCHAR, moment TIMESTAMP)")
        values = [[f"{n}", name, "2024-01-01 00:00:00"] for n, name in enumerate(names)]
        connection.executemany("INSERT INTO t VALUES ($1, $2, $3)", values)
        sql = "SELECT id AS customer_id, name AS first_name, moment AS created_at, moment AS updated_at FROM t"
        select(connection, Script("customers.sql", sql), Customer)
        [day] = by_day(connection, ["customers"], span(connection, ["customers"])[0])

    time = "2024-01-01T00:00:00Z"
    rows = sorted((str(n), "", name, *[""] * 9, time, time) for n, name in enumerate(names))
    assert day.text == "".join(map(canonical.line, rows))


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("1::TINYINT", "1"),
        ("18446744073709551615", "18446744073709551615"),
        ("sum(2) OVER ()", "2"),
        ("-0.5::DECIMAL(3, 3)", "-0.500"),
        ("0.05", "0.05"),
        ("1e10::DECIMAL(18, 2)", "10000000000.00"),
        ("true", "true"),
        ("NULL", ""),
        ("''", ""),
        ("'a,b'", '"a,b"'),
        ("TIMESTAMP '2024-01-01 10:00:00'", "2024-01-01T10:00:00Z"),
        ("TIMESTAMP '2024-01-01 10:00:00.5'", "2024-01-01T10:00:00.500000Z"),
        ("TIMESTAMP_S '2024-01-01 10:00:00'", "2024-01-01T10:00:00Z"),
        ("TIMESTAMPTZ '2024-01-01 10:00:00+05:30'", "2024-01-01T04:30:00Z"),
        ("timezone('Europe/Berlin', TIMESTAMP '2024-03-31 02:30:00')", "2024-03-31T01:30:00Z"),
    ],
)
def test_values_of_every_type_have_one_text(database: duckdb.DuckDBPyConnection, sql: str, text: str) -> None:
    times = "'2024-01-01T00:00:00Z' AS created_at, '2024-01-01T00:00:00Z' AS updated_at"

    select(database, Script("customers.sql", f"SELECT 1 AS customer_id, {sql} AS email, {times}"), Customer)

    [day] = by_day(database, ["customers"], span(database, ["customers"])[0])
    assert day.text == f"1,{text}{',' * 10},2024-01-01T00:00:00Z,2024-01-01T00:00:00Z\n"


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2024-01-02T00:30:00+01:00", "2024-01-01"),
        ("2024-01-01T23:30:00", "2024-01-01"),
        ("2024-01-01T23:30:00.123456-03:30", "2024-01-02"),
        ("2024-01-01", None),
        ("2024-02-30T10:00:00Z", None),
        ("2024-01-01T10:00:60Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("1900-01-01T00:00:00+01:00", None),
        ("9999-12-31T00:00:00Z", None),
        ("yesterday", None),
    ],
)
def test_the_day_of_a_text_is_that_of_the_contract(
    database: duckdb.DuckDBPyConnection, time: str, day: str | None
) -> None:
    account = select(
        database,
        Script("customers.sql", f"SELECT 1 AS customer_id, '{time}' AS created_at, '{time}' AS updated_at"),
        Customer,
    )

    assert account.undated == (day is None)
    if day:
        assert [str(one) for one in span(database, ["customers"])] == [day, day]


def test_versions_fold_only_within_key_and_day(database: duckdb.DuckDBPyConnection) -> None:
    database.execute("""
        CREATE TABLE t AS FROM (VALUES
            ('a', 'old', '2024-01-01T10:00:00Z', '2024-01-01T10:00:00Z'),
            ('a', 'new', '2024-01-01T10:00:00Z', '2024-01-02T01:00:00+01:00'),
            ('a', 'late', '2024-01-01T10:00:00Z', '2024-01-01T23:59:59Z'),
            ('a', 'next day', '2024-01-02T10:00:00Z', '2024-01-02T10:00:00Z'),
            (NULL, 'no key', '2024-01-01T10:00:00Z', '2024-01-01T10:00:00Z'),
            (NULL, 'no key', '2024-01-01T10:00:00Z', '2024-01-01T10:00:00Z'),
            ('a', 'no day', 'x', '2024-01-01T10:00:00Z'),
            ('a', 'no day', 'y', '2024-01-01T10:00:00Z'),
            ('a', 'no change', '2024-01-01T10:00:00Z', NULL)
        ) AS v (id, name, created_at, updated_at)
    """)
    sql = "SELECT id AS customer_id, name AS email, created_at, updated_at FROM t"

    account = select(database, Script("customers.sql", sql), Customer)

    days = list(by_day(database, ["customers"], span(database, ["customers"])[0]))
    assert (account.returned, account.landed, account.folded, account.undated) == (9, 7, 2, 2)
    assert [[line.split(",")[1] for line in day.text.splitlines()] for day in days] == [
        ["new", "no change", "no key", "no key", "no day", "no day"],
        ["next day"],
    ]
