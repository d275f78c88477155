"""Probing metrics providers: is it reachable, how often does it scrape, does its clock agree with ours."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ..cluster.client import Cluster
from ..cluster.errors import ClusterError, Gone
from ..lifecycle.planning import DEFAULT_SCRAPE_INTERVAL, Provider
from ..resources import conditions
from ..resources.conditions import Status
from ..resources.provider import MetricsProviderStatus
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
"""Seconds that the clocks may differ before Ready says so."""


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
        self._probed: dict[tuple[str, str], tuple[int, datetime]] = {}

    async def step(self, key: Key) -> datetime | None:
        """Probe one provider, unless that was done moments ago; returns when it is due again."""
        at = (key[0], key[2])
        provider = self._store.providers.get(at)
        if provider is None:
            self._probed.pop(at, None)
            return None
        known = self._probed.get(at)
        now = datetime.now(UTC)
        if known and known[0] == provider.generation and now < known[1]:
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
        self._probed[at] = (provider.generation, due)
        return due


def _status(provider: Provider, result: ProbeResult, now: datetime) -> MetricsProviderStatus:
    before = provider.status
    measured = (
        timedelta(seconds=result.scrape_interval)
        if result.scrape_interval
        else (before.scrape_interval if before else None)
    )
    scrape = provider.spec.scrape_interval or measured
    skew = result.clock_skew
    truth: Status = "True" if result.reachable else "Unknown"
    reason, message = result.reason, result.message
    if result.reachable and skew is not None and abs(skew) > MAX_SKEW:
        truth, reason = "Unknown", "ClockSkew"
        message = f"its clock differs from ours by {skew:+.1f} s: set both by NTP"
    wanted: list[tuple[str, Status, str, str]] = [("Ready", truth, reason, message)]
    if truth != "True":
        wanted.append(("Stalled", "True", reason, message))
    delay = provider.spec.delay
    if delay is None:
        delay = 2 * (scrape or DEFAULT_SCRAPE_INTERVAL)
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


def _differs(before: MetricsProviderStatus | None, after: MetricsProviderStatus) -> bool:
    """The moment of the probe and a tenth of a second more or less are no news."""
    if before is None:
        return True
    same = {"probed_at": None, "clock_skew": None}
    return before.model_copy(update=same) != after.model_copy(update=same)
