"""How long dbt takes to build and test the marts, held against DuckDB writing the same tables.

One run is a pair, one right after the other, each in a process of its own:

* build: `dbt-stage build` on a fresh copy of a warehouse that holds landing tables only: parse, all models, all tests;
* copy: a new DuckDB file, into which every table that the build made (staging, intermediate, marts; not landing) is
  written by `create table … as select * from` the built one, and nothing else (`copy_tables.py`).

The landing tables are made by `landing.sql` inside DuckDB from a seed: the same rows for the same seed, size and
version of DuckDB. Reported are medians over the runs, CPU seconds and peak memory from the resource usage of each
process, and the ratio of the two as the median over the pairs.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
from processes import Usage, environment, measured, ratio

from dbt_stage.sources import data_type
from libs.entities import ENTITIES

_HERE = Path(__file__).resolve().parent
_LAYERS = ("staging", "intermediate", "marts")


def make_landing(file: Path, orders: int, seed: int) -> dict[str, int]:
    """Make a warehouse with filled landing tables; return the rows of each."""
    with duckdb.connect(str(file)) as db:
        db.execute("create schema landing")
        for entity, contract in ENTITIES.items():
            columns = ", ".join(f"{column.name} {data_type(column.type)}" for column in contract.columns())
            db.execute(
                f"create table landing.{entity} "
                f"({columns}, _partition_date date, _source_object varchar, _loaded_at timestamp)"
            )
        db.execute(f"set variable orders = {orders:d}; set variable seed = {seed:d}")
        db.execute((_HERE / "landing.sql").read_text(encoding="utf-8"))
        return {entity: db.table(f"landing.{entity}").shape[0] for entity in ENTITIES}


def build(folder: Path, landing: Path) -> Usage:
    """Build the marts in a fresh copy of the landing tables."""
    warehouse = folder / "built.duckdb"
    shutil.copyfile(landing, warehouse)
    stage = [sys.executable, "-c", "from dbt_stage.cli import main; main()"]
    environment = {"DBT_TARGET_PATH": str(folder / "target"), "DBT_LOG_PATH": str(folder / "logs")}
    return measured([*stage, "build", "--warehouse", str(warehouse), "--json"], environment)


def copy(folder: Path) -> Usage:
    """Copy what was built."""
    to = folder / "copied.duckdb"
    to.unlink(missing_ok=True)
    code = [sys.executable, str(_HERE / "copy_tables.py")]
    return measured([*code, str(folder / "built.duckdb"), str(to), *_LAYERS], {})


def render(rows: Mapping[str, int], builds: Sequence[Usage], copies: Sequence[Usage]) -> str:
    """Return the measurements as Markdown."""
    sizes = ", ".join(f"{number:,} {entity}" for entity, number in rows.items())
    lines = [
        f"Landing rows: {sizes}. {len(builds)} runs, medians. {_machine()}.",
        "",
        "| | wall s | CPU s | peak GB |",
        "|---|---|---|---|",
    ]
    for name, runs in (("dbt-stage build", builds), ("copy of its tables", copies)):
        middle = [statistics.median(getattr(run, field) for run in runs) for field in ("wall", "cpu", "peak")]
        lines.append(f"| {name} | {middle[0]:.1f} | {middle[1]:.1f} | {middle[2]:.2f} |")
    wall = ratio(builds, copies, lambda run: run.wall)
    cpu = ratio(builds, copies, lambda run: run.cpu)
    lines += [f"| **ratio** | **{wall}** | {cpu} | |", ""]
    by_schema = json.loads(copies[-1].printed)
    lines.append("Copy, by schema, s: " + ", ".join(f"{name} {s}" for name, s in by_schema.items()) + ".")
    return "\n".join([*lines, *_slowest(json.loads(builds[-1].printed))])


def _machine() -> str:
    limit = os.environ.get("DUCKDB_MEMORY_LIMIT", "the profile's")
    return f"{environment('duckdb')}, memory limit {limit}"


def _slowest(report: Any) -> list[str]:
    """Return lines on the nodes of a build: seconds of models and tests (two run at a time), the ten slowest."""
    nodes = [(item["seconds"], item["type"], item["entity"]) for item in report["outcomes"]]
    kinds = sorted({kind for _, kind, _ in nodes})
    sums = ", ".join(f"{kind}s {sum(s for s, one, _ in nodes if one == kind):.1f}" for kind in kinds)
    slowest = ", ".join(f"{name} {seconds:.1f}" for seconds, _, name in sorted(nodes, reverse=True)[:10])
    return ["", f"Nodes of the last build, s, two at a time: {sums}.", "", f"Slowest: {slowest}."]


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=2_000_000, help="sales (default 2,000,000)")
    parser.add_argument("--runs", type=int, default=3, help="pairs of build and copy (default 3)")
    parser.add_argument("--seed", type=int, default=0, help="of the landing tables (default 0)")
    parser.add_argument("--folder", type=Path, help="where to work, and leave the files (default: a temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        landing = folder / "landed.duckdb"
        landing.unlink(missing_ok=True)
        rows = make_landing(landing, args.orders, args.seed)
        builds, copies = [], []
        for run in range(1, args.runs + 1):
            builds.append(build(folder, landing))
            copies.append(copy(folder))
            print(
                f"run {run}: build {builds[-1].wall:.1f} s, copy {copies[-1].wall:.1f} s", file=sys.stderr, flush=True
            )
        print(render(rows, builds, copies))


if __name__ == "__main__":
    main()
