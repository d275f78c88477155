"""The words of a judgement: one sentence for each objective, that a stranger understands.

Each says what was measured, the value with its unit, the bound, the change against which release, the
requests and the time. Golden tests hold them.

Not here: what the result is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from ..resources.base import format_duration
from ..resources.indicator import Matcher, Series, ServiceLevelIndicatorSpec
from ..resources.judgement import Window
from ..resources.objective import Bound, ChangeComparison, Comparison
from .comparing import Interval, Outcome, change_percent, compare, compare_change, said
from .measuring import Measured, unit_of
from .numbers import change, clip, delta, exact, exact_change, exact_delta, quantity
from .points import Assessment, Finding

MESSAGE = 1024
"""A result's message has at most so many characters."""
SUMMARY = 2048
"""A judgement's message has at most so many characters."""
BOUND = 256
"""A result's bound has at most so many characters."""
_SUBJECT = 200
_HAD = "the pods had"
_SIGNS = {"lt": "<", "lte": "≤", "gt": ">", "gte": "≥", "eq": "="}
_BROKEN = {
    "lt": "not below the bound of",
    "lte": "above the bound of",
    "gt": "not above the bound of",
    "gte": "below the bound of",
    "eq": "not equal to the bound of",
}
_ALLOWED = {
    "lt": "less than ",
    "lte": "",
    "gt": "more than ",
    "gte": "at least ",
    "eq": "exactly ",
}


# --- bounds ----------------------------------------------------------------------------------------


def bound_text(bound: Bound, unit: str | None) -> str:
    """One entry as written, such as ``≤ 0.3 s and change ≤ +10 %``."""
    parts = []
    if bound.value is not None:
        parts.append(_comparison(bound.value, unit))
    if bound.change is not None:
        parts.append(f"change {_change_bound(bound.change, unit)}")
    return " and ".join(parts)


def bounds_text(bounds: Sequence[Bound], unit: str | None) -> str | None:
    """All entries, as alternatives."""
    return clip(", or ".join(bound_text(b, unit) for b in bounds), BOUND) or None


def _comparison(comparison: Comparison, unit: str | None) -> str:
    name, first, second = said(comparison)
    if name == "between":
        return f"from {exact(first, unit)} to {exact(second, unit)}"
    return f"{_SIGNS[name]} {exact(first, unit)}"


def _change_bound(comparison: ChangeComparison, unit: str | None) -> str:
    if comparison.delta is None:
        name, percent, _ = said(comparison)
        return f"{_SIGNS[name]} {exact_change(percent)}"
    name, first, second = said(comparison.delta)
    low, high = exact_delta(first, unit), exact_delta(second, unit)
    return f"from {low} to {high}" if name == "between" else f"{_SIGNS[name]} {low}"


def _allowed(comparison: ChangeComparison, unit: str | None) -> str:
    if comparison.delta is None:
        name, percent, _ = said(comparison)
        return f"allowed {_ALLOWED[name]}{exact_change(percent)}"
    name, first, second = said(comparison.delta)
    low, high = exact_delta(first, unit), exact_delta(second, unit)
    return f"allowed {f'from {low} to {high}' if name == 'between' else _ALLOWED[name] + low}"


# --- what was measured, when -------------------------------------------------------------------------


def subject(indicator: ServiceLevelIndicatorSpec) -> str:
    """What is measured, with its verb: ``p95 of http_request_duration_seconds is``."""
    if ratio := indicator.ratio:
        kind, series = ("bad", ratio.bad) if ratio.bad else ("good", ratio.good)
        assert series is not None
        return f"the share of {kind} requests ({_series(series)}) is"
    if latency := indicator.latency:
        name = _series(Series.model_construct(metric=latency.histogram, where=latency.where))
        if latency.quantile is not None:
            return f"p{exact(latency.quantile, 'share').removesuffix(' %')} of {name} is"
        assert latency.threshold is not None
        return f"the share of requests within {format_duration(latency.threshold)} ({name}) is"
    if indicator.kubernetes:
        share = indicator.kubernetes.signal == "UnreadyShare"
        return "the share of time that pods were not Ready is" if share else _HAD
    return "the query's value is"


def _series(series: Series) -> str:
    labels = ",".join(map(_matcher, series.where))
    return clip(f"{series.metric}{{{labels}}}" if labels else series.metric, _SUBJECT)


def _matcher(matcher: Matcher) -> str:
    for sign, value in (
        ("=", matcher.equals),
        ("!=", matcher.not_equals),
        ("=~", matcher.matches),
        ("!~", matcher.not_matches),
    ):
        if value is not None:
            return f'{matcher.label}{sign}"{value}"'
    return matcher.label


def span(window: Window) -> str:
    """The time judged: ``10m from 12:00:10 to 12:10:10 UTC``, with dates where it spans several."""
    begin, end = _utc(window.from_), _utc(window.to)
    form = "%H:%M:%S" if begin.date() == end.date() else "%Y-%m-%d %H:%M:%S"
    return f"{format_duration(max(end - begin, end - end))} from {begin:{form}} to {end:{form}} UTC"


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def rests_on(measured: Measured | None, window: Window) -> str:
    """``1,204 requests in 10m from … to … UTC``."""
    if measured is None or measured.samples is None:
        return f"over {span(window)}"
    count = f"{measured.samples:,} request{'' if measured.samples == 1 else 's'}"
    if measured.part is not None:
        count = f"{measured.part:,} of {count}"
    return f"{count} in {span(window)}"


def _value(indicator: ServiceLevelIndicatorSpec, measured: Measured, beside: list[float]) -> str:
    words, unit = subject(indicator), measured.unit
    if measured.bracket is not None and measured.value is None:
        low, high = (quantity(v, unit, beside=beside) for v in measured.bracket)
        return f"{words} between {low} and {high}"
    assert measured.value is not None
    value = quantity(measured.value, unit, beside=beside)
    return f"{words} {'at least ' if measured.bracket else ''}{value}"


# --- results -----------------------------------------------------------------------------------------


def judged(
    indicator: ServiceLevelIndicatorSpec,
    measured: Measured,
    assessment: Assessment,
    *,
    window: Window,
    baseline: tuple[float, str] | None,
    passed_over: Sequence[str] = (),
    plain: bool = False,
    noise_unknown: bool = False,
) -> str:
    """The sentence of an objective that was compared with its bounds.

    ``baseline`` is (value, release); ``passed_over`` says of others why they did not serve; ``plain``
    that counts were compared without a test, as declared; ``noise_unknown`` that chance alone was
    reckoned with.
    """
    unit = measured.unit
    parts = [_value(indicator, measured, _numbers(assessment))]
    verdict = _verdict(assessment, measured, baseline)
    if verdict:
        parts[0] += f": {verdict}"
    parts += _tests(assessment)
    parts += _bracketed(measured, assessment.reason)
    parts += _asides(assessment, unit, "; ".join(passed_over) or "there is no baseline yet")
    told = _told(assessment)
    if baseline is not None and (told is None or told.change is None):
        parts.append(_shown(measured, baseline))
    if baseline is not None:
        parts += passed_over
    if plain:
        parts.append("the plain value, without a test")
    if noise_unknown:
        parts.append("how much it wanders by itself is not known")
    parts.append(rests_on(measured, window))
    return _sentence("; ".join(parts))


def ranked(
    indicator: ServiceLevelIndicatorSpec,
    measured: Measured,
    told: str,
    *,
    window: Window,
    baseline: tuple[float, str],
) -> str:
    """The sentence of an objective judged by a Mann-Whitney test."""
    parts = [f"{_value(indicator, measured, [])}: {told}", _shown(measured, baseline)]
    return _sentence("; ".join([*parts, rests_on(measured, window)]))


def unranked(
    indicator: ServiceLevelIndicatorSpec, measured: Measured, why: str, *, window: Window
) -> str:
    """The same without a baseline to compare with."""
    text = f"{_value(indicator, measured, [])}: not judged, as {why}"
    return _sentence(f"{text}; {rests_on(measured, window)}")


def drifted(
    indicator: ServiceLevelIndicatorSpec,
    measured: Measured,
    *,
    change: ChangeComparison,
    anchor: tuple[float, str],
    told: str,
    window: Window,
) -> str:
    """The sentence of an objective that passes against its baseline and went too far in all."""
    assert measured.interval is not None
    was, release = anchor
    _, allowed, _ = said(change)
    moved = _change_text(measured.interval, was, beside=[allowed])
    text = (
        f"{_value(indicator, measured, [])}: {moved} against {release} "
        f"({quantity(was, measured.unit)}), from which it may drift by {exact_change(allowed)} in all"
    )
    return _sentence("; ".join(t for t in (text, told, rests_on(measured, window)) if t))


def unanchored(message: str) -> str:
    """The sentence of an objective that passes, where there is nothing to count its drift from."""
    aside = "; its drift was not judged, as there is no release to count it from."
    return clip(message.rstrip("."), MESSAGE - len(aside)) + aside


def _tests(assessment: Assessment) -> list[str]:
    """What the tests of the deciding entry add; of those that are open the first."""
    deciding = assessment.deciding
    if deciding is None:
        return []
    trials = deciding.trials
    if assessment.result in ("Fail", "NotJudged"):
        wanted = Outcome.BROKEN if assessment.result == "Fail" else Outcome.OPEN
        trials = tuple(t for t in trials if t.outcome is wanted)[:1]
    return [t.told for t in trials if t.told]


def unmeasured(indicator: ServiceLevelIndicatorSpec, message: str, window: Window) -> str:
    """The sentence of an objective for which nothing was measured."""
    what = subject(indicator).removesuffix(" is")
    if what == _HAD:
        what = f"the pods' {unit_of(indicator)}"
    return _sentence(
        f"{what} could not be measured: {message.rstrip('. ')}; {rests_on(None, window)}"
    )


def partial(
    indicator: ServiceLevelIndicatorSpec,
    measured: Measured,
    *,
    answered: int,
    looks: int,
    needed: int,
    window: Window,
) -> str:
    """The sentence of an objective with too many looks that had no data."""
    text = f"only {answered} of {looks} looks had data, and {needed} are needed"
    if measured.interval is not None:
        text += f"; in those {_value(indicator, measured, [])}"
    return _sentence(f"{text}; {rests_on(measured, window)}")


def insufficient(
    indicator: ServiceLevelIndicatorSpec,
    measured: Measured,
    *,
    needed: int,
    window: Window,
    final: bool,
) -> str:
    """The sentence of an objective with too few requests to say anything."""
    seen = measured.samples or 0
    came = f"only {seen:,}" if seen else "no"
    wanted = (
        f"{needed - seen:,} more are needed to reach {needed:,}"
        if seen
        else f"{needed:,} are needed"
    )
    text = (
        f"{came} request{'' if seen == 1 else 's'} came{'' if final else ' so far'} "
        f"in {span(window)}: {wanted}"
    )
    if measured.interval is not None:
        text += f"; in those {_value(indicator, measured, [])}"
    return _sentence(text)


def _sentence(text: str) -> str:
    return clip(text, MESSAGE - 1) + "."


def _numbers(assessment: Assessment) -> list[float]:
    """The bounds beside which the value must not be rounded to their other side."""
    found: list[float] = []
    for finding in (*assessment.passes, *assessment.warns):
        if finding.bound.value is not None:
            found.extend(said(finding.bound.value)[1:])
    return found


def _told(assessment: Assessment) -> Finding | None:
    """The entry that the sentence explains: with a warning, the one of ``pass`` that was missed."""
    if assessment.result != "Warn":
        return assessment.deciding
    missed = [f for f in assessment.passes if f.outcome is Outcome.BROKEN]
    return min(missed, key=lambda f: f.broken, default=None)


def _verdict(assessment: Assessment, measured: Measured, baseline: tuple[float, str] | None) -> str:
    unit, interval = measured.unit, measured.interval
    deciding, told = assessment.deciding, _told(assessment)
    if deciding is None or interval is None:
        return "no bounds are said"
    text = _finding(told, unit, interval, baseline) if told else ""
    if assessment.result != "Warn":
        return text
    within = f"within the warning bound {bound_text(deciding.bound, unit)}"
    return f"{text}, but {within}" if text else within


def _finding(
    finding: Finding, unit: str | None, interval: Interval, baseline: tuple[float, str] | None
) -> str:
    value, changed = finding.value, finding.change
    parts = []
    if finding.bound.value is not None and value is not None:
        plainly = compare(finding.bound.value, interval)
        beyond = {plainly, value} == {Outcome.HELD, Outcome.BROKEN}
        if finding.value_trial is not None and finding.value_trial.reason == "Evaluating":
            parts.append(f"the bound {_comparison(finding.bound.value, unit)} is still open")
        else:
            parts.append(_against_bound(finding.bound.value, value, unit, beyond=beyond))
    if finding.bound.change is not None and changed is not None and baseline is not None:
        parts.append(_against_baseline(finding.bound.change, changed, unit, interval, baseline))
    joint = ", and "
    if {value, changed} == {Outcome.HELD, Outcome.BROKEN}:
        joint = ", but " if changed is Outcome.BROKEN else ", though "
    return joint.join(parts)


def _against_bound(
    comparison: Comparison, outcome: Outcome, unit: str | None, *, beyond: bool = False
) -> str:
    """``beyond``: a test and the plain value disagree."""
    name, first, second = said(comparison)
    if outcome is Outcome.OPEN:
        return f"whether the bound {_comparison(comparison, unit)} holds cannot be told"
    if beyond and outcome is Outcome.HELD:
        return f"beyond the bound {_comparison(comparison, unit)} by no more than chance explains"
    if beyond:
        return f"the bound {_comparison(comparison, unit)} is broken"
    if outcome is Outcome.HELD:
        if name == "between":
            return f"within the bounds {exact(first, unit)} to {exact(second, unit)}"
        return f"within the bound {_comparison(comparison, unit)}"
    if name == "between":
        return f"outside the bounds {exact(first, unit)} to {exact(second, unit)}"
    return f"{_BROKEN[name]} {exact(first, unit)}"


def _against_baseline(
    comparison: ChangeComparison,
    outcome: Outcome,
    unit: str | None,
    interval: Interval,
    baseline: tuple[float, str],
) -> str:
    was, release = baseline
    if comparison.delta is None:
        moved = _change_text(interval, was, beside=said(comparison)[1:2])
    else:
        least, most = (v - was for v in interval)
        beside = said(comparison.delta)[1:]
        moved = ("at least " if least != most else "") + delta(least, unit, beside=beside)
    text = f"{moved} against {release} ({quantity(was, unit)}), {_allowed(comparison, unit)}"
    plainly = compare_change(comparison, interval, was)
    if outcome is Outcome.HELD and plainly is Outcome.BROKEN:
        text += ", which chance explains" if comparison.floor is None else ", which is no harm"
    return text


def _change_text(interval: Interval, was: float, beside: Sequence[float] = ()) -> str:
    percent = change_percent(interval[0], was)
    if not math.isfinite(percent):
        if was:
            return "many times more" if percent > 0 else "many times less"
        return "up from 0" if percent > 0 else "down from 0"
    return ("at least " if interval[0] != interval[1] else "") + change(percent, beside=beside)


def _shown(measured: Measured, baseline: tuple[float, str]) -> str:
    """The baseline where no bound speaks of it."""
    was, release = baseline
    text = f"{release} had {quantity(was, measured.unit)}"
    if measured.interval is None or was == measured.value:
        return text
    return f"{text} ({_change_text(measured.interval, was)})"


def _asides(assessment: Assessment, unit: str | None, no_baseline: str) -> list[str]:
    """What else must be said: entries that were missed too, changes that were not judged."""
    asides = []
    if assessment.result == "Fail":
        others = [
            f"({text})" if " and " in (text := bound_text(f.bound, unit)) else text
            for f in assessment.passes
            if f is not assessment.deciding and f.outcome is Outcome.BROKEN
        ]
        others += [
            f"the warning bound {bound_text(f.bound, unit)}"
            for f in assessment.warns
            if f.outcome is Outcome.BROKEN
        ]
        if others:
            asides.append("also outside " + " and ".join(others))
    unjudged = [f for f in (*assessment.passes, *assessment.warns) if f.outcome is None]
    if assessment.deciding is not None and assessment.deciding.skipped:
        asides.append(f"its change was not judged, as {no_baseline}")
    elif unjudged:
        names = " and ".join(bound_text(f.bound, unit) for f in unjudged)
        asides.append(f"the bound {names} was not judged, as {no_baseline}")
    return asides


def _bracketed(measured: Measured, reason: str) -> list[str]:
    """Why the value is known no better, and the mend where that was in the way."""
    if measured.bracket is None:
        return []
    if measured.edges is None:
        text = "it lies beyond the histogram's last edge"
        mend = "give the histogram an edge above the bound, or bound a lower quantile"
        return [f"{text}: {mend}" if reason == "QuantileBeyondBuckets" else text]
    low, high = (exact(e, "s") if math.isfinite(e) else "+Inf" for e in measured.edges)
    text = f"the threshold lies between the histogram's edges {low} and {high}"
    return [f"{text}: choose an edge" if reason == "ThresholdBetweenBuckets" else text]
