"""Sends spans by OTLP over HTTP, as the standard OTEL_* variables say; off where they say nothing.

A thread of its own sends; the queue is bounded, and what does not fit or cannot be delivered is dropped
and counted: a dead collector neither slows nor grows the operator.

Not here: what the spans are (``tracing``). The SDK's own sampler, limits, resource, encoding, retries,
TLS and headers are used; its batch processor is not, as it cannot tell whether a span was taken.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .spans import SpanRecord

if TYPE_CHECKING:
    from .sdk import Sender

logger = logging.getLogger(__name__)

QUEUE = 2048
"""Spans that may wait, as in the SDK's own processor."""
PATIENCE = 30.0
"""Seconds after which a batch that still waits is dropped."""


@dataclass(frozen=True)
class _Batch:
    spans: tuple[SpanRecord, ...]
    taken: Future[bool] = field(default_factory=Future)
    at: float = field(default_factory=time.monotonic)


class TraceExporter:
    """Hands spans to one collector. Make it by ``from_environment``; end it by ``close``."""

    def __init__(
        self,
        sender: Sender,
        *,
        limit: int = QUEUE,
        patience: float = PATIENCE,
        on_dropped: Callable[[int], object] = lambda count: None,
    ) -> None:
        self._sender = sender
        self._limit = limit
        self._patience = patience
        self._on_dropped = on_dropped
        self._lock = threading.Lock()
        self._waiting = 0
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._closed = False
        self._failing = False
        self.dropped = 0
        """Spans that were not delivered."""
        # A daemon: a collector that hangs does not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
        self._thread.start()

    @classmethod
    def from_environment(
        cls, *, on_dropped: Callable[[int], object] = lambda count: None
    ) -> TraceExporter | None:
        """The exporter that OTEL_* ask for; None (and nothing imported) where they ask for none."""
        if not wanted(os.environ):
            return None
        from .sdk import Sender

        return cls(Sender(), on_dropped=on_dropped)

    async def export(self, spans: Sequence[SpanRecord]) -> bool:
        """Whether the collector took them all; parents must come before their children.

        May take up to ``PATIENCE`` and one request's timeout: await it in a task of its own.
        """
        batch = _Batch(tuple(spans))
        with self._lock:
            full = self._waiting + len(batch.spans) > self._limit
            refused = "they came after the end" if self._closed else "too many wait" if full else ""
            if not refused:
                self._waiting += len(batch.spans)
                self._queue.put(batch)
        if refused:
            self._drop(len(batch.spans), refused)
            return False
        return await asyncio.wrap_future(batch.taken)

    async def close(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109  (a bound, not a wish)
        """Send what waits for at most ``timeout`` seconds, then drop the rest."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join, timeout)
        await asyncio.to_thread(self._sender.close)  # wakes a retry that sleeps; takes nothing more

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            awaited = batch.taken.set_running_or_notify_cancel()
            taken = self._deliver(batch)
            with self._lock:
                self._waiting -= len(batch.spans)
            if awaited:
                batch.taken.set_result(taken)

    def _deliver(self, batch: _Batch) -> bool:
        if time.monotonic() - batch.at > self._patience:
            self._drop(len(batch.spans), "they waited too long")
            return False
        try:
            taken = self._sender.send(batch.spans)
        except Exception:
            # One odd span must not end the thread, and with it every later trace.
            logger.exception("spans could not be made ready for sending")
            taken = False
        if not taken:
            self._drop(len(batch.spans), "the collector did not take them")
        elif self._failing:
            self._failing = False
            logger.info("traces are delivered again (%d spans were dropped)", self.dropped)
        return taken

    def _drop(self, count: int, why: str) -> None:
        with self._lock:
            self.dropped += count
            first, self._failing = not self._failing, True
        self._on_dropped(count)
        if first:  # once a failure, not once a span
            logger.warning(
                "spans are dropped: %s; see that the collector at OTEL_EXPORTER_OTLP_ENDPOINT runs",
                why,
            )


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the standard variables ask for traces in a way that we speak."""
    endpoint = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environment.get(
        "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporters = _words(environment.get("OTEL_TRACES_EXPORTER") or "otlp")
    if not endpoint or disabled or "otlp" not in exporters:
        return False
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = environment.get(name)
        if protocol and protocol != "http/protobuf":
            logger.error(
                "%s=%s is not spoken, no traces are sent: set http/protobuf and an endpoint that "
                "takes OTLP over HTTP (mostly port 4318)",
                name,
                protocol,
            )
            return False
        if protocol:
            break
    return True


def _words(text: str) -> Iterable[str]:
    return [word.strip().lower() for word in text.split(",")]
