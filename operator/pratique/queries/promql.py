"""PromQL from parts: strings, regular expressions, selectors, counts. Nothing else builds PromQL text.

Not here: which series are asked for whom (grouping), and people's own expressions (templates).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

RESET_TAG = "pratique_resets"
"""The label that marks the rows which tell of resets, beside those that are counts."""

_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def escape(text: str, quote: str = '"') -> str:
    """Text as it stands inside a PromQL string with these quotes; it cannot end the string."""
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace(quote, f"\\{quote}")
    # Prometheus' lexer takes this character for broken UTF-8.
    return escaped.replace("\ufffd", "\\ufffd")


def quoted(text: str) -> str:
    """Text as a PromQL string."""
    return f'"{escape(text)}"'


def re2(text: str) -> str:
    """An RE2 expression that matches just this text."""
    return _META.sub(lambda found: f"\\{found[0]}", text)


def alternatives(names: Iterable[str]) -> str:
    """An RE2 expression of just these names; names with a common stem (a ReplicaSet's pods) share it.

    ``checkout-7d9f8c-aaaaa``, ``checkout-7d9f8c-bbbbb`` → ``checkout-7d9f8c-(aaaaa|bbbbb)``
    """
    stems: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        stem, dash, tail = name.rpartition("-")
        stems.setdefault(stem + dash, []).append(tail)
    return "|".join(
        re2(stem) + (f"({'|'.join(map(re2, tails))})" if len(tails) > 1 else re2(tails[0]))
        for stem, tails in sorted(stems.items())
    )


def duration(seconds: float) -> str:
    """A PromQL duration, to the millisecond: 90 → ``1m30s``."""
    left = round(seconds * 1000)
    if left <= 0:
        raise ValueError(f"a duration of {seconds} s cannot be asked: it must be above 0")
    text = ""
    for unit, size in _UNITS:
        many, left = divmod(left, size)
        text += f"{many}{unit}" if many else ""
    return text


def one_of(label: str, values: Iterable[str], patterns: Iterable[str] = ()) -> str:
    """A matcher: the label is one of the values, or matches wholly one of the RE2 patterns."""
    exact, expressions = sorted(set(values)), sorted(set(patterns))
    if len(exact) == 1 and not expressions:
        return f"{label}={quoted(exact[0])}"
    if len(expressions) == 1 and not exact:
        return f"{label}=~{quoted(expressions[0])}"
    parts = [f"(?:{p})" for p in expressions] + ([alternatives(exact)] if exact else [])
    return f"{label}=~{quoted('|'.join(parts))}"


def selector(metric: str, matchers: Iterable[str]) -> str:
    """``metric{matcher,…}``."""
    return f"{metric}{{{','.join(matchers)}}}"


def with_matcher(series: str, extra: str) -> str:
    """A selector with one matcher more."""
    return f"{series[:-1]},{extra}}}"


def choose(
    metric: str,
    labels: Sequence[str],
    members: Iterable[tuple[Sequence[str], bool]],
    matchers: Iterable[str],
) -> str:
    """The selector of some members' series.

    Each member is its values of ``labels``, and whether the last is an RE2 expression. Chosen is
    what fits label by label, which may be more than the members.
    """
    chosen, last = tuple(members), len(labels) - 1
    choosing = [
        one_of(
            label,
            (values[i] for values, pattern in chosen if not (pattern and i == last)),
            (values[i] for values, pattern in chosen if pattern and i == last),
        )
        for i, label in enumerate(labels)
    ]
    return selector(metric, (*choosing, *matchers))


def count(series: str, span: float, look_back: float, at: str = "") -> str:
    """How much each counter grew over the span; one born inside it counts from zero.

    Right for series without a reset (see ``resets``): the highest value inside, less the last one
    before. A series that goes inside the span keeps what it had. A failed scrape just before the
    span leaves a stale marker, so the last value before it is looked for over ``look_back``.
    """
    inside = f"max_over_time({series}[{duration(span)}]{at})"
    before = f"last_over_time({series}[{duration(look_back)}]{at} offset {duration(span)})"
    return f"{inside} - {before} or {inside}"


def counts(series: str, span: float, look_back: float, by: Iterable[str], le: bool) -> str:
    """One query for a group: each member's count (by le too), and tagged rows for those with resets.

    A reset inside the look-back may have been just before the span: also told, and counted exactly.
    """
    labels = ",".join(by)
    resets = f"resets({series}[{duration(span + look_back)}])>0"
    return (
        f"sum by({labels}{',le' if le else ''})({count(series, span, look_back)})"
        f" or label_replace(count by({labels})({resets}),{quoted(RESET_TAG)},{quoted('1')},"
        f"{quoted('')},{quoted('')})"
    )


def raw(series: str, span: float, look_back: float) -> str:
    """The samples themselves, from the look-back on."""
    return f"{series}[{duration(span + look_back)}]"


SET_LABEL = "pratique_set"
"""The label that carries the name which a workload's pods share."""


def history(
    series: str, step: float, look_back: float, by: Sequence[str], pods: str, span: float
) -> str:
    """Counts of each step over the span, summed by ``by``; the last of it is a pod's label.

    With ``pods``, the suffix's expression, its values are cut to what pods of one set share.
    """
    counted = count(series, step, look_back)
    *place, last = by
    labels = ",".join([*place, SET_LABEL if pods else last])
    if pods:
        name = quoted(f"(.+){pods}")
        counted = (
            f"label_replace({counted},{quoted(SET_LABEL)},{quoted('$1')},{quoted(last)},{name})"
        )
    return f"sum by({labels})({counted})[{duration(span)}:{duration(step)}]"


def matcher(label: str, comparison: str, text: str, variables: Mapping[str, str]) -> str:
    """A matcher from an indicator: variables are values, also inside a regular expression."""
    regex = comparison.endswith("~")

    def value(found: re.Match[str]) -> str:
        return re2(variables[found[1]]) if regex else variables[found[1]]

    if variables:
        text = re.sub(rf"\$({'|'.join(variables)})\b", value, text, flags=re.ASCII)
    return f"{label}{comparison}{quoted(text)}"
