"""Child processes: started with a log, watched, ended together with their parent.

Knows nothing of Kubernetes or Prometheus. A child never outlives this process (see ``launch``),
and one that ends by itself is reported with the tail of its log.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pratique_testbed.errors import ComponentCrashed, NotReady

_LAUNCH = Path(__file__).with_name("launch.py")

# Linux ends a child when the *thread* that forked it ends, so all are forked by one thread that
# lives as long as the interpreter.
_forking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="testbed-forking")


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log, however long it is; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 64 * 1024))
            return b"\n".join(file.read().splitlines()[-lines:]).decode(errors="replace")
    except OSError:
        return ""


class Child:
    """One component: a program, its arguments, its log, and its process while it runs."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process' id, or None before its start and after its end was asked for."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; its output is appended to the log. Returns at once, ready or not."""
        if self.running:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        _forking.submit(self._fork).result()

    def _fork(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,  # a Ctrl-C on the terminal is for us alone
            )

    def check(self) -> None:
        """Raise ComponentCrashed if it ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise ComponentCrashed(self.name, code, self.log, tail(self.log))

    def stop(self, grace: float = 5.0) -> None:
        """End it: SIGTERM, and SIGKILL after `grace` seconds (at once when 0)."""
        process, self._process = self._process, None
        if process is None:
            return
        if grace > 0:
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        _signal(process, signal.SIGKILL)  # the whole group: a grandchild may be left
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        if process.poll() is None:
            process.send_signal(number)


def stop_all(children: Sequence[Child], grace: float = 0.0) -> None:
    """End all, the last started first. With no grace they end at the same moment."""
    for child in reversed(children):
        child.stop(grace)


def wait_until(
    ready: Callable[[], bool],
    *,
    what: str,
    children: Sequence[Child] = (),
    timeout: float = 60.0,
    interval: float = 0.05,
) -> None:
    """Wait until `ready()`; raise NotReady after `timeout` seconds with the logs' tails, and
    ComponentCrashed at once when one of the children ends by itself.
    """
    limit = time.monotonic() + timeout
    while not ready():
        for child in children:
            child.check()
        if time.monotonic() > limit:
            tails = "".join(f"\nthe end of {c.log}:\n{tail(c.log)}" for c in children)
            raise NotReady(f"{what} did not become ready within {timeout:g} s{tails}")
        time.sleep(interval)
