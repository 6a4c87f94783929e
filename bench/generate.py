"""How fast the generator makes a day of orders, held against writing the same rows, and against other makers of rows.

All run in turn, each in a process of its own:

* generator: `generator generate` of the orders of one day, the shop's second; then of all five entities;
* polars: the very table that the generator makes, with its types, read from an Arrow IPC file and written as CSV. The
  file it writes is compared with the generator's byte by byte;
* faker, mimesis: fewer rows, one by one (`rows.py`);
* jafgen: a year of its own shop, all its files. Its size cannot be chosen, but for the number of years.

Reported are medians over the runs, rows a second (start included), and the generator's rows a second divided by those
of each; CPU seconds and peak memory come from the resource usage of each process.
"""

import argparse
import csv
import dataclasses
import filecmp
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from processes import Usage, environment, measured, ratio, stage

from libs import layout
from libs.stage.command import day

_HERE = Path(__file__).resolve().parent
_DAY = "2025-11-02"  # the second of the shop: it has orders that were changed, too
_TABLE = """
import sys
from generator.files import Files
from generator.shop import Shop
from libs.stage.command import day
Files(Shop(orders_per_day=int(sys.argv[1]))).table("orders", day(sys.argv[2])).rechunk().write_ipc(sys.argv[3])
"""
_POLARS = """
import polars, sys
table = polars.read_ipc(sys.argv[1])
table.write_csv(sys.argv[2], datetime_format="%Y-%m-%dT%H:%M:%SZ", quote_style="necessary")
"""
_JAFGEN = "import os, sys; os.chdir(sys.argv.pop()); from jafgen.cli import app; app()"
_ONE_BY_ONE = {"faker": "Faker", "unweighted": "Faker, use_weighting=False", "mimesis": "Mimesis"}


@dataclasses.dataclass(frozen=True)
class Made:
    """How many rows a process made, and what it used."""

    rows: int
    usage: Usage

    @property
    def speed(self) -> float:
        """Rows a second."""
        return self.rows / self.usage.wall


def generator(orders: int, dest: Path, *options: str) -> Made:
    """Make a day's files in a new folder."""
    shutil.rmtree(dest, ignore_errors=True)
    words = ["--date", _DAY, "--orders-per-day", str(orders), "--dest", str(dest)]
    usage = stage("generator", "generate", *words, *options)
    return Made(sum(outcome["rows"] for outcome in json.loads(usage.printed)["outcomes"]), usage)


def polars(table: Path, to: Path, rows: int) -> Made:
    """Write the generator's table."""
    return Made(rows, measured([sys.executable, "-c", _POLARS, str(table), str(to)], {}))


def one_by_one(tool: str, rows: int, to: Path) -> Made:
    """Make rows one by one."""
    return Made(rows, measured([sys.executable, str(_HERE / "rows.py"), tool, str(rows), str(to)], {}))


def jafgen(folder: Path) -> Made:
    """Let jafgen simulate a year, and count the rows of its files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    usage = measured([sys.executable, "-c", _JAFGEN, str(folder)], {})
    rows = 0
    for file in folder.rglob("*.csv"):
        with file.open(encoding="utf-8", newline="") as lines:
            rows += sum(1 for _ in csv.reader(lines)) - 1
    return Made(rows, usage)


def once(folder: Path, orders: int, rows: int, table: Path) -> dict[str, Made]:
    """Run all but jafgen."""
    made = {"generator, orders": generator(orders, folder / "made", "--entity", "orders")}
    made["Polars writes the same"] = polars(table, folder / "written.csv", made["generator, orders"].rows)
    made |= {name: one_by_one(tool, rows, folder / "rows.csv") for tool, name in _ONE_BY_ONE.items()}
    return made | {"generator, all five entities": generator(orders, folder / "all")}


def same(folder: Path) -> bool:
    """Tell whether the generator and Polars wrote the same bytes."""
    return filecmp.cmp(folder / "made" / layout.landing("orders", day(_DAY)), folder / "written.csv", shallow=False)


def render(title: str, runs: Mapping[str, Sequence[Made]]) -> str:
    """Return the measurements as Markdown; the first row is the generator's."""
    lines = [title, "", "| | rows | wall s | rows/s | CPU s | peak MB | rows/s, generator / this |"]
    lines.append("|---|---|---|---|---|---|---|")
    ours = next(iter(runs.values()))
    for name, found in runs.items():
        of: list[Callable[[Made], float]] = [
            lambda made: made.usage.wall,
            lambda made: made.speed,
            lambda made: made.usage.cpu,
            lambda made: made.usage.peak * 1000,
        ]
        wall, speed, cpu, peak = (statistics.median(map(one, found)) for one in of)
        against = ratio(ours, found, lambda made: made.speed)
        lines.append(f"| {name} | {found[0].rows:,} | {wall:.2f} | {speed:,.0f} | {cpu:.2f} | {peak:.0f} | {against} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--orders", type=int, default=1_000_000, help="a day's new orders (default 1,000,000, the most that a shop has)"
    )
    parser.add_argument("--rows", type=int, default=20_000, help="rows made one by one (default 20,000)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default 3)")
    args = parser.parse_args()
    print(f"{environment('polars', 'numpy', 'faker', 'mimesis', 'jafgen')}. {args.runs} runs, medians.\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table = folder / "table.arrow"
        measured([sys.executable, "-c", _TABLE, str(args.orders), _DAY, str(table)], {})
        once(folder, 1, 1, table)  # so that no run is the first to compile what it imports
        runs: dict[str, list[Made]] = {}
        for _ in range(args.runs):
            for name, made in once(folder, args.orders, args.rows, table).items():
                runs.setdefault(name, []).append(made)
            runs.setdefault("jafgen, a year", []).append(jafgen(folder / "jafgen"))
        alike = "the same" if same(folder) else "NOT THE SAME"
        size = (folder / "written.csv").stat().st_size / 1e6
        title = f"{args.orders:,} orders a day, {size:.0f} MB of orders; bytes of the generator and of Polars: {alike}."
        print(render(title, runs))


if __name__ == "__main__":
    main()
