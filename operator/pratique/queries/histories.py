"""Histories: the old version's counts step by step, for many workloads in few queries.

One query has at most some workloads, as its answer holds a number for each of their steps.

Not here: what is read from them (judge/statistics/noise).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..judge.samples import History, Missing, Sample
from ..resources.indicator import LatencyIndicator, Series
from . import podnames, promql
from .needs import Values, matchers
from .questions import Question
from .vectors import Vector

MAX_WORKLOADS = 40
"""Workloads in one query: a day of minutes of each is some 60 kB of the answer."""


@dataclass(frozen=True, slots=True)
class Part:
    """One counter of a history: equal ones of several workloads are asked together."""

    metric: str
    matchers: tuple[str, ...]
    by: tuple[str, ...]
    pods: str
    """The suffix by which pods are told, as an RE2 expression; empty where they are not."""


@dataclass(frozen=True)
class Wanted:
    """A question with its parts: (part, total), and whose they are."""

    question: Question
    parts: tuple[Part, Part]
    values: Values


def wanted(question: Question) -> Wanted | Missing:
    """What must be asked for a history, or why it cannot be had."""
    indicator, scope = question.indicator, question.scope
    by: tuple[str, ...] = (indicator.labels.namespace or question.provider.scope_label,)
    values: Values = (scope.namespace,)
    pods, by_pod = "", indicator.attribution == "Pod"
    if by_pod and scope.pod_pattern and (found := podnames.split(scope.pod_pattern)):
        name, pods = found
        by, values = (*by, indicator.labels.pod), (*values, name)
    elif indicator.attribution == "Workload" and indicator.labels.workload:
        by, values = (*by, indicator.labels.workload), (*values, scope.workload)
    else:
        return Missing("NoData", "no pods of a release before are known")

    def part(series: Series, *more: str) -> Part:
        return Part(series.metric, (*matchers(series.where, question), *more), by, pods)

    if indicator.ratio:
        some = indicator.ratio.good or indicator.ratio.bad
        assert some is not None
        return Wanted(question, (part(some), part(indicator.ratio.total)), values)
    if indicator.latency and indicator.latency.threshold is not None:
        return _latency(question, indicator.latency, part, values)
    return Missing("NoData", "only counts have a history")


def _latency(
    question: Question, latency: LatencyIndicator, part: object, values: Values
) -> Wanted | Missing:
    """The bucket whose edge is the threshold, and the count of all."""
    assert latency.threshold is not None
    assert callable(part)
    edge = latency.threshold.total_seconds() * (1000 if latency.unit == "Milliseconds" else 1)
    # Prometheus writes an edge as Go or Python would: 1, 1.0 and 1e+00 are one.
    spelled = {f"{edge:g}", f"{edge!r}", f"{edge:.1f}"}
    within = f"le=~{promql.quoted('|'.join(promql.re2(s) for s in sorted(spelled)))}"
    buckets = Series(metric=f"{latency.histogram}_bucket", where=latency.where)
    count = Series(metric=f"{latency.histogram}_count", where=latency.where)
    return Wanted(question, (part(buckets, within), part(count)), values)


@dataclass(frozen=True)
class Ask:
    """One query for one part of some workloads."""

    part: Part
    question: Question
    """Any of its questions: they share provider, end, span and step."""
    members: tuple[Values, ...]

    @property
    def expr(self) -> str:
        """In PromQL; to be asked as of the question's end."""
        part, q = self.part, self.question
        members = [
            ((*v[:-1], promql.re2(v[-1]) + part.pods) if part.pods else v, bool(part.pods))
            for v in self.members
        ]
        series = promql.choose(part.metric, part.by, members, part.matchers)
        look_back = max(q.step, 4 * q.provider.scrape_interval)
        return promql.history(series, q.step, look_back, part.by, part.pods, q.span)


def asks(questions: Iterable[Wanted]) -> list[Ask]:
    """Few queries for many histories."""
    grouped: dict[tuple[object, ...], tuple[Part, Question, dict[Values, None]]] = {}
    for want in questions:
        q = want.question
        for part in want.parts:
            key = (part, q.provider, q.end, q.span, q.step)
            grouped.setdefault(key, (part, q, {}))[2][want.values] = None
    return [
        Ask(part, q, tuple(members)[i : i + MAX_WORKLOADS])
        for part, q, members in grouped.values()
        for i in range(0, len(members), MAX_WORKLOADS)
    ]


def deal(want: Wanted, answers: Mapping[Ask, Vector | Missing]) -> Sample:
    """A question's history from the answers; steps without requests are left out."""
    found: list[dict[float, float]] = []
    for part in want.parts:
        steps: dict[float, float] = {}
        for ask, answer in answers.items():
            if ask.part != part or want.values not in ask.members or _apart(ask, want):
                continue
            if isinstance(answer, Missing):
                return answer
            label = promql.SET_LABEL if part.pods else part.by[-1]
            for row in answer:
                if (row.labels.get(part.by[0]), row.labels.get(label)) == want.values:
                    steps |= dict(row.samples)
        found.append(steps)
    part_of, total = found
    counts = tuple(
        (round(n), round(min(max(part_of.get(t, 0.0), 0.0), n)))
        for t, n in sorted(total.items())
        if 0 < n < 2**53
    )
    return History(counts) if counts else Missing("NoData", "there is no history")


def _apart(ask: Ask, want: Wanted) -> bool:
    one, other = ask.question, want.question
    return (one.provider, one.end, one.span, one.step) != (
        other.provider,
        other.end,
        other.span,
        other.step,
    )
