"""What reaches a collector, and what becomes of the operator when none answers."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from pratique.telemetry.export import TraceExporter, wanted
from pratique.telemetry.logs import QUIET
from pratique.telemetry.sdk import Sender
from pratique.telemetry.spans import SpanRecord, nanoseconds
from pratique.telemetry.tracing import spans
from unit.telemetry.collector import Collector
from unit.telemetry.releases import METADATA, failed


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as started:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", started.url)
        yield started


def make() -> TraceExporter:
    exporter = TraceExporter.from_environment()
    assert exporter is not None
    return exporter


async def test_every_span_arrives_with_its_ids_times_and_attributes(collector: Collector) -> None:
    sent = spans(METADATA, failed())
    exporter = make()
    assert await exporter.export(sent) is True
    await exporter.close()
    assert exporter.dropped == 0
    assert [
        (
            s.name,
            int.from_bytes(s.trace_id, "big"),
            int.from_bytes(s.span_id, "big"),
            int.from_bytes(s.parent_span_id, "big") or None,
            s.start_time_unix_nano,
            s.end_time_unix_nano,
            len(s.attributes),
            s.status.message or None,
            [(e.name, e.time_unix_nano, len(e.attributes)) for e in s.events],
        )
        for s in collector.spans
    ] == [
        (
            r.name,
            r.trace_id,
            r.span_id,
            r.parent_id,
            nanoseconds(r.start),
            nanoseconds(r.end),
            len(r.attributes),
            r.error,
            [(e.name, nanoseconds(e.at), len(e.attributes)) for e in r.events],
        )
        for r in sent
    ]
    root = collector.spans[0]
    assert root.status.code == Status.STATUS_CODE_ERROR
    values = {a.key: a.value for a in root.attributes}
    assert values["pratique.verdict"].string_value == "NotPromotable"
    assert values["pratique.release.number"].int_value == 8
    assert values["container.image.tags"].array_value.values[0].string_value == "1.4.2"


async def test_sent_again_after_a_kill_the_ids_are_the_same(collector: Collector) -> None:
    for _ in range(2):
        exporter = make()
        assert await exporter.export(spans(METADATA, failed()))
        await exporter.close()
    ids = [(s.trace_id, s.span_id, s.parent_span_id) for s in collector.spans]
    half = len(ids) // 2
    assert half > 0
    assert ids[:half] == ids[half:]


async def test_the_standard_variables_are_heard(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    exporter = make()
    assert await exporter.export(spans(METADATA, failed()))
    await exporter.close()
    assert collector.headers[0]["x-tenant"] == "blue"
    assert collector.headers[0]["content-encoding"] == "gzip"
    resource = collector.requests[0].resource_spans[0].resource
    said = {a.key: a.value.string_value for a in resource.attributes}
    assert said["service.name"] == "pratique"
    assert said["deployment.environment.name"] == "staging"


async def test_its_own_name_gives_way(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "gatekeeper")
    exporter = make()
    assert await exporter.export(spans(METADATA, failed()))
    await exporter.close()
    resource = collector.requests[0].resource_spans[0].resource
    assert "gatekeeper" in [a.value.string_value for a in resource.attributes]


async def test_a_trace_that_the_sampler_leaves_out_is_no_failure(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    exporter = make()
    assert await exporter.export(spans(METADATA, failed())) is True
    await exporter.close()
    assert collector.requests == []
    assert exporter.dropped == 0


async def test_a_collector_that_is_busy_for_a_moment_gets_them_later(collector: Collector) -> None:
    collector.answers.append(503)
    exporter = make()
    assert await exporter.export(spans(METADATA, failed())) is True
    await exporter.close()
    assert exporter.dropped == 0


async def test_what_the_collector_refuses_is_dropped_and_told_once(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.answers += [400, 400]
    sent = spans(METADATA, failed())
    counted: list[int] = []
    exporter = TraceExporter(Sender(), limit=len(sent), on_dropped=counted.append)
    with caplog.at_level(logging.INFO, logger="pratique"):
        assert [await exporter.export(sent) for _ in range(3)] == [False, False, True]
    await exporter.close()
    assert exporter.dropped == sum(counted) == 2 * len(sent)
    assert len(collector.spans) == len(sent), "what was dropped is not kept"
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("pratique")]
    assert [m.split(":")[0].split(" (")[0] for m in ours] == [
        "spans are dropped",
        "traces are delivered again",
    ]


async def test_a_dead_collector_costs_the_loop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening: refused
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        sent = spans(METADATA, failed())
        exporter = make()
        export = asyncio.create_task(exporter.export(sent))
        longest = 0.0
        while not export.done():
            begin = time.perf_counter()
            await asyncio.sleep(0.01)
            longest = max(longest, time.perf_counter() - begin)
        assert export.result() is False
        assert longest < 0.5
        assert exporter.dropped == len(sent)
        await exporter.close()


async def test_a_collector_that_fails_does_not_bring_its_secrets_into_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, level in QUIET.items():
        caplog.set_level(level, logger=name)
    caplog.handler.setLevel(logging.NOTSET)
    address = "http://127.0.0.1:9/v1/traces?key=s3cret"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer s3cret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    exporter = make()
    assert await exporter.export(spans(METADATA, failed())) is False
    await exporter.close()
    assert "spans are dropped" in caplog.text
    assert "s3cret" not in caplog.text


async def test_the_queue_is_bounded_and_closing_does_not_wait_for_who_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Collector(hold=threading.Event()) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
        sent = spans(METADATA, failed())
        exporter = TraceExporter(Sender(), limit=2 * len(sent))
        waiting = [asyncio.create_task(exporter.export(sent)) for _ in range(2)]
        await asyncio.sleep(0.1)
        begin = time.monotonic()
        assert await exporter.export(sent) is False
        assert time.monotonic() - begin < 0.5
        assert exporter.dropped == len(sent)
        await exporter.close(timeout=0.2)
        assert time.monotonic() - begin < 2
        assert await exporter.export(sent) is False
        assert collector.hold is not None
        collector.hold.set()
        assert (await asyncio.gather(*waiting))[1] is False


async def test_what_waited_too_long_is_not_sent(collector: Collector) -> None:
    exporter = TraceExporter(Sender(), patience=-1)
    assert await exporter.export(spans(METADATA, failed())) is False
    await exporter.close()
    assert collector.requests == []


async def test_an_odd_span_does_not_end_the_thread(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(Sender):
        def send(self, records: object) -> bool:
            if not records:
                raise ValueError("odd")
            return super().send(records)  # type: ignore[arg-type]

    exporter = TraceExporter(Odd())
    assert await exporter.export([]) is False
    assert await exporter.export(spans(METADATA, failed())) is True
    await exporter.close()
    assert "could not be made ready" in caplog.text


@pytest.mark.parametrize(
    ("environment", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            },
            True,
        ),
    ],
)
def test_the_variables_decide_whether_there_are_traces(
    environment: dict[str, str], on: bool
) -> None:
    assert wanted(environment) is on


def test_a_protocol_that_is_not_spoken_is_told_with_its_mend(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=grpc" in caplog.text
    assert "http/protobuf" in caplog.text


def test_while_it_is_off_the_sdk_is_not_even_imported() -> None:
    program = (
        "import sys\n"
        "from pratique.telemetry import tracing, export\n"
        "assert export.TraceExporter.from_environment() is None\n"
        "print([m for m in sys.modules if m.startswith(('opentelemetry', 'requests'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_times_are_exact_to_the_microsecond() -> None:
    record: SpanRecord = spans(METADATA, failed())[0]
    moment = record.start.replace(microsecond=123_457)
    assert nanoseconds(moment) % 1_000_000_000 == 123_457_000
