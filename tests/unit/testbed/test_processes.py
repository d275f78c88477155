"""Children end with their parent, and say why when they end by themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pratique_testbed import processes
from pratique_testbed.errors import ComponentCrashed, NotReady
from pratique_testbed.processes import Child, tail, wait_until
from support.eventually import eventually


def child(tmp_path: Path, script: str, name: str = "thing") -> Child:
    return Child(name, ["/bin/sh", "-c", script], tmp_path / "logs" / f"{name}.log")


def test_a_crash_is_told_with_code_and_tail(tmp_path: Path) -> None:
    crashing = child(tmp_path, "seq 100; echo out of luck >&2; exit 3")
    crashing.start()
    eventually(lambda: not crashing.running)
    with pytest.raises(ComponentCrashed) as crash:
        crashing.check()
    assert crash.value.code == 3
    assert str(crash.value).startswith("thing ended with code 3; the end of ")
    assert str(crash.value).endswith("100\nout of luck")
    assert "\n71\n" not in str(crash.value), "30 lines, not the whole log"
    assert len(crash.value.log.read_text().splitlines()) == 101


def test_an_end_that_was_asked_for_is_no_crash(tmp_path: Path) -> None:
    steady = child(tmp_path, "exec sleep 60")
    steady.start()
    assert steady.running
    steady.check()
    steady.stop()
    steady.check()
    assert not steady.running
    assert steady.pid is None


def test_who_does_not_heed_sigterm_is_killed_with_its_own_children(tmp_path: Path) -> None:
    stubborn = child(tmp_path, "trap '' TERM; sleep 60 & echo $!; while :; do sleep 0.1; done")
    stubborn.start()
    grandchild = int(eventually(lambda: tail(stubborn.log)))
    begun = time.monotonic()
    stubborn.stop(grace=0.3)
    assert 0.25 < time.monotonic() - begun < 5
    eventually(lambda: not psutil.pid_exists(grandchild) or zombie(grandchild))


def zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_its_log_goes_on_over_a_restart(tmp_path: Path) -> None:
    again = child(tmp_path, "echo here")
    for _ in range(2):
        again.start()
        eventually(lambda: not again.running)
        again.stop()
    assert tail(again.log) == "here\nhere"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("how", ["os.kill(os.getpid(), 9)", "sys.exit(0)", "raise ValueError"])
def test_a_child_does_not_outlive_its_parent(tmp_path: Path, how: str) -> None:
    script = textwrap.dedent(f"""
        import os, sys, threading
        from pathlib import Path
        from pratique_testbed.processes import Child
        child = Child("thing", ["/bin/sleep", "60"], Path({str(tmp_path / "log")!r}))
        # The thread that asks for it ends at once: the child must not end with that thread.
        starter = threading.Thread(target=child.start)
        starter.start()
        starter.join()
        print(child.pid, flush=True)
        sys.stdin.readline()
        {how}
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(processes.__file__).parents[1])},
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        eventually(lambda: psutil.Process(pid).name() == "sleep")
        parent.communicate("go\n", timeout=10)
    eventually(lambda: not psutil.pid_exists(pid) or zombie(pid), within=5)


def test_waiting_ends_at_once_when_a_child_crashes(tmp_path: Path) -> None:
    crashing = child(tmp_path, "exit 1")
    crashing.start()
    begun = time.monotonic()
    with pytest.raises(ComponentCrashed):
        wait_until(lambda: False, what="it", children=[crashing], timeout=30)
    assert time.monotonic() - begun < 10


def test_waiting_in_vain_shows_the_log(tmp_path: Path) -> None:
    hanging = child(tmp_path, "echo I wait for godot; exec sleep 60")
    hanging.start()
    eventually(lambda: tail(hanging.log))
    try:
        with pytest.raises(
            NotReady, match=r"the server did not become ready within 0\.2 s"
        ) as late:
            wait_until(lambda: False, what="the server", children=[hanging], timeout=0.2)
        assert "I wait for godot" in str(late.value)
    finally:
        hanging.stop(0)


def test_ctrl_c_on_the_terminal_is_not_the_childs(tmp_path: Path) -> None:
    steady = child(tmp_path, "exec sleep 60")
    steady.start()
    try:
        assert steady.pid is not None
        eventually(lambda: psutil.Process(steady.pid).name() == "sleep")
        assert os.getpgid(steady.pid) != os.getpgid(0), "SIGINT goes to the terminal's group"
    finally:
        steady.stop(0)


def test_the_tail_of_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "none") == ""


def test_signals_are_named_as_such(tmp_path: Path) -> None:
    steady = child(tmp_path, "exec sleep 60")
    steady.start()
    assert steady.pid is not None
    os.kill(steady.pid, signal.SIGKILL)
    gone: Callable[[], bool] = lambda: not steady.running  # noqa: E731
    eventually(gone)
    with pytest.raises(ComponentCrashed, match="thing was ended by signal 9"):
        steady.check()
