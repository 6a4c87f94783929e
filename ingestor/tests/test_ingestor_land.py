"""A shop that somebody brings by writing a folder of SQL and an export.toml, and nothing else."""

import json
from pathlib import Path

import pytest

from ingestor.cli import main
from libs.entities import ENTITIES
from libs.storage.store import checksums_of

HEADERS = {entity: ",".join(c.name for c in contract.columns()) + "\n" for entity, contract in ENTITIES.items()}

# cp1252, semicolons, decimal commas, local times around the end of summer time, `#` in the names of orders; a short
# row, one with a semicolon too many, one with a byte that cp1252 does not know, one without a date, and the first order
# once more, with a quoted remark over two lines.
AUTUMN = b"\r\n".join(
    [
        b"Nr;Kunde;Datum;Waren;Versand;Bemerkung",
        b"#1001;M\xfcller;2024-10-27 01:30:00;1.234,50;4,90;",
        b"#1002;\xd6zt\xfcrk;2024-10-27 02:30:00;10,00;0,00",
        b"#1003;M\xfcller;2024-10-28 00:30:00;0,99;0,00;eins;zwei",
        b"#1004;\x81;2024-10-27 12:00:00;1,00;0,00;",
        b"",
        b"#1005;Schmidt;unbekannt;7,00;0,00;",
        b'#1001;M\xfcller;2024-10-27 01:30:00;1.234,50;0,00;"storniert',
        b'auf Wunsch, ""sofort""; gr\xfc\xdfen"',
    ]
)

# The same, with another order of columns and one more.
WINTER = """Datum;Land;Nr;Kunde;Waren;Versand;Bemerkung
2024-10-29 09:00:00;Österreich;#1006;Gruber;5,00;1,00;
""".encode("cp1252")

EXPORT = {
    "export.toml": """
        time_zone = "Europe/Berlin"
        currency = "EUR"
        [tables.bestellungen]
        files = "*/Bestellungen_*.csv"
        encoding = "cp1252"
        delimiter = ";"
    """,
    "prepare.sql": r"""
        CREATE MACRO betrag(t) AS try_cast(replace(replace(t, '.', ''), ',', '.') AS DECIMAL(18, 2));
        CREATE MACRO moment(t) AS timezone(getvariable('time_zone'), try_strptime(t, '%Y-%m-%d %H:%M:%S'));
    """,
    "orders.sql": """
        -- The amounts are the documents' own; the remark goes on behind its semicolons.
        SELECT
            Nr AS order_id,
            strip_accents(Kunde) AS customer_id,
            'sale' AS kind,
            if(Bemerkung LIKE 'storniert%', 'cancelled', 'created') AS status,
            getvariable('currency') AS currency,
            betrag(Waren) AS subtotal,
            0 AS discount,
            0 AS tax,
            betrag(Versand) AS shipping,
            0.0 AS other,
            betrag(Waren) + betrag(Versand) AS total,
            concat_ws(';', Bemerkung, array_to_string(_rest, ';')) AS channel,
            c.alpha_2 AS ship_country_code,
            moment(Datum) AS ordered_at,
            moment(Datum) + to_minutes(_row::INTEGER) AS updated_at
        FROM bestellungen
        LEFT JOIN countries AS c ON c.name = if(Land = 'Österreich', 'Austria', Land);
    """,
    "customers.sql": """
        SELECT DISTINCT ON (Kunde)
            strip_accents(Kunde) AS customer_id, Kunde AS last_name,
            min(moment(Datum)) OVER w AS created_at, max(moment(Datum)) OVER w AS updated_at
        FROM bestellungen WHERE Kunde IS NOT NULL
        WINDOW w AS (PARTITION BY Kunde) ORDER BY ALL
    """,
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in EXPORT.items():
        write(tmp_path / "my-shop" / name, text.encode())
    write(tmp_path / "files/2024/Bestellungen_1.csv", AUTUMN)
    write(tmp_path / "files/2025/Bestellungen_2.csv", WINTER)
    return tmp_path


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def land(shop: Path, dest: str = "lake", *options: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["land", "--export", f"{shop}/my-shop", "--input", f"{shop}/files", "--dest", f"{shop}/{dest}", *options])
    return int(ended.value.code or 0)


def landed(lake: Path) -> dict[str, str]:
    return {path.name: path.read_bytes().decode() for path in sorted((lake / "landing").rglob("*.csv"))}


def checksums(lake: Path) -> dict[str, str]:
    found = {}
    for path in sorted(lake.rglob("*.csv")):
        with path.open("rb") as stream:
            found[str(path.relative_to(lake))] = checksums_of(stream).sha256
    return found


def test_a_shop_lands_by_the_day_of_utc_in_canonical_csv(shop: Path) -> None:
    assert land(shop) == 0

    files = landed(shop / "lake")

    def orders(day: str, *lines: str) -> str:
        assert files[f"orders_{day}.csv"] == HEADERS["orders"] + "".join(line + "\n" for line in lines)
        return day

    seen = {
        # Half past one is summer time, the evening before in UTC. The later version of the same day stays.
        # Rows without a day come behind: the one with no date, and the one that cannot be read.
        orders(
            "2024-10-26",
            "#1001,Muller,sale,,cancelled,EUR,1234.50,0,0,0.00,0.0,1234.50,,"
            '"storniert\r\nauf Wunsch, ""sofort""; grüßen",,,,,,'
            "2024-10-26T23:30:00Z,,,,,,2024-10-26T23:36:00Z",
            "#1005,Schmidt,sale,,created,EUR,7.00,0,0,0.00,0.0,7.00,,,,,,,,,,,,,,",
            r',,sale,,created,EUR,,0,0,,0.0,,,"#1004;\x81;2024-10-27 12:00:00;1,00;0,00;",,,,,,,,,,,,',
        ),
        # The hour that the clock strikes twice is taken for the second, in winter time.
        orders(
            "2024-10-27",
            "#1002,Ozturk,sale,,created,EUR,10.00,0,0,0.00,0.0,10.00,,,,,,,,"
            "2024-10-27T01:30:00Z,,,,,,2024-10-27T01:32:00Z",
            "#1003,Muller,sale,,created,EUR,0.99,0,0,0.00,0.0,0.99,,eins;zwei,,,,,,"
            "2024-10-27T23:30:00Z,,,,,,2024-10-27T23:33:00Z",
        ),
        orders("2024-10-28"),
        orders(
            "2024-10-29",
            "#1006,Gruber,sale,,created,EUR,5.00,0,0,1.00,0.0,6.00,,,,,,,AT,"
            "2024-10-29T08:00:00Z,,,,,,2024-10-29T08:01:00Z",
        ),
    }
    assert seen == {name.removeprefix("orders_").removesuffix(".csv") for name in files if name.startswith("orders_")}


def test_every_day_has_all_entities_whatever_the_shop_has(shop: Path) -> None:
    assert land(shop) == 0

    files = landed(shop / "lake")

    days = ("2024-10-26", "2024-10-27", "2024-10-28", "2024-10-29")
    assert set(files) == {f"{entity}_{day}.csv" for entity in ENTITIES for day in days}
    for entity in ("products", "order_items", "payments"):
        assert {files[f"{entity}_{day}.csv"] for day in days} == {HEADERS[entity]}
    assert files["customers_2024-10-28.csv"] == HEADERS["customers"]


def test_the_report_accounts_for_every_row(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert land(shop, "lake", "--json") == 0

    report = json.loads(capsys.readouterr().out)

    assert report["accounts"]["files"] == [
        {
            "table": "bestellungen",
            "file": "2024/Bestellungen_1.csv",
            "rows": 6,
            "short": 1,
            "surplus": 1,
            "damaged": 1,
        },
        {"table": "bestellungen", "file": "2025/Bestellungen_2.csv", "rows": 1, "short": 0, "surplus": 0, "damaged": 0},
    ]
    assert report["accounts"]["entities"] == {
        "customers": {"returned": 4, "landed": 4, "folded": 0, "undated": 1},
        "orders": {"returned": 7, "landed": 6, "folded": 1, "undated": 2},
    }
    assert [report["accounts"][name] for name in ("first_day", "last_day", "days")] == ["2024-10-26", "2024-10-29", 4]
    assert {entity: (sums["done"], sums["rows"]) for entity, sums in report["totals"].items()} == {
        "customers": (4, 4),
        "products": (4, 0),
        "orders": (4, 6),
        "order_items": (4, 0),
        "payments": (4, 0),
    }


def test_people_read_the_same_accounts(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert land(shop) == 0

    printed = capsys.readouterr().out

    told = "2024/Bestellungen_1.csv: 6 rows into bestellungen (1 short, 1 with surplus fields, 1 damaged)"
    assert told in printed
    assert "orders: 7 rows returned - 1 earlier versions of the same day = 6 landed (2 without a usable day" in printed
    assert "4 days, 2024-10-26 to 2024-10-29" in printed


def test_landing_twice_changes_nothing_and_elsewhere_gives_the_same_bytes(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert land(shop) == 0
    first = checksums(shop / "lake")
    times = {path: path.stat().st_mtime_ns for path in (shop / "lake").rglob("*.csv")}
    capsys.readouterr()

    assert land(shop, "lake", "--json") == 0
    assert land(shop, "elsewhere") == 0

    totals = json.loads(capsys.readouterr().out.partition("\ningestor land")[0])["totals"]
    assert {(sums["done"], sums["unchanged"]) for sums in totals.values()} == {(0, 4)}
    assert times == {path: path.stat().st_mtime_ns for path in (shop / "lake").rglob("*.csv")}
    assert first == checksums(shop / "elsewhere")


def test_only_what_changed_is_written_again(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert land(shop) == 0
    damaged = shop / "lake" / "landing/ecommerce/2024-10-27/orders_2024-10-27.csv"
    good = damaged.read_bytes()
    damaged.write_bytes(good.replace(b"10.00", b"99.99"))
    capsys.readouterr()

    assert land(shop, "lake", "--json") == 0

    outcomes = json.loads(capsys.readouterr().out)["outcomes"]
    assert [(o["entity"], o["day"]) for o in outcomes if o["status"] == "done"] == [("orders", "2024-10-27")]
    assert damaged.read_bytes() == good


def test_a_header_alone_in_every_file_has_no_day_to_land(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (shop / "files").rglob("*.csv"):
        path.write_bytes(path.read_bytes().partition(b"\n")[0])

    assert land(shop) == 1

    assert "no row of the export has a usable day" in capsys.readouterr().err
    assert not (shop / "lake").exists()


def test_rows_without_a_usable_day_are_what_ingestion_quarantines(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert land(shop) == 0
    capsys.readouterr()
    lake = f"{shop}/lake"

    with pytest.raises(SystemExit) as ended:
        main(f"ingest --date 2024-10-26 --to 2024-10-29 --source {lake} --dest {lake} --json".split())

    assert not ended.value.code
    totals = json.loads(capsys.readouterr().out)["totals"]
    counts = {entity: (sums["rows"], sums["quarantined"]) for entity, sums in totals.items()}
    assert counts["orders"] == (6, 2)
    assert counts["customers"] == (4, 1)
