"""Become a command that ends when its parent does: `bound.py PARENT COMMAND …`. Run as a script, without packages.

Linux sends the signal that `prctl(PR_SET_PDEATHSIG)` asks for; elsewhere a stage whose parent was killed ends by
itself, when its work is done. A script of its own, for Python code between fork and exec may deadlock in a process with
threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Ask for the signal and become the command, unless the parent is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
