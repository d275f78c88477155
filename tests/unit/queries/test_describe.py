"""The expression for people: short, with its own time, never rate or increase."""

from __future__ import annotations

import pytest

from pratique.queries.describe import MAX_LENGTH, describe
from pratique.queries.questions import Question
from unit.queries.asking import ERRORS, errors, latency, query, question

LONG = {"label": "path", "matches": "|".join(f"/a/long/path/{n}" for n in range(30))}


def test_latency() -> None:
    assert describe(latency("checkout-7d9f8c-aa", "checkout-7d9f8c-bb")) == (
        "histogram_quantile(0.95, sum by(le) ("
        'max_over_time(duration_seconds_bucket{namespace="shop",pod=~"checkout-7d9f8c-(aa|bb)"}'
        "[10m] @ 1767268800) - "
        'last_over_time(duration_seconds_bucket{namespace="shop",pod=~"checkout-7d9f8c-(aa|bb)"}'
        "[5m] @ 1767268800 offset 10m) or "
        'max_over_time(duration_seconds_bucket{namespace="shop",pod=~"checkout-7d9f8c-(aa|bb)"}'
        "[10m] @ 1767268800)))"
    )


def test_many_pods_are_told_by_what_they_begin_with() -> None:
    text = describe(errors(*(f"checkout-7d9f8c-{n:05d}" for n in range(300))))
    assert 'pod=~"checkout-7d9f8c-.*"' in text


def test_an_expression_of_ones_own_is_shown_with_its_values() -> None:
    asked = query('sum(x{pod=~"$pods"}[$window])', "a-1-x")
    assert describe(asked) == 'sum(x{pod=~"(?:a-1-x)"}[10m])'


@pytest.mark.parametrize(
    "asked",
    [
        errors(*(f"checkout-7d9f8c-{n:05d}" for n in range(300))),
        question("a-1-x", latency={"histogram": "d", "threshold": "300ms", "where": [LONG]}),
        question(
            *(f"{n}-x" for n in range(300)),
            latency={"histogram": "d", "threshold": "300ms", "where": [LONG, LONG]},
        ),
        question("a-1-x", ratio={"bad": ERRORS["bad"], "total": {"metric": "t", "where": [LONG]}}),
        query('sum(x{pod=~"$pods"})', *(f"{n}-x" for n in range(300))),
    ],
)
def test_never_too_long_and_never_extrapolated(asked: Question) -> None:
    text = describe(asked)
    assert 0 < len(text) <= MAX_LENGTH
    assert "rate(" not in text
    assert "increase(" not in text


@pytest.mark.parametrize("asked", [errors(), question("a", kubernetes={"signal": "Restarts"})])
def test_nothing_where_nothing_is_asked(asked: Question) -> None:
    assert describe(asked) == ""
