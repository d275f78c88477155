"""Whether a provider can be trusted: does it answer, how often does it scrape, what is its clock.

Not here: what is written about it in the MetricsProvider's status.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from ..queries import promql
from ..queries.vectors import Row
from .errors import Malformed, NoToken, Rejected, SourceError
from .prometheus import PrometheusSource

_TARGETS = 30
"""How many targets' scrapes are looked at."""


@dataclass(frozen=True)
class ProbeResult:
    """What a probe found."""

    reachable: bool
    reason: str
    """Reachable, Unavailable, SecretUnreadable, Rejected or Malformed."""
    message: str
    scrape_interval: float | None = None
    """Seconds, measured; none where no target was scraped twice in ten minutes."""
    clock_skew: float | None = None
    """The provider's clock minus ours, in seconds."""
    server_version: str | None = None


async def probe(source: PrometheusSource) -> ProbeResult:
    """Ask the provider for its time, its targets' scrapes and its version; never raises."""
    try:
        before = time.time()
        answer = await source.evaluate("time()")
        skew = _off(answer.rows[0].value, before, time.time()) if answer.rows else None
        if skew is None:
            raise Malformed("does not answer time(): is it a Prometheus?")
        interval = await _scrape_interval(source)
    except SourceError as error:
        return ProbeResult(False, _reason(error), f"the provider {error.message}")
    scrapes = "no scrape interval seen" if interval is None else f"scrapes each {interval:g} s"
    side = "ahead of" if skew > 0 else "behind"
    return ProbeResult(
        True,
        "Reachable",
        f"answers; {scrapes}; its clock is {abs(skew):.1f} s {side} ours",
        interval,
        skew,
        await source.version(),
    )


def _off(said: float, before: float, after: float) -> float:
    """By how much a clock is surely off that said this between two moments of ours."""
    if before <= said <= after:
        return 0.0
    return said - after if said > after else said - before


async def _scrape_interval(source: PrometheusSource) -> float | None:
    """The median over some targets of the time between two scrapes.

    Every scrape, failed ones too, writes a sample of ``up``.
    """
    targets = await source.evaluate(f"topk({_TARGETS}, up)")
    if not targets.rows:
        return None
    matchers = [
        promql.one_of(label, {row.labels.get(label, "") for row in targets})
        for label in ("job", "instance")
    ]
    scrapes = await source.evaluate(f"{promql.selector('up', matchers)}[10m]")
    between = [gap for gap in map(_gap, scrapes) if gap is not None]
    return sane(median(between)) if between else None


def _gap(row: Row) -> float | None:
    times = [t for t, _ in row.samples]
    gaps = [b - a for a, b in pairwise(times)]
    return median(gaps) if gaps else None


def sane(seconds: float) -> float:
    """As someone would have configured it: whole seconds, or tenths below one."""
    return float(round(seconds)) if seconds >= 0.95 else max(0.1, round(seconds, 1))


def _reason(error: SourceError) -> str:
    if isinstance(error, NoToken):
        return "SecretUnreadable"
    return type(error).__name__ if isinstance(error, Malformed | Rejected) else "Unavailable"
