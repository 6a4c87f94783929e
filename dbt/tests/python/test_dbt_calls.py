"""Calls that cannot succeed end before dbt begins, with one line."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from shop_warehouse import dbt_stage

from dbt_stage.cli import main


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str]:
    with pytest.raises(SystemExit) as caught:
        main(["build", *arguments])
    return caught.value.code, capsys.readouterr().err


def test_a_warehouse_that_is_not_there_says_what_to_run_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, message = fails(capsys, "--warehouse", str(tmp_path / "none.duckdb"))
    assert code == 1
    assert message.count("\n") == 1
    assert "none.duckdb: run `just demo`, or `loader load` with your own files, first" in message
    assert not (tmp_path / "none.duckdb").exists()


def test_a_warehouse_named_like_a_schema_is_a_wrong_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = fails(capsys, "--warehouse", str(tmp_path / "landing.duckdb"))
    assert code == 2
    assert "cannot be named landing.duckdb" in message


def test_a_file_that_is_no_warehouse_is_said_so_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop.duckdb").write_text("not a database " * 1000)
    code, message = fails(capsys, "--warehouse", str(tmp_path / "shop.duckdb"))
    assert code == 1
    assert message.count("\n") == 1
    assert "cannot be opened as a DuckDB file" in message


@pytest.mark.parametrize("seconds", ["soon", "-1", "inf"])
def test_a_wait_that_is_no_number_of_seconds_is_a_wrong_call(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = fails(capsys, f"--lock-wait={seconds}")
    assert code == 2
    assert "is no number of seconds" in message


def test_whoever_holds_the_warehouse_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "shop.duckdb"
    hold = f"import duckdb, sys; c = duckdb.connect({str(file)!r}); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        code, message = fails(capsys, "--warehouse", str(file), "--lock-wait", "0.3")
        holder.communicate()
    assert code == 1
    assert message.count("\n") == 2  # that it waits, and that it waited in vain
    assert f"in use by PID {holder.pid} (" in message
    assert "waited 0.3 s" in message


def test_a_warehouse_without_landing_tables_says_in_one_line_what_to_run_first(
    tmp_path: Path, dbt_environment: dict[str, str]
) -> None:
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    ended = dbt_stage("build", "--warehouse", str(tmp_path / "empty.duckdb"), **dbt_environment)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        "dbt-stage build: the warehouse empty holds no table landing.customers: "
        "run `just demo`, or `loader load` with your own files, first\n"
    )
