"""The verdict over all objectives: every one must pass, or enough points come together.

Not here: when a window is over, and what follows from a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ..resources.judgement import Judgement, ObjectiveResult, ScoreResult, Verdict, Window
from ..resources.objective import Result
from ..resources.policy import ScoreThresholds
from .numbers import clip, quantity
from .sentences import SUMMARY, span

PASSING: tuple[Result, ...] = ("Pass", "Warn")
ORDER = (
    "QueryRejected",
    "SeveralSeries",
    "UnexpectedSample",
    "ProviderError",
    "PartExceedsTotal",
    "NegativeValue",
    "MismatchedBuckets",
    "NotANumber",
    "Infinite",
    "StaleSeries",
    "NoData",
    "PartialWindow",
    "InsufficientTraffic",
    "Ambiguous",
    "Evaluating",
    "NoBounds",
    "ThresholdBetweenBuckets",
    "QuantileBeyondBuckets",
    "NoBaseline",
)
"""Of several reasons the first here is the verdict's: what a person must mend before what may mend
itself. NoBaseline is last: it stands only where nothing but a baseline was missing."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How results come to a verdict."""

    score: ScoreThresholds | None = None
    """Promotable by score; none: every objective must pass."""
    on_warning: Literal["Promotable", "NotPromotable"] = "Promotable"
    """What warnings, without failures, come to."""
    mode: Literal["Enforce", "Warn", "DryRun"] = "Enforce"
    """Whether the verdict holds anything back."""


def counting(results: Sequence[ObjectiveResult]) -> list[ObjectiveResult]:
    """The results that decide: not what is only shown, not what is a dry run."""
    return [r for r in results if r.result != "Informational" and not r.dry_run]


def failing(results: Sequence[ObjectiveResult]) -> list[ObjectiveResult]:
    """The results that make a release not promotable where every objective must pass."""
    return [r for r in counting(results) if r.result == "Fail"]


def certain(results: Sequence[ObjectiveResult], scoring: Scoring) -> bool:
    """Whether what failed already decides, however well all that is still open may end."""
    failed = failing(results)
    if scoring.score is None or any(r.key for r in failed):
        return bool(failed)
    _, most, possible = _points(counting(results))
    least = scoring.score.warn if scoring.score.warn is not None else scoring.score.pass_
    return bool(failed) and not _reaches(most, possible, least)


def conclude(
    results: Sequence[ObjectiveResult],
    *,
    window: Window | None,
    basis: str | None = None,
    scoring: Scoring = Scoring(),
) -> Judgement:
    """The judgement at the window's end.

    Promotable only if every objective that counts passes (or warns); or, by score, if those that did
    reach it even should all others fail, and no key objective is among these. ``basis`` says what it
    rests on where that is less than one would think; the message repeats it.
    """
    given = counting(results)
    if scoring.score is not None and given:
        verdict, reason, text, score = _by_score(given, scoring, scoring.score, window)
    else:
        verdict, reason, text = _by_all(given, scoring, window)
        score = None
    aside = [r for r in results if r.dry_run and r.result == "Fail"]
    if aside:
        text += f" Not enforced (dry run): {_told(aside)}"
    head = {"NotPromotable": "Not promotable"}.get(verdict, verdict)
    if scoring.mode != "Enforce":
        kind = "dry run" if scoring.mode == "DryRun" else "only warns"
        head += f" ({kind}: nothing is enforced)"
    if basis:
        head += f" ({basis})"
    return Judgement(
        verdict=verdict,
        reason=reason,
        message=clip(f"{head}: {text}", SUMMARY),
        basis=clip(basis, 128) if basis else None,
        enforced=False if scoring.mode != "Enforce" else None,
        score=score,
        window=window,
        results=list(results),
    )


def _by_all(
    given: Sequence[ObjectiveResult], scoring: Scoring, window: Window | None
) -> tuple[Verdict, str, str]:
    failed = failing(given)
    open_ = sorted((r for r in given if r.result not in (*PASSING, "Fail")), key=_severity)
    warned = [r for r in given if r.result == "Warn"]
    if failed:
        text = f"{_of(failed, given)} failed: {_told(failed)}"
        if open_:
            text += f" Not judged: {', '.join(f'{r.name} ({r.reason})' for r in open_)}."
        return "NotPromotable", "ObjectiveFailed", text
    if open_:
        text = f"{_of(open_, given)} could not be judged: {_told(open_)}"
        return "Inconclusive", open_[0].reason, text
    if not given:
        return "Inconclusive", "NoData", "no objective was judged."
    if warned and scoring.on_warning == "NotPromotable":
        text = f"{_of(warned, given)} warned, and the policy takes no warnings: {_told(warned)}"
        return "NotPromotable", "ObjectiveWarned", text
    return "Promotable", "AllObjectivesMet", _met(given, window)


def _by_score(
    given: Sequence[ObjectiveResult],
    scoring: Scoring,
    wanted: ScoreThresholds,
    window: Window | None,
) -> tuple[Verdict, str, str, ScoreResult]:
    """By points: what is open counts nothing, and must not be what decides."""
    achieved, most, possible = _points(given)
    percent = Fraction(100 * achieved, possible)
    score = ScoreResult(
        achieved=achieved / 2,
        possible=possible / 2,
        percent=round(float(percent), 6),
        pass_=wanted.pass_,
        warn=wanted.warn,
    )
    failed, keys = failing(given), [r for r in given if r.key]
    open_ = sorted((r for r in given if r.result not in (*PASSING, "Fail")), key=_severity)
    lost = [*failed, *open_]
    figures = f"{_number(achieved)} of {_number(possible)} points, {_percent(percent)} %"
    text = f"{figures}, of the {wanted.pass_:g} % that are wanted"
    if window is not None:
        text += f", over {span(window)}"
    missed = f" Without points: {_told(lost)}" if lost else ""
    key_failed = [r for r in failed if r.key]
    passed = any(r.result in PASSING for r in given)
    least = wanted.warn if wanted.warn is not None else wanted.pass_
    if key_failed:
        text = f"{_of(key_failed, given)}, a key one, failed: {_told(key_failed)} ({figures})"
        return "NotPromotable", "ObjectiveFailed", text, score
    if any(r.result not in PASSING for r in keys):
        text = f"a key objective could not be judged: {_told(open_)} ({figures})"
        return "Inconclusive", open_[0].reason, text, score
    if _reaches(achieved, possible, wanted.pass_) and passed:
        return "Promotable", "ScoreReached", f"{text}.{missed}", score
    if not _reaches(most, possible, least):
        return "NotPromotable", "ScoreMissed", f"{text}.{missed}", score
    if open_:
        # What could not be judged might still have brought it there.
        return "Inconclusive", open_[0].reason, f"{text}.{missed}", score
    if not passed:
        return "Inconclusive", "NoData", f"{text}, and no objective passed.", score
    if scoring.on_warning == "NotPromotable":
        text = f"{text}: a warning, and the policy takes none.{missed}"
        return "NotPromotable", "ObjectiveWarned", text, score
    return "Promotable", "ScoreReached", f"{text}: a warning.{missed}", score


def _points(results: Sequence[ObjectiveResult]) -> tuple[int, int, int]:
    """(achieved, the most there may still be, possible) in half points: whole numbers compare exactly."""
    achieved = most = possible = 0
    for r in results:
        weight = 2 * (r.weight or 1)
        possible += weight
        got = {"Pass": weight, "Warn": weight // 2}.get(r.result, 0)
        achieved += got
        most += got if r.result in (*PASSING, "Fail") else weight
    return achieved, most, possible


def _reaches(achieved: int, possible: int, percent: float) -> bool:
    """Inclusive, and exact: 3 of 4 is 75 %, and 75 is not below 75."""
    return Fraction(100 * achieved) >= Fraction(repr(percent)) * possible


def _number(half_points: int) -> str:
    return f"{half_points / 2:g}"


def _percent(percent: Fraction) -> str:
    return f"{float(percent):.4g}"


def _severity(result: ObjectiveResult) -> int:
    return ORDER.index(result.reason) if result.reason in ORDER else 0


def _of(some: Sequence[ObjectiveResult], results: Sequence[ObjectiveResult]) -> str:
    return f"{len(some)} of {len(results)} objective{'' if len(results) == 1 else 's'}"


def _told(results: Sequence[ObjectiveResult]) -> str:
    return " ".join(f"{r.name}: {r.message}" for r in results)


def _met(results: Sequence[ObjectiveResult], window: Window | None) -> str:
    count = len(results)
    all_ = {1: "the one objective is met", 2: "both objectives are met"}.get(
        count, f"all {count} objectives are met"
    )
    if window is not None:
        all_ += f" over {span(window)}"
    warned = [r for r in results if r.result == "Warn"]
    if warned:
        return f"{all_}, with warnings: {_told(warned)}"
    return f"{all_}: {', '.join(map(_figure, results))}."


def _figure(result: ObjectiveResult) -> str:
    text = result.name
    if result.value is not None:
        text += f" {quantity(result.value, result.unit)}"
    return f"{text} ({result.bound})" if result.bound else text
