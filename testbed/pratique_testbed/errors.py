"""What can go wrong with the test bed, each with the mend in its message."""

from __future__ import annotations

from pathlib import Path


class BedError(Exception):
    """Something the test bed could not do."""


class MissingPart(BedError):  # noqa: N818 (a part is missing: said as in life)
    """A program that is neither here nor can be built here; the message says what to install."""


class BuildFailed(BedError):  # noqa: N818
    """A build ended with an error; the message carries the end of its output."""


class ComponentCrashed(BedError):  # noqa: N818
    """A component ended by itself; the message carries its log's tail.

    Attributes: ``component``, its name; ``code``, its exit code (negative: the signal that
    ended it); ``log``, the whole log.
    """

    def __init__(self, component: str, code: int, log: Path, tail: str) -> None:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        super().__init__(f"{component} {how}; the end of {log}:\n{tail}")
        self.component = component
        self.code = code
        self.log = log


class NotReady(BedError):  # noqa: N818
    """A component runs but did not become ready in time."""
