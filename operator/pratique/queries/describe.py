"""The PromQL of one question, for people to paste into Prometheus and see the same figure.

Not what is asked: that merges many questions (grouping). Where the exact expression would be too
long, pods are told by what their names begin with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile

from . import promql
from .errors import Unasked
from .needs import Counter, Member, needs
from .questions import Question
from .singles import expression

MAX_LENGTH = 1024
Count = Callable[[str, float, float, str], str]
"""(series, span, look-back, time) → an expression of each series' growth."""


def describe(question: Question) -> str:
    """One expression of at most 1024 characters; "" where nothing can be asked.

    It carries its time (``@``), so that it gives the same figure later. Resets inside the window
    are not mended in it.
    """
    indicator = question.indicator
    if indicator.kubernetes:
        return ""
    try:
        if indicator.query:
            expr = expression(question)
            return expr if len(expr) <= MAX_LENGTH else indicator.query.expr[:MAX_LENGTH]
        wanted = needs(question)
    except Unasked:
        return ""
    for count in (promql.count, _plain):
        for narrow in (_exact, _by_prefix):
            series = [_series(need.counter, narrow(need.members)) for need in wanted]
            expr = _expression(question, series, wanted[-1].counter.look_back, count)
            if len(expr) <= MAX_LENGTH:
                return expr
    last = wanted[-1].counter
    samples = f"{_series(last, _by_prefix(wanted[-1].members))}[{promql.duration(last.span)}]"
    return samples if len(samples) <= MAX_LENGTH else last.metric


def _expression(question: Question, series: Sequence[str], look_back: float, count: Count) -> str:
    at = f" @ {question.end.timestamp():.3f}".removesuffix(".000")
    grown = [count(s, question.span, look_back, at) for s in series]
    latency = question.indicator.latency
    if latency is None:
        return f"(sum({grown[0]}) or vector(0)) / sum({grown[1]})"
    scale = 1000.0 if latency.unit == "Milliseconds" else 1.0
    if latency.threshold is None:
        quantile = f"histogram_quantile({latency.quantile:g}, sum by(le) ({grown[0]}))"
        return f"{quantile} / 1000" if scale != 1 else quantile
    edge = promql.re2(f"{latency.threshold.total_seconds() * scale:g}")
    within = promql.with_matcher(series[0], f"le=~{promql.quoted(f'{edge}([.]0)?')}")
    everything = promql.with_matcher(series[0], f"le={promql.quoted('+Inf')}")
    part, total = (count(s, question.span, look_back, at) for s in (within, everything))
    return f"sum({part}) / sum({total})"


def _plain(series: str, span: float, look_back: float, at: str) -> str:
    """A shorter count, which leaves out series born inside the span."""
    window = promql.duration(span)
    return (
        f"max_over_time({series}[{window}]{at}) - "
        f"last_over_time({series}[{promql.duration(look_back)}]{at} offset {window})"
    )


def _series(counter: Counter, members: Iterable[Member]) -> str:
    return promql.choose(
        counter.metric, counter.by, [(m.values, m.pattern) for m in members], counter.matchers
    )


def _exact(members: Sequence[Member]) -> Sequence[Member]:
    return members


def _by_prefix(members: Sequence[Member]) -> Sequence[Member]:
    """All names that begin as these do, up to a dash."""
    if len(members) < 2:
        return members
    *place, _ = members[0].values
    names = [m.values[-1] for m in members]
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(min(names), max(names), strict=False))
    common = "".join(letter for letter, _ in alike)
    stem = common[: common.rfind("-") + 1] or common
    return [Member((*place, f"{promql.re2(stem)}.*"), pattern=True)]
