"""The orchestrator's command line: bad calls, an empty history, the settings of Dagster's home."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from libs.errors import CallError
from orchestrator import home


def orchestrator(data: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    unwanted = ("LAKE", "WAREHOUSE", "DAGSTER_", "LANDING", "FIRST_DAY", "DATA")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    command = [str(Path(sys.executable).with_name("orchestrator")), *words]
    return subprocess.run(
        command, env={**kept, **settings}, cwd=data, capture_output=True, text=True, check=False, timeout=120
    )


CONFIGS = {
    "typo.yaml": "ops: {generator: {config: {fault_rat: 0.5}}}",
    "broken.yaml": "ops: [",
    "list.yaml": "[1]",
}

BAD_CALLS = {
    "backwards": (["2025-11-03", "2025-11-01"], "the last day, 2025-11-01, is before the first, 2025-11-03"),
    "no day": (["2025-11-31"], "no day of the calendar"),
    "in the future": (["2025-11-01", "2199-01-01"], "2199-01-01 is not over yet (UTC)"),
    "too early": (["2025-10-31"], "is before 2025-11-01, where history begins: FIRST_DAY"),
    "no config": (["2025-11-01", "--config", "none.yaml"], "none.yaml: there is no such file"),
    "typo": (["2025-11-01", "--config", "typo.yaml"], 'unexpected config entry "fault_rat"'),
    "broken": (["2025-11-01", "--config", "broken.yaml"], "broken.yaml: "),
    "list": (["2025-11-01", "--config", "list.yaml"], "list.yaml: "),
    "no selection": (["2025-11-01", "--select", "orders("], "--select 'orders(': "),
    "nothing selected": (["2025-11-01", "--select", "group:nothing"], "--select 'group:nothing'"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_bad_call_is_one_clear_line_and_runs_nothing(name: str, tmp_path: Path) -> None:
    for file, text in CONFIGS.items():
        (tmp_path / file).write_text(text)
    words, said = BAD_CALLS[name]
    done = orchestrator(tmp_path, "backfill", *words)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert said in done.stderr
    assert not (tmp_path / ".data" / "lake").exists()


def test_a_bad_first_day_is_one_clear_line(tmp_path: Path) -> None:
    done = orchestrator(tmp_path, "status", FIRST_DAY="yesterday")
    assert done.returncode == 2
    assert done.stderr == (
        "orchestrator status: FIRST_DAY='yesterday' is no day of the calendar: write it as 2025-11-01\n"
    )


def test_the_status_of_an_empty_history_is_a_sentence(tmp_path: Path) -> None:
    done = orchestrator(tmp_path, "status")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("The history is empty: nothing has run yet.")


def test_a_home_is_made_ready_and_a_users_settings_stay(tmp_path: Path) -> None:
    place = home.prepare({"DAGSTER_HOME": str(tmp_path / "a" / "b")})
    assert "telemetry:\n  enabled: false" in (place / "dagster.yaml").read_text()
    (place / "dagster.yaml").write_text("mine: true\n")
    assert home.prepare({"DAGSTER_HOME": str(place)}) == place
    assert (place / "dagster.yaml").read_text() == "mine: true\n"


def test_a_home_that_can_be_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CallError, match="cannot hold Dagster's history"):
        home.prepare({"DAGSTER_HOME": str(tmp_path / "file")})


@pytest.mark.parametrize("option", [("--port", "{}"), ("-p", "{}"), ("--port={}",)])
def test_dev_refuses_a_port_that_is_taken(option: tuple[str, ...], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = orchestrator(tmp_path, "dev", *(word.format(port) for word in option))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"orchestrator dev: port {port} is taken: name another, such as --port 3001\n"
