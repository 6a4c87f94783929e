"""How fast ingestion judges a file of orders, held against rewriting the file without any check.

All run in turn, each in a process of its own, on the same landing file of the generator's shop:

* columnar, reference: `ingestor ingest --engine …` into a new lake: read, judge, three objects with their checksums,
  manifest. The reference loop takes a minute and more, so it runs once, after the others;
* polars, duckdb: the file read and written as text columns, no check;
* cp: the file copied.

Reported are medians over the runs; CPU seconds and peak memory come from the resource usage of each process. Where both
engines ran, their objects and manifests are compared byte by byte.
"""

import argparse
import filecmp
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb
import polars
from processes import Usage, measured, ratio

from libs import layout
from libs.stage.command import day

_DAY = "2025-11-02"  # the second of the shop: it has orders that were changed, too
_POLARS = "import polars, sys; polars.scan_csv(sys.argv[1], infer_schema=False).sink_csv(sys.argv[2])"
_DUCKDB = """
import duckdb, json, sys
options = "all_varchar = true, auto_detect = false, header = true, delim = ','"
read = f"read_csv('{sys.argv[1]}', {options}, columns = {json.loads(sys.argv[3])})"
duckdb.sql(f"copy (from {read}) to '{sys.argv[2]}' (header)")
"""


def landed(folder: Path, orders: int, fault_rate: float) -> Path:
    """Make the landing file; return it."""
    options = ["--orders-per-day", str(orders), "--fault-rate", str(fault_rate), "--date", _DAY, "--dest", str(folder)]
    measured([_stage("generator"), "generate", "--entity", "orders", *options], {})
    return folder / layout.landing("orders", day(_DAY))


def ingest(engine: str, source: Path, dest: Path) -> Usage:
    """Ingest the file into a lake that is new."""
    shutil.rmtree(dest, ignore_errors=True)
    stores = ["--source", str(source), "--dest", str(dest)]
    options = ["--engine", engine, "--entity", "orders", "--date", _DAY]
    return measured([_stage("ingestor"), "ingest", *options, *stores, "--json"], {})


def rewrite(how: str, file: Path, to: Path) -> Usage:
    """Write the file again, without a check. Damaged structure stops both, so they get an undamaged file."""
    if how == "cp":
        return measured(["cp", str(file), str(to)], {})
    if how == "polars":
        return measured([sys.executable, "-c", _POLARS, str(file), str(to)], {})
    with file.open(encoding="utf-8") as lines:
        columns = dict.fromkeys(next(lines).rstrip("\n").split(","), "VARCHAR")
    return measured([sys.executable, "-c", _DUCKDB, str(file), str(to), json.dumps(columns)], {})


def render(title: str, runs: Mapping[str, Sequence[Usage]], rows: int) -> str:
    """Return the measurements as Markdown; ratios are those of the columnar engine's wall time to each."""
    lines = [title, "", "| | wall s | rows/s | CPU s | peak MB | columnar / this |", "|---|---|---|---|---|---|"]
    for name, found in runs.items():
        of: list[Callable[[Usage], float]] = [lambda run: run.wall, lambda run: run.cpu, lambda run: run.peak * 1000]
        wall, cpu, peak = (statistics.median(map(one, found)) for one in of)
        against = ratio(runs["columnar"][: len(found)], found, lambda run: run.wall)
        lines.append(f"| {name} | {wall:.2f} | {rows / wall:,.0f} | {cpu:.2f} | {peak:.0f} | {against} |")
    return "\n".join([*lines, ""])


def same(one: Path, other: Path) -> bool:
    """Tell whether two lakes hold the same objects, byte by byte."""
    files = [sorted(path.relative_to(lake) for path in lake.rglob("*") if path.is_file()) for lake in (one, other)]
    return files[0] == files[1] and all(filecmp.cmp(one / name, other / name, shallow=False) for name in files[0])


def _stage(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000, help="a day's new orders (default 1,000,000)")
    parser.add_argument("--runs", type=int, default=3, help="runs of all but the reference (default 3)")
    parser.add_argument("--fault-rate", type=float, action="append", help="may be repeated (default 0, 0.01 and 0.1)")
    args = parser.parse_args()
    versions = f"Python {platform.python_version()}, Polars {polars.__version__}, DuckDB {duckdb.__version__}"
    print(f"{platform.machine()}, {os.cpu_count()} cores, {versions}. {args.runs} runs, medians.\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        plain = landed(folder / "plain", args.orders, 0)
        for rate in args.fault_rate or [0, 0.01, 0.1]:
            source = folder / f"damaged-{rate}"
            file = landed(source, args.orders, rate)
            runs: dict[str, list[Usage]] = {name: [] for name in ("columnar", "polars", "duckdb", "cp")}
            for _ in range(args.runs):
                runs["columnar"].append(ingest("columnar", source, folder / "columnar"))
                for name in ("polars", "duckdb", "cp"):
                    runs[name].append(rewrite(name, plain, folder / "rewritten"))
            runs["reference"] = [ingest("reference", source, folder / "reference")]
            alike = "the same" if same(folder / "columnar", folder / "reference") else "NOT THE SAME"
            rows = json.loads(runs["columnar"][0].printed)["outcomes"][0]["rows"]
            size = file.stat().st_size / 1e6
            title = (
                f"{rows:,} orders, {size:.0f} MB, {rate:.0%} damaged; objects and manifests of both engines: {alike}."
            )
            print(render(title, runs, rows), flush=True)


if __name__ == "__main__":
    main()
