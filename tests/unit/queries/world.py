"""A provider of two kinds of queries, the counts and the samples, over series given as samples.

It reads selectors as Prometheus' lexer does and computes from the samples, so that what comes back
depends on the text that was asked.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from pratique.queries.grouping import Query
from pratique.queries.vectors import Row, Vector

_ESCAPED = re.compile(r"\\(ufffd|.)", re.DOTALL)


def unquoted(text: str) -> tuple[str, str]:
    """(the string's value, what follows it); raises ValueError where Prometheus' lexer would."""
    quote = text[0]
    assert quote in "\"'"
    i = 1
    while text[i : i + 1] != quote:
        if i >= len(text) or text[i] in "\n\ufffd":
            raise ValueError(f"no end, or a character that must be escaped: {text!r}")
        i += 2 if text[i] == "\\" else 1
    meaning = {"n": "\n", "ufffd": "\ufffd", "\\": "\\", quote: quote}
    return _ESCAPED.sub(lambda m: meaning[m[1]], text[1:i]), text[i + 1 :]


def selected(text: str) -> tuple[str, list[tuple[str, str, str]], str]:
    """(metric, matchers, what follows) of the first selector."""
    found = re.search(r"([a-z_]+)\{", text)
    assert found
    rest, matchers = text[found.end() :], []
    while not rest.startswith("}"):
        said = re.match(r",?([a-z_]+)(=~|!~|!=|=)", rest)
        assert said, rest
        value, rest = unquoted(rest[said.end() :])
        matchers.append((said[1], said[2], value))
    return found[1], matchers, rest[1:]


@dataclass
class World:
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = field(
        default_factory=dict
    )
    asked: list[Query] = field(default_factory=list)

    def add(self, metric: str, samples: list[tuple[float, float]], **labels: str) -> None:
        self.series[("__name__", metric), *sorted(labels.items())] = samples

    def _matching(self, text: str) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        metric, matchers, _ = selected(text)
        return [
            (labels, samples)
            for key, samples in self.series.items()
            if (labels := dict(key))["__name__"] == metric
            and all(_holds(labels.get(n, ""), op, v) for n, op, v in matchers)
        ]

    async def ask(self, query: Query) -> Vector:
        self.asked.append(query)
        end = query.time.timestamp()
        if not query.expr.startswith("sum by("):
            return Vector(
                tuple(
                    Row(labels, tuple(s for s in samples if s[0] <= end), ranged=True)
                    for labels, samples in self._matching(query.expr)
                )
            )
        by = query.expr.removeprefix("sum by(").partition(")")[0].split(",")
        # All spans of these tests are of one minute.
        begin = end - 60
        sums: dict[tuple[str, ...], float] = defaultdict(float)
        resets: dict[tuple[str, ...], int] = defaultdict(int)
        for labels, samples in self._matching(query.expr):
            inside = [v for t, v in samples if begin < t <= end]
            if inside:
                before = [v for t, v in samples if t <= begin]
                sums[tuple(labels.get(b, "") for b in by)] += max(inside) - (before or [0.0])[-1]
            values = [v for t, v in samples if t <= end]
            if any(b < a for a, b in pairwise(values)):
                resets[tuple(labels.get(b, "") for b in by if b != "le")] += 1
        rows = [(dict(zip(by, key, strict=True)), n) for key, n in sums.items()]
        names = [b for b in by if b != "le"]
        rows += [
            (dict(zip(names, key, strict=True)) | {"pratique_resets": "1"}, float(n))
            for key, n in resets.items()
        ]
        return Vector.of(*rows)


def _holds(value: str, comparison: str, wanted: str) -> bool:
    if comparison in ("=", "!="):
        return (value == wanted) == (comparison == "=")
    return bool(re.fullmatch(wanted, value)) == (comparison == "=~")
