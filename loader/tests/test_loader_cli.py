"""The command line of the loader: exit codes, one clear line for each error, the report."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import pytest
from loader_samples import DAY, DAYS, content, put, query, rows

from libs import layout
from libs.entities import ENTITIES
from libs.storage.local import LocalStore
from loader.cli import main

README = Path(__file__).parents[1] / "README.md"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in an empty folder, with no WAREHOUSE; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WAREHOUSE", raising=False)

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["load", *map(str, arguments)])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(str(tmp_path / "store"))
    for entity in ENTITIES:
        for day in DAYS:
            put(store, entity, day, rows(entity, 2))
    return store


@contextmanager
def held(warehouse: Path, *, read_only: bool, seconds: float) -> Iterator[int]:
    """Let another process have the warehouse open for a while; yield its id."""
    code = (
        "import duckdb, select, sys; c = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'True');"
        "print('open', flush=True); select.select([sys.stdin], [], [], float(sys.argv[3])); c.close()"
    )
    command = [sys.executable, "-c", code, warehouse, str(read_only), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "open\n"
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_range_of_all_entities_is_loaded_into_the_default_warehouse(
    run: Run, store: LocalStore, tmp_path: Path
) -> None:
    code, out, err = run("--date", DAYS[0], "--to", DAYS[-1], "--source", store.uri)

    assert (code, err) == (0, "")
    assert re.search(r"orders +3 +0 +6", out)
    found = content(tmp_path / ".data" / "warehouse" / "shop.duckdb")
    assert {table: len(lines) for table, lines in found.items()} == {**dict.fromkeys(ENTITIES, 6), "_loads": 15}


def test_the_environment_names_the_warehouse_and_the_option_goes_before_it(
    run: Run, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE", str(tmp_path / "named" / "a.duckdb"))

    run("--date", DAY, "--source", store.uri)
    run("--date", DAY, "--source", store.uri, "--warehouse", "b.duckdb")

    assert content(tmp_path / "named" / "a.duckdb") == content(tmp_path / "b.duckdb")


def test_the_json_report_says_what_became_of_each_partition(run: Run, store: LocalStore) -> None:
    code, out, _ = run("--entity", "orders", "--date", DAY, "--source", store.uri, "--warehouse", "w.duckdb", "--json")

    report = json.loads(out)
    assert code == report["exit_code"] == 0
    assert report["outcomes"] == [
        {
            "entity": "orders",
            "day": "2025-11-15",
            "status": "done",
            "inserted": 2,
            "deleted": 0,
            "skipped": 0,
            "revision": 1,
            "validated": 2,
            "source_object": "validated_raw/orders/2025/11/15/orders.csv",
            "warehouse": "w.duckdb",
        }
    ]


def test_a_second_run_is_reported_as_unchanged_and_a_forced_one_as_done(run: Run, store: LocalStore) -> None:
    arguments = ("--entity", "orders", "--date", DAY, "--source", store.uri, "--json")
    totals = [json.loads(run(*arguments, *more)[1])["totals"]["orders"] for more in ((), (), ("--force",))]

    assert [(t["done"], t["unchanged"], t["inserted"], t["deleted"], t["skipped"]) for t in totals] == [
        (1, 0, 2, 0, 0),
        (0, 1, 0, 0, 2),
        (1, 0, 2, 2, 0),
    ]


def test_a_failed_partition_gives_one_line_and_exit_code_1_and_the_others_are_loaded(
    run: Run, store: LocalStore
) -> None:
    store.delete(layout.manifest("orders", DAYS[1]))

    code, _, err = run("--date", DAYS[0], "--to", DAYS[-1], "--source", store.uri, "--warehouse", "w.duckdb")

    assert code == 1
    assert err.count("\n") == 1
    assert err.startswith(f"loader load: failed orders {DAYS[1]}: was never ingested: run `ingestor ingest")
    assert query(Path("w.duckdb"), "SELECT count(*) FROM landing._loads") == [(14,)]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--entity", "nonsense"), 2, "unknown entity 'nonsense': use one of customers, "),
        (("--date", "2025-02-30"), 2, "'2025-02-30' is no day of the calendar"),
        (("--to", "2025-11-14"), 2, "--to 2025-11-14 is before --date 2025-11-15"),
        (("--source", "ftp://shop"), 2, "'ftp://shop' is no store"),
        (("--target", "oracle"), 2, "--target: invalid choice: 'oracle'"),
        (("--lock-wait", "soon"), 2, "'soon' is no number of seconds"),
        (("--lock-wait", "-1"), 2, "'-1' is no number of seconds"),
        (("--lock-wait", "nan"), 2, "'nan' is no number of seconds"),
        (("--warehouse", ""), 2, "'' is no path of a file"),
        (("--source", "nowhere"), 1, "nowhere holds no manifests"),
        (("--warehouse", "store"), 1, "store is a folder: let --warehouse name a file, such as store/shop.duckdb"),
        (("--warehouse", "text.duckdb"), 1, "text.duckdb is no DuckDB file"),
        (("--warehouse", "text.duckdb/shop.duckdb"), 1, "cannot make the warehouse text.duckdb/shop.duckdb"),
        (("--warehouse", "landing.duckdb"), 2, "a warehouse cannot be named landing.duckdb"),
        (("--warehouse", "Marts.db"), 2, "a warehouse cannot be named Marts.db"),
        (("--warehouse", "staging"), 2, "a warehouse cannot be named staging"),
    ],
)
def test_a_bad_call_gives_one_clear_line_and_makes_no_warehouse(
    arguments: tuple[str, ...], code: int, said: str, run: Run, store: LocalStore, tmp_path: Path
) -> None:
    Path("text.duckdb").write_text("no database" * 1000)
    before = sorted(tmp_path.rglob("*"))

    found, out, err = run("--date", DAY, "--source", store.uri, *arguments)

    assert (found, out) == (code, "")
    assert err.count("\n") == 1
    assert err.startswith("loader load: ")
    assert said in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("read_only", [True, False])
def test_a_locked_warehouse_is_waited_for_and_then_its_holder_named(
    read_only: bool, run: Run, store: LocalStore
) -> None:
    warehouse = Path("w.duckdb")
    run("--date", DAYS[0], "--source", store.uri, "--warehouse", warehouse)

    with held(warehouse, read_only=read_only, seconds=60) as holder:
        code, out, err = run("--date", DAY, "--source", store.uri, "--warehouse", warehouse, "--lock-wait", 0.3)

    assert (code, out) == (1, "")
    waiting, gave_up = err.splitlines()
    assert waiting.startswith(f"loader load: the warehouse w.duckdb is in use by PID {holder} (")
    assert waiting.endswith("waiting up to 0.3 s")
    assert f"PID {holder} (" in gave_up
    assert gave_up.endswith("waited 0.3 s: close what has it open, then run again")


def test_a_warehouse_that_is_freed_in_time_is_loaded(run: Run, store: LocalStore) -> None:
    warehouse = Path("w.duckdb")
    run("--date", DAYS[0], "--source", store.uri, "--warehouse", warehouse)

    with held(warehouse, read_only=False, seconds=0.5):
        code, _, err = run("--date", DAYS[1], "--source", store.uri, "--warehouse", warehouse, "--lock-wait", 30)

    assert code == 0
    assert "waiting up to 30 s" in err
    assert query(warehouse, "SELECT count(*) FROM landing._loads") == [(10,)]


@pytest.mark.parametrize("folder", ["a b", "[x]*", "key=value", "Ünïcode'", "x;y"])
def test_any_folder_may_hold_store_warehouse_and_temporary_files(
    folder: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / folder
    odd.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    store = LocalStore(str(odd / "store"))
    put(store, "orders", DAY, rows("orders", 2))

    code, _, err = run("--entity", "orders", "--date", DAY, "--source", store.uri, "--warehouse", odd / "w.duckdb")

    assert (code, err) == (0, "")
    assert query(odd / "w.duckdb", "SELECT count(*) FROM landing.orders") == [(2,)]
    assert sorted(path.name for path in odd.iterdir()) == ["store", "w.duckdb"]


def test_a_warehouse_that_this_process_has_open_otherwise_gives_one_line(run: Run, store: LocalStore) -> None:
    with duckdb.connect("w.duckdb"):
        code, _, err = run("--date", DAY, "--source", store.uri, "--warehouse", "w.duckdb")

    assert code == 1
    assert err.startswith("loader load: cannot open the warehouse w.duckdb: ")
    assert err.count("\n") == 1


def test_nothing_is_fetched_when_a_warehouse_is_opened(run: Run, store: LocalStore) -> None:
    from loader.targets.duckdb import open_duckdb

    with open_duckdb(Path("w.duckdb"), 0, pytest.fail) as target:
        settings = target._connection.execute(
            "SELECT value FROM duckdb_settings() WHERE name IN "
            "('autoinstall_known_extensions', 'autoload_known_extensions')"
        ).fetchall()

    assert settings == [("false",), ("false",)]


def test_each_outcome_of_the_readme_is_held_by_a_test_that_exists() -> None:
    table = README.read_text().partition("## Outcomes")[2].partition("\n## ")[0]
    named = re.findall(r"`(test_\w+)`", table)
    written = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))

    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 10
    assert all("`test_" in line for line in lines)
    assert [name for name in named if f"def {name}(" not in written] == []


def test_the_readme_shows_each_option_and_each_table(run: Run) -> None:
    code, usage, _ = run("--help")
    readme = README.read_text()

    assert code == 0
    assert [option for option in set(re.findall(r"--[a-z-]+", usage)) - {"--help"} if option not in readme] == []
    assert [entity for entity in ENTITIES if f"landing.{entity}" not in readme] == []


def test_the_stage_runs_as_a_module(store: LocalStore, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loader", "load", "--date", str(date(2030, 1, 1)), "--source", store.uri],
        cwd=tmp_path,
        env={"WAREHOUSE": str(tmp_path / "w.duckdb")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert ["was never ingested" in line for line in done.stderr.splitlines()] == [True] * 5
    assert duckdb.connect(tmp_path / "w.duckdb", read_only=True).close() is None
