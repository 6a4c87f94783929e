import argparse
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import layout, manifest
from libs.cli import main as libs_main
from libs.document import documents
from libs.errors import CallError, ConflictError, ManifestError, StageError
from libs.manifest import FORMAT_VERSION, Drift, Manifest, NamedObject, Rows
from libs.stage import command
from libs.stage.report import Outcome, Report
from libs.storage.local import LocalStore
from libs.storage.store import Checksums

DAY = date(2025, 11, 5)


def test_the_layout_is_the_one_of_the_design() -> None:
    assert layout.landing("orders", DAY) == "landing/ecommerce/2025-11-05/orders_2025-11-05.csv"
    assert layout.raw("orders", DAY) == "raw/ecommerce/2025-11-05/orders_2025-11-05.csv"
    assert layout.validated_raw("orders", DAY) == "validated_raw/orders/2025/11/05/orders.csv"
    assert layout.quarantine_raw("orders", DAY) == "quarantine_raw/orders/2025/11/05/orders_bad.csv"
    assert layout.manifest("orders", DAY) == "manifests/orders/2025/11/05/manifest.json"
    assert layout.faults("orders", DAY) == "landing/ecommerce/2025-11-05/orders_2025-11-05.faults.jsonl"
    assert layout.landed(layout.landing("order_items", DAY)) == ("order_items", DAY)
    others = (
        layout.faults("orders", DAY),
        layout.raw("orders", DAY),
        "landing/ecommerce/2025-13-05/orders_2025-13-05.csv",
    )
    assert [layout.landed(key) for key in others] == [None, None, None]
    assert layout.message("7a3f", 12) == "pipes/7a3f/12.json"


def a_manifest() -> Manifest:
    named = NamedObject.of("k", Checksums())
    return Manifest(
        format_version=FORMAT_VERSION,
        contract_version="0123",
        entity="orders",
        partition_date=DAY,
        revision=1,
        source=named,
        raw=named,
        validated_raw=named,
        quarantine_raw=named,
        rows=Rows(raw=3, validated=2, quarantined=1),
        errors={"ragged_row": 1},
        drift=Drift(extra=("größe",)),
    )


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    assert manifest.find(store, "orders", DAY) is None
    store.write_if(layout.manifest("orders", DAY), a_manifest().to_bytes(), None)
    found = manifest.find(store, "orders", DAY)
    assert found is not None
    assert found[0] == a_manifest()
    assert found[0].to_bytes() == a_manifest().to_bytes()


@given(errors=st.dictionaries(st.text(), st.integers(0, 10**12)), extra=st.lists(st.text()))
def test_a_manifest_is_json_with_sorted_keys_and_an_indent_of_two(errors: dict[str, int], extra: list[str]) -> None:
    its = a_manifest().model_copy(update={"errors": errors, "drift": Drift(extra=tuple(extra))})
    text = json.dumps(its.model_dump(mode="json"), sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    assert its.to_bytes() == text.encode()


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"entity": 1}'])
def test_a_damaged_manifest_is_told_with_its_place(data: bytes) -> None:
    with pytest.raises(ManifestError, match=r"here is no manifest .*: ingest the partition again"):
        Manifest.from_bytes(data, "here")


def arguments(*argv: str) -> argparse.Namespace:
    parser = command.ArgumentParser(prog="stage")
    command.add_partition_arguments(parser)
    return parser.parse_args(argv)


def test_partitions_are_days_times_entities_in_order() -> None:
    args = arguments("--date", "2025-11-01", "--to", "2025-11-02", "--entity", "orders", "--entity", "customers")
    assert command.partitions(args) == [
        (name, date(2025, 11, day)) for day in (1, 2) for name in ("customers", "orders")
    ]
    assert len(command.partitions(arguments("--date", "2025-11-01"))) == 5
    with pytest.raises(CallError, match="--to 2025-10-31 is before --date 2025-11-01"):
        command.partitions(arguments("--date", "2025-11-01", "--to", "2025-10-31"))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--date", "2025-02-30"], "'2025-02-30' is no day of the calendar"),
        (["--date", "20251115"], "write it as 2025-11-15"),
        (["--date", "2025-W01-1"], "write it as 2025-11-15"),
        (["--date", "2025-11-01", "--entity", "order"], "unknown entity 'order': use one of"),
        ([], "--date"),
    ],
)
def test_a_wrong_call_is_one_line_and_exits_with_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        arguments(*argv)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_one_that_fails_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    def work(entity: str, day: date) -> Outcome:
        if entity == "orders":
            raise StageError("its [file] is broken")
        return Outcome(entity, day, "done", {"rows": 2}, {"url": "x"})

    report = Report("stage", "do")
    parts = [("orders", DAY), ("payments", DAY)]
    code = command.run(report, command.each(parts, work), total=2, as_json=True)
    printed = capsys.readouterr()
    assert code == 1
    found = json.loads(printed.out)
    assert found["exit_code"] == 1
    assert found["totals"] == {
        "orders": {"done": 0, "unchanged": 0, "failed": 1},
        "payments": {"done": 1, "unchanged": 0, "failed": 0, "rows": 2},
    }
    assert found["outcomes"][0] == {
        "entity": "orders", "day": "2025-11-05", "status": "failed", "error": "its [file] is broken",
    }  # fmt: skip
    assert printed.err == "stage do: failed orders 2025-11-05: its [file] is broken\n"


def test_the_report_for_people_is_a_table_by_entity(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("stage", "do")
    outcomes = [Outcome("orders", DAY, "done", {"rows": 1200, "quarantined": 0})] * 2
    assert command.run(report, outcomes, total=2, as_json=False) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["stage", "do"], ["done", "unchanged", "rows"], ["orders", "2", "0", "2,400"]]


def ending(handle: Callable[[argparse.Namespace], int]) -> int | str | None:
    parser = command.ArgumentParser(prog="stage")
    parser.set_defaults(handle=handle)
    with pytest.raises(SystemExit) as caught:
        command.main(parser, [])
    return caught.value.code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (StageError("broken: mend it"), 1, "stage: broken: mend it"),
        (ConflictError("changed: run again"), 1, "stage: changed: run again"),
        (CallError("wrong call"), 2, "stage: wrong call"),
        (KeyboardInterrupt(), 130, "stage: interrupted"),
        (PermissionError(13, "Permission denied", "a.csv"), 1, "stage: a.csv: Permission denied"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def handle(_: argparse.Namespace) -> int:
        raise error

    assert ending(handle) == code
    printed = capsys.readouterr().err
    assert printed.startswith(said)
    assert printed.count("\n") == 1


def test_a_defect_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def handle(_: argparse.Namespace) -> int:
        raise ZeroDivisionError("oh")

    assert ending(handle) == 1
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "a defect of the stage" in printed


def test_the_committed_documents_are_those_of_the_contracts() -> None:
    docs = Path(__file__).parents[2] / "docs"
    stale = [name for name, text in documents().items() if (docs / name).read_text(encoding="utf-8") != text]
    assert not stale, "run `uv run just document`"


def test_the_document_command_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for argv, code in ((["--check"], 1), ([], 0), (["--check"], 0)):
        with pytest.raises(SystemExit) as caught:
            libs_main(["document", "--dest", str(tmp_path), *argv])
        assert caught.value.code == code
    assert "is stale: run `uv run just document`" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "contracts").iterdir()} >= {"orders.schema.json", "payments.schema.json"}
