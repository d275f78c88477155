"""What empty error budgets, agreements at risk and freezes mean for releases: the policy's part, and overrides.

Not here: budgets themselves (``budget``), and deciding by them (``lifecycle/budgets``).
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .base import Model, Name, Number, Percent, Says, Text, Time, cel, rules
from .budget import TimeZone

OVERRIDE_ANNOTATION = "pratique.sh/override"
"""On a Release: who lets it pass in spite of a budget, agreement or freeze, why, and until when."""
CHANGE_CLASS_ANNOTATION = "pratique.sh/change-class"
"""On a workload: what its newest change is for, as ``errorBudgetPolicy.exempt`` names it."""
ChangeClass = Literal["Security", "Rollback", "Fix"]
BurnWindow = Literal["1h", "6h", "1d", "3d"]


def _share(low: float, high: float, what: str) -> Says:
    number = "double(string(self).replace('%', ''))"
    return Says(
        rule=(
            "type(self) != string || !string(self).matches(r'^[-+]?[0-9.]+%$') "
            f"|| ({number} >= {low!r} && {number} <= {high!r})"
        ),
        holds=lambda value: low <= value <= high,
        message=f"{what} is a share of the budget from {low:g}% to {high:g}%",
    )


class BurnLimit(Model):
    """Too fast a burn, over a window and, so that it still burns, over the twelfth of it at its end."""

    window: BurnWindow
    """Over how long; 1h is looked at with the last 5m, 6h with 30m, 1d with 2h, 3d with 6h."""
    above: Annotated[Number, Field(gt=0, le=100_000)]
    """A burn rate above this blocks: 14.4 spends a 30-day budget in 50 hours."""


class BudgetBlock(Model):
    """When releases are held back; any of these is enough."""

    remaining_below: Annotated[Percent, _share(-1000, 100, "remainingBelow")] = Field(
        default="0%", validate_default=True
    )
    """Less than this of the budget is left; at 0% an overspent budget blocks."""
    fast_burn: BurnLimit | None = None
    """It burns very fast now, such as {window: 1h, above: 14.4}."""
    slow_burn: BurnLimit | None = None
    """It burns fast for long, such as {window: 6h, above: 6}."""


class BudgetRelease(Model):
    """When releases go on again."""

    remaining_above: Annotated[Percent, _share(-1000, 100, "remainingAbove")] = Field(
        default="10%", validate_default=True
    )
    """Once blocked, only when this much is left again: no flutter around the limit."""


_LOCAL = "(2[0-9]{3}-[0-1][0-9]-[0-3][0-9]T)?([01][0-9]|2[0-3]):[0-5][0-9]"
_SAY_LOCAL = 'write a local time in quotes: "17:00" with days, or "2026-12-23T17:00" for one freeze'


def _local(pattern: str) -> Says:
    return Says.matches(pattern, _SAY_LOCAL, simple_type="local time")


_DAYS = 'with days, from and to are times of day ("17:00"); without, date and time'
_REAL = "there is no such date"
_ORDER = "a freeze ends after it begins"
_EMPTY = "a freeze from a time of day to the same one has no length: write 00:00 to 24:00 for a day"
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class FreezeWindow(Model):
    """A time in which nothing is promoted: once, or every week on some days."""

    model_config = rules(
        cel(
            "has(self.days) ? !(self.from.contains('T') || self.to.contains('T')) "
            ": (self.from.contains('T') && self.to.contains('T'))",
            _DAYS,
        ),
        cel("has(self.days) || self.from < self.to", _ORDER),
        cel("!has(self.days) || self.from != self.to", _EMPTY),
    )

    days: (
        Annotated[
            list[Day],
            Field(min_length=1, max_length=7, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Every week, the days on which it begins."""
    from_: Annotated[str, StringConstraints(max_length=16), _local(_LOCAL), Field(alias="from")]
    """Its begin, in local time."""
    to: Annotated[str, StringConstraints(max_length=16), _local(f"24:00|{_LOCAL}")]
    """Its end, in local time; a time of day before ``from`` is that of the next day."""
    time_zone: TimeZone = "UTC"
    """Whose local time."""
    reason: Text | None = None
    """Why, for people."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        dated = ["T" in self.from_, "T" in self.to]
        if self.days:
            if any(dated):
                raise ValueError(_DAYS)
            if self.from_ == self.to:
                raise ValueError(_EMPTY)
            return self
        if not all(dated):
            raise ValueError(_DAYS)
        for text in (self.from_, self.to):
            try:
                datetime.fromisoformat(text)
            except ValueError:
                raise ValueError(f"{text!r}: {_REAL}") from None
        if self.from_ >= self.to:
            raise ValueError(_ORDER)
        return self


_HYSTERESIS = "release.remainingAbove is at least block.remainingBelow, or it would flutter"
_BELOW = "double(string(self.block.remainingBelow).replace('%', ''))"
_ABOVE = "double(string(self.release.remainingAbove).replace('%', ''))"
Listed = {"x-kubernetes-list-type": "atomic"}
NamesOf = Annotated[
    list[Name], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})
]


class ErrorBudgetPolicy(Model):
    """What empty error budgets, agreements at risk and freezes mean for releases.

    A rollback is never held back.
    """

    model_config = rules(cel(f"{_BELOW} <= {_ABOVE}", _HYSTERESIS))

    mode: Literal["Enforce", "Warn", "DryRun"] = "Enforce"
    """Enforce: not promotable while blocked. Warn and DryRun: only said in the verdict's message."""
    objectives: NamesOf | None = None
    """The ServiceLevelObjectives whose budgets count; default those of the policy's objectives that
    have a target, and those of the namespace whose ``workload`` is the release's."""
    block: BudgetBlock = BudgetBlock()
    """When releases are held back."""
    release: BudgetRelease = BudgetRelease()
    """When they go on again."""
    exempt: Annotated[
        list[ChangeClass],
        Field(max_length=3, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = []
    """Changes that pass all the same, by the workload's annotation pratique.sh/change-class."""
    freeze_windows: Annotated[
        list[FreezeWindow], Field(max_length=32, json_schema_extra=Listed)
    ] = []
    """Times in which nothing is promoted."""
    on_unknown: Literal["Inconclusive", "Ignore"] = "Inconclusive"
    """What a release is whose budget is not known (no data, provider gone, not reckoned yet)."""

    @model_validator(mode="after")
    def _steady(self) -> Self:
        if self.block.remaining_below > self.release.remaining_above:
            raise ValueError(_HYSTERESIS)
        return self


class Override(Model):
    """Lets one release pass in spite of a budget, agreement or freeze; never of a failed objective.

    It stands as JSON in the Release's annotation pratique.sh/override, as its spec is a record and its
    status the operator's. ``by`` can be trusted where the ValidatingAdmissionPolicy of
    deploy/override-admission.yaml is installed: it demands the requester's own user name.
    """

    by: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    """Who: the user name that the API server knows."""
    reason: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    """Why, for people."""
    until: Time
    """From then on it counts no more."""

    @model_validator(mode="after")
    def _zoned(self) -> Self:
        if self.until.tzinfo is None:
            raise ValueError('until needs its time zone, such as "2026-12-24T18:00:00Z"')
        return self


def parse_override(text: str) -> Override:
    """The annotation's JSON; raises ValueError with the mend for anything else, doubled keys too."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({k for k, _ in pairs}) != len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    try:
        given = json.loads(text, object_pairs_hook=once)
        if not isinstance(given, dict):
            raise ValueError("it is no JSON object")
        return Override.model_validate(given)
    except RecursionError:
        raise ValueError(f"{OVERRIDE_ANNOTATION}: too deep") from None
    except ValueError as error:
        raise ValueError(
            f"the annotation {OVERRIDE_ANNOTATION} is not understood ({_short(error)}): write "
            '{"by":"USER","reason":"WHY","until":"2026-12-24T18:00:00Z"}'
        ) from None


def _short(error: ValueError) -> str:
    return " ".join(str(error).split())[:200]
