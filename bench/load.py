"""How fast the loader fills the warehouse, held against DuckDB's own COPY, and many small files against few large ones.

One file: a day of orders, generated and ingested, then in turn, each in a process of its own into a new database file:

* loader: `loader load` of that day, as a user calls it;
* copy: the contract's columns with the types of the loader's table, filled by a bare `COPY orders FROM … (HEADER)`
  from the validated object.

Many files: Olist's export, landed by `ingestor land`, goes through one `ingestor ingest` and one `loader load`:

* many: its 774 days of five entities;
* few: all rows of an entity as one landing file, of the last day. No row of Olist's comes twice, so all are good.

Reported are medians over the runs and the ratio over the pairs; CPU seconds and peak memory come from the resource
usage of each process. The rows of the two tables are compared, and the numbers of good rows.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb
from processes import Usage, environment, measured, ratio, stage

from dbt_stage.sources import data_type
from libs import layout
from libs.entities import ENTITIES
from libs.manifest import Manifest
from libs.stage.command import day

_DAY = "2025-11-02"  # the second of the shop: it has orders that were changed, too
_OLIST = Path("../shared/data/olist")
_STEPS = ("ingest", "load", "both")
_COPY = """
import duckdb, sys
with duckdb.connect(sys.argv[1]) as db:
    db.execute(f"create table orders ({sys.argv[3]})")
    db.execute(f"copy orders from '{sys.argv[2]}' (header)")
"""


def ingest(landing: Path, lake: Path, *days: str) -> Usage:
    """Ingest days of landing files."""
    return stage("ingestor", "ingest", *days, "--source", str(landing), "--dest", str(lake))


def load(lake: Path, warehouse: Path, *days: str) -> Usage:
    """Load days into a new warehouse."""
    warehouse.unlink(missing_ok=True)
    return stage("loader", "load", *days, "--source", str(lake), "--warehouse", str(warehouse))


def copy(file: Path, database: Path) -> Usage:
    """Copy a file into a new database."""
    database.unlink(missing_ok=True)
    columns = ", ".join(
        f"{column.name} {data_type(column.type)}{'' if column.nullable else ' not null'}"
        for column in ENTITIES["orders"].columns()
    )
    return measured([sys.executable, "-c", _COPY, str(database), str(file), columns], {})


def one_file(folder: Path, orders: int, runs: int) -> str:
    """Measure the loading of one file; return Markdown."""
    lake, days = folder / "lake", ["--entity", "orders", "--date", _DAY]
    stage("generator", "generate", *days, "--orders-per-day", str(orders), "--dest", str(lake))
    ingest(lake, lake, *days)
    file = lake / layout.validated_raw("orders", day(_DAY))
    loaded, copied = folder / "loaded.duckdb", folder / "copied.duckdb"
    found: dict[str, list[Usage]] = {"loader load": [], "COPY": []}
    for _ in range(runs):
        found["loader load"].append(load(lake, loaded, *days))
        found["COPY"].append(copy(file, copied))
    ours, theirs = contents(loaded, "landing.orders"), contents(copied, "orders")
    title = (
        f"One file: {ours[0]:,} orders, {file.stat().st_size / 1e6:.0f} MB; "
        f"rows of both tables: {'the same' if ours == theirs else 'NOT THE SAME'}."
    )
    return render(title, found, {"COPY": "loader load"})


def contents(database: Path, table: str) -> tuple[int, int]:
    """Return the number of rows of a table of orders, and a checksum of the contract's columns."""
    columns = ", ".join(column.name for column in ENTITIES["orders"].columns())
    with duckdb.connect(database, read_only=True) as db:
        found = db.execute(f"select count(*), sum(hash({columns})) from {table}").fetchone()
    return found or (0, 0)


def many_files(folder: Path, olist: Path, runs: int) -> str:
    """Measure many small files against few; return Markdown."""
    many, few = folder / "many", folder / "few"
    stage("ingestor", "land", "--export", "olist", "--input", str(olist), "--dest", str(many))
    days = sorted(path.name for path in (many / "landing" / "ecommerce").iterdir())
    rows = join(many, few, days)
    ranges = {many: ["--date", days[0], "--to", days[-1]], few: ["--date", days[-1]]}
    found: dict[str, list[Usage]] = {}
    good = {}
    for run in range(runs):
        for landing, name in ((many, f"{len(days)} days"), (few, "one day")):
            lake = folder / f"{landing.name}-{run}"  # never one that was emptied: ext4 is slow where files just were
            steps = [
                ingest(landing, lake, *ranges[landing]),
                load(lake, folder / "shop.duckdb", *ranges[landing]),
            ]
            for step, usage in zip(_STEPS, [*steps, together(steps)], strict=True):
                found.setdefault(f"{name}, {step}", []).append(usage)
            good[landing] = validated(lake)
    title = (
        f"Many files: Olist, {len(days)} days of five entities, {rows:,} rows ({good[many]:,} good), "
        f"against one day with the same rows ({good[few]:,} good)."
    )
    return render(title, found, {f"one day, {step}": f"{len(days)} days, {step}" for step in _STEPS})


def validated(lake: Path) -> int:
    """Return the number of good rows of a lake, as its manifests tell it."""
    found = (Manifest.model_validate_json(file.read_bytes()) for file in (lake / "manifests").rglob("*.json"))
    return sum(one.rows.validated for one in found)


def join(many: Path, few: Path, days: Sequence[str]) -> int:
    """Write the landing files of all days as one of the last day, for each entity; return the number of rows."""
    rows = 0
    for entity in ENTITIES:
        to = few / layout.landing(entity, day(days[-1]))
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("wb") as file:
            for place, one in enumerate(days):
                header, *lines = (many / layout.landing(entity, day(one))).read_bytes().splitlines(keepends=True)
                file.writelines(lines if place else [header, *lines])
                rows += len(lines)
    return rows


def together(steps: Sequence[Usage]) -> Usage:
    """Return what processes used that ran one after the other."""
    return Usage(sum(one.wall for one in steps), sum(one.cpu for one in steps), max(one.peak for one in steps), "")


def render(title: str, runs: Mapping[str, Sequence[Usage]], pairs: Mapping[str, str]) -> str:
    """Return the measurements as Markdown; `pairs` tells what is divided by what."""
    lines = [title, "", "| | wall s | CPU s | peak MB |", "|---|---|---|---|"]
    of: list[Callable[[Usage], float]] = [lambda run: run.wall, lambda run: run.cpu, lambda run: run.peak * 1000]
    for name, found in runs.items():
        wall, cpu, peak = (statistics.median(map(one, found)) for one in of)
        lines.append(f"| {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} |")
    for below, above in pairs.items():
        against = " | ".join(ratio(runs[above], runs[below], one) for one in of)
        lines.append(f"| **{above} / {below}** | {against} |")
    return "\n".join([*lines, ""])


def warm(folder: Path) -> None:
    """Run each command once, so that no run is the first to compile what it imports."""
    days = ["--date", _DAY]
    stage("generator", "generate", *days, "--orders-per-day", "1", "--dest", str(folder / "warm"))
    ingest(folder / "warm", folder / "warm", *days)
    load(folder / "warm", folder / "warm.duckdb", *days)


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000, help="a day's new orders (default 1,000,000)")
    parser.add_argument("--olist", type=Path, default=_OLIST, help=f"the folder with Olist's files (default {_OLIST})")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default 3)")
    args = parser.parse_args()
    print(f"{environment('duckdb')}. {args.runs} runs, medians.\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        warm(folder)
        print(one_file(folder, args.orders, args.runs), flush=True)
        if args.olist.is_dir():
            print(many_files(folder, args.olist, args.runs))
        else:
            print(f"Many files: skipped, there is no folder {args.olist} (--olist)")


if __name__ == "__main__":
    main()
