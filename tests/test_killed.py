"""Stages killed by SIGKILL while they write, then run again: the result is that of one clean run."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from stages import ROOT, call, environment, snapshot

DAYS = ["--date", "2025-11-01", "--to", "2025-11-04"]


def commands(data: Path) -> dict[str, list[str]]:
    lake, warehouse = str(data / "lake"), str(data / "warehouse" / "shop.duckdb")
    generate = ["--dest", lake, "--orders-per-day", "200", "--fault-rate", "0.02"]
    return {
        "generator": ["generator", "generate", *DAYS, *generate],
        "ingestor": ["ingestor", "ingest", *DAYS, "--source", lake, "--dest", lake],
        "loader": ["loader", "load", *DAYS, "--source", lake, "--warehouse", warehouse],
        "dbt": ["dbt-stage", "build", "--warehouse", warehouse],
    }


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Run all stages once; return what they made."""
    data = tmp_path_factory.mktemp("clean")
    for words in commands(data).values():
        call(data, *words)
    return snapshot(data)


@pytest.mark.parametrize("nth", [1, 8])
def test_killed_stages_run_again_as_if_never_killed(nth: int, clean: object, tmp_path: Path) -> None:
    moments = {
        "generator": ("lake/landing/**/*.csv", nth),
        "ingestor": ("lake/validated_raw/**/*.csv", nth),
        "loader": ("warehouse/shop.duckdb.wal", 1),
        "dbt": ("warehouse/shop.duckdb.wal", 1),
    }
    for name, words in commands(tmp_path).items():
        assert _killed_once_made(*moments[name], tmp_path, words), f"{name} was too quick to be killed"
        call(tmp_path, *words)
    assert snapshot(tmp_path) == clean


def _killed_once_made(pattern: str, number: int, data: Path, words: list[str]) -> bool:
    """Run a command and kill it as soon as that many files are there; tell whether it was killed."""
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment(data), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        if sum(1 for _ in data.glob(pattern)) >= number:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.001)
    return process.wait() == -signal.SIGKILL


def test_four_ingestors_and_loaders_at_once_are_as_good_as_one(clean: object, tmp_path: Path) -> None:
    words = commands(tmp_path)
    call(tmp_path, *words["generator"])
    for name in ("ingestor", "loader"):
        at_once = [
            subprocess.Popen(words[name], cwd=ROOT, env=environment(tmp_path), stdout=subprocess.DEVNULL)
            for _ in range(4)
        ]
        assert [process.wait() for process in at_once] == [0, 0, 0, 0]
    call(tmp_path, *words["dbt"])
    assert snapshot(tmp_path) == clean
