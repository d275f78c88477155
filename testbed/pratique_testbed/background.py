"""A test bed that goes on when the command that started it has ended: `up`, `status`, `down`.

One supervisor process holds the components; they die with it, however it ends. What it holds is
told in ``bed.json`` in its state folder, and a lock on that folder says whether it lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil

from pratique_testbed import binaries
from pratique_testbed.bed import Testbed
from pratique_testbed.errors import BedError
from pratique_testbed.processes import tail

_PACKAGES = Path(__file__).resolve().parents[1]


class Stop(Exception):  # noqa: N818 (not an error)
    """The supervisor was asked to end."""


def up(
    state: Path, *, jaeger: bool = False, nodes: int = 3, scrape_interval: str = "1s"
) -> dict[str, Any]:
    """Start a test bed in the background; returns what `read` returns once all of it is ready.

    Programs are built here first, so that a person sees how far it is. Raises BedError with the
    supervisor's words when it does not start; nothing is left running then, nor after Ctrl-C.
    """
    told = read(state)
    if told["alive"]:
        raise BedError(f"a test bed runs in {state} already (process {told['pid']}): `make down`")
    for module in (
        binaries.CONTROLPLANE,
        binaries.PROMETHEUS,
        *([binaries.JAEGER] if jaeger else []),
    ):
        binaries.programs(module)
    state.mkdir(parents=True, exist_ok=True)
    log = state / "supervisor.log"
    (state / "bed.json").unlink(missing_ok=True)
    # posix_spawn and not subprocess: the supervisor is meant to outlive us.
    pid = os.posix_spawn(
        sys.executable,
        [
            *(sys.executable, "-m", "pratique_testbed", f"--state={state}", "serve"),
            f"--nodes={nodes}",
            f"--scrape-interval={scrape_interval}",
            *(["--jaeger"] if jaeger else []),
        ],
        {**os.environ, "PYTHONPATH": str(_PACKAGES)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    try:
        while not (told := read(state))["ready"]:
            if os.waitpid(pid, os.WNOHANG)[0]:
                raise BedError(f"the test bed did not start:\n{tail(log)}")
            time.sleep(0.1)
    except BedError:
        raise
    except BaseException:  # Ctrl-C
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise
    return told


def down(state: Path, timeout: float = 20.0) -> bool:
    """End the test bed; False if none ran."""
    told = read(state)
    if not told["alive"]:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        supervisor = psutil.Process(told["pid"])
        supervisor.terminate()
        try:
            supervisor.wait(timeout)
        except psutil.TimeoutExpired:
            supervisor.kill()  # its children die with it
            supervisor.wait()
    return True


def read(state: Path) -> dict[str, Any]:
    """What the supervisor told last: alive, pid, ready, urls, components, crashed (name to words).

    `alive` is found out now, by the lock that the supervisor holds as long as it lives.
    """
    told: dict[str, Any] = {
        "pid": None,
        "ready": False,
        "urls": {},
        "components": {},
        "crashed": {},
    }
    with contextlib.suppress(OSError, ValueError):
        told.update(json.loads((state / "bed.json").read_text()))
    told["alive"] = told["pid"] is not None and _locked(state)
    told["ready"] = told["ready"] and told["alive"]
    return told


def serve(state: Path, *, jaeger: bool, nodes: int, scrape_interval: str) -> NoReturn:
    """Be the supervisor: hold a test bed until SIGTERM, SIGINT or SIGHUP."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise Stop

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        with _lock(state):
            _tell(state, {"pid": os.getpid(), "ready": False})
            with Testbed(state, jaeger=jaeger, nodes=nodes, scrape_interval=scrape_interval) as bed:
                _hold(state, bed)
    except Stop:
        pass
    except BedError as error:
        sys.exit(str(error))
    sys.exit(0)


def _hold(state: Path, bed: Testbed) -> NoReturn:
    told: dict[str, Any] = {
        "pid": os.getpid(),
        "ready": True,
        "urls": {
            name: url
            for name, url in {
                "api server": bed.api_url,
                "prometheus": bed.prometheus_url,
                "simulator": bed.simulator_url,
                "jaeger": bed.jaeger_query_url,
                "jaeger otlp": bed.jaeger_otlp_url,
            }.items()
            if url
        },
        "components": {name: child.pid for name, child in bed.children.items()},
        "crashed": {},
    }
    _tell(state, told)
    while True:
        time.sleep(0.5)
        for name, child in bed.children.items():
            if name in told["crashed"]:
                continue
            try:
                child.check()
            except BedError as crash:  # the others stay, to be looked at
                print(crash, flush=True)
                told["crashed"][name] = str(crash)
                _tell(state, told)


def _tell(state: Path, told: dict[str, Any]) -> None:
    new = state / ".bed.json"
    new.write_text(json.dumps(told, indent=1))
    new.replace(state / "bed.json")


@contextlib.contextmanager
def _lock(state: Path) -> Iterator[None]:
    with (state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BedError(f"another test bed runs in {state}: `make down`") from None
        yield


def _locked(state: Path) -> bool:
    try:
        with (state / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
