"""Backfills: how days are grouped, and real ranges through real stages, with failures, Ctrl-C and kills."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test
from hypothesis import given
from hypothesis import strategies as st

from libs.entities import ENTITIES
from orchestrator.backfill import TAG, Block, blocks, bury
from orchestrator.history import Partition
from orchestrator.progress import following

DAYS = ["2025-11-01", "2025-11-02", "2025-11-03"]
LAYERS = ["raw", "validated_raw", "quarantine_raw", "warehouse"]
BIN = Path(sys.executable).parent


def environment(data: Path, landing: str) -> dict[str, str]:
    unwanted = ("LAKE", "WAREHOUSE", "DAGSTER_", "LANDING", "FIRST_DAY", "DATA")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {
        **kept,
        "LAKE": str(data / "lake"),
        "WAREHOUSE": str(data / "shop.duckdb"),
        "DAGSTER_HOME": str(data / "dagster"),
        "DBT_TARGET_PATH": str(data.parent / "dbt-target"),  # parsed once for all tests
        "DBT_LOG_PATH": str(data / "dbt-logs"),
        "LANDING": landing,
    }


def orchestrator(data: Path, *words: str, landing: str = "external") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(BIN / "orchestrator"), *words],
        env=environment(data, landing),
        cwd=data,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the landing files of three small days."""
    data = tmp_path_factory.mktemp("landed")
    words = ["--date", DAYS[0], "--to", DAYS[-1], "--dest", str(data / "lake"), "--orders-per-day", "20"]
    subprocess.run([str(BIN / "generator"), "generate", *words], check=True, capture_output=True)
    return data


@pytest.fixture
def data(landed: Path, tmp_path: Path) -> Path:
    shutil.copytree(landed / "lake", tmp_path / "lake")
    return tmp_path


def materialized(data: Path) -> Counter[tuple[str, str | None]]:
    """Count the materializations in the history by asset and day."""
    with dg.DagsterInstance.from_config(str(data / "dagster")) as instance:
        return Counter(
            (made.asset_key.to_user_string(), made.partition)
            for run in instance.get_runs()
            for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
            if (made := entry.asset_materialization)
        )


def runs(data: Path) -> list[dg.DagsterRun]:
    with dg.DagsterInstance.from_config(str(data / "dagster")) as instance:
        return list(instance.get_runs())


def landing_file(data: Path, entity: str, day: str) -> Path:
    return data / "lake" / "landing" / "ecommerce" / day / f"{entity}_{day}.csv"


def test_a_good_range_is_one_run_with_every_asset_and_day_once(data: Path) -> None:
    done = orchestrator(data, "backfill", DAYS[0], DAYS[-1])
    assert done.returncode == 0, done.stderr
    assert [run.status for run in runs(data)] == [dg.DagsterRunStatus.SUCCESS]
    found = materialized(data)
    by_day = {(f"{layer}/{entity}", day) for layer in LAYERS for entity in ENTITIES for day in DAYS}
    assert {pair for pair in found if pair[1]} == by_day
    assert set(found.values()) == {1}
    assert "3 days in 1 run" in done.stdout
    assert " 0 failed" in done.stdout
    assert done.stderr.splitlines()[:4] == ["ingestor: begins", "ingestor: done", "loader: begins", "loader: done"]


def test_on_a_terminal_there_are_bars_and_nothing_of_dagsters(data: Path) -> None:
    leader, follower = os.openpty()
    process = subprocess.Popen(
        [str(BIN / "orchestrator"), "backfill", DAYS[0], "--select", "group:ingestion"],
        env=environment(data, "external") | {"TERM": "xterm", "COLUMNS": "100"},
        cwd=data,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    said = b""
    while chunk := read(leader):
        said += chunk
    os.close(leader)
    assert process.wait() == 0, said
    assert b"5/5" in said
    assert b"1 day in 1 run" in said
    assert b"dagster" not in said.replace(str(data).encode(), b"")


def read(terminal: int) -> bytes:
    """Read on, until the last process has left the terminal, which is an error on Linux."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


def test_one_corrupt_file_fails_alone_and_is_healed_when_mended(data: Path) -> None:
    corrupt = landing_file(data, "orders", DAYS[1])
    good = corrupt.read_bytes()
    corrupt.write_bytes(b"nonsense\n1\n")
    done = orchestrator(data, "backfill", DAYS[0], DAYS[-1])
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("orchestrator backfill: ")]
    assert len(said) == 2, done.stderr
    assert f"ingestor failed orders {DAYS[1]}: " in said[0]
    assert "lacks required columns" in said[0]
    assert Path(said[1].rpartition(" ")[2]).is_file()

    found = materialized(data)
    wanted = {(f"{layer}/{entity}", day) for layer in LAYERS for entity in ENTITIES for day in DAYS}
    wanted -= {(f"{layer}/orders", DAYS[1]) for layer in LAYERS}
    assert {pair for pair in found if pair[1]} == wanted
    assert set(found.values()) == {1}

    told = orchestrator(data, "status")
    assert told.returncode == 0
    assert f"{DAYS[1]}  5 not seen  4 done, 1 failed  4 done, 1 missing" in told.stdout
    assert f"orders {DAYS[1]}: ingestion failed: " in told.stdout

    corrupt.write_bytes(good)
    done = orchestrator(data, "backfill", DAYS[0], DAYS[-1])
    assert done.returncode == 0, done.stderr
    told = orchestrator(data, "status", "--days", "2")
    assert DAYS[0] not in told.stdout
    assert f"{DAYS[1]}  5 not seen  5 done     5 done     hold" in told.stdout
    assert "not well" not in told.stdout


def test_a_day_whose_blocking_check_fails_is_held_back(data: Path) -> None:
    rotten = landing_file(data, "payments", DAYS[2])
    header, *rows = rotten.read_text().splitlines()
    assert len(rows) >= 20
    rotten.write_text("\n".join([header, *(row.rpartition(",")[0] for row in rows)]) + "\n")
    done = orchestrator(data, "backfill", DAYS[1], DAYS[2])
    assert done.returncode == 1
    assert f"payments {DAYS[2]}: quarantine_rate does not hold" in done.stderr
    found = materialized(data)
    assert found["validated_raw/payments", DAYS[2]] == 1
    assert ("warehouse/payments", DAYS[2]) not in found
    assert found["warehouse/orders", DAYS[2]] == 1
    told = orchestrator(data, "status").stdout
    assert "1 failed" in told
    assert "quarantine_rate of validated_raw/payments" in told


def test_a_selection_runs_just_that(data: Path) -> None:
    done = orchestrator(data, "backfill", DAYS[0], "--select", 'key:"validated_raw/orders" or key:"raw/payments"')
    assert done.returncode == 0, done.stderr
    assert set(materialized(data)) == {("validated_raw/orders", DAYS[0]), ("raw/payments", DAYS[0])}


@pytest.fixture
def running(data: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a backfill; hand it over as soon as the stage of ingestion is at work."""
    process = subprocess.Popen(
        [str(BIN / "orchestrator"), "backfill", DAYS[0], DAYS[-1]],
        env=environment(data, "external"),
        cwd=data,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stderr
    assert process.stderr.readline() == "ingestor: begins\n"
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_ctrl_c_cancels_the_run_within_seconds(running: "subprocess.Popen[str]", data: Path) -> None:
    began = time.monotonic()
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert running.returncode == 130
    assert said.endswith("orchestrator backfill: interrupted; what was committed stays, run again for the rest\n")
    assert [run.status for run in runs(data)] == [dg.DagsterRunStatus.CANCELED]
    assert no_stage_runs(data)


def test_a_killed_backfill_is_buried_by_the_next_one(running: "subprocess.Popen[str]", data: Path) -> None:
    refused = orchestrator(data, "backfill", DAYS[0])
    assert refused.returncode == 1
    assert f"another backfill runs with the history {data / 'dagster'} (PID {running.pid})" in refused.stderr
    running.kill()
    running.wait()
    done = orchestrator(data, "backfill", DAYS[0])
    assert done.returncode == 0, done.stderr
    assert [run.status for run in runs(data)] == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    assert no_stage_runs(data)


def test_a_run_that_somebody_executes_again_in_the_ui_is_not_buried() -> None:
    """Dagster gives it the tags of the run that it repeats, but it is a process of its own."""
    with dg.DagsterInstance.ephemeral() as instance:
        started, tags = dg.DagsterRunStatus.STARTED, {TAG: "backfill"}
        killed = create_run_for_test(instance, status=started, tags=tags)
        again = create_run_for_test(
            instance, status=started, tags=tags, parent_run_id=killed.run_id, root_run_id=killed.run_id
        )
        bury(instance)
        ended = {run.run_id: run.status for run in instance.get_runs()}
    assert ended == {killed.run_id: dg.DagsterRunStatus.FAILURE, again.run_id: started}


def test_a_history_that_cannot_be_read_is_no_success() -> None:
    def take(_: dg.EventLogEntry) -> None:
        raise OSError("the history's disk is gone")

    with dg.DagsterInstance.ephemeral() as instance:
        run = create_run_for_test(instance)
        with pytest.raises(OSError, match="disk is gone"), following(instance, run.run_id, [take]):
            instance.report_engine_event("something happens", run)


def no_stage_runs(data: Path) -> bool:
    """Tell whether all stages that worked on a lake have ended, of those that had a few seconds for it."""
    for _ in range(50):
        found = subprocess.run(["pgrep", "-f", f"ingestor ingest .*{data / 'lake'}"], capture_output=True, check=False)
        if found.returncode == 1:
            return True
        time.sleep(0.1)
    return False


PARTITIONS = st.sets(st.builds(Partition, st.sampled_from(list(ENTITIES)), st.sampled_from(DAYS)))


@given(PARTITIONS)
def test_blocks_cover_each_partition_once(partitions: set[Partition]) -> None:
    found = [part for block in blocks(partitions, DAYS) for part in block.partitions]
    assert sorted(found) == sorted(partitions)


def test_blocks_are_few() -> None:
    every = {Partition(*pair) for pair in itertools.product(ENTITIES, DAYS)}
    assert list(blocks(every, DAYS)) == [Block(tuple(ENTITIES), tuple(DAYS))]
    assert len(list(blocks(every - {Partition("orders", DAYS[1])}, DAYS))) == 3
    assert len(list(blocks({part for part in every if part.day != DAYS[1]}, DAYS))) == 2
    assert list(blocks(set(), DAYS)) == []
