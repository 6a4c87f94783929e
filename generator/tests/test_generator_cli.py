import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from generator import cli


def generate(capsys, *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["generate", *args])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def small(tmp_path: Path, *args: str) -> list[str]:
    return ["--date", "2025-11-03", "--dest", str(tmp_path), "--orders-per-day", "10", *args]


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_command_writes_the_five_files_of_each_day(tmp_path):
    call = [sys.executable, "-m", "generator.cli"]
    code = "import sys; from generator.cli import main; main(sys.argv[1:])"
    call = [sys.executable, "-c", code, "generate", *small(tmp_path, "--to", "2025-11-04", "--json")]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["outcomes"]) == 10
    for outcome in report["outcomes"]:
        data = Path(outcome["url"]).read_bytes()
        assert outcome["status"] == "done"
        assert outcome["sha256"] == hashlib.sha256(data).hexdigest()
        assert (outcome["bytes"], outcome["rows"], outcome["faults"]) == (len(data), data.count(b"\n") - 1, 0)
    assert len(files_in(tmp_path)) == 10


def test_a_second_run_leaves_everything_as_it_is(tmp_path, capsys):
    call = small(tmp_path, "--fault-rate", "0.2", "--json")
    assert generate(capsys, *call)[0] == 0
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    code, out, _ = generate(capsys, *call)
    assert code == 0
    assert {outcome["status"] for outcome in json.loads(out)["outcomes"]} == {"unchanged"}
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


def test_one_entity_alone_is_what_it_is_among_all(tmp_path, capsys):
    assert generate(capsys, *small(tmp_path / "all"))[0] == 0
    assert generate(capsys, *small(tmp_path / "one", "--entity", "payments", "--entity", "orders"))[0] == 0
    everything, some = files_in(tmp_path / "all"), files_in(tmp_path / "one")
    assert len(some) == 2
    assert some.items() <= everything.items()


def test_faults_come_with_their_truth_and_go_with_it(tmp_path, capsys):
    assert generate(capsys, *small(tmp_path, "--fault-rate", "0.5", "--fault", "bad_id"))[0] == 0
    truths = list(tmp_path.rglob("orders_2025-11-03.faults.jsonl"))
    assert len(truths) == 1
    assert {json.loads(line)["kind"] for line in truths[0].read_text().splitlines()} == {"bad_id"}
    assert generate(capsys, *small(tmp_path))[0] == 0
    assert not list(tmp_path.rglob("*.faults.jsonl"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--fault", "bad_tpye"], "unknown fault 'bad_tpye'"),
        (["--fault-rate", "1.5"], "--fault-rate 1.5"),
        (["--fault-rate", "much"], "--fault-rate"),
        (["--currency", "EUX"], "unknown currency 'EUX'"),
        (["--opened", "2025-11-04"], "before the shop opened"),
        (["--opened", "1999-01-01"], "--opened 1999-01-01"),
        (["--to", "2025-11-01"], "--to 2025-11-01"),
        (["--to", "2100-01-01"], "2100-01-01"),
        (["--orders-per-day", "0"], "--orders-per-day 0"),
        (["--seed", "-1"], "--seed -1"),
        (["--entity", "refunds"], "unknown entity 'refunds'"),
        (["--dest", "s3://bucket"], "s3://bucket"),
        (["--date", "2025-11-31"], "2025-11-31"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(tmp_path, capsys, wrong, says):
    code, out, err = generate(capsys, *small(tmp_path), *wrong)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert says in err
    assert not files_in(tmp_path)


def test_an_unwritable_destination_is_exit_code_1(tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    code, _, err = generate(capsys, *small(tmp_path / "file", "--entity", "products"))
    assert code == 1
    assert "Traceback" not in err
    assert "cannot write" in err or "cannot read" in err
