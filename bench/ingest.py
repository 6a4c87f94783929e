"""How fast ingestion judges a file of orders, held against the plain loop, other validators and unchecked rewriting.

All run in turn, each in a process of its own, on landing files of the generator's shop. What each side does stands in
README.md. Reported are medians over the runs; CPU seconds and peak memory come from the resource usage of each process.
The slowest run once, in the first run. Some get only the first rows of a file; it is told how many.
"""

import argparse
import dataclasses
import filecmp
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from landing_files import DAY, crlf, head, landed, reordered, reshaped
from processes import Usage, apart, environment, measured, stage
from tables import Result, percent, plot, table, targets
from verdicts import differences

from libs import layout

# The reference first: the others are compared with it.
_SIDES = ("reference", "columnar", "polars", "duckdb", "cp", "pandera", "dlt")
_ONCE = ("reference", "dlt")
# Who gets but the first rows of a file: all of it would take the reference and dlt an hour, pandera too much memory.
_FIRST_ROWS = ("dlt",)
_FIRST_ROWS_OF_LARGE = ("reference", "pandera", "dlt")
_PACKAGES = ("polars", "duckdb", "pydantic", "pandera", "dlt")
_CLEAN_ONLY = ("polars", "duckdb", "cp")
_DLT = {"RUNTIME__DLTHUB_TELEMETRY": "false", "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true"}

_SHAPES = {"reordered": reordered, "crlf": crlf}


@dataclasses.dataclass(frozen=True)
class Case:
    """A landing file."""

    kind: str
    rows: int
    fault_rate: float

    @property
    def name(self) -> str:
        """What tells it from the others."""
        shape = f", {self.kind}" if self.kind in _SHAPES else ""
        return f"{self.rows:,} orders, {percent(self.fault_rate)} damaged{shape}"


def cases(rows: Sequence[int], rates: Sequence[float]) -> Iterator[Case]:
    """Return all cases: files of each size and share of damaged records; of the smallest size, reshaped ones."""
    small, *greater = sorted(rows)
    yield from (Case("rates", small, rate) for rate in rates)
    yield from (Case("large", size, rate) for size in greater for rate in rates)
    yield from (Case(shape, small, 0) for shape in _SHAPES)


class Bench:
    """The folder in which landing files are kept and results come and go, and how many runs and rows there are."""

    def __init__(self, folder: Path, runs: int, peer_rows: int) -> None:
        self._folder = folder
        self._runs = runs
        self._peer_rows = peer_rows

    def measure(self, case: Case) -> tuple[dict[str, Result], str]:
        """Run all sides in turn; return what they used, and in words what the file is."""
        lake = self._landed(case)
        results: dict[str, Result] = {}
        for run in range(self._runs):
            for side in _SIDES:
                if run and side in _ONCE:
                    continue
                given, rows = self._given(side, case, lake)
                to = self._emptied(side)
                os.sync()  # what was written before is no side's load
                usage = self._run(side, given, to)
                if not run:
                    results[side] = self._compared(side, rows, to, results.get("reference"))
                results[side].usages.append(usage)
                if side != "reference":
                    shutil.rmtree(to)
        self._emptied("reference")
        found = json.loads(results["columnar"].usages[0].printed)["outcomes"][0]
        size = f"{_file(lake).stat().st_size / 1e6:,.0f} MB"
        return results, f"{size}, {found['rows']:,} records, {found['quarantined']:,} quarantined"

    def _landed(self, case: Case) -> Path:
        """Return the lake in which a case's landing file is."""
        lake = self._lake(case.rows, case.fault_rate)
        file = apart(landed, lake, case.rows, case.fault_rate)
        if case.kind in _SHAPES:
            lake = lake.with_name(f"{lake.name}-{case.kind}")
            apart(reshaped, lake, file, _SHAPES[case.kind])
        return lake

    def _lake(self, rows: int, fault_rate: float) -> Path:
        return self._folder / f"{rows}-{fault_rate:g}"

    def _given(self, side: str, case: Case, lake: Path) -> tuple[Path, int]:
        """Return the lake whose landing file a side reads, and its rows."""
        first_rows = _FIRST_ROWS_OF_LARGE if case.kind == "large" else _FIRST_ROWS
        if side in first_rows and self._peer_rows < case.rows:
            first = self._folder / "head"
            _file(first).parent.mkdir(parents=True, exist_ok=True)
            head(_file(lake), _file(first), self._peer_rows)
            return first, self._peer_rows
        if side in _CLEAN_ONLY and case.fault_rate:
            lake = self._lake(case.rows, 0)
            apart(landed, lake, case.rows, 0)
        return lake, case.rows

    def _emptied(self, side: str) -> Path:
        to = self._folder / "out" / side
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir(parents=True)
        return to

    def _run(self, side: str, lake: Path, to: Path) -> Usage:
        if side in ("columnar", "reference"):
            stores = ["--source", str(lake), "--dest", str(to)]
            options = ["--engine", side, "--entity", "orders", "--date", str(DAY)]
            return stage("ingestor", "ingest", *options, *stores)
        file = _file(lake)
        if side == "cp":
            return measured(["cp", str(file), str(to)], {})
        peers = Path(__file__).with_name("peers.py")
        command = [sys.executable, str(peers), side, str(file), str(to), str(DAY)]
        return measured(command, {**_DLT, "DLT_DATA_DIR": str(to / "dlt")} if side == "dlt" else {})

    def _compared(self, side: str, rows: int, to: Path, right: Result | None) -> Result:
        """Compare with the reference, where it read as many rows or more and the side judges."""
        accepted = {
            "columnar": [to / layout.validated_raw("orders", DAY)],
            "pandera": [to / "accepted.csv"],
            "dlt": sorted(to.glob("accepted/orders/*.csv")),
        }
        if right is None or right.rows < rows or side not in accepted:
            return Result(rows, [])
        reference = self._folder / "out" / "reference"
        alike = same(to, reference) if side == "columnar" else None
        return Result(rows, [], apart(differences, reference, rows, accepted[side]), alike)


def _file(lake: Path) -> Path:
    return lake / layout.landing("orders", DAY)


def same(one: Path, other: Path) -> bool:
    """Tell whether two lakes hold the same objects, byte by byte."""
    files = [sorted(path.relative_to(lake) for path in lake.rglob("*") if path.is_file()) for lake in (one, other)]
    return files[0] == files[1] and all(filecmp.cmp(one / name, other / name, shallow=False) for name in files[0])


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=float, action="append", metavar="MILLIONS", help="may be repeated: dlt gets first rows of all, "
        "the reference and pandera of all but the smallest (default 2 and 20)",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=3, help="runs of all but reference and dlt (default 3)")
    parser.add_argument("--fault-rate", type=float, action="append", help="may be repeated (default 0, 0.01 and 0.1)")
    parser.add_argument(
        "--case", action="append", choices=["rates", "large", *_SHAPES], help="may be repeated (default: all)"
    )
    parser.add_argument(
        "--peer-rows", type=int, default=500_000, help="rows for sides that get the first (default 500,000)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw rows a second of the fault rates")
    parser.add_argument("--folder", type=Path, help="where landing files stay (default: a temporary folder)")
    args = parser.parse_args()
    chosen = [
        case
        for case in cases([round(size * 1e6) for size in args.rows or [2, 20]], args.fault_rate or [0, 0.01, 0.1])
        if not args.case or case.kind in args.case
    ]
    print(f"{environment(*_PACKAGES)}. {args.runs} runs, medians; reference and dlt once.\n")
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench((args.folder or Path(temporary)).absolute(), args.runs, args.peer_rows)
        results: dict[str, Mapping[str, Result]] = {}
        for case in chosen:
            found, told = bench.measure(case)
            results[case.name] = found
            print(table(case.name, told, found), flush=True)
    found_by_rate = {case.fault_rate: results[case.name] for case in chosen if case.kind == "rates"}
    large = [(case.fault_rate, results[case.name]) for case in chosen if case.kind == "large"]
    print(targets(found_by_rate, large, list(results.values())))
    if args.plot and found_by_rate:
        plot(args.plot, found_by_rate)


if __name__ == "__main__":
    main()
