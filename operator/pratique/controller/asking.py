"""Asking the metrics providers: questions of many releases are gathered for a moment and asked together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

from ..cluster.client import Cluster
from ..judge.samples import Sample
from ..lifecycle.planning import Provider
from ..queries.grouping import Query
from ..queries.questions import Question
from ..resources.provider import MetricsProviderSpec
from ..sources.answers import Vector, answer
from ..sources.errors import SourceError, Unavailable
from ..sources.prometheus import PrometheusSource
from ..telemetry.metrics import Metrics

GATHER = 0.02
"""Seconds for which questions are gathered: looks of one grid point come together within it."""


class Sources:
    """One connection for each MetricsProvider, made anew when the provider's spec changes."""

    def __init__(
        self, cluster: Cluster, find: Callable[[str, str], Provider | None], metrics: Metrics
    ) -> None:
        self._cluster = cluster
        self._find = find
        self._metrics = metrics
        self._open: dict[tuple[str, str], tuple[MetricsProviderSpec, PrometheusSource]] = {}

    async def get(self, namespace: str, name: str) -> PrometheusSource:
        """The connection; raises Unavailable where the provider is gone."""
        provider = self._find(namespace, name)
        if provider is None:
            gone = self._open.pop((namespace, name), None)
            if gone is not None:
                await gone[1].close()
            raise Unavailable(f"MetricsProvider {namespace}/{name} is gone: apply it again")
        known = self._open.get((namespace, name))
        # By what it says: a provider that was deleted and made anew counts its generations anew.
        if known and known[0] == provider.spec:
            return known[1]
        source = PrometheusSource(
            url=provider.spec.url,
            timeout=provider.spec.timeout.total_seconds(),
            token=self._token(provider),
        )
        self._open[(namespace, name)] = (provider.spec, source)
        if known:
            await known[1].close()
        return source

    def _token(self, provider: Provider) -> Callable[[], Awaitable[str | None]] | None:
        if provider.spec.auth is None:
            return None
        ref = provider.spec.auth.bearer.secret_ref

        async def read() -> str | None:
            return await self._cluster.secret_value(provider.namespace, ref.name, ref.key)

        return read

    async def ask(self, query: Query) -> Vector:
        """One query to its provider."""
        source = await self.get(query.provider.namespace, query.provider.name)
        begin = time.monotonic()
        try:
            found = await source.ask(query)
        except SourceError:
            self._metrics.queries.labels(outcome="error").inc()
            raise
        finally:
            self._metrics.query_seconds.observe(time.monotonic() - begin)
        self._metrics.queries.labels(outcome="ok").inc()
        return found

    async def close(self) -> None:
        """Close every connection."""
        for _, source in self._open.values():
            await source.close()
        self._open.clear()


class Asker:
    """Gathers questions and deals the answers back to who asked."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._waiting: dict[Question, asyncio.Future[Sample]] = {}
        self._flush: asyncio.Task[None] | None = None
        self._flying: set[asyncio.Task[None]] = set()

    async def ask(self, questions: Iterable[Question]) -> dict[Question, Sample]:
        """Every question's sample; a provider's trouble is a Missing, never an error."""
        loop = asyncio.get_running_loop()
        wanted: dict[Question, asyncio.Future[Sample]] = {}
        for question in questions:
            if question not in self._waiting:
                self._waiting[question] = loop.create_future()
            wanted[question] = self._waiting[question]
        if self._flush is None:
            self._flush = asyncio.create_task(self._send())
            self._flying.add(self._flush)
            self._flush.add_done_callback(self._flying.discard)
        # Shielded: several callers may wait for one question.
        return {q: await asyncio.shield(f) for q, f in wanted.items()}

    async def _send(self) -> None:
        await asyncio.sleep(GATHER)
        waiting, self._waiting, self._flush = self._waiting, {}, None
        try:
            found = await answer(waiting, self._sources.ask)
        except BaseException as error:
            for future in waiting.values():
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for question, future in waiting.items():
            if not future.done():
                future.set_result(found[question])
