"""Many questions as few queries: equal counters merged, split by size, and the answers dealt back.

Pure: who asks the queries and what may go wrong then is the adapter's (``sources.answers``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote_plus

from ..judge.samples import Missing, Sample
from . import dealing, histories, promql, singles
from .counting import growth
from .errors import Unasked
from .histories import Wanted
from .needs import Counter, Member, Need, Values, needs
from .questions import Provider, Question
from .vectors import Vector

MAX_ENCODED = 6500
"""Characters of an expression in a URL: common servers and proxies take 8 kB with all the rest."""
MAX_POSTED = 120_000
"""Characters of an expression in a body: the pods of a thousand releases in three queries.

Prometheus answers one for exact names in a tenth of a second; longer ones it matches ever slower.
"""


@dataclass(frozen=True, slots=True)
class Query:
    """One question to one provider, as it goes out."""

    provider: Provider
    expr: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """One query for some members of one counter."""

    counter: Counter
    members: tuple[Member, ...]

    @property
    def query(self) -> Query:
        """Counts of all, and who had resets."""
        c = self.counter
        expr = promql.counts(_series(c, self.members), c.span, c.look_back, c.by, c.le)
        return Query(c.provider, expr, c.end)

    def read(self, vector: Vector) -> Tally:
        """Counts by member and le, and the members that are to be counted from raw samples."""
        tally = Tally()
        ours = {m.values for m in self.members}
        patterns = any(m.pattern for m in self.members)
        for row in vector:
            values = tuple(row.labels.get(label, "") for label in self.counter.by)
            if not patterns and values not in ours:
                continue  # one member's namespace with another's name
            if promql.RESET_TAG in row.labels:
                tally.resets.add(values)
            else:
                tally.add(values, row.labels.get("le", ""), row.value)
        # The last value before the span may be another's, whose name a young pod has taken.
        oldest = self.counter.end.timestamp() - self.counter.span - self.counter.look_back
        young = {m.values for m in self.members if m.born is not None and m.born >= oldest}
        tally.resets |= young & tally.counts.keys()
        return tally

    def raw(self, resets: Iterable[Values]) -> Query:
        """The samples themselves of these members."""
        c = self.counter
        series = _series(c, [Member(values) for values in resets])
        return Query(c.provider, promql.raw(series, c.span, c.look_back), c.end)

    def split(self) -> tuple[Batch, ...]:
        """The same in smaller batches; none where it cannot be split."""
        if len(self.members) < 2:
            return ()
        parts = tuple(_batches(self.counter, self.members, MAX_ENCODED))
        if len(parts) > 1:
            return parts
        half = len(self.members) // 2
        halves = self.members[:half], self.members[half:]
        return tuple(Batch(self.counter, members) for members in halves)

    def recount(self, tally: Tally, answers: Iterable[Vector]) -> Tally:
        """The tally with the members that had resets counted from their samples."""
        c = self.counter
        # To the millisecond, as Prometheus has it: a float's error would shift a sample at the edge.
        end = round(c.end.timestamp(), 3)
        begin = round(end - c.span, 3)
        counts = {v: les for v, les in tally.counts.items() if v not in tally.resets}
        exact = Tally(counts)
        # Creation is told to the second; within the first one no pod was scraped and counts.
        born = {m.values: min(m.born + 1, begin) for m in self.members if m.born is not None}
        # Several answers may hold the same series: one's namespace with another's name.
        series = {frozenset(row.labels.items()): row for vector in answers for row in vector}
        for row in series.values():
            values = tuple(row.labels.get(label, "") for label in c.by)
            grown = growth(row.samples, begin, end, born.get(values))
            if grown is not None and values in tally.resets:
                exact.add(values, row.labels.get("le", ""), grown)
        return exact


@dataclass
class Tally:
    """Counts by member and le ("" where there is none), while they are gathered."""

    counts: dict[Values, dict[str, float]] = field(default_factory=dict)
    resets: set[Values] = field(default_factory=set)

    def add(self, values: Values, le: str, count: float) -> None:
        """Add to a member's count."""
        les = self.counts.setdefault(values, {})
        les[le] = les.get(le, 0.0) + count


@dataclass(frozen=True)
class Plan:
    """What to ask for some questions, and who needs what of it."""

    settled: Mapping[Question, Sample]
    """Answered without asking."""
    batches: tuple[Batch, ...]
    singles: tuple[Query, ...]
    """Raw expressions and histories, asked as they are."""
    _counted: tuple[tuple[Question, tuple[Need, ...]], ...]
    _raw: tuple[tuple[Question, Query], ...]
    _histories: tuple[Wanted, ...] = ()
    _asks: Mapping[histories.Ask, Query] = field(default_factory=dict)

    def deal(
        self,
        tallies: Mapping[Batch, Tally | Missing],
        vectors: Mapping[Query, Vector | Missing],
    ) -> dict[Question, Sample]:
        """Every question's sample, from what each batch and single gave."""
        out = dict(self.settled)
        pooled, failed = _pooled(tallies)
        for question, wanted in self._counted:
            found = [failed.get((n.counter, m)) for n in wanted for m in n.members]
            trouble = next((f for f in found if f is not None), None)
            if trouble is not None:
                out[question] = trouble
                continue
            shares = [_share(n, pooled.get(n.counter, {})) for n in wanted]
            out[question] = dealing.sample(question, shares)
        for question, query in self._raw:
            vector = vectors[query]
            out[question] = (
                vector if isinstance(vector, Missing) else dealing.value(question, vector)
            )
        answers = {ask: vectors[query] for ask, query in self._asks.items()}
        for want in self._histories:
            out[want.question] = histories.deal(want, answers)
        return out


def plan(questions: Iterable[Question]) -> Plan:
    """Few queries for many questions; raises ValueError for indicators that ask no provider."""
    settled: dict[Question, Sample] = {}
    counted: list[tuple[Question, tuple[Need, ...]]] = []
    raw: list[tuple[Question, Query]] = []
    wanted: dict[Counter, dict[Member, None]] = {}
    past: list[Wanted] = []
    for question in dict.fromkeys(questions):
        if question.indicator.kubernetes:
            raise ValueError("kubernetes indicators are not asked of a metrics provider")
        try:
            if question.step:
                history = histories.wanted(question)
                if isinstance(history, Missing):
                    settled[question] = history
                else:
                    past.append(history)
                continue
            if question.indicator.query:
                expr = singles.expression(question)
                raw.append((question, Query(question.provider, expr, question.end)))
                continue
            found = needs(question)
        except Unasked as answer:
            settled[question] = answer.missing
            continue
        counted.append((question, found))
        for need in found:
            wanted.setdefault(need.counter, {}).update(dict.fromkeys(need.members))
    batches = tuple(b for c, members in wanted.items() for b in _batches(c, members, MAX_POSTED))
    asks = {a: Query(a.question.provider, a.expr, a.question.end) for a in histories.asks(past)}
    queries = tuple(dict.fromkeys([*(query for _, query in raw), *asks.values()]))
    return Plan(settled, batches, queries, tuple(counted), tuple(raw), tuple(past), asks)


def _batches(counter: Counter, members: Iterable[Member], size: int) -> Iterator[Batch]:
    """Members in as few batches as keep to the size.

    Patterns stand alone, and in few: beside names they would cost Prometheus its quick matching of
    exact names, and many of them cost it seconds. Sizes are estimated from above, one member after
    the other, so that this stays linear.
    """
    ordered = sorted(members, key=lambda m: (m.pattern, m.values))
    fixed = len(quote_plus(Batch(counter, ()).query.expr)) + _COPIES * 30 * len(counter.by)
    chunk: list[Member] = []
    seen: set[tuple[int, str]] = set()
    used = 0
    for member in ordered:
        most = min(size, MAX_ENCODED) if member.pattern else size
        cost, stems = _cost(member, seen)
        full = used + cost > max(200, (most - fixed) // _COPIES)
        if chunk and (full or chunk[-1].pattern != member.pattern):
            yield Batch(counter, tuple(chunk))
            chunk, used, seen = [], 0, set()
            cost, stems = _cost(member, seen)
        chunk.append(member)
        seen |= stems
        used += cost
    if chunk:
        yield Batch(counter, tuple(chunk))


_COPIES = 4
"""How often the selector stands in promql.counts."""


def _cost(member: Member, seen: set[tuple[int, str]]) -> tuple[int, set[tuple[int, str]]]:
    """Characters in the URL that the member adds, and the stems that it brings."""
    cost, stems = 0, set()
    for place, value in enumerate(member.values):
        if member.pattern and place == len(member.values) - 1:
            cost += len(quote_plus(promql.escape(value))) + 20
            continue
        stem, _, tail = value.rpartition("-")
        if (place, value) in seen:
            continue
        cost += len(quote_plus(promql.escape(promql.re2(tail)))) + 3
        if (place, stem) not in seen:
            cost += len(quote_plus(promql.escape(promql.re2(stem)))) + 10
        stems |= {(place, stem), (place, value)}
    return cost, stems


def _series(counter: Counter, members: Iterable[Member]) -> str:
    """The selector of a counter's series of these members."""
    return promql.choose(
        counter.metric, counter.by, [(m.values, m.pattern) for m in members], counter.matchers
    )


def _pooled(
    tallies: Mapping[Batch, Tally | Missing],
) -> tuple[dict[Counter, dict[Values, dict[str, float]]], dict[tuple[Counter, Member], Missing]]:
    """Each counter's members over all its batches, and the members whose batch failed.

    A pattern's batch may tell of a pod that another batch names: both saw the same, one stands.
    """
    pooled: dict[Counter, dict[Values, dict[str, float]]] = {}
    failed: dict[tuple[Counter, Member], Missing] = {}
    for batch, tally in tallies.items():
        if isinstance(tally, Missing):
            failed |= {(batch.counter, member): tally for member in batch.members}
        else:
            pooled.setdefault(batch.counter, {}).update(tally.counts)
    return pooled, failed


def _share(
    need: Need, counts: Mapping[Values, Mapping[str, float]]
) -> dict[Values, Mapping[str, float]]:
    """What of a counter belongs to a need's members."""
    share: dict[Values, Mapping[str, float]] = {}
    for member in need.members:
        if not member.pattern:
            if member.values in counts:
                share[member.values] = counts[member.values]
            continue
        *place, pattern = member.values
        expression = re.compile(pattern)
        share |= {
            values: les
            for values, les in counts.items()
            if list(values[:-1]) == place and expression.fullmatch(values[-1])
        }
    return share
