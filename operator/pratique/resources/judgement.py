"""Judgement: the one shape of every answer — a Release's, an Analysis', the command line's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import Model, Number, Text, Time, keyed_list
from .conditions import Reason
from .objective import Result

Verdict = Literal["Promotable", "NotPromotable", "Inconclusive"]


class Window(Model):
    """The time judged: after ``from``, up to and including ``to``."""

    from_: Annotated[Time, Field(alias="from")]
    """Its begin."""
    to: Time
    """Its end."""


class BaselineValue(Model):
    """What a value was compared with."""

    source: Annotated[str, StringConstraints(max_length=32)]
    """How it was found: LastPromotable, LastReleases, BeforeRollout, OldPods, Workload or Fixed."""
    release: Annotated[str, StringConstraints(max_length=253)]
    """The release that it was measured on."""
    value: float
    """Its value, in the indicator's unit."""
    samples: int | None = None
    """How many requests (or readings) it rests on."""


class Statistic(Model):
    """The test behind a result, in figures that can be checked."""

    method: Annotated[str, StringConstraints(max_length=32)]
    """RatioTest (counts), TTest (values), MannWhitney or Point."""
    seen: int | None = None
    """Harmful events seen on the release."""
    cut: int | None = None
    """So many would have been called harm."""
    at: int | None = None
    """The look, from 1, at which it was called harm."""
    p_value: float | None = None
    """How likely a healthy release would have looked at least so bad, over the whole sequence of looks."""
    p_harm: float | None = None
    """How likely a release with the declared harm would have looked no worse than this one."""
    low: float | None = None
    """The value's (or the change's) interval: its lower end, at the confidence of the false alarms."""
    high: float | None = None
    """Its upper end."""
    harm: float | None = None
    """The declared harm: this many times the bound or the baseline."""
    power: float | None = None
    """How likely that harm would have shown, in this traffic."""
    needed: int | None = None
    """How many requests that takes."""
    noise: float | None = None
    """The noise of one look that was reckoned with (sd of the log ratio); none where it is unknown."""


class ScoreResult(Model):
    """The score, where the policy declares one."""

    achieved: Number
    """Points: a Pass counts its weight, a Warn half of it."""
    possible: Number
    """Points that there were, over the objectives that count."""
    percent: Number
    """achieved ÷ possible in percent."""
    pass_: Annotated[Number, Field(alias="pass")]
    """The percentage from which it is promotable."""
    warn: Number | None = None
    """The percentage from which it is a warning."""


class ObjectiveResult(Model):
    """What became of one objective, and why."""

    name: Annotated[str, StringConstraints(max_length=253)]
    """The objective's name."""
    result: Result
    """Pass, Warn, Fail, NotJudged, NoData, Error, or Informational (shown, not scored)."""
    reason: Reason
    """Why, in one word."""
    message: Text
    """Why, in one sentence."""
    value: float | None = None
    """The value, in its unit."""
    unit: Annotated[str, StringConstraints(max_length=32)] | None = None
    """The value's unit: s, ratio, or the indicator's own."""
    bound: Annotated[str, StringConstraints(max_length=256)] | None = None
    """The bound that decided, as written."""
    samples: int | None = None
    """How many requests (or readings) the value rests on."""
    baseline: BaselineValue | None = None
    """What it was compared with."""
    change_percent: float | None = None
    """The change against the baseline in percent."""
    statistic: Statistic | None = None
    """The test behind the result."""
    weight: int | None = None
    """How much it counts, where that is not 1."""
    key: bool | None = None
    """Its Fail fails the release, whatever the score."""
    dry_run: bool | None = None
    """Recorded, and not enforced."""
    provider: Annotated[str, StringConstraints(max_length=512)] | None = None
    """Who was asked: namespace/name of the MetricsProvider, or kubernetes."""
    query: Annotated[str, StringConstraints(max_length=1024)] | None = None
    """What was asked, ready to paste (left out where the status would grow too large)."""


class Judgement(Model):
    """Verdict, reason and per-objective results."""

    verdict: Verdict
    """Promotable, NotPromotable or Inconclusive."""
    reason: Reason
    """Why, in one word."""
    message: Annotated[str, StringConstraints(max_length=2048)]
    """Why, in one sentence."""
    basis: Annotated[str, StringConstraints(max_length=128)] | None = None
    """What it rests on, where that is less than one would think: Kubernetes' own signals only."""
    enforced: bool | None = None
    """False where the policy is a dry run or only warns: recorded, and nothing is held back by it."""
    score: ScoreResult | None = None
    """The score, where the policy declares one."""
    window: Window | None = None
    """The time judged."""
    results: Annotated[
        list[ObjectiveResult], Field(max_length=64, json_schema_extra=keyed_list())
    ] = []
    """Each objective's result."""
