"""From results to a verdict: points, keys, warnings, dry runs, what is only shown."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.judge.verdicts import Scoring, certain, conclude
from pratique.resources.judgement import Judgement, ObjectiveResult
from pratique.resources.policy import ScoreThresholds
from unit.judge.cases import window

RESULTS = ("Pass", "Warn", "Fail", "NotJudged", "NoData", "Error", "Informational")
REASONS = {"Pass": "WithinBounds", "Warn": "WithinWarning", "Fail": "ValueOutOfBounds"}


def result(text: str, name: str = "o") -> ObjectiveResult:
    """``Fail*3!`` is a key objective of weight 3; ``Fail~`` a dry run."""
    kind = text.rstrip("!~").partition("*")[0]
    weight = text.rstrip("!~").partition("*")[2]
    return ObjectiveResult(
        name=name,
        result=kind,  # type: ignore[arg-type]
        reason=REASONS.get(kind, "NoData"),
        message=f"the sentence of {name}.",
        weight=int(weight) if weight else None,
        key=text.endswith("!") or None,
        dry_run=text.endswith("~") or None,
    )


def concluded(texts: str, score: str | None = None, **more: Any) -> Judgement:
    results = [result(t, f"o{i}") for i, t in enumerate(texts.split())]
    thresholds = None
    if score is not None:
        passing, _, warning = score.partition("/")
        thresholds = ScoreThresholds(pass_=passing, warn=warning or None)
    return conclude(results, window=window(), scoring=Scoring(score=thresholds, **more))


@pytest.mark.parametrize(
    ("texts", "score", "wanted"),
    [
        ("Pass Pass Pass Fail", "75%", ("Promotable", "ScoreReached")),  # 75 is not below 75
        ("Pass Pass Pass Fail", "75.000001%", ("NotPromotable", "ScoreMissed")),
        ("Pass Fail Fail", "33.3%", ("Promotable", "ScoreReached")),
        ("Pass Fail Fail", "33.4%", ("NotPromotable", "ScoreMissed")),
        ("Pass*3 Fail", "75%", ("Promotable", "ScoreReached")),
        ("Pass Fail*3", "75%", ("NotPromotable", "ScoreMissed")),
        ("Warn Warn", "50%", ("Promotable", "ScoreReached")),  # a warning is half
        ("Pass Warn", "75%", ("Promotable", "ScoreReached")),
        ("Pass Warn", "76%", ("NotPromotable", "ScoreMissed")),
        ("Pass Pass Pass Fail!", "75%", ("NotPromotable", "ObjectiveFailed")),  # a key's failure
        ("Pass Pass Pass Warn!", "75%", ("Promotable", "ScoreReached")),
        ("Pass Pass Pass NoData!", "75%", ("Inconclusive", "NoData")),
        ("Pass Pass Pass NoData", "75%", ("Promotable", "ScoreReached")),  # even if that had failed
        ("Pass Pass NoData Fail", "75%", ("Inconclusive", "NoData")),  # it might have decided
        ("Fail Fail NoData Fail", "75%", ("NotPromotable", "ScoreMissed")),
        ("Pass Fail", "80%/50%", ("Promotable", "ScoreReached")),  # between warn and pass
        ("NoData NoData", "0%", ("Inconclusive", "NoData")),  # nothing is no evidence
        ("Fail Fail", "0%", ("Inconclusive", "NoData")),
        ("Informational", "0%", ("Inconclusive", "NoData")),
        ("Pass Informational Fail~", "100%", ("Promotable", "ScoreReached")),
        ("Pass Pass", None, ("Promotable", "AllObjectivesMet")),
        ("Pass Warn", None, ("Promotable", "AllObjectivesMet")),
        ("Pass Fail", None, ("NotPromotable", "ObjectiveFailed")),
        ("Pass NoData", None, ("Inconclusive", "NoData")),
        ("Fail NoData", None, ("NotPromotable", "ObjectiveFailed")),
        ("Pass Fail~ Informational", None, ("Promotable", "AllObjectivesMet")),
        ("Fail~", None, ("Inconclusive", "NoData")),
        ("", None, ("Inconclusive", "NoData")),
    ],
)
def test_verdicts(texts: str, score: str | None, wanted: tuple[str, str]) -> None:
    got = concluded(texts, score)
    assert (got.verdict, got.reason) == wanted, got.message


def test_a_score_lists_what_brought_no_points() -> None:
    got = concluded("Pass Pass Pass Fail", "75%")
    assert "3 of 4 points, 75 %, of the 75 % that are wanted" in got.message
    assert "Without points: o3: the sentence of o3." in got.message
    assert got.score is not None
    assert (got.score.achieved, got.score.possible, got.score.percent) == (3, 4, 75)


def test_warnings_may_not_be_taken() -> None:
    assert concluded("Pass Warn", on_warning="NotPromotable").reason == "ObjectiveWarned"
    assert concluded("Pass Pass", on_warning="NotPromotable").verdict == "Promotable"
    between = concluded("Pass Fail", "80%/50%", on_warning="NotPromotable")
    assert (between.verdict, between.reason) == ("NotPromotable", "ObjectiveWarned")


@pytest.mark.parametrize("mode", ["Warn", "DryRun"])
def test_what_is_not_enforced_says_so(mode: Any) -> None:
    got = concluded("Fail", mode=mode)
    assert (got.verdict, got.enforced) == ("NotPromotable", False)
    assert "nothing is enforced" in got.message
    assert concluded("Fail").enforced is None


def test_one_dry_run_is_told_beside_the_verdict() -> None:
    assert "Not enforced (dry run): o1: the sentence of o1." in concluded("Pass Fail~").message


texts = st.lists(
    st.tuples(st.sampled_from(RESULTS), st.integers(1, 9), st.sampled_from(["", "!", "~"])),
    max_size=6,
).map(lambda rows: " ".join(f"{r}*{w}{s}" for r, w, s in rows))


@given(texts, st.integers(0, 1000).map(lambda x: f"{x / 10}%"))
def test_points_decide_as_fractions_would(given_: str, score: str) -> None:
    got = concluded(given_, score)
    rows = [t for t in given_.split() if not t.startswith("Informational") and not t.endswith("~")]
    weights = [int(t.partition("*")[2].rstrip("!")) for t in rows]
    share = {"Pass": Fraction(1), "Warn": Fraction(1, 2)}
    points = [
        share.get(t.partition("*")[0], Fraction(0)) * w for t, w in zip(rows, weights, strict=True)
    ]
    if got.verdict == "Promotable":
        assert sum(points) * 100 >= Fraction(score[:-1]) * sum(weights)
        assert any(points)
        assert all(t.startswith(("Pass", "Warn")) for t in rows if t.endswith("!"))
    if got.reason == "ScoreMissed":
        open_ = sum(
            w
            for t, w in zip(rows, weights, strict=True)
            if not t.startswith(("Pass", "Warn", "Fail"))
        )
        assert (sum(points) + open_) * 100 < Fraction(score[:-1]) * sum(weights)


@given(texts, st.none() | st.integers(0, 100).map(lambda x: f"{x}%"))
def test_what_is_certain_early_stays_so(given_: str, score: str | None) -> None:
    results = [result(t, f"o{i}") for i, t in enumerate(given_.split())]
    scoring = Scoring(ScoreThresholds(pass_=score) if score else None)
    if not certain(results, scoring):
        return
    best = [
        r.model_copy(update={"result": "Pass"}) if r.result not in ("Fail", "Warn") else r
        for r in results
    ]
    assert conclude(best, window=window(), scoring=scoring).verdict != "Promotable"
