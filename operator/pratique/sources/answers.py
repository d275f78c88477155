"""Questions in, samples out: asks what ``queries`` planned, all at once, and keeps failures apart.

Not here: how a query travels (prometheus), how many travel at a time (its semaphore), and retries
(the next look is the retry).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from ..judge.samples import Missing, MissingReason, Sample
from ..queries.grouping import Batch, Query, Tally, plan
from ..queries.needs import Values
from ..queries.questions import Question
from ..queries.vectors import Row, Vector
from .errors import Rejected, SourceError, TooLarge

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
        _tallies(planned.batches, ask),
        asyncio.gather(*(_vector(query, ask) for query in planned.singles)),
    )
    return planned.deal(tallies, dict(zip(planned.singles, vectors, strict=True)))


async def _tallies(batches: Iterable[Batch], ask: Ask) -> dict[Batch, Tally | Missing]:
    """Each batch's tally; one too large for the provider is there as its parts."""
    found: dict[Batch, Tally | Missing] = {}
    for tallies in await asyncio.gather(*(_tally(batch, ask) for batch in batches)):
        found |= tallies
    return found


async def _tally(batch: Batch, ask: Ask) -> dict[Batch, Tally | Missing]:
    try:
        tally = batch.read(await ask(batch.query))
        if tally.resets:
            tally = batch.recount(tally, await _samples(batch, sorted(tally.resets), ask))
    except SourceError as error:
        if isinstance(error, TooLarge) and (parts := batch.split()):
            return await _tallies(parts, ask)
        return {batch: _missing(batch.query, error)}
    return {batch: tally}


async def _samples(batch: Batch, resets: Sequence[Values], ask: Ask) -> list[Vector]:
    """The raw samples of these members, in halves where they are too many for one answer."""
    try:
        return [await ask(batch.raw(resets))]
    except TooLarge:
        if len(resets) < 2:
            raise
    half = len(resets) // 2
    halves = await asyncio.gather(
        _samples(batch, resets[:half], ask), _samples(batch, resets[half:], ask)
    )
    return [*halves[0], *halves[1]]


async def _vector(query: Query, ask: Ask) -> Vector | Missing:
    try:
        return await ask(query)
    except SourceError as error:
        return _missing(query, error)


def _missing(query: Query, error: SourceError) -> Missing:
    reason: MissingReason = "QueryRejected" if isinstance(error, Rejected) else "ProviderError"
    return Missing(reason, f"metrics provider {query.provider.name}: {error.message}")
