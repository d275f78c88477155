"""Spans through OpenTelemetry's SDK, with our ids and our times. Imported only when traces are wanted.

Blocks; lives on the exporter's thread alone, which is why the ids can be handed to the generator.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from .. import __version__
from .spans import SpanRecord, nanoseconds


class Sender:
    """Gives spans to the SDK and what it makes of them to the collector."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        self._exporter = exporter or OTLPSpanExporter()
        self._ids = _Given()
        self._ended = _Ended()
        provider = TracerProvider(
            resource=resource(), id_generator=self._ids, shutdown_on_exit=False
        )
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer("pratique", __version__)

    def send(self, records: Sequence[SpanRecord]) -> bool:
        """Whether the collector took them; spans that the sampler leaves out count as taken."""
        self._ended.spans.clear()
        made: dict[int | None, Span] = {}
        for record in records:
            self._ids.give(record)
            made[record.span_id] = _make(self._tracer, record, made.get(record.parent_id))
        if not self._ended.spans:
            return True
        return self._exporter.export(tuple(self._ended.spans)) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """From any thread: ends a retry that waits."""
        self._exporter.shutdown()


def resource() -> Resource:
    """Who speaks: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES over our own name and version."""
    ours = {SERVICE_NAME: "pratique", "service.version": __version__}
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


def _make(tracer: Tracer, record: SpanRecord, parent: Span | None) -> Span:
    context = Context() if parent is None else set_span_in_context(parent, Context())
    span = tracer.start_span(
        record.name,
        context,
        attributes=dict(record.attributes),
        start_time=nanoseconds(record.start),
    )
    for event in record.events:
        span.add_event(event.name, dict(event.attributes), nanoseconds(event.at))
    if record.error is not None:
        span.set_status(Status(StatusCode.ERROR, record.error))
    span.end(nanoseconds(record.end))
    return span


class _Given(IdGenerator):
    """The ids of the span that is made next."""

    def give(self, record: SpanRecord) -> None:
        self._record = record

    def generate_span_id(self) -> int:
        return self._record.span_id

    def generate_trace_id(self) -> int:
        return self._record.trace_id


class _Ended(SpanProcessor):
    """Keeps the spans that ended, so that all of a trace are sent at once."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self.spans.append(span)
