"""One objective: what was measured over the time judged so far, against its bounds.

Missing data never passes. In this order: nothing measured, too few looks with data, too few requests,
then the bounds, by the method that the objective's terms and its indicator call for: a test on counts,
a test on the looks' values, or the plain comparison.

Not here: the verdict over all objectives; how a value is taken from samples; the words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from ..resources.judgement import BaselineValue, ObjectiveResult, Statistic, Window
from ..resources.objective import Result
from ..resources.release import PlannedObjective
from ..resources.sensitivity import MissingPolicy, Sensitivity
from . import sentences
from .baselines import Baseline, Chosen, choose, pooled
from .comparing import change_percent
from .conclusive import Conclusive, Tally, tallies
from .drift import drift_of
from .measuring import Measured, measure, unit_of
from .numbers import clip
from .points import Assessment, Plain, Trial, Trier, assess
from .samples import Missing, Sample, pool
from .values import Values, classified

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .statistics.laws import Noise

__all__ = [
    "Baseline",
    "Evidence",
    "Measured",
    "Terms",
    "glance",
    "judge_objective",
    "measure",
    "tested",
]

ERRORS = frozenset({"ProviderError", "QueryRejected", "SeveralSeries", "UnexpectedSample"})
"""Reasons for missing data that are somebody's mistake or outage; the others are NoData."""
_QUERY = 1024
_POLICY_FIELD = {
    "NoData": "no_data",
    "NotANumber": "not_a_number",
    "Infinite": "infinite",
    "NegativeValue": "negative",
    "StaleSeries": "stale",
    "PartialWindow": "partial_window",
    "SeveralSeries": "several_series",
}


@dataclass(frozen=True)
class Evidence:
    """What was measured for one objective over the time judged so far."""

    looks: tuple[Sample, ...]
    """One sample a look, disjoint, oldest first; Missing where a look had no data."""
    planned: int
    """How many looks the whole window has."""
    window: Window
    """The time that the looks cover."""
    release: str
    """Whose it is, such as checkout-7."""
    provider: str | None
    """Who was asked; passed through into the result."""
    query: str | None
    """What was asked; passed through into the result, left out where too long to paste."""
    final: bool
    """There will be no more looks."""
    whole: Sample | None = None
    """What one question over the whole window gave, where looks cannot be added up."""
    extended: int = 0
    """How many looks there may be in all where the window may be extended; 0: it may not."""
    noise: Noise | None = None
    """How the rate wanders by itself; none: not known."""
    share: float = 1.0
    """The part of the false alarms that may be spent on these looks."""

    @property
    def answered(self) -> int:
        """How many looks had data."""
        return sum(not isinstance(x, Missing) for x in self.looks)

    @property
    def sample(self) -> Sample:
        """The looks together."""
        return self.whole if self.whole is not None else pool(self.looks)

    @property
    def seconds(self) -> float:
        """How long the window is."""
        return (self.window.to - self.window.from_).total_seconds()


@dataclass(frozen=True, slots=True)
class Terms:
    """How a policy wants changes judged."""

    max_traffic_ratio: float = 3.0
    """A baseline whose rate of requests is off by more is passed over."""
    no_baseline: Literal["AbsoluteOnly", "Inconclusive"] = "AbsoluteOnly"
    """What becomes of a change beside a value without a baseline."""
    drift: float | None = None
    """By how many percent a value may differ from the anchor's in all."""
    anchor: Baseline | None = field(default=None)
    """The old release that drift counts from."""


def judge_objective(
    objective: PlannedObjective,
    evidence: Evidence,
    baselines: Sequence[Baseline] = (),
    terms: Terms = Terms(),
) -> ObjectiveResult:
    """Pass, Warn, Fail, NotJudged, NoData, Error or Informational, with the sentence that explains it.

    The first baseline that can serve is used. Never raises, whatever the samples hold; NaN and ±Inf are
    no data.
    """
    found = _judge(objective, evidence, baselines, terms)
    plainly = objective.evidence == "Point" or found.reason in _POLICY_FIELD
    if not evidence.final and found.result == "Fail" and plainly:
        # Before the end one look's plain value, or a gap, decides nothing: that takes looks in a row.
        found = found.model_copy(update={"result": "NotJudged", "reason": "Evaluating"})
    if not evidence.final and found.result in ("Pass", "Warn"):
        # What holds so far may still break: only the end passes.
        found = found.model_copy(
            update={"result": "NotJudged", "reason": "Evaluating",
                    "message": clip(f"so far {found.message}", 1024)}
        )  # fmt: skip
    return _in_its_role(objective, found)


@dataclass(frozen=True, slots=True)
class Glance:
    """One look alone, by the plain values."""

    result: Result
    value: float | None
    decides: bool = True
    """Whether such looks in a row decide; not where a test judges the same."""


def glance(objective: PlannedObjective, sample: Sample, baselines: Sequence[Baseline]) -> Glance:
    """What one look alone says: for people, and for looks in a row."""
    measured = measure(objective.indicator, sample)
    if isinstance(measured, Missing):
        return Glance("NoData", None)
    value, few = (
        measured.value,
        measured.samples is not None and measured.samples < max(objective.min_requests, 1),
    )
    open_: Result = "NotJudged"
    if few or measured.interval is None or objective.mann_whitney is not None:
        return Glance(open_, None if few else value)
    found = next((f for b in baselines if isinstance(f := pooled(objective, b), Baseline)), None)
    was = found.value if found is not None and math.isfinite(found.value) else None
    plain = Plain(measured.interval, was)
    result = assess(objective.pass_, objective.warn, plain).result
    alone = replace(plain, baseline=None)
    by_test = tested(objective) or (
        found is not None
        and bool(found.spread or found.looks)
        and assess(objective.pass_, objective.warn, alone).result != "Fail"
    )
    return Glance(result, value, decides=not by_test)


def tested(objective: PlannedObjective) -> bool:
    """Whether its own test says when it fails early, not so many looks in a row."""
    return _counted(objective) and objective.evidence != "Point" and objective.mann_whitney is None


def _counted(objective: PlannedObjective) -> bool:
    """Whether events are counted: a ratio, or requests within a threshold."""
    latency = objective.indicator.latency
    return objective.indicator.ratio is not None or (
        latency is not None and latency.threshold is not None
    )


def _judge(
    objective: PlannedObjective,
    evidence: Evidence,
    baselines: Sequence[Baseline],
    terms: Terms,
) -> ObjectiveResult:
    measured = measure(objective.indicator, evidence.sample)
    policy = objective.missing or MissingPolicy()
    if not isinstance(measured, Missing) and policy.negative != "Accept":
        measured = _not_negative(measured)
    if isinstance(measured, Missing):
        message = sentences.unmeasured(objective.indicator, measured.message, evidence.window)
        return _missing(objective, evidence, None, measured.reason, message)
    short = _too_little(objective, evidence, measured, policy)
    # Gaps leave nothing to pass by; harm that a test shows in what there is, it shows all the same.
    if short and not (short[0] == "PartialWindow" and tested(objective) and evidence.answered):
        return _missing(objective, evidence, measured, *short)
    chosen = choose(
        objective,
        measured,
        baselines,
        seconds=evidence.seconds,
        max_traffic_ratio=terms.max_traffic_ratio,
    )
    if objective.mann_whitney is not None:
        return _by_rank(objective, evidence, measured, chosen)
    trier = _trier(objective, evidence, measured, chosen.baseline)
    # Where nothing bounds the value itself the statistic of the plain comparison is left out.
    assessment = assess(
        objective.pass_,
        objective.warn,
        trier,
        needs_baseline=terms.no_baseline == "Inconclusive",
    )
    baseline = chosen.baseline
    message = sentences.judged(
        objective.indicator,
        measured,
        assessment,
        window=evidence.window,
        baseline=(baseline.value, baseline.release) if baseline else None,
        passed_over=chosen.passed_over,
        plain=objective.evidence == "Point" and _counted(objective),
        noise_unknown=tested(objective) and evidence.noise is None,
    )
    result = _judged(objective, evidence, measured, assessment, baseline, message)
    if short and result.result != "Fail":
        return _missing(objective, evidence, measured, *short)
    return _within_drift(objective, evidence, measured, terms, result)


# --- what is missing ---------------------------------------------------------------------------------


def _not_negative(measured: Measured) -> Measured | Missing:
    if measured.value is not None and measured.value < 0:
        return Missing("NegativeValue", f"the answer was {measured.value:g}, below zero")
    return measured


def _missing(
    objective: PlannedObjective,
    evidence: Evidence,
    measured: Measured | None,
    reason: str,
    message: str,
) -> ObjectiveResult:
    """No evidence: never a pass; a Fail where the policy says so."""
    policy = objective.missing or MissingPolicy()
    result: Result = "Error" if reason in ERRORS else "NoData"
    field_ = _POLICY_FIELD.get(reason)
    rank = objective.mann_whitney
    must = rank is not None and rank.must_have_data and reason == "NoData"
    if must or (field_ is not None and getattr(policy, field_) == "Fail"):
        result = "Fail"
        message = clip(f"{message.rstrip('. ')}; the objective says that this fails", 1023) + "."
    return _result(objective, evidence, measured, result, reason, message)


def _too_little(
    objective: PlannedObjective, evidence: Evidence, measured: Measured, policy: MissingPolicy
) -> tuple[str, str] | None:
    """(reason, message) where there is data, but not enough of it."""
    needed = max(objective.min_requests, 1)
    if measured.samples is not None and measured.samples < needed and evidence.answered:
        return "InsufficientTraffic", sentences.insufficient(
            objective.indicator,
            measured,
            needed=needed,
            window=evidence.window,
            final=evidence.final,
        )
    due, answered = len(evidence.looks), evidence.answered
    if answered <= 0 or answered * 100 < policy.looks * due - 1e-9:
        return "PartialWindow", sentences.partial(
            objective.indicator,
            measured,
            answered=answered,
            looks=due,
            needed=max(1, math.ceil(policy.looks * due / 100 - 1e-9)),
            window=evidence.window,
        )
    return None


# --- the methods -------------------------------------------------------------------------------------


def _trier(
    objective: PlannedObjective,
    evidence: Evidence,
    measured: Measured,
    baseline: Baseline | None,
) -> Trier:
    """The method that the objective's terms and its indicator call for."""
    values = measured.interval
    assert values is not None  # events there are, or _too_little had said so
    plain = Plain(values, baseline.value if baseline else None)
    sensitivity = objective.sensitivity or Sensitivity()
    if objective.evidence == "Point" or objective.indicator.kubernetes:
        return plain
    if tested(objective):
        return Conclusive(
            looks=tallies(objective.indicator, evidence.looks),
            planned=evidence.planned,
            final=evidence.final,
            sensitivity=sensitivity,
            plain=plain,
            same_minutes=tallies(objective.indicator, baseline.looks) if baseline else (),
            beforehand=_beforehand(baseline),
            baseline_name=baseline.release if baseline else "",
            noise=evidence.noise,
            extended=evidence.extended,
            share=evidence.share,
        )
    return Values(
        looks=_numbers(objective, evidence.looks),
        planned=evidence.planned,
        final=evidence.final,
        sensitivity=sensitivity,
        plain=plain,
        baseline=baseline,
        baseline_looks=_numbers(objective, baseline.looks) if baseline else (),
        share=evidence.share,
    )


def _beforehand(baseline: Baseline | None) -> Tally | None:
    """The counts of a baseline that is told by its share and its requests."""
    if baseline is None or baseline.samples is None or baseline.looks:
        return None
    if not 0 <= baseline.value <= 1:
        return None
    part = round(baseline.value * baseline.samples)
    return Tally(part, part, baseline.samples)


def _numbers(objective: PlannedObjective, looks: Sequence[Sample]) -> tuple[float | None, ...]:
    """Each look's value; None without one."""
    numbers: list[float | None] = []
    for sample in looks:
        found = measure(objective.indicator, sample)
        numbers.append(None if isinstance(found, Missing) else found.value)
    return tuple(numbers)


def _by_rank(
    objective: PlannedObjective, evidence: Evidence, measured: Measured, chosen: Chosen
) -> ObjectiveResult:
    """By the declared Mann-Whitney test."""
    assert objective.mann_whitney is not None
    baseline = chosen.baseline
    beside: tuple[float | None, ...] = ()
    if baseline is not None:
        beside = _numbers(objective, baseline.looks) or baseline.numbers
    if baseline is None or not beside:
        why = (
            chosen.why_none
            if baseline is None
            else (
                f"{baseline.release} has no values look by look: compare with OldPods or Workload"
            )
        )
        message = sentences.unranked(objective.indicator, measured, why, window=evidence.window)
        return _result(objective, evidence, measured, "NotJudged", "NoBaseline", message)
    found = classified(_numbers(objective, evidence.looks), beside, objective.mann_whitney)
    message = sentences.ranked(
        objective.indicator,
        measured,
        found.told,
        window=evidence.window,
        baseline=(baseline.value, baseline.release),
    )
    result = _result(objective, evidence, measured, found.result, found.reason, message)
    return result.model_copy(
        update={
            "value": measured.value,
            "baseline": _baseline_value(baseline),
            "statistic": found.statistic,
            "key": True if found.critical else result.key,
        }
    )


def _within_drift(
    objective: PlannedObjective,
    evidence: Evidence,
    measured: Measured,
    terms: Terms,
    result: ObjectiveResult,
) -> ObjectiveResult:
    """What passes against its baseline may still have gone too far from the anchor: told at the end."""
    if not evidence.final or result.result not in ("Pass", "Warn"):
        return result
    found = drift_of(
        objective,
        measured,
        terms.anchor,
        terms.drift,
        lambda anchor: _trier(objective, evidence, measured, anchor),
    )
    if found is None or found.outcome == "Within":
        return result
    if found.outcome == "Unanchored":
        return result.model_copy(update={"message": sentences.unanchored(result.message)})
    anchor, change, trial = terms.anchor, found.change, found.trial
    assert anchor is not None and change is not None and trial is not None  # noqa: PT018
    update: dict[str, object] = {
        "message": sentences.drifted(
            objective.indicator,
            measured,
            change=change,
            anchor=(anchor.value, anchor.release),
            told=trial.told,
            window=evidence.window,
        ),
        "statistic": trial.statistic,
    }
    if found.outcome == "Exceeded":
        return result.model_copy(update={**update, "result": "Fail", "reason": "DriftExceeded"})
    return result.model_copy(update={**update, "result": "NotJudged", "reason": trial.reason})


# --- results -----------------------------------------------------------------------------------------


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
    shown: dict[str, object] = {
        "value": measured.value,
        "bound": bound,
        "statistic": _deciding_statistic(deciding.trials if deciding else ()),
    }
    if baseline is not None:
        shown["baseline"] = _baseline_value(baseline)
        percent = None
        if measured.value is not None:
            percent = change_percent(measured.value, baseline.value)
        if percent is not None and math.isfinite(percent):
            shown["change_percent"] = float(f"{percent:.6g}")
    found = _result(objective, evidence, measured, assessment.result, assessment.reason, message)
    return found.model_copy(update=shown)


def _deciding_statistic(trials: Sequence[Trial]) -> Statistic | None:
    """Of several parts the test that says most: the change's, before the value's."""
    return next((t.statistic for t in reversed(trials) if t.statistic is not None), None)


def _baseline_value(baseline: Baseline) -> BaselineValue:
    return BaselineValue(
        source=baseline.source[:32],
        release=baseline.release[:253],
        value=baseline.value,
        samples=baseline.samples,
    )


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
        weight=objective.weight if objective.weight != 1 else None,
        key=objective.key or None,
        dry_run=objective.dry_run or None,
        provider=clip(evidence.provider, 512) if evidence.provider else None,
        query=query if query and len(query) <= _QUERY else None,
    )


def _in_its_role(objective: PlannedObjective, found: ObjectiveResult) -> ObjectiveResult:
    """What is only shown is no pass; what is a dry run says so."""
    if objective.informational:
        without = found.result in ("NoData", "Error") or found.reason in _POLICY_FIELD
        reason = found.reason if without else "Informational"
        return found.model_copy(update={"result": "Informational", "reason": reason})
    if objective.dry_run and found.result == "Fail":
        return found.model_copy(
            update={"message": clip(f"(dry run, not enforced) {found.message}", 1024)}
        )
    return found
