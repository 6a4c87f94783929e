"""Stages killed by SIGKILL at various moments, then run again: the result is that of one clean run."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from stages import ROOT, call, environment, snapshot

pytestmark = pytest.mark.xdist_group("killed")

DAYS = ["--date", "2025-11-01", "--to", "2025-11-04"]


def commands(data: Path) -> dict[str, list[str]]:
    lake, warehouse = str(data / "lake"), str(data / "warehouse" / "shop.duckdb")
    generate = ["--dest", lake, "--orders-per-day", "400", "--fault-rate", "0.02"]
    return {
        "generator": ["generator", "generate", *DAYS, *generate],
        "ingestor": ["ingestor", "ingest", *DAYS, "--source", lake, "--dest", lake],
        "loader": ["loader", "load", *DAYS, "--source", lake, "--warehouse", warehouse],
        "dbt": ["dbt-stage", "build", "--warehouse", warehouse],
    }


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, dict[str, float]]:
    """Run all stages once; return what they made and how long each took."""
    data = tmp_path_factory.mktemp("clean")
    took = {}
    for name, words in commands(data).items():
        began = time.monotonic()
        call(data, *words)
        took[name] = time.monotonic() - began
    return snapshot(data), took


@pytest.mark.parametrize("share", [0.4, 0.65, 0.85, 0.95])
def test_killed_stages_run_again_as_if_never_killed(
    share: float, clean: tuple[object, dict[str, float]], tmp_path: Path
) -> None:
    expected, took = clean
    killed = 0
    for name, words in commands(tmp_path).items():
        killed += _killed_after(share * took[name], tmp_path, words)
        call(tmp_path, *words)
    assert killed, "no stage was killed"
    assert snapshot(tmp_path) == expected


def _killed_after(seconds: float, data: Path, words: list[str]) -> bool:
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment(data), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def test_four_ingestors_and_loaders_at_once_are_as_good_as_one(
    clean: tuple[object, dict[str, float]], tmp_path: Path
) -> None:
    """Concurrent runs of the same partitions: each ends well or says to run again, and nothing is wrong."""
    words = commands(tmp_path)
    call(tmp_path, *words["generator"])
    for name in ("ingestor", "loader"):
        at_once = [
            subprocess.Popen(words[name], cwd=ROOT, env=environment(tmp_path), stdout=subprocess.DEVNULL)
            for _ in range(4)
        ]
        assert [process.wait() for process in at_once] == [0, 0, 0, 0]
    call(tmp_path, *words["dbt"])
    assert snapshot(tmp_path) == clean[0]
