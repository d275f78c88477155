"""The operator's own metrics, for Prometheus, in a registry of their own.

Few, and with labels of few values: none carries a release's or a workload's name. Not here: who serves
them (``server``).
"""

from __future__ import annotations

import platform
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from .. import __version__
from ..resources.judgement import Verdict

OUTCOMES = ("ok", "error")
"""How a query ended; without data is ok."""
STEP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: from a step without a call to one that met every timeout."""


class Metrics:
    """Each attribute is one metric; counters start at zero, so that their first step is seen."""

    def __init__(self) -> None:
        # Two series for one, and promtool takes offence at their names.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = r = CollectorRegistry()
        ProcessCollector(registry=r)
        self.build = Info("pratique_build", "The operator's version.", registry=r)
        self.build.info({"version": __version__, "python": platform.python_version()})
        self.releases = Counter(
            "pratique_releases_total", "Verdicts given, by verdict.", ["verdict"], registry=r
        )
        for verdict in get_args(Verdict):
            self.releases.labels(verdict=verdict)
        self.active_releases = Gauge(
            "pratique_active_releases", "Releases without a verdict yet.", registry=r
        )
        self.reconcile_seconds = Histogram(
            "pratique_reconcile_seconds",
            "Time of one pass over one workload.",
            buckets=STEP_BUCKETS,
            registry=r,
        )
        self.reconcile_errors = Counter(
            "pratique_reconcile_errors_total",
            "Passes that ended by an unexpected error.",
            registry=r,
        )
        self.due_lag_seconds = Histogram(
            "pratique_due_lag_seconds",
            "How late a pass began after it was due.",
            buckets=STEP_BUCKETS,
            registry=r,
        )
        self.queries = Counter(
            "pratique_queries_total", "Questions to metrics providers.", ["outcome"], registry=r
        )
        for outcome in OUTCOMES:
            self.queries.labels(outcome=outcome)
        self.query_seconds = Histogram(
            "pratique_query_seconds",
            "Time until a metrics provider answered.",
            buckets=STEP_BUCKETS,
            registry=r,
        )
        self.api_writes = Counter(
            "pratique_api_writes_total",
            "Writes to the API server, by kind and verb.",
            ["kind", "verb"],
            registry=r,
        )
        self.api_requests = Counter(
            "pratique_api_requests_total",
            "Requests to the API server beside Kopf's watches, by verb and resource.",
            ["verb", "resource"],
            registry=r,
        )
        self.watch_restarts = Counter(
            "pratique_watch_restarts_total",
            "Watches that ended and were begun anew.",
            registry=r,
        )
        self.spans_dropped = Counter(
            "pratique_spans_dropped_total", "Spans that no collector took.", registry=r
        )

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """(body, content type): OpenMetrics where the Accept header asks for it, else plain text."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
