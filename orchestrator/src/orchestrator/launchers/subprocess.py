"""Stages as processes of this machine."""

import os
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO

import dagster as dg
from pydantic import Field

from orchestrator.launchers.launcher import LAST_LINES, Process, StageLauncher, ending

_BOUND = Path(__file__).with_name("bound.py")


class SubprocessLauncher(StageLauncher):
    """Starts a stage's command as a process of this machine, which ends when the run ends, however that happens."""

    grace_seconds: float = Field(
        default=10.0, ge=0, description="how long a stage that is stopped may take to end before it is killed"
    )

    @contextmanager
    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        labels: Mapping[str, str],  # noqa: ARG002
    ) -> Iterator[Process]:
        """Start the command; its output goes where this process's own goes, which is the run's compute log."""
        # `bound.py` asks the system for a signal at this process's death, then becomes the stage.
        child = subprocess.Popen(  # noqa: S603 - no shell, and the command is the definitions' own
            [sys.executable, "-I", "-S", str(_BOUND), str(os.getpid()), _executable(command[0]), *command[1:]],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the run's, which then stops the stage
        )
        with child:
            process = _Process(child)
            try:
                yield process
            finally:
                _stop(child, self.grace_seconds)
                process.close()


class _Process:
    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._copying = Thread(target=_copy, args=(child.stderr, self._last), daemon=True)
        self._copying.start()

    def exit_code(self) -> int | None:
        return self._child.poll()

    def ending(self) -> str:
        self.close()
        code = self._child.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return ending(how, self._last)

    def close(self) -> None:
        """Read on until the stage's errors have ended."""
        self._copying.join(timeout=5)


def _copy(stream: IO[bytes], last: deque[str]) -> None:
    """Copy a stage's errors to those of this process, line by line, and keep the last ones."""
    for line in stream:
        last.append(line.decode(errors="replace").rstrip())
        with suppress(OSError):  # a full disk: who stopped reading would stop the stage
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, line)


def _stop(child: "subprocess.Popen[bytes]", grace_seconds: float) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        try:
            child.wait(grace_seconds)
        finally:  # also where the waiting itself is interrupted
            child.kill()


def _executable(name: str) -> str:
    """Find a stage's command: first beside this Python, for a virtual environment need not be activated."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        raise dg.Failure(
            f"the command {name} is not installed where Dagster runs: install that stage, or put it on PATH"
        )
    return found
