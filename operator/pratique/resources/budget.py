"""Error budgets: a target over a window, and what an empty budget means for releases.

A target is a share of *good* events (or of good slices of time); its budget is the rest. These models
say what is promised and what follows; not here: reckoning (``judge/budgets``) and calendars.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from .base import (
    Duration,
    Model,
    Name,
    Number,
    Says,
    Time,
    cel,
    keyed_list,
    rules,
)
from .conditions import Condition

BudgetingMethod = Literal["Occurrences", "Timeslices", "RatioTimeslices"]
CalendarUnit = Literal["Week", "Month", "Quarter"]
Slice = Literal[
    "10s", "15s", "20s", "30s", "1m", "2m", "3m", "4m", "5m", "6m", "10m", "12m", "15m", "20m",
    "30m", "1h",
]  # fmt: skip
"""Lengths of which an hour is a whole number of times, so that hours can be recorded one by one."""

_SAY_ZONE = "write a time zone by its IANA name, such as Europe/Berlin or UTC"


@lru_cache(maxsize=512)
def is_zone(name: str) -> bool:
    """Whether the IANA database knows this time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _known_zone(name: object) -> object:
    if isinstance(name, str) and not is_zone(name):
        raise ValueError(f"{name!r}: {_SAY_ZONE}")
    return name


TimeZone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    BeforeValidator(_known_zone),
    Says.matches("[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", _SAY_ZONE, simple_type="time zone"),
]
"""An IANA time zone; the API server looks at its shape, the operator whether there is such a one."""

Target = Annotated[
    Number,
    Says(
        rule="self > 0.0 && self < 1.0",
        holds=lambda value: 0 < value < 1,
        message="a target is a share of good events between 0 and 1: write 99.5 % as 0.995",
    ),
]
"""A share of good events, between 0 and 1."""


RollingWindow = Annotated[
    Duration,
    Says(
        rule="self.matches('^(([1-9]|[1-8][0-9]|90)d|([1-9]|1[0-9]|2[0-3])h)$')",
        holds=lambda value: (
            timedelta(hours=1) <= value <= timedelta(days=90)
            and value % (timedelta(days=1) if value >= timedelta(days=1) else timedelta(hours=1))
            == timedelta(0)
        ),
        message="a rolling window has 1h to 23h or 1d to 90d, in whole hours or days, such as 28d",
    ),
]
"""The last so many hours or days."""


class CalendarWindow(Model):
    """A week, month or quarter of a time zone's calendar, of its real length."""

    unit: CalendarUnit
    """Week (from Monday on), Month or Quarter."""
    time_zone: TimeZone = "UTC"
    """The time zone in which it begins and ends at midnight."""


class BudgetWindow(Model):
    """The time over which a budget is reckoned: exactly one of rolling and calendar."""

    model_config = rules(
        cel("has(self.rolling) != has(self.calendar)", "say exactly one of rolling and calendar")
    )

    rolling: RollingWindow | None = None
    """The last so many hours or days, such as 28d."""
    calendar: CalendarWindow | None = None
    """A week, month or quarter of the calendar; the budget is full again when the next one begins."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.rolling is None) == (self.calendar is None):
            raise ValueError("say exactly one of rolling and calendar")
        return self


class TimeSlice(Model):
    """How time is cut, for Timeslices and RatioTimeslices."""

    length: Slice = "1m"
    """A slice's length; an hour is a whole number of them."""
    target: Target | None = None
    """Timeslices: a slice is good when this share of its events is."""
    min_consecutive: Annotated[int, Field(strict=True, ge=1, le=60)] = 1
    """Timeslices: bad slices count only in runs of at least so many ("downtime of five minutes")."""


_SLICES = "Timeslices needs timeSlice.target: the share of a slice's events that makes it good"
_NO_SLICES = "timeSlice belongs to budgetingMethod Timeslices or RatioTimeslices"
_MEAN = "target and minConsecutive belong to Timeslices: RatioTimeslices is the slices' mean"
SLICE_RULES = (
    cel(
        "!(has(self.budgetingMethod) && self.budgetingMethod == 'Timeslices') "
        "|| (has(self.timeSlice) && has(self.timeSlice.target))",
        _SLICES,
    ),
    cel(
        "!has(self.timeSlice) || (has(self.budgetingMethod) && self.budgetingMethod != 'Occurrences')",
        _NO_SLICES,
    ),
    cel(
        "!(has(self.budgetingMethod) && self.budgetingMethod == 'RatioTimeslices' "
        "&& has(self.timeSlice)) || !(has(self.timeSlice.target) "
        "|| (has(self.timeSlice.minConsecutive) && self.timeSlice.minConsecutive != 1))",
        _MEAN,
    ),
)
"""Of a model with budgetingMethod and timeSlice, where both may be missing."""


def check_slices(method: BudgetingMethod | None, slices: TimeSlice | None) -> None:
    """The same in Python: raises ValueError."""
    if method == "Timeslices" and (slices is None or slices.target is None):
        raise ValueError(_SLICES)
    if slices is None:
        return
    if method is None or method == "Occurrences":
        raise ValueError(_NO_SLICES)
    if method == "RatioTimeslices" and (slices.target is not None or slices.min_consecutive != 1):
        raise ValueError(_MEAN)


_WINDOW = "a target and its window belong together: say both, such as window: {rolling: 28d}"
_NOT_WITHOUT = (
    "budgetingMethod, timeSlice and workload belong to a target: say target and window too"
)
_COUNTED = "a target counts good events: the indicator must be a ratio, or a latency with threshold"
BUDGET_RULES = (
    cel("has(self.target) == has(self.window)", _WINDOW),
    cel(
        "has(self.target) || !(has(self.budgetingMethod) || has(self.timeSlice) "
        "|| has(self.workload))",
        _NOT_WITHOUT,
    ),
    cel(
        "!has(self.target) || has(self.indicator.ref) || has(self.indicator.ratio) "
        "|| (has(self.indicator.latency) && has(self.indicator.latency.threshold))",
        _COUNTED,
    ),
    *SLICE_RULES,
)
"""Of a ServiceLevelObjective's spec."""


class BudgetTerms(Model):
    """The error budget of a ServiceLevelObjective."""

    target: Target | None = None
    """The share of good events promised over the window, such as 0.995; the rest is the error budget."""
    window: BudgetWindow | None = None
    """The time over which the target holds."""
    budgeting_method: BudgetingMethod | None = None
    """Occurrences (default): good events of all. Timeslices: good slices of time of all.
    RatioTimeslices: the mean of the slices' shares."""
    time_slice: TimeSlice | None = None
    """How time is cut, for Timeslices and RatioTimeslices."""
    workload: Name | None = None
    """The workload whose events the target counts, by its name; default all that the indicator finds in
    the namespace."""


def check_budget(terms: BudgetTerms, *, counted: bool) -> None:
    """BUDGET_RULES in Python; ``counted``: the indicator is a reference or counts good events."""
    if (terms.target is None) != (terms.window is None):
        raise ValueError(_WINDOW)
    if terms.target is None:
        if terms.budgeting_method or terms.time_slice or terms.workload:
            raise ValueError(_NOT_WITHOUT)
        return
    if not counted:
        raise ValueError(_COUNTED)
    check_slices(terms.budgeting_method, terms.time_slice)


class BurnRate(Model):
    """How fast the budget went over one window; 1 spends it exactly in its whole period."""

    window: Annotated[str, StringConstraints(max_length=8)]
    """The last 5m, 30m, 1h, 2h, 6h, 1d or 3d."""
    rate: float
    """The share of bad events over it ÷ the share that the target allows."""


class BudgetGate(Model):
    """What a policy makes of this budget."""

    policy: Name
    """The ReleasePolicy, in this namespace."""
    blocked: bool
    """Whether it holds releases back."""
    since: Time
    """Since when."""


class Span(Model):
    """From and to."""

    from_: Annotated[Time, Field(alias="from")]
    """Its begin."""
    to: Time
    """Its end; not in it."""


Recorded = Annotated[str, StringConstraints(max_length=65_536)]
"""What was counted hour by hour, packed: read by the operator only, so that it need not ask again."""


class ServiceLevelObjectiveStatus(Model):
    """The error budget, where a target is declared."""

    observed_generation: int | None = None
    """The generation that this speaks of."""
    conditions: Annotated[
        list[Condition], Field(max_length=8, json_schema_extra=keyed_list("type"))
    ] = []
    """Ready; WithinBudget: whether anything of the budget is left; Stalled."""
    period: Span | None = None
    """The window now."""
    attained: float | None = None
    """The share of good events (or slices) over the window so far."""
    remaining: float | None = None
    """The share of the budget that is left: 1 all of it, 0 nothing, below 0 overspent."""
    bad: float | None = None
    """Bad events (or slices) in the window."""
    total: float | None = None
    """All events (or slices) in the window."""
    coverage: float | None = None
    """The share of the window so far for which there was data."""
    burn_rates: Annotated[
        list[BurnRate], Field(max_length=8, json_schema_extra=keyed_list("window"))
    ] = []
    """How fast the budget goes, over several windows."""
    time_to_empty: Duration | None = None
    """When the budget is empty at the pace of the last hour; none where it is not being spent."""
    gates: Annotated[
        list[BudgetGate], Field(max_length=32, json_schema_extra=keyed_list("policy"))
    ] = []
    """What policies make of it."""
    evaluated_at: Time | None = None
    """When this was reckoned."""
    recorded: Recorded | None = None
    """What was counted so far, packed."""
