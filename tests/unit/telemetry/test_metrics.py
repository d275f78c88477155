"""What Prometheus reads of the operator itself."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from pratique import __version__
from pratique.telemetry.metrics import Metrics

OPEN = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


def test_counters_are_there_before_anything_happened() -> None:
    body, content_type = Metrics().render()
    assert content_type.startswith("text/plain")
    samples = {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in plain(body.decode())
        for s in family.samples
    }
    for verdict in ("Promotable", "NotPromotable", "Inconclusive"):
        assert samples[("pratique_releases_total", (("verdict", verdict),))] == 0
    for name in (
        "pratique_reconcile_errors_total",
        "pratique_watch_restarts_total",
        "pratique_spans_dropped_total",
        "pratique_active_releases",
        "pratique_reconcile_seconds_count",
        "pratique_query_seconds_count",
        "pratique_due_lag_seconds_count",
    ):
        assert samples[(name, ())] == 0
    assert samples[("pratique_queries_total", (("outcome", "error"),))] == 0
    assert samples[("process_resident_memory_bytes", ())] > 0


def test_what_is_counted_is_rendered_in_either_format() -> None:
    metrics = Metrics()
    metrics.releases.labels(verdict="Promotable").inc()
    metrics.api_writes.labels(kind="releases", verb="patch").inc(3)
    for accept, parse in (("", plain), (OPEN, open_metrics)):
        body, content_type = metrics.render(accept)
        assert ("openmetrics" in content_type) is (accept == OPEN)
        samples = [s for family in parse(body.decode()) for s in family.samples]
        values = {s.name: s.value for s in samples if s.value}
        assert values["pratique_releases_total"] == 1
        assert values["pratique_api_writes_total"] == 3
        (build,) = [s for s in samples if s.name == "pratique_build_info"]
        assert build.labels["version"] == __version__
        assert not [s for s in samples if s.name.endswith("_created")]


def test_two_of_them_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.watch_restarts.inc()
    assert other.registry.get_sample_value("pratique_watch_restarts_total") == 0
