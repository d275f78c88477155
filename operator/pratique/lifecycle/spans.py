"""The time that an Analysis judges, and how it is cut into looks."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from ..resources.analysis import AnalysisSpec
from ..resources.base import format_duration
from ..resources.judgement import Window
from ..resources.release import Plan
from . import grid
from .planning import Unresolved
from .policies import Policy

MAX_LOOKS = 360
MAX_SAMPLES = 7200
"""Of all objectives' looks together: more would keep a provider busy for minutes."""
LEAST_LOOKS, USUAL_LOOKS = 4, 60
"""Between these an interval that is not declared is chosen."""


def window_of(spec: AnalysisSpec, created: datetime) -> Window:
    """The time that is judged, to the millisecond; raises Unresolved."""
    if spec.window is not None:
        begin, end = spec.window.from_, spec.window.to
    elif spec.recent is not None:
        begin, end = created - spec.recent, created
    else:
        assert spec.until is not None
        begin, end = spec.from_ or created, spec.until
        if end <= begin:
            raise Unresolved(
                "spec.until",
                f"{end:%Y-%m-%d %H:%M:%S} UTC was over when the Analysis was created: say from too",
            )
    return Window(from_=_whole(begin), to=_whole(end))


def cut(window: Window, interval: timedelta, least: timedelta) -> tuple[datetime, ...]:
    """The ends of looks on the grid of ``interval``; none of them is shorter than ``least``.

    Where the window begins or ends beside the grid, the first and the last look are longer or shorter.
    """
    begin, end = window.from_, window.to
    inner: list[datetime] = []
    at = grid.ceil(begin, interval)
    while at < end:
        if at - (inner[-1] if inner else begin) >= least:
            inner.append(at)
        at += interval
    if inner and end - inner[-1] < least:
        inner.pop()
    return (*inner, end)


def usual_interval(plan: Plan, policy: Policy | None, length: timedelta) -> timedelta:
    """The policy's, else a minute; within what gives a fair number of looks, and two scrapes in each."""
    usual = policy.spec.analysis.interval if policy else timedelta(minutes=1)
    scrape = max((p.scrape_interval for p in plan.providers), default=timedelta(0))
    chosen = max(min(usual, length / LEAST_LOOKS), length / USUAL_LOOKS, 2 * scrape)
    return min(whole_seconds(chosen), max(length, timedelta(seconds=1)))


def check_looks(interval: timedelta, length: timedelta, objectives: int) -> None:
    """Raises Unresolved where so many looks of so many objectives are too much to ask."""
    most = min(MAX_LOOKS, MAX_SAMPLES // objectives)
    if length / interval > most:
        least = whole_seconds(length / most)
        raise Unresolved(
            "spec.interval",
            f"{format_duration(length)} in looks of {format_duration(interval)} are more than the "
            f"{most} that are asked of {objectives} objective{'' if objectives == 1 else 's'}: make "
            f"it at least {format_duration(least)}",
        )


def whole_seconds(span: timedelta) -> timedelta:
    """Rounded up, and at least one."""
    return timedelta(seconds=max(1, math.ceil(span.total_seconds() - 1e-6)))


def shortest(plan: Plan) -> timedelta:
    """Two scrapes, and half an interval."""
    scrape = max((p.scrape_interval for p in plan.providers), default=timedelta(0))
    interval = plan.analysis.interval
    return min(interval, max(2 * scrape, interval / 2))


def _whole(moment: datetime) -> datetime:
    """To the millisecond, which is what a status can say."""
    return moment - timedelta(microseconds=moment.microsecond % 1000)
