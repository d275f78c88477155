"""Become another program that dies when its parent dies, even by SIGKILL.

Run as a script: ``python -I -S launch.py PARENT_PID PROGRAM [ARGUMENT...]``. It is a program of
its own because the wish (Linux' PR_SET_PDEATHSIG) must be set between fork and exec, and Python
code between the two is unsafe in a process with threads. Elsewhere than on Linux it only starts
the program.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, program = int(arguments[0]), arguments[1]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the wish was set
            return
    os.execv(program, arguments[1:])  # noqa: S606 (that is its purpose)


if __name__ == "__main__":
    main(sys.argv[1:])
