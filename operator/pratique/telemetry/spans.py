"""A span as a plain value, and its ids: derived from the Release's UID, so that they never change.

Not here: what the spans of a judgement are (``tracing``), sending them (``export``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

Value = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, Value]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at one moment of a span."""

    name: str
    at: datetime
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One span of a trace, over and done with."""

    name: str
    trace_id: int
    """128 bits."""
    span_id: int
    """64 bits."""
    parent_id: int | None
    """The parent's span id; None for the trace's root."""
    start: datetime
    end: datetime
    attributes: Attributes = field(default_factory=dict)
    error: str | None = None
    """Why it failed, in one sentence. None leaves the status Unset, as the conventions ask."""
    events: tuple[SpanEvent, ...] = ()


def trace_id(uid: str) -> int:
    """The trace of the Release with that UID."""
    return _hash("trace", uid, size=16)


def span_id(uid: str, path: str) -> int:
    """The span at ``path`` (such as ``objective/errors``) of that Release's trace."""
    return _hash("span", uid, path, size=8)


def said(given: Mapping[str, Value | None]) -> dict[str, Value]:
    """The attributes that have a value."""
    return {name: value for name, value in given.items() if value is not None}


def nanoseconds(moment: datetime) -> int:
    """Since the epoch, exactly: a float would lose the last digits."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _hash(*parts: str, size: int) -> int:
    text = "\0".join(("pratique.sh", *parts))
    # Zero means "no id" to OpenTelemetry.
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size], "big") or 1
