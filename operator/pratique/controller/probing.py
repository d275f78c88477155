"""Probing metrics providers: is it reachable, how often does it scrape, does its clock agree with ours."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ..cluster.client import Cluster
from ..cluster.errors import ClusterError, Gone
from ..lifecycle.planning import DEFAULT_SCRAPE_INTERVAL, Provider
from ..resources import conditions
from ..resources.base import format_duration
from ..resources.conditions import Status
from ..resources.provider import MetricsProviderSpec, MetricsProviderStatus
from ..sources.probing import ProbeResult, probe
from ..telemetry.metrics import Metrics
from .asking import Sources
from .clock import Key
from .store import Store

WELL = 60.0
"""Seconds from probe to probe while all is well …"""
ILL = 5.0
"""… and while it is not, or how often it scrapes is not known yet."""
MAX_SKEW = 5.0
"""Seconds that the clocks may differ, or half the delay where that is less, before Ready says so."""


class Prober:
    """Probes a provider and writes what it found, when that changed."""

    def __init__(
        self,
        *,
        store: Store,
        cluster: Cluster,
        sources: Sources,
        metrics: Metrics,
        wake: Callable[[Key], None],
    ) -> None:
        self._wake = wake
        self._store = store
        self._cluster = cluster
        self._sources = sources
        self._metrics = metrics
        self._probed: dict[tuple[str, str], tuple[MetricsProviderSpec, datetime]] = {}

    async def step(self, key: Key) -> datetime | None:
        """Probe one provider, unless that was done moments ago; returns when it is due again."""
        at = (key[0], key[2])
        provider = self._store.providers.get(at)
        if provider is None:
            self._probed.pop(at, None)
            return None
        known = self._probed.get(at)
        now = datetime.now(UTC)
        if known and provider.status and known[0] == provider.spec and now < known[1]:
            return known[1]
        try:
            result = await probe(await self._sources.get(*at))
        except ClusterError as error:
            result = ProbeResult(
                reachable=False, reason="SecretUnreadable", message=str(error),
                scrape_interval=None, clock_skew=None, server_version=None,
            )  # fmt: skip
        status = _status(provider, result, datetime.now(UTC).replace(microsecond=0))
        if _differs(provider.status, status):
            self._metrics.api_writes.labels(kind="MetricsProvider", verb="status").inc()
            try:
                body = await self._cluster.patch_status(
                    "metricsproviders", *at, status.dump(), None
                )
            except Gone:
                return None
            for woken in self._store.put("metricsproviders", body):
                if woken != key:
                    self._wake(woken)
        well = result.reachable and status.scrape_interval is not None
        wait = (WELL if well else ILL) * random.uniform(0.9, 1.1)  # noqa: S311
        due = datetime.now(UTC) + timedelta(seconds=wait)
        self._probed[at] = (provider.spec, due)
        return due


def _status(provider: Provider, result: ProbeResult, now: datetime) -> MetricsProviderStatus:
    before = provider.status
    measured = (
        timedelta(seconds=result.scrape_interval)
        if result.scrape_interval
        else (before.scrape_interval if before else None)
    )
    scrape = provider.spec.scrape_interval or measured
    delay = provider.spec.delay
    if delay is None:
        delay = 2 * (scrape or DEFAULT_SCRAPE_INTERVAL)
    skew = result.clock_skew
    truth: Status = "True" if result.reachable else "Unknown"
    reason, message = result.reason, result.message
    if result.reachable and skew is not None and abs(skew) > spoiling(delay):
        truth, reason = "Unknown", "ClockSkew"
        side = "ahead of" if skew > 0 else "behind"
        message = (
            f"its clock is {abs(skew):.1f} s {side} ours, and looks are asked {format_duration(delay)} "
            "after their end: set both by NTP"
        )
    wanted: list[tuple[str, Status, str, str]] = [("Ready", truth, reason, message)]
    if truth != "True":
        wanted.append(("Stalled", "True", reason, message))
    return MetricsProviderStatus(
        observed_generation=provider.generation,
        conditions=conditions.merge(
            before.conditions if before else [], wanted, generation=provider.generation, now=now
        ),
        scrape_interval=scrape,
        delay=delay,
        clock_skew=None if skew is None else f"{skew:+.1f}s",
        server_version=result.server_version,
        probed_at=now,
    )


def spoiling(delay: timedelta) -> float:
    """From how many seconds on a difference of the clocks spoils looks.

    A provider whose clock is behind by the delay has not yet seen what it is asked for; one that is ahead
    answers for a time before. Half of it leaves the samples the other half to arrive.
    """
    return min(MAX_SKEW, max(delay.total_seconds() / 2, 1.0))


def _differs(before: MetricsProviderStatus | None, after: MetricsProviderStatus) -> bool:
    """The moment of the probe and a tenth of a second more or less are no news."""
    if before is None:
        return True

    def meaning(status: MetricsProviderStatus) -> MetricsProviderStatus:
        # A sentence says what stands in the fields beside it.
        said = [
            c.model_copy(update={"message": ""}) if c.reason in ("Reachable", "ClockSkew") else c
            for c in status.conditions
        ]
        return status.model_copy(update={"probed_at": None, "clock_skew": None, "conditions": said})

    return (
        meaning(before) != meaning(after)
        or abs(_seconds(before.clock_skew) - _seconds(after.clock_skew)) >= 1
    )


def _seconds(skew: str | None) -> float:
    return float(skew.removesuffix("s")) if skew else 0.0
