"""Questions in, samples out: asks what ``queries`` planned, all at once, and keeps failures apart.

Not here: how a query travels (prometheus), how many travel at a time (its semaphore), and retries
(the next look is the retry).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from ..judge.samples import Missing, MissingReason, Sample
from ..queries.grouping import Batch, Query, Tally, plan
from ..queries.questions import Question
from ..queries.vectors import Row, Vector
from .errors import Rejected, SourceError

__all__ = ["Ask", "Row", "Vector", "answer"]

Ask = Callable[[Query], Awaitable[Vector]]
"""Asks one query; raises SourceError."""


async def answer(questions: Iterable[Question], ask: Ask) -> dict[Question, Sample]:
    """A sample for every question; trouble with a provider is told as Missing, never raised.

    A query that fails leaves the questions of others untouched. Raises ValueError for indicators
    that no provider is asked for.
    """
    planned = plan(questions)
    tallies, vectors = await asyncio.gather(
        asyncio.gather(*(_tally(batch, ask) for batch in planned.batches)),
        asyncio.gather(*(_vector(query, ask) for query in planned.singles)),
    )
    return planned.deal(
        dict(zip(planned.batches, tallies, strict=True)),
        dict(zip(planned.singles, vectors, strict=True)),
    )


async def _tally(batch: Batch, ask: Ask) -> Tally | Missing:
    try:
        tally = batch.read(await ask(batch.query))
        if not tally.resets:
            return tally
        raw = await asyncio.gather(*(ask(query) for query in batch.raw(tally.resets)))
    except SourceError as error:
        return _missing(batch.query, error)
    return batch.recount(tally, raw)


async def _vector(query: Query, ask: Ask) -> Vector | Missing:
    try:
        return await ask(query)
    except SourceError as error:
        return _missing(query, error)


def _missing(query: Query, error: SourceError) -> Missing:
    reason: MissingReason = "QueryRejected" if isinstance(error, Rejected) else "ProviderError"
    return Missing(reason, f"metrics provider {query.provider.name}: {error.message}")
