"""A judgement's trace, read back from a real Jaeger as a person would find it."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pratique.resources.base import ObjectMeta
from pratique.resources.release import Release
from pratique.telemetry.export import TraceExporter
from pratique.telemetry.spans import SpanRecord, nanoseconds
from pratique.telemetry.tracing import spans
from pratique_testbed.jaeger import JaegerServer
from unit.telemetry import releases

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]  # its first build takes minutes


@pytest.fixture(scope="module")
def jaeger() -> Iterator[JaegerServer]:
    with JaegerServer() as server:
        yield server


async def send(sent: list[SpanRecord], times: int = 1) -> None:
    for _ in range(times):  # each time as if the operator had been killed in between
        exporter = TraceExporter.from_environment()
        assert exporter is not None
        assert await exporter.export(sent) is True
        await exporter.close()


def traces(jaeger: JaegerServer, service: str, **tags: str) -> list[dict[str, Any]]:
    """What Jaeger finds for a service and tags."""
    begin = nanoseconds(releases.NOTICED) // 1000
    asked = {"service": service, "tags": json.dumps(tags), "start": begin, "end": begin + 10**9}
    with urllib.request.urlopen(
        f"{jaeger.query_url}/api/traces?{urllib.parse.urlencode(asked)}", timeout=10
    ) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]
        return found


def once(found: Callable[[], list[dict[str, Any]]], spans: int) -> dict[str, Any]:
    """The one trace, once it has that many spans: Jaeger takes in what it was given by and by."""
    limit = time.monotonic() + 10
    while True:
        all_traces = found()
        if (all_traces and len(all_traces[0]["spans"]) >= spans) or time.monotonic() > limit:
            (trace,) = all_traces
            return trace
        time.sleep(0.1)


def tags(span: dict[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def shape(trace: dict[str, Any]) -> set[tuple[str, str | None, str, int, int]]:
    """(name, parent's span id, own span id, begin in µs, duration in µs) of each span."""
    return {
        (
            span["operationName"],
            next((r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF"), None),
            span["spanID"],
            span["startTime"],
            span["duration"],
        )
        for span in trace["spans"]
    }


def expected(sent: list[SpanRecord]) -> set[tuple[str, str | None, str, int, int]]:
    return {
        (
            record.name,
            None if record.parent_id is None else f"{record.parent_id:016x}",
            f"{record.span_id:016x}",
            nanoseconds(record.start) // 1000,
            (nanoseconds(record.end) - nanoseconds(record.start)) // 1000,
        )
        for record in sent
    }


@pytest.mark.parametrize("release", [releases.failed(), releases.promotable(), releases.stuck()])
@pytest.mark.parametrize("times", [1, 2])
async def test_a_trace_reads_back_whole_also_when_it_was_sent_again(
    jaeger: JaegerServer, release: Release, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = f"pratique-{uuid.uuid4()}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", jaeger.otlp_url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", service)
    metadata = ObjectMeta(name="checkout-8", namespace="shop", uid=str(uuid.uuid4()))
    sent = spans(metadata, release)

    await send(sent, times)

    once(lambda: traces(jaeger, service), len(sent))
    await asyncio.sleep(0.5)  # what was sent again may still be on its way in
    (trace,) = traces(jaeger, service)
    assert trace["traceID"] == f"{sent[0].trace_id:032x}"
    assert shape(trace) == expected(sent)
    assert len(trace["spans"]) == len(sent), "a span that is sent again is the same span"
    assert not [s for s in trace["spans"] if s.get("warnings")], "no orphan, no skewed clock"


async def test_a_failed_objective_is_found_by_its_tags_and_explains_itself(
    jaeger: JaegerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = f"pratique-{uuid.uuid4()}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", jaeger.otlp_url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", service)
    sent = []
    for release in (releases.failed(), releases.promotable()):
        metadata = ObjectMeta(name="checkout-8", namespace="shop", uid=str(uuid.uuid4()))
        sent.append(spans(metadata, release))
        await send(sent[-1])

    trace = once(
        lambda: traces(jaeger, service, **{"error": "true", "pratique.objective.name": "fast"}),
        len(sent[0]),
    )
    assert trace["traceID"] == f"{sent[0][0].trace_id:032x}"
    named = {span["operationName"]: span for span in trace["spans"]}
    root = tags(named["release Deployment/checkout #8"])
    assert root["pratique.verdict"] == "NotPromotable"
    assert root["error.type"] == "ObjectiveFailed"
    assert root["otel.status_description"] == "fast: 0.6 s is over 0.3 s"
    assert root["k8s.deployment.name"] == "checkout"
    assert root["pratique.release.previous"] == "checkout-7"
    fast = tags(named["objective fast"])
    assert fast["pratique.objective.value"] == 0.6
    assert fast["pratique.objective.bound"] == "≤ 0.3 s"
    assert fast["pratique.objective.baseline.release"] == "checkout-7"
    assert "error" not in tags(named["objective errors"])
    looks = [span for span in trace["spans"] if span["operationName"] == "look"]
    said = [{f["key"]: f["value"] for f in log["fields"]} for log in looks[-1]["logs"]]
    assert {entry["pratique.objective.name"] for entry in said} == {"fast", "errors"}
