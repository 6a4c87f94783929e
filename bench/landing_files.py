"""Landing files of orders in the sizes and shapes that ingestion is measured with.

A day of the generator's shop has a million orders and some; a greater file is put together from several days, each that
on which a shop opens, so that every order is new and no two have the same id. In these files a record is a line, a
damaged one too, so a file can be cut behind any line. Nothing is held in memory.
"""

import csv
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

from processes import stage

from libs import layout

DAY = date(2025, 11, 30)
"""The partition, and the last day in every file."""

Shape = Callable[[Path, Path], None]


def landed(lake: Path, rows: int, fault_rate: float) -> Path:
    """Return the landing file with so many rows; make it if it is not there."""

    def write(file: Path) -> None:
        parts = lake / "parts"
        with file.open("wb") as to:
            to.writelines(islice(_lines(parts, min(rows, 1_000_000), fault_rate), rows + 1))
        shutil.rmtree(parts)

    return _made(lake, write)


def reshaped(lake: Path, source: Path, shape: Shape) -> Path:
    """Return the landing file that a shape makes of another; make it if it is not there."""
    return _made(lake, lambda file: shape(source, file))


def reordered(source: Path, file: Path) -> None:
    """Write the columns in the other direction."""
    with source.open(encoding="utf-8", newline="") as lines, file.open("w", encoding="utf-8", newline="") as to:
        csv.writer(to, lineterminator="\n").writerows(row[::-1] for row in csv.reader(lines, strict=True))


def crlf(source: Path, file: Path) -> None:
    """End the lines with CR LF."""
    with source.open("rb") as lines, file.open("wb") as to:
        to.writelines(line.removesuffix(b"\n") + b"\r\n" for line in lines)


def head(source: Path, file: Path, rows: int) -> None:
    """Write the first rows, with the header."""
    with source.open("rb") as lines, file.open("wb") as to:
        to.writelines(islice(lines, rows + 1))


def _lines(parts: Path, orders: int, fault_rate: float) -> Iterator[bytes]:
    """Return the header and rows without end: of the last day, then of the one before it, and so on."""
    from generator.faults import FAULTS  # imports NumPy

    day = DAY
    while True:
        # A future date is one only for the last day: there every kind of fault, before it all the others.
        kinds = [kind for kind in FAULTS if day == DAY or kind != "future_date"]
        options = [part for kind in kinds for part in ("--fault", kind)]
        options += ["--opened", str(day), "--orders-per-day", str(orders), "--fault-rate", str(fault_rate)]
        target = ["--entity", "orders", "--date", str(day), "--dest", str(parts)]
        stage("generator", "generate", *target, *options)
        part = parts / layout.landing("orders", day)
        with part.open("rb") as lines:
            yield from islice(lines, 0 if day == DAY else 1, None)
        part.unlink()
        day -= timedelta(days=1)


def _made(lake: Path, write: Callable[[Path], None]) -> Path:
    file = lake / layout.landing("orders", DAY)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".part")
        write(unfinished)
        unfinished.rename(file)
    return file
