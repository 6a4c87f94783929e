"""Each bad call prints one clear line and exits with 1 (the data or the run) or 2 (the call)."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stages import call

DAY = ["--date", "2025-11-01"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one day, up to the warehouse."""
    data = tmp_path_factory.mktemp("made")
    lake = str(data / "lake")
    call(data, "generator", "generate", *DAY, "--dest", lake, "--orders-per-day", "20")
    call(data, "ingestor", "ingest", *DAY, "--source", lake, "--dest", lake)
    call(data, "loader", "load", *DAY, "--source", lake, "--warehouse", str(data / "shop.duckdb"))
    return data


BAD_CALLS = {
    "unknown entity": ("ingestor ingest --entity order --date 2025-11-01 --source {lake} --dest {lake}", 2, "'order'"),
    "bad date": ("ingestor ingest --date 2025-11-31 --source {lake} --dest {lake}", 2, "no day of the calendar"),
    "range backwards": ("loader load --date 2025-11-02 --to 2025-11-01 --source {lake}", 2, "is before --date"),
    "unknown fault": ("generator generate --date 2025-11-01 --dest {lake} --fault fire", 2, "fire"),
    "before the opening": ("generator generate --date 2025-10-01 --dest {lake}", 2, "2025-11-01"),
    "unknown store": ("loader load --date 2025-11-01 --source s3://lake", 2, "gs://bucket"),
    "unknown target": ("loader load --date 2025-11-01 --source {lake} --target oracle", 2, "oracle"),
    "missing source": ("ingestor ingest --entity orders --date 2025-11-01 --source {data}/no --dest {lake}", 1, "no"),
    "day not arrived": (
        "ingestor ingest --entity orders --date 2030-01-01 --source {lake} --dest {lake}",
        1,
        "arrived",
    ),
    "unwritable lake": ("generator generate --entity orders --date 2025-11-01 --dest {data}/file/x", 1, "cannot write"),
    "unwritable destination": (
        "ingestor ingest --entity orders --date 2025-11-01 --source {lake} --dest {data}/file/x",
        1,
        "{data}/file/x",
    ),
    "missing manifest": (
        "loader load --entity orders --date 2030-01-01 --source {lake} --warehouse {data}/shop.duckdb",
        1,
        "ingest",
    ),
    "no warehouse": ("loader load --entity orders --date 2025-11-01 --source {lake} --warehouse {data}", 1, "{data}"),
    "nothing loaded": ("dbt-stage build --warehouse {data}/empty.duckdb", 1, "loader load"),
    "unknown export": ("ingestor land --export oilst --input {data} --dest {lake}", 2, "oilst"),
    "missing input": ("ingestor land --export olist --input {data}/no --dest {lake}", 2, "{data}/no"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_bad_call_is_one_clear_line(name: str, made: Path) -> None:
    (made / "file").write_text("not a folder")
    words, code, said = BAD_CALLS[name]
    places = {"data": str(made), "lake": str(made / "lake")}
    done = call(made, *words.format(**places).split(), code=code)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert said.format(**places) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_corrupt_object_is_refused_and_the_warehouse_stays(made: Path) -> None:
    for path in (made / "lake" / "validated_raw" / "payments").rglob("*.csv"):
        path.write_bytes(path.read_bytes().replace(b"settled", b"pending", 1))
    words = (
        f"loader load --force --entity payments --date 2025-11-01 --source {made}/lake --warehouse {made}/other.duckdb"
    )
    done = call(made, *words.split(), code=1)
    assert len(done.stderr.splitlines()) == 1
    assert "payments 2025-11-01" in done.stderr
    assert "ingest" in done.stderr


@pytest.fixture
def holder(made: Path) -> Iterator[int]:
    """Hold the warehouse from another process; return its id."""
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", hold, str(made / "shop.duckdb")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdout.readline() == b"held\n"
    yield process.pid
    process.communicate()


@pytest.mark.parametrize("stage", ["loader load --date 2025-11-01 --source {lake}", "dbt-stage build"])
def test_a_locked_warehouse_names_its_holder(stage: str, made: Path, holder: int) -> None:
    words = f"{stage} --warehouse {made}/shop.duckdb --lock-wait 1".format(lake=made / "lake").split()
    done = call(made, *words, code=1)
    *_, refused = done.stderr.splitlines()  # the loader says at once that it waits
    assert f" {holder} " in refused
