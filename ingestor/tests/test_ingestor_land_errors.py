"""Bad calls, bad exports, bad files: each one clear line, an exit code, and nothing written."""

from pathlib import Path

import pytest

from ingestor.cli import main

SETTINGS = '[tables.sales]\nfiles = "sales.csv"\n'
SALES = b"id,amount,moment\n1,2.50,2025-11-15T10:00:00Z\n"
ORDERS = """
    SELECT id AS order_id, 'sale' AS kind, 'created' AS status, 'EUR' AS currency, amount AS subtotal, 0 AS discount,
        0 AS tax, 0 AS shipping, 0 AS other, amount AS total, moment AS ordered_at, moment AS updated_at
    FROM sales
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "my-shop").mkdir()
    (tmp_path / "files").mkdir()
    (tmp_path / "my-shop/export.toml").write_text(SETTINGS)
    (tmp_path / "my-shop/orders.sql").write_text(ORDERS)
    (tmp_path / "files/sales.csv").write_bytes(SALES)
    return tmp_path


def refused(shop: Path, capsys: pytest.CaptureFixture[str], **options: str) -> tuple[int, str]:
    """Land, expect one line on stderr and nothing written; return exit code and line."""
    given = {"export": f"{shop}/my-shop", "input": f"{shop}/files", "dest": f"{shop}/lake", **options}
    with pytest.raises(SystemExit) as ended:
        main(["land", *(text for name, value in given.items() for text in (f"--{name}", value))])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("ingestor land: ")
    assert printed.err.count("\n") == 1
    assert not (shop / "lake").exists()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.err


def test_the_shop_of_these_tests_lands(shop: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["land", "--export", f"{shop}/my-shop", "--input", f"{shop}/files", "--dest", f"{shop}/lake"])

    assert ended.value.code == 0
    assert len(list((shop / "lake").rglob("*.csv"))) == 5


def test_an_unknown_export_is_answered_with_the_known_ones(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = refused(shop, capsys, export="shopfy")

    assert code == 2
    assert "'shopfy'" in line
    assert "olist" in line


def test_an_input_folder_that_is_not_there_is_named(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = refused(shop, capsys, input=f"{shop}/fils")

    assert code == 2
    assert f"{shop}/fils" in line


def test_a_destination_that_cannot_be_written_is_named_once(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "blocked").write_text("a file where a folder should be")

    code, line = refused(shop, capsys, dest=f"{shop}/blocked")

    assert code == 1
    assert f"{shop}/blocked" in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tables = ", "is no TOML"),
        ("", "tables: Field required"),
        ("[tables]", "tables: Dictionary should have at least 1 item"),
        ("[tables.sales]", "tables.sales.files: Field required"),
        (SETTINGS + "delimeter = ';'", "tables.sales.delimeter: Extra inputs are not permitted"),
        (SETTINGS + "delimiter = ';;'", "tables.sales.delimiter: ';;' is no delimiter"),
        (SETTINGS + "delimiter = '\"'", "tables.sales.delimiter: '\"' is no delimiter"),
        (SETTINGS + "encoding = 'cp125'", "tables.sales.encoding: 'cp125' is no encoding"),
        (SETTINGS + "encoding = 'hex'", "tables.sales.encoding: 'hex' is no encoding"),
        ("time_zone = 'Europe/Berlim'\n" + SETTINGS, "time_zone: 'Europe/Berlim' is no time zone"),
        ("currency = 'EURO'\n" + SETTINGS, "currency: 'EURO' is no ISO 4217 currency"),
        ("[tables.countries]\nfiles = 'sales.csv'", "'countries' is no name for a table"),
        ("[tables.'sales; drop']\nfiles = 'sales.csv'", "'sales; drop' is no name for a table"),
        ("[tables.sales]\nfiles = '../sales.csv'", "'../sales.csv' is no pattern"),
        ("[tables.sales]\nfiles = '/etc/*'", "'/etc/*' is no pattern"),
        ("[tables.sales]\nfiles = '**.csv'", "'**.csv' is no pattern"),
        ("[tables.sales]\nfiles = 'sale_*.csv'", "matches 'sale_*.csv' (table sales)"),
    ],
)
def test_settings_that_cannot_be_are_told_by_name(
    shop: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    (shop / "my-shop/export.toml").write_text(text)

    code, line = refused(shop, capsys)

    assert code == 1
    assert says in line


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("\nSELECT nothing FROM sales", 'orders.sql: Binder Error: Referenced column "nothing" not found'),
        ("SELEC 1", 'orders.sql, line 1: Parser Error: syntax error at or near "SELEC"'),
        (ORDERS + "; SELECT 1", "orders.sql: expected one SELECT and nothing else"),
        ("CREATE TABLE t (a INTEGER)", "orders.sql: expected one SELECT and nothing else"),
        ("-- to do", "orders.sql: expected one SELECT and nothing else"),
        (ORDERS.replace("amount AS total", "amount::DOUBLE AS total"), "total is DOUBLE: floats are not exact"),
        (ORDERS.replace("amount AS total", "2.5e0::FLOAT AS total"), "total is FLOAT: floats are not exact"),
        (
            ORDERS.replace("moment AS ordered_at", "moment::DATE AS ordered_at"),
            "ordered_at is DATE: cast it to TIMESTAMP",
        ),
        (ORDERS.replace("id AS order_id", "[id] AS order_id"), "order_id is VARCHAR[]: cast it to VARCHAR"),
        (ORDERS.replace("amount AS total, moment AS ordered_at,", ""), "orders.sql does not return total, ordered_at"),
        (ORDERS.replace("0 AS tax", "0 AS tax, 1 AS vat, 2 AS gst"), "returns what orders do not have: vat, gst"),
        (ORDERS.replace("0 AS tax", "0 AS tax, 1 AS Tax"), "returns twice tax"),
        (
            ORDERS.replace("amount AS total", "amount::INTEGER + 'x'::INTEGER AS total"),
            "orders.sql, line 3: Conversion",
        ),
        ("SELECT * FROM read_text('/etc/hostname')", "file system operations are disabled"),
        ("SELECT * FROM '/etc/hostname'", "does not exist"),
    ],
)
def test_sql_that_fails_is_told_in_a_line(shop: Path, capsys: pytest.CaptureFixture[str], sql: str, says: str) -> None:
    (shop / "my-shop/orders.sql").write_text(sql)

    code, line = refused(shop, capsys)

    assert code == 1
    assert says in line
    assert str(shop / "my-shop/orders.sql") in line


def test_one_select_that_fails_leaves_nothing_of_the_others(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "my-shop/payments.sql").write_text("SELECT 1 AS payment_id")

    code, line = refused(shop, capsys)

    assert code == 1
    assert "payments.sql does not return kind, method, status, amount, currency, paid_at, updated_at" in line


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("CREATE VIEW v AS SELECT * FROM nowhere", "Table with name nowhere does not exist"),
        ("COPY sales TO 'stolen.csv'", "file system operations are disabled"),
        ("INSTALL httpfs", "file system operations are disabled"),
        ("SET enable_external_access = true", "configuration has been locked"),
    ],
)
def test_preparing_cannot_fail_silently_nor_reach_out(
    shop: Path, capsys: pytest.CaptureFixture[str], sql: str, says: str
) -> None:
    (shop / "my-shop/prepare.sql").write_text(sql)

    code, line = refused(shop, capsys)

    assert code == 1
    assert says in line
    assert "prepare.sql" in line


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"id,at,id\n", "names a column twice (upper and lower case are one): 'id'"),
        (b"id,at,ID\n", "names a column twice (upper and lower case are one): 'ID'"),
        (b"id,_row\n", "'_row', a name that is kept"),
        (b"id,\xff\n", "the header of"),
    ],
)
def test_a_file_whose_header_cannot_serve_is_named(
    shop: Path, capsys: pytest.CaptureFixture[str], data: bytes, says: str
) -> None:
    (shop / "files/sales.csv").write_bytes(data)

    code, line = refused(shop, capsys)

    assert code == 1
    assert says in line
    assert f"{shop}/files/sales.csv" in line


def test_a_file_that_is_not_of_its_encoding_at_all_is_named(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "my-shop/export.toml").write_text(SETTINGS + "encoding = 'utf-16'")
    (shop / "files/sales.csv").write_bytes(SALES.decode().encode("utf-16") + b"x")

    code, line = refused(shop, capsys)

    assert code == 1
    assert "sales.csv cannot be read as utf-16" in line


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("export.toml", None, "is no export: it holds no export.toml"),
        ("orders.sql", None, "holds no SELECT"),
        ("order.sql", b"SELECT 1", "order.sql is of no entity"),
        ("prepare.sql", b"\xff", "prepare.sql is not UTF-8 at byte 1"),
    ],
)
def test_a_folder_that_is_no_export_is_told_what_it_lacks(
    shop: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes | None, says: str
) -> None:
    if data is None:
        (shop / "my-shop" / name).unlink()
    else:
        (shop / "my-shop" / name).write_bytes(data)

    code, line = refused(shop, capsys)

    assert code == 1
    assert says in line
