"""What a process used, as the operating system accounts for it."""

import dataclasses
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

_KIB_PER_GB = 1e9 / 1024  # Linux tells peak memory in KiB
_USUAL = {"PYTHONDONTWRITEBYTECODE": ""}


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a process used: seconds by the clock and of CPU, peak memory in GB, and what it printed."""

    wall: float
    cpu: float
    peak: float
    printed: str


def measured(command: Sequence[str], environment: Mapping[str, str]) -> Usage:
    """Run a command; return what it used. Ends the benchmark where the command fails.

    Python may keep the bytecode of what it imports, as it does for users: some systems forbid it by a variable.
    """
    with tempfile.TemporaryFile() as output:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=output, env={**os.environ, **_USUAL, **environment})  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{printed}")
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / _KIB_PER_GB, printed)


def stage(*words: str) -> Usage:
    """Run a stage's command as a user does; what it printed is its report as JSON."""
    return measured([str(Path(sys.executable).with_name(words[0])), *words[1:], "--json"], {})


def environment(*packages: str) -> str:
    """Name the machine and the versions of Python and of packages."""
    with Path("/proc/cpuinfo").open() as lines:
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    machine = f"{model}, {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB"
    return f"{machine}; Python {platform.python_version()}, {versions}"


def apart(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function in a process of its own: a measured one's peak memory is never below that of its parent."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def ratio(ones: Sequence[_T], others: Sequence[_T], of: Callable[[_T], float]) -> str:
    """Return median and range over the pairs of what ran side by side."""
    ratios = [of(one) / of(other) for one, other in zip(ones, others, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
