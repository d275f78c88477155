"""The verdict over all objectives: every one must pass.

Not here: when a window is over, and what follows from a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..resources.judgement import Judgement, ObjectiveResult, Verdict, Window
from ..resources.objective import Result
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
    "NoData",
    "PartialWindow",
    "InsufficientTraffic",
    "NoBounds",
    "ThresholdBetweenBuckets",
    "QuantileBeyondBuckets",
    "NoBaseline",
)
"""Of several reasons the first here is the verdict's: what a person must mend before what may mend
itself. NoBaseline is last: it stands only where nothing but a baseline was missing."""


def failing(results: Sequence[ObjectiveResult]) -> list[ObjectiveResult]:
    """The results that make a release not promotable."""
    return [r for r in results if r.result == "Fail"]


def conclude(
    results: Sequence[ObjectiveResult], *, window: Window | None, basis: str | None = None
) -> Judgement:
    """The judgement at the window's end; Promotable only if every objective passes (or warns).

    ``basis`` says what it rests on where that is less than one would think; the message repeats it.
    """
    failed = failing(results)
    open_ = sorted((r for r in results if r.result not in (*PASSING, "Fail")), key=_severity)
    verdict: Verdict
    if failed:
        verdict, reason = "NotPromotable", "ObjectiveFailed"
        text = f"{_of(failed, results)} failed: {_told(failed)}"
        if open_:
            text += f" Not judged: {', '.join(f'{r.name} ({r.reason})' for r in open_)}."
    elif open_:
        verdict, reason = "Inconclusive", open_[0].reason
        text = f"{_of(open_, results)} could not be judged: {_told(open_)}"
    elif not results:
        verdict, reason = "Inconclusive", "NoData"
        text = "no objective was judged."
    else:
        verdict, reason = "Promotable", "AllObjectivesMet"
        text = _met(results, window)
    head = {"NotPromotable": "Not promotable"}.get(verdict, verdict)
    if basis:
        head += f" ({basis})"
    return Judgement(
        verdict=verdict,
        reason=reason,
        message=clip(f"{head}: {text}", SUMMARY),
        basis=clip(basis, 128) if basis else None,
        window=window,
        results=list(results),
    )


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
