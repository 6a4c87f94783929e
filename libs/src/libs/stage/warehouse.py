"""The warehouse's DuckDB file, for the stages that open it: its place, its name, and waiting until it is free.

DuckDB lets one process write, and nobody read meanwhile: whoever has the file open has all of it. DuckDB itself is not
imported here; its errors are known by their words.
"""

import argparse
import math
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from libs.errors import CallError, StageError

T = TypeVar("T")

DEFAULT = ".data/warehouse/shop.duckdb"
SCHEMAS = ("landing", "staging", "intermediate", "marts")
"""The warehouse's schemas. A file of such a name would make every `landing.orders` ambiguous."""

_DUCKDBS_OWN = ("main", "temp", "system")

_HOLDER = re.compile(r"lock is held in (?P<program>.*?) ?\(PID (?P<pid>[0-9]+)\)")
_RETRY_SECONDS = 0.2


def add_warehouse_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --warehouse and --lock-wait."""
    parser.add_argument(
        "--warehouse",
        type=_file,
        metavar="FILE",
        help=f"the DuckDB file (default: the environment's WAREHOUSE, else {DEFAULT})",
    )
    parser.add_argument(
        "--lock-wait",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait while another process has the warehouse open (default: 60)",
    )


def locate(argument: Path | None, environment: Mapping[str, str]) -> Path:
    """Return the file: --warehouse, else WAREHOUSE, else the default. Raises CallError for what can be none."""
    path = argument or Path(environment.get("WAREHOUSE") or DEFAULT)
    if re.match("[A-Za-z0-9]+:/", str(path)):
        raise CallError(f"{path} is no file of this machine: let --warehouse name one, such as {DEFAULT}")
    name = path.name.partition(".")[0].lower()
    if name in (*SCHEMAS, *_DUCKDBS_OWN) or re.search("['\"]", name):
        raise CallError(
            f"a warehouse cannot be named {path.name}, for DuckDB would mix it up with a schema or a quote of its own: "
            "give --warehouse another file name, such as shop.duckdb"
        )
    return path


def when_free(connect: Callable[[], T], path: Path, lock_wait: float, say: Callable[[str], None]) -> T:
    """Connect, waiting up to `lock_wait` seconds while another process has the file open, which is said once.

    Raises StageError, which names the holder, when the time is over; other errors of `connect` as they are.
    """
    give_up = time.monotonic() + lock_wait
    waiting = False
    while True:
        try:
            return connect()
        except Exception as error:
            who = holder(str(error))
            if who is None:
                raise
            if time.monotonic() >= give_up:
                raise in_use(path, who, lock_wait) from error
            if not waiting:
                say(f"the warehouse {path} is in use by {who}: waiting up to {lock_wait:g} s")
        waiting = True
        time.sleep(min(_RETRY_SECONDS, max(0.0, give_up - time.monotonic())))


def holder(message: str) -> str | None:
    """Return who holds the lock that DuckDB's message is about, None where it is about something else."""
    if "Could not set lock on file" not in message:
        return None
    found = _HOLDER.search(message)
    return f"PID {found['pid']} ({found['program']})" if found else "another process"


def in_use(path: Path, who: str, waited: float) -> StageError:
    """Say who has the file open and what to do."""
    return StageError(
        f"the warehouse {path} is in use by {who}, waited {waited:g} s: close what has it open, then run again"
    )


def _file(text: str) -> Path:
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is no path of a file")
    return Path(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds: write it as 60")
    return seconds
