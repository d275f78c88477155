"""One objective: what was measured over the time judged so far, against its bounds.

Missing data never passes. In this order: nothing measured, too few looks with data, too few requests,
then the bounds. Whether a Fail before the window's end counts is the caller's business.

Not here: the verdict over all objectives; how a value is taken from samples; the words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..resources.judgement import BaselineValue, ObjectiveResult, Window
from ..resources.objective import Result
from ..resources.release import PlannedObjective
from . import sentences
from .comparing import change_percent
from .measuring import Measured, measure, unit_of
from .numbers import clip
from .points import Assessment, assess
from .samples import Missing, Sample

__all__ = ["Baseline", "Evidence", "Measured", "judge_objective", "measure"]

ERRORS = frozenset({"ProviderError", "QueryRejected", "SeveralSeries", "UnexpectedSample"})
"""Reasons for missing data that are somebody's mistake or outage; the others are NoData."""
LOOKS_NEEDED = (4, 5)
"""At least 4 of 5 looks must have had data."""
_QUERY = 1024


@dataclass(frozen=True)
class Baseline:
    """What an earlier release measured of the same indicator."""

    source: str
    """How it was found: LastPromotable, BeforeRollout."""
    release: str
    """The release, such as checkout-6."""
    value: float
    """In the indicator's unit."""
    samples: int | None
    """How many requests it rests on, where it rests on requests."""


@dataclass(frozen=True)
class Evidence:
    """What was measured for one objective over the time judged so far."""

    sample: Sample
    """Pooled over the window so far."""
    looks: int
    """How many looks were due so far."""
    answered: int
    """How many of them had data."""
    window: Window
    """The time that the sample covers."""
    release: str
    """Whose it is, such as checkout-7."""
    provider: str | None
    """Who was asked; passed through into the result."""
    query: str | None
    """What was asked; passed through into the result, left out where too long to paste."""
    final: bool
    """The window is over."""


def judge_objective(
    objective: PlannedObjective, evidence: Evidence, baseline: Baseline | None
) -> ObjectiveResult:
    """Pass, Warn, Fail, NotJudged, NoData or Error, with the sentence that explains it.

    Never raises, whatever the sample holds; NaN and ±Inf are no data.
    """
    measured = measure(objective.indicator, evidence.sample)
    if isinstance(measured, Missing):
        result: Result = "Error" if measured.reason in ERRORS else "NoData"
        message = sentences.unmeasured(objective.indicator, measured.message, evidence.window)
        return _result(objective, evidence, None, result, measured.reason, message)
    if short := _too_little(objective, evidence, measured):
        return _result(objective, evidence, measured, "NoData", *short)
    interval = measured.interval
    assert interval is not None  # events there are, or _too_little had said so
    usable, no_baseline = _usable(objective, baseline, counted=measured.samples is not None)
    was = usable.value if usable else None
    # The seam for tests on counts: another method gives the same Assessment.
    assessment = assess(objective.pass_, objective.warn, interval, was)
    message = sentences.judged(
        objective.indicator,
        measured,
        assessment,
        window=evidence.window,
        baseline=(usable.value, usable.release) if usable else None,
        no_baseline=no_baseline,
    )
    return _judged(objective, evidence, measured, assessment, usable, message)


def _too_little(
    objective: PlannedObjective, evidence: Evidence, measured: Measured
) -> tuple[str, str] | None:
    """(reason, message) where there is data, but not enough of it."""
    part, whole = LOOKS_NEEDED
    if evidence.answered <= 0 or whole * evidence.answered < part * evidence.looks:
        needed = max(1, -(-part * evidence.looks // whole))
        return "PartialWindow", sentences.partial(
            objective.indicator,
            measured,
            answered=evidence.answered,
            looks=evidence.looks,
            needed=needed,
            window=evidence.window,
        )
    needed = max(objective.min_requests, 1)
    if measured.samples is not None and measured.samples < needed:
        return "InsufficientTraffic", sentences.insufficient(
            objective.indicator,
            measured,
            needed=needed,
            window=evidence.window,
            final=evidence.final,
        )
    return None


def _usable(
    objective: PlannedObjective, baseline: Baseline | None, *, counted: bool
) -> tuple[Baseline | None, str]:
    """(the baseline if a change can be judged by it, else why not)."""
    if baseline is None:
        return None, "there is no baseline yet"
    if not math.isfinite(baseline.value):
        return None, f"the baseline of {baseline.release} is not a number"
    few = baseline.samples is not None and baseline.samples < objective.min_requests
    if counted and few:
        return None, (
            f"the baseline of {baseline.release} rests on {baseline.samples:,} requests only, "
            f"{objective.min_requests:,} are needed"
        )
    return baseline, ""


def _judged(
    objective: PlannedObjective,
    evidence: Evidence,
    measured: Measured,
    assessment: Assessment,
    baseline: Baseline | None,
    message: str,
) -> ObjectiveResult:
    unit, deciding = measured.unit, assessment.deciding
    if assessment.result in ("Pass", "Warn") and deciding is not None:
        bound: str | None = clip(sentences.bound_text(deciding.bound, unit), sentences.BOUND)
    else:
        bound = sentences.bounds_text(objective.pass_, unit)
    shown: dict[str, object] = {"value": measured.value, "bound": bound}
    if baseline is not None:
        shown["baseline"] = BaselineValue(
            source=baseline.source[:32],
            release=baseline.release[:253],
            value=baseline.value,
            samples=baseline.samples,
        )
        percent = None
        if measured.value is not None:
            percent = change_percent(measured.value, baseline.value)
        if percent is not None and math.isfinite(percent):
            shown["change_percent"] = float(f"{percent:.6g}")
    found = _result(objective, evidence, measured, assessment.result, assessment.reason, message)
    return found.model_copy(update=shown)


def _result(
    objective: PlannedObjective,
    evidence: Evidence,
    measured: Measured | None,
    result: Result,
    reason: str,
    message: str,
) -> ObjectiveResult:
    """Without the value: what is no evidence must not become somebody's baseline."""
    query, unit = evidence.query, unit_of(objective.indicator)
    return ObjectiveResult(
        name=objective.name,
        result=result,
        reason=reason,
        message=message,
        unit=unit,
        bound=sentences.bounds_text(objective.pass_, unit),
        samples=measured.samples if measured else None,
        provider=clip(evidence.provider, 512) if evidence.provider else None,
        query=query if query and len(query) <= _QUERY else None,
    )
