"""Which finished Releases are kept: the newest ones, for as long as the policy says.

Never deleted are Releases that are not finished, the newest one, and those that a next release would be
compared with: the last baseline, and drift's anchor.

Not here: deleting them (controller/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..resources.policy import Retention
from .baselines import trusted
from .noticing import Known

DEFAULT = Retention()


@dataclass(frozen=True, slots=True)
class Kept:
    """One Release, as far as keeping it goes."""

    known: Known
    finished: bool
    """Whether everything that follows its verdict is done."""


@dataclass(frozen=True, slots=True)
class Clearing:
    """What is to be deleted now, and when to look again at the latest."""

    delete: tuple[str, ...]
    due: datetime | None


def anchors(known: Sequence[Known], anchor: str | None) -> set[str]:
    """Releases that a next one would be compared with: the newest trusted one, and drift's anchor, which
    is the oldest one unless the policy names it."""
    good = [k.name for k in known if trusted(k)]
    if not good:
        return set()
    return {good[-1], anchor if anchor in good else good[0]}


def clear(
    history: Sequence[Kept],
    retention: Retention,
    *,
    drift: bool,
    anchor: str | None,
    gone_since: datetime | None,
    now: datetime,
) -> Clearing:
    """``history`` oldest first. ``drift`` and ``anchor``: whether the policy counts drift, and from which
    release. ``gone_since``: since when the workload is known to be gone."""
    if not history:
        return Clearing((), None)
    known = [k.known for k in history]
    good = [k.name for k in known if trusted(k)]
    kept = {known[-1].name, *good[-1:], *(n for n in (anchor,) if n)}
    if drift:
        kept |= anchors(known, anchor)
    delete: list[str] = []
    dues: list[datetime] = []
    over = None if gone_since is None else gone_since + retention.after_deletion
    if over is not None and over <= now and retention.last_baseline == "Delete":
        kept = set()
    elif over is not None and over > now:
        dues.append(over)
    for index, one in enumerate(history):
        if not one.finished or one.known.name in kept:
            continue
        beyond = len(history) - index > retention.count
        old = None
        if retention.age is not None:
            old = (one.known.ended_at or one.known.noticed_at) + retention.age
        if beyond or (over is not None and over <= now) or (old is not None and old <= now):
            delete.append(one.known.name)
        elif old is not None:
            dues.append(old)
    return Clearing(tuple(delete), min(dues, default=None))
