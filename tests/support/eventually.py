"""Waiting for what a real cluster does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, within: float = 20.0, what: str = "it") -> T:
    """The first true answer of `look`, or an AssertionError that shows the last one."""
    limit = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < limit, f"{what} did not happen within {within:g} s: {seen!r}"
        time.sleep(0.1)
    return seen
