"""ServiceLevelObjective: an indicator with bounds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from .base import NO_DEFAULTS, Model, Name, Number, Percent, Text, cel, rules
from .bounds import BOUND_RULES, check_bounds
from .budget import BUDGET_RULES, BudgetTerms, ServiceLevelObjectiveStatus, check_budget
from .indicator import ATTRIBUTION_RULES, AttributionLabels, ServiceLevelIndicatorSpec
from .sensitivity import JudgingTerms

COMPARATORS = ("lt", "lte", "gt", "gte", "eq", "between")
_ONE_COMPARATOR = (
    "[has(self.lt), has(self.lte), has(self.gt), has(self.gte), has(self.eq), has(self.between)]"
    ".filter(x, x).size() == 1"
)
_SAY_ONE = "say exactly one of lt, lte, gt, gte, eq, between"
_BETWEEN = cel(
    "!has(self.between) || (self.between.size() == 2 && self.between[0] <= self.between[1])",
    "between takes two numbers, the smaller first",
)


class Comparison(Model):
    """Exactly one comparator with the number to compare with."""

    model_config = rules(cel(_ONE_COMPARATOR, _SAY_ONE), _BETWEEN)

    lt: Number | None = None
    """Less than."""
    lte: Number | None = None
    """Less than or equal."""
    gt: Number | None = None
    """Greater than."""
    gte: Number | None = None
    """Greater than or equal."""
    eq: Number | None = None
    """Equal."""
    between: Annotated[list[Number], Field(min_length=2, max_length=2)] | None = None
    """From the first to the second, both included."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        _check_comparison(self)
        return self


class ChangeComparison(Model):
    """A change against the baseline: in percent, or with delta in the indicator's own unit."""

    model_config = rules(
        cel(
            "[has(self.lt), has(self.lte), has(self.gt), has(self.gte), has(self.delta)]"
            ".filter(x, x).size() == 1",
            "say exactly one of lt, lte, gt, gte (percentages such as 10%) or delta",
        ),
    )

    lt: Percent | None = None
    """Less than this many percent more than the baseline."""
    lte: Percent | None = None
    """At most this many percent more than the baseline: 10% lets 200 ms become 220 ms."""
    gt: Percent | None = None
    """More than this many percent above the baseline."""
    gte: Percent | None = None
    """At least this many percent above the baseline; -10% lets 100 become 90."""
    delta: Comparison | None = None
    """The value minus the baseline's, in the indicator's own unit."""
    floor: Number | None = None
    """While the value is on the good side of this, no change is harm: with 0.001 a share of errors that
    rose from nothing to 0.05 % passes."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(getattr(self, n) is not None for n in ("lt", "lte", "gt", "gte", "delta")) != 1:
            raise ValueError(
                "say exactly one of lt, lte, gt, gte (percentages such as 10%) or delta"
            )
        return self


class Bound(Model):
    """What must hold together: the value, its change against the baseline, or both."""

    model_config = rules(
        cel("has(self.value) || has(self.change)", "a bound needs value, change or both")
    )

    value: Comparison | None = None
    """The value's own bound, in the indicator's unit (seconds, or a share from 0 to 1)."""
    change: ChangeComparison | None = None
    """The bound on the change; skipped, and said so, where there is no baseline."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.value is None and self.change is None:
            raise ValueError("a bound needs value, change or both")
        return self


Bounds = Annotated[
    list[Bound], Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "atomic"})
]


_BRINGS_ITS_OWN = (
    "a referenced indicator brings its own attribution, labels, provider and unit: "
    "change them there, or write the indicator out here"
)


class IndicatorSource(ServiceLevelIndicatorSpec):
    """An indicator: written out, or by reference."""

    # No defaults in the CRD: beside a reference they would be read as said, and be untrue.
    model_config = rules(
        cel(
            "[has(self.ratio), has(self.latency), has(self.query), has(self.kubernetes), has(self.ref)]"
            ".filter(x, x).size() == 1",
            "say exactly one of ref, ratio, latency, query, kubernetes",
        ),
        cel(
            "!has(self.ref) || !(has(self.provider) || has(self.unit) "
            "|| (has(self.attribution) && self.attribution != 'Pod') "
            "|| (has(self.labels) && (has(self.labels.__namespace__) || has(self.labels.workload) "
            "|| self.labels.pod != 'pod' || self.labels.version != 'version')))",
            _BRINGS_ITS_OWN,
        ),
        *ATTRIBUTION_RULES,
        **{NO_DEFAULTS: True},
    )

    ref: Name | None = None
    """The name of a ServiceLevelIndicator: beside its user, else in the library namespace."""

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if self.ref is None:
            super()._valid()  # type: ignore[operator]
        elif any((self.ratio, self.latency, self.query, self.kubernetes)):
            raise ValueError("say exactly one of ref, ratio, latency, query, kubernetes")
        elif (
            self.provider
            or self.unit
            or self.attribution != "Pod"
            or self.labels != AttributionLabels()
        ):
            raise ValueError(_BRINGS_ITS_OWN)
        return self


class ServiceLevelObjectiveSpec(JudgingTerms, BudgetTerms):
    """An indicator with the bounds that its value must keep.

    Entries of ``pass`` are alternatives (OR); inside one entry everything must hold (AND). A value
    that keeps no entry of ``pass`` but one of ``warn`` is a warning.
    """

    model_config = rules(*BOUND_RULES, *BUDGET_RULES)

    indicator: IndicatorSource
    """What is measured."""
    pass_: Annotated[Bounds, Field(alias="pass", min_length=1)]
    """The bounds that make the objective pass."""
    warn: Bounds = []
    """The wider bounds within which it only warns."""
    min_requests: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)] = 20
    """Fewer requests than this in the window are no evidence (ratio and latency only)."""
    description: Text | None = None
    """What this promises, for people."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_bounds(self.indicator, self.pass_, self.warn)
        source = self.indicator
        counted = source.ratio or (source.latency and source.latency.threshold)
        check_budget(self, counted=bool(source.ref or counted))
        return self


class ServiceLevelObjective(Model):
    """An indicator with bounds: what a release must keep to be promotable."""

    plural: ClassVar[str] = "servicelevelobjectives"
    short_names: ClassVar[list[str]] = ["slobj"]
    columns: ClassVar[list[tuple[str, str, str]]] = [
        ("INDICATOR", "string", ".spec.indicator.ref"),
        ("TARGET", "number", ".spec.target"),
        ("REMAINING", "number", ".status.remaining"),
        ("DESCRIPTION", "string", ".spec.description"),
    ]

    spec: ServiceLevelObjectiveSpec
    """The indicator and its bounds."""
    status: ServiceLevelObjectiveStatus | None = None
    """Its error budget, where it has a target; written by the operator."""


def _check_comparison(comparison: Comparison) -> None:
    if sum(getattr(comparison, n) is not None for n in COMPARATORS) != 1:
        raise ValueError(_SAY_ONE)
    if comparison.between and comparison.between[0] > comparison.between[1]:
        raise ValueError("between takes two numbers, the smaller first")


Result = Literal["Pass", "Warn", "Fail", "NotJudged", "NoData", "Error", "Informational"]
"""What became of one objective."""
