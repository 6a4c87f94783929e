"""DAGSTER_HOME: the folder with Dagster's history and settings."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from libs.errors import CallError, StageError

HOME = ".data/dagster"
_SETTINGS = Path(__file__).with_name("dagster.yaml")


def prepare(environment: Mapping[str, str]) -> Path:
    """Return the folder that DAGSTER_HOME names, by default one below the current folder; make what is missing of it.

    Settings that are there stay as they are. Raises CallError where it can be no folder.
    """
    home = Path(environment.get("DAGSTER_HOME") or HOME).expanduser().absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not (home / _SETTINGS.name).exists():
            shutil.copyfile(_SETTINGS, home / _SETTINGS.name)
    except OSError as error:
        raise CallError(f"{home} cannot hold Dagster's history ({error.strerror}): set DAGSTER_HOME") from error
    return home


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold the history's lock for backfills. Raises StageError where another process has it."""
    with (home / "backfill.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise StageError(
                f"another backfill runs with the history {home} (PID {holder}): wait for its end, or stop it"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
