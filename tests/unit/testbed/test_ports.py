"""Ports that are ours as long as we live."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pratique_testbed import ports

PACKAGES = Path(ports.__file__).parents[1]


def test_a_port_is_given_once_until_it_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ports.free_port()
    # However often the dice fall on it, it is taken.
    monkeypatch.setattr(ports.random, "randrange", lambda low, high: first)
    with pytest.raises(ports.BedError, match="no free port"):
        ports.free_port()
    ports.give_back(first)
    assert ports.free_port() == first
    ports.give_back(first)


def test_another_process_does_not_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = ports.free_port()
    script = (
        "from pratique_testbed import ports\n"
        f"ports.random.randrange = lambda low, high: {mine}\n"
        "try: print(ports.free_port())\n"
        "except ports.BedError: print('taken')\n"
    )

    def other() -> str:
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONPATH": str(PACKAGES)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    assert other() == "taken"
    ports.give_back(mine)
    assert other() == str(mine)


def test_a_port_somebody_listens_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        monkeypatch.setattr(ports.random, "randrange", lambda low, high: port)
        with pytest.raises(ports.BedError):
            ports.free_port()


def test_no_outgoing_connection_can_take_it() -> None:
    port = ports.free_port()
    lowest = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if lowest.exists():
        assert port < int(lowest.read_text().split()[0])
    ports.give_back(port)
