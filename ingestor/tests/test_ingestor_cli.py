import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ingestor_files import DAY, file, row

from ingestor import cli
from libs import layout
from libs.entities import ENTITIES
from libs.storage.local import LocalStore


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as people do."""
    program = shutil.which("ingestor", path=str(Path(sys.executable).parent))
    assert program
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command within this process."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code, *capsys.readouterr()


@pytest.fixture
def lake(tmp_path: Path) -> str:
    """Two days of all entities; orders of the second day are refused."""
    store = LocalStore(str(tmp_path / "lake"))
    for entity in ENTITIES:
        for day in (DAY, DAY.replace(day=16)):
            with store.write(layout.landing(entity, day)) as writer:
                refused = entity == "orders" and day != DAY
                writer.write(b"order_id\n" if refused else file(entity, row(entity)))
    return store.uri


def test_one_that_fails_does_not_stop_the_others_and_the_report_names_it(lake: str) -> None:
    done = command("ingest", "--date", "2025-11-15", "--to", "2025-11-16", "--source", lake, "--dest", lake, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == report["exit_code"] == 1
    assert [o["status"] for o in report["outcomes"]].count("done") == 9
    (failed,) = (o for o in report["outcomes"] if o["status"] == "failed")
    assert (failed["entity"], failed["day"]) == ("orders", "2025-11-16")
    assert "is refused, nothing was written: its header lacks required columns: kind, status," in failed["error"]
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("ingestor ingest: failed orders 2025-11-16: ")


def test_without_json_the_report_is_a_table(lake: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("ingest", "--entity", "orders", "--date", "2025-11-15", "--source", lake, "--dest", lake)
    code, out, err = call(capsys, *arguments)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].strip() == "ingestor ingest"
    assert out.splitlines()[-1].split()[:5] == ["orders", "1", "0", "1", "1"]
    assert call(capsys, *arguments)[1].splitlines()[-1].split()[:5] == ["orders", "0", "1", "1", "1"]


BAD_CALLS = {
    "an unknown entity": (["--entity", "order"], 2, "unknown entity 'order': use one of customers, products, orders"),
    "a bad date": (["--date", "2025-02-30"], 2, "'2025-02-30' is no day of the calendar: write it as 2025-11-15"),
    "a range backwards": (["--to", "2025-11-14"], 2, "--to 2025-11-14 is before --date 2025-11-15"),
    "a store that is none": (["--source", "s3://bucket"], 2, "'s3://bucket' is no store: use gs://bucket[/prefix] or"),
    "a missing source": (["--source", "/nowhere"], 1, "has not arrived: /nowhere/landing/ecommerce/2025-11-15/orders_"),
    "a missing file": (["--date", "2025-11-20"], 1, "orders 2025-11-20: the landing file has not arrived"),
    "an unwritable destination": (["--dest", "{file}/lake"], 1, "Not a directory"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_bad_call_is_one_clear_line(name: str, lake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes, code, says = BAD_CALLS[name]
    (tmp_path / "file").touch()
    good = ["--entity", "orders", "--date", "2025-11-15", "--source", lake, "--dest", lake]
    if "--entity" in changes:
        good = good[2:]
    found, _, err = call(capsys, "ingest", *good, *(text.format(file=tmp_path / "file") for text in changes))
    assert found == code
    assert says in err
    assert err.count("\n") == 1


def test_a_call_without_what_it_needs_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys)[0] == 2
    code, _, err = call(capsys, "ingest", "--date", "2025-11-15")
    assert code == 2
    assert (
        err == "ingestor ingest: the following arguments are required: --source, --dest (see ingestor ingest --help)\n"
    )


def test_both_engines_report_the_same(lake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports = []
    for engine in ("columnar", "reference"):
        arguments = ["ingest", "--date", "2025-11-15", "--source", lake, "--dest", str(tmp_path / engine), "--json"]
        code, out, _ = call(capsys, *arguments, "--engine", engine)
        assert code == 0
        reports.append(out.replace(str(tmp_path / engine), ""))
    assert json.loads(reports[0])["outcomes"] == json.loads(reports[1])["outcomes"]
    assert call(capsys, *arguments, "--engine", "fast")[0] == 2


def test_without_work_to_do_no_engine_is_imported() -> None:
    code = "import sys, ingestor.cli; sys.exit({'polars', 'numpy'} & set(sys.modules) != set())"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_corrupt_manifest_is_replaced(lake: str, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = Path(lake) / layout.manifest("orders", DAY)
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{")
    arguments = ("ingest", "--entity", "orders", "--date", "2025-11-15", "--source", lake, "--dest", lake, "--json")
    code, out, _ = call(capsys, *arguments)
    assert code == 0
    assert "is no manifest" in json.loads(out)["outcomes"][0]["warning"]
    assert json.loads(manifest.read_text())["revision"] == 1
