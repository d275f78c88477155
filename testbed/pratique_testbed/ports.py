"""Free ports on loopback that stay ours until this process ends.

Asking the kernel for any free port and giving it back at once is a race: two test beds, or an
outgoing connection, may get it before the server binds it. So ports are taken from below the
kernel's range for outgoing connections, and each is held by a lock on a small file as long as
this process lives.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

from pratique_testbed.errors import BedError

_LOWEST = 15000
_held: dict[int, int] = {}  # port -> descriptor of its locked file


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on and that no other test bed will take.

    Held until ``give_back`` or the end of this process.
    """
    for _ in range(1000):
        port = random.randrange(_LOWEST, _highest())
        if port not in _held and _take(port):
            return port
    raise BedError(f"no free port on 127.0.0.1 between {_LOWEST} and {_highest()}")


def give_back(port: int) -> None:
    """Let others take the port."""
    descriptor = _held.pop(port, None)
    if descriptor is not None:
        os.close(descriptor)


def _highest() -> int:
    try:
        lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32768
    return lowest_outgoing if lowest_outgoing > _LOWEST + 1000 else 65536


def _take(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"pratique-testbed-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / str(port), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        os.close(descriptor)
        return False
    _held[port] = descriptor
    return True
