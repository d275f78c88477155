"""Judgement: the one shape of every answer — a Release's, an Analysis', the command line's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import Model, Text, Time, keyed_list
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
    """How it was found: LastPromotable or BeforeRollout."""
    release: Annotated[str, StringConstraints(max_length=253)]
    """The release that it was measured on."""
    value: float
    """Its value, in the indicator's unit."""
    samples: int | None = None
    """How many requests (or readings) it rests on."""


class ObjectiveResult(Model):
    """What became of one objective, and why."""

    name: Annotated[str, StringConstraints(max_length=253)]
    """The objective's name."""
    result: Result
    """Pass, Warn, Fail, NotJudged, NoData or Error."""
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
    window: Window | None = None
    """The time judged."""
    results: Annotated[
        list[ObjectiveResult], Field(max_length=64, json_schema_extra=keyed_list())
    ] = []
    """Each objective's result."""
