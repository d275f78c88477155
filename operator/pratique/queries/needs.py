"""What a question needs: the counters, and the members (pods, workloads, versions) whose they are.

Not here: how needs of several questions become few queries (grouping).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ..judge.samples import Missing
from ..resources.indicator import Series, Where
from . import promql, templates
from .errors import Unasked
from .questions import ARGUMENT, Provider, Question, Scope

Values = tuple[str, ...]
"""A member's label values, beside the counter's ``by``."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A metric over a span, told apart by some labels: equal ones are asked together."""

    provider: Provider
    metric: str
    matchers: tuple[str, ...]
    """In PromQL; without those that choose the members."""
    by: tuple[str, ...]
    """Labels that tell members apart: the namespace's, then the pod's, workload's or version's."""
    le: bool
    """Whether it is a histogram's buckets."""
    end: datetime
    span: float

    @property
    def look_back(self) -> float:
        """How far before the span a series' last value is looked for, in seconds."""
        return max(300.0, 20 * self.provider.scrape_interval)


@dataclass(frozen=True, slots=True)
class Member:
    """One pod, workload or version; or, as a pattern, all pods whose name matches."""

    values: Values
    pattern: bool = False
    """Whether the last value is an RE2 expression."""
    born: float | None = None
    """Unix seconds, where another pod had the name before: its samples are not to be counted."""


@dataclass(frozen=True, slots=True)
class Need:
    """A counter of some members."""

    counter: Counter
    members: tuple[Member, ...]


def needs(question: Question) -> tuple[Need, ...]:
    """For a ratio its part and its total, for a latency its buckets; raises Unasked."""
    indicator = question.indicator
    if indicator.ratio:
        part = indicator.ratio.good or indicator.ratio.bad
        assert part is not None
        return (_need(question, part), _need(question, indicator.ratio.total))
    if indicator.latency:
        buckets = Series(
            metric=f"{indicator.latency.histogram}_bucket", where=indicator.latency.where
        )
        return (_need(question, buckets, le=True),)
    raise ValueError("only ratio and latency indicators have counters")


def members(question: Question) -> tuple[tuple[str, ...], tuple[Member, ...]]:
    """The labels that tell members apart, and the question's members; raises Unasked."""
    labels, scope = question.indicator.labels, question.scope
    namespace = labels.namespace or question.provider.scope_label
    match question.indicator.attribution:
        case "Pod":
            by: tuple[str, ...] = (namespace, labels.pod)
            if scope.pods:
                born = {p: at.timestamp() for p, at in scope.births}
                found = tuple(
                    Member((scope.namespace, p), born=born.get(p)) for p in sorted(set(scope.pods))
                )
            elif scope.pod_pattern:
                _compiles(scope.pod_pattern)
                found = (Member((scope.namespace, scope.pod_pattern), pattern=True),)
            else:
                raise Unasked(Missing("NoData", "no pod of the release counts yet"))
        case "Workload":
            if labels.workload is None:
                raise Unasked(
                    Missing("QueryRejected", "attribution Workload needs labels.workload")
                )
            by, found = (
                (namespace, labels.workload),
                (Member((scope.namespace, scope.workload)),),
            )
        case "Version":
            version = required("version", scope.version)
            by, found = (namespace, labels.version), (Member((scope.namespace, version)),)
            if labels.workload:
                by = (*by, labels.workload)
                found = (Member((scope.namespace, version, scope.workload)),)
    return by, found


def matchers(where: Where, question: Question) -> tuple[str, ...]:
    """An indicator's matchers in PromQL, sorted; raises Unasked."""
    scope, out = question.scope, []
    values = {
        "namespace": scope.namespace,
        "workload": scope.workload,
        "version": scope.version,
        **scope.arguments,
    }
    for given in where:
        for comparison, text in (
            ("=", given.equals),
            ("!=", given.not_equals),
            ("=~", given.matches),
            ("!~", given.not_matches),
        ):
            if text is not None:
                check_arguments(names_in(text), scope)
                used = {n: required(n, v) for n, v in values.items() if n in names_in(text)}
                out.append(promql.matcher(given.label, comparison, text, used))
    return tuple(sorted(set(out)))


def names_in(text: str) -> frozenset[str]:
    """The variables in a text."""
    return templates.variables(text)


def check_arguments(used: Iterable[str], scope: Scope) -> None:
    """Raises Unasked where an argument is used and nobody gave it: only an Analysis has some."""
    for name in sorted(used):
        if name.startswith(ARGUMENT) and name not in scope.arguments:
            given = name.removeprefix(ARGUMENT)
            raise Unasked(
                Missing(
                    "QueryRejected",
                    f"${name} has no value: only an Analysis gives arguments, under spec.args.{given}",
                )
            )


def required(name: str, value: str | None, why: Mapping[str, str] | None = None) -> str:
    """The value, or Unasked where there is none."""
    if value:
        return value
    raise Unasked(Missing("NoData", (why or _WHY).get(name, f"${name} has no value here")))


_WHY = {
    "version": (
        "the release has no version: set the label app.kubernetes.io/version in the pod template"
    ),
    "pods": "no pod of the release counts yet",
    "baselinePods": "there are no pods of a release before to compare with",
}


def _need(question: Question, series: Series, *, le: bool = False) -> Need:
    by, found = members(question)
    counter = Counter(
        provider=question.provider,
        metric=series.metric,
        matchers=matchers(series.where, question),
        by=by,
        le=le,
        end=question.end,
        span=question.span,
    )
    return Need(counter, found)


def _compiles(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise Unasked(
            Missing(
                "QueryRejected", f"the pods' pattern {pattern!r} is no regular expression: {error}"
            )
        ) from error
