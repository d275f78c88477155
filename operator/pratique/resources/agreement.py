"""ServiceLevelAgreement: a promise to a party over calendar months, with consequences."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from .base import (
    NO_DEFAULTS,
    Duration,
    Model,
    Name,
    Number,
    Percent,
    Says,
    Text,
    Time,
    cel,
    cel_no_duration,
    keyed_list,
    rules,
)
from .budget import (
    SLICE_RULES,
    BudgetingMethod,
    Recorded,
    Span,
    Target,
    TimeSlice,
    TimeZone,
    check_slices,
)
from .conditions import Condition
from .objective import IndicatorSource

_Text256 = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_EITHER = "say either ref, the name of a ServiceLevelObjective, or indicator"
_COUNTED = (
    "an agreement counts good events: the indicator must be a ratio, or a latency with threshold"
)


class Parties(Model):
    """Between whom."""

    provider: _Text256
    """Who promises."""
    consumers: Annotated[
        list[_Text256], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """To whom."""
    contract_url: (
        Annotated[
            str,
            StringConstraints(max_length=1024),
            Says.matches(r"https?://[^\s]+", "write the contract's address with https://"),
        ]
        | None
    ) = Field(default=None, alias="contractURL")
    """Where the contract can be read."""
    tier: _Text256 | None = None
    """Which tier of it, such as gold."""


class AgreedObjective(Model):
    """One commitment: what is measured, and the share that must be good."""

    model_config = rules(
        cel("has(self.ref) != has(self.indicator)", _EITHER),
        cel(
            "!has(self.indicator) || has(self.indicator.ref) || has(self.indicator.ratio) "
            "|| (has(self.indicator.latency) && has(self.indicator.latency.threshold))",
            _COUNTED,
        ),
        cel(
            "!has(self.ref) || !has(self.workload)",
            "a referenced objective brings its own workload: change it there",
        ),
        **{NO_DEFAULTS: True},
    )

    name: Annotated[
        str,
        StringConstraints(max_length=63),
        Says.matches(
            "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
            "write an objective's name in lower-case letters, digits and -",
        ),
    ]
    """The name under which its figures appear."""
    ref: Name | None = None
    """A ServiceLevelObjective beside the agreement, else in the library namespace: its indicator is
    measured; the target here is the agreement's own, looser than the objective's."""
    indicator: IndicatorSource | None = None
    """What is measured, written out."""
    workload: Name | None = None
    """With indicator: the workload whose events count, by its name; default all that is found in the
    namespace."""
    target: Target
    """The share promised, such as 0.99."""

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if (self.ref is None) == (self.indicator is None):
            raise ValueError(_EITHER)
        if self.indicator is not None and not counts_events(self.indicator):
            raise ValueError(_COUNTED)
        if self.ref and self.workload:
            raise ValueError("a referenced objective brings its own workload: change it there")
        return self


def counts_events(indicator: IndicatorSource) -> bool:
    """Whether it counts good events, or is a reference, of which this cannot be told yet."""
    return bool(
        indicator.ref
        or indicator.ratio
        or (indicator.latency and indicator.latency.threshold is not None)
    )


class AgreementPeriod(Model):
    """A calendar month."""

    unit: Literal["Month"] = "Month"
    """Month, of 28 to 31 days as the calendar has them."""
    time_zone: TimeZone = "UTC"
    """The contract's time zone."""


class Exclusion(Model):
    """A time that does not count: announced maintenance, force majeure, the consumer's fault."""

    model_config = rules(
        cel("timestamp(self.from) < timestamp(self.to)", "an exclusion ends after it begins"),
    )

    from_: Annotated[Time, Field(alias="from")]
    """Its begin."""
    to: Time
    """Its end."""
    reason: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    """Why."""
    announced_at: Time
    """When the consumers were told."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if any(t.tzinfo is None for t in (self.from_, self.to, self.announced_at)):
            raise ValueError("write times with their zone, such as 2026-12-24T18:00:00Z")
        if self.from_ >= self.to:
            raise ValueError("an exclusion ends after it begins")
        return self


class Credit(Model):
    """What is given back."""

    below: Annotated[
        Number,
        Says(
            rule="self > 0.0 && self <= 1.0",
            holds=lambda value: 0 < value <= 1,
            message="below is a share of good events up to 1: write 99.9 % as 0.999",
        ),
    ]
    """Where less than this was attained …"""
    percent: Annotated[
        Percent,
        Says(
            rule=(
                "type(self) != string || !string(self).matches(r'^[-+]?[0-9.]+%$') "
                "|| (double(string(self).replace('%', '')) > 0.0 "
                "&& double(string(self).replace('%', '')) <= 100.0)"
            ),
            holds=lambda value: 0 < value <= 100,
            message="a credit is more than 0% and at most 100%",
        ),
    ]
    """… this much of the month's fee is credited."""


_CREDITS = "sort credits from the highest below to the lowest, with percent rising"
_LATE = (
    "an exclusion must be announced announcedBefore its begin: correct announcedAt, or leave it out"
)


class ServiceLevelAgreementSpec(Model):
    """Who promises what to whom, and what follows."""

    model_config = rules(
        *SLICE_RULES,
        cel(
            # With days, which CEL's duration() does not know, the models alone compare.
            f"!has(self.exclusions) || !has(self.announcedBefore) "
            f"|| {cel_no_duration('self.announcedBefore')} || self.exclusions.all(e, "
            "timestamp(e.from) - timestamp(e.announcedAt) >= duration(self.announcedBefore))",
            _LATE,
        ),
    )

    parties: Parties
    """Between whom."""
    objectives: Annotated[
        list[AgreedObjective],
        Field(min_length=1, max_length=16, json_schema_extra=keyed_list()),
    ]
    """What is promised; the agreement is met when every one is."""
    period: AgreementPeriod = AgreementPeriod()
    """Over which time."""
    budgeting_method: BudgetingMethod = "Occurrences"
    """Occurrences: good events of all. Timeslices: good slices of time of all. RatioTimeslices: the
    mean of the slices' shares."""
    time_slice: TimeSlice | None = None
    """How time is cut, for Timeslices and RatioTimeslices."""
    on_no_traffic: Literal["Good", "Exclude", "Bad"] = "Good"
    """What a slice without any request is; many contracts say: no requests, no errors."""
    announced_before: Duration = Field(default="0s", validate_default=True)
    """How long before its begin an exclusion must have been announced, such as 3d or 72h."""
    exclusions: Annotated[
        list[Exclusion],
        Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = []
    """Times that do not count."""
    credits: Annotated[
        list[Credit],
        Field(
            max_length=8,
            json_schema_extra={
                "x-kubernetes-list-type": "atomic",
                "x-kubernetes-validations": [
                    cel(
                        "self.all(a, self.all(b, !(a.below > b.below) "
                        "|| double(string(a.percent).replace('%', '')) "
                        "< double(string(b.percent).replace('%', ''))))"
                        " && self.map(c, -c.below).isSorted()"
                        " && self.all(a, self.exists_one(b, a.below == b.below))",
                        _CREDITS,
                    )
                ],
            },
        ),
    ] = []
    """What is given back, from the mildest tier to the worst."""
    effect: Literal["Inform", "Block"] = "Inform"
    """Block: a projected breach holds releases back, where their policy has an errorBudgetPolicy. Inform:
    only shown. A breach that has happened never blocks, so that it does not block its own mend."""

    @field_validator("credits")
    @classmethod
    def _sorted(cls, credits: list[Credit]) -> list[Credit]:
        for mild, worse in pairwise(credits):
            if not (mild.below > worse.below and mild.percent < worse.percent):
                raise ValueError(_CREDITS)
        return credits

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_slices(self.budgeting_method, self.time_slice)
        names = [o.name for o in self.objectives]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two objectives have the same name {name!r}: rename one of them")
        for exclusion in self.exclusions:
            if exclusion.from_ - exclusion.announced_at < self.announced_before:
                raise ValueError(_LATE)
        return self


class AgreedFigures(Model):
    """One objective's figures for the period so far."""

    name: Annotated[str, StringConstraints(max_length=63)]
    """The objective."""
    target: float
    """The share promised."""
    attained: float | None = None
    """The share attained so far."""
    budget_remaining: float | None = None
    """The share of the period's budget that is left; below 0 when overspent."""
    projected_end_of_period: float | None = None
    """What the period will have attained if it goes on as in the last day."""
    credit_tier: Annotated[str, StringConstraints(max_length=24)] | None = None
    """What would be credited now, such as 10%; none where nothing would."""
    bad: float | None = None
    """Bad events (or slices) that count."""
    total: float | None = None
    """All events (or slices) that count."""
    coverage: float | None = None
    """The share of the period so far for which there was data."""
    message: Text | None = None
    """What is wrong, where it could not be reckoned."""
    recorded: Recorded | None = None
    """What was counted so far, packed."""


class ServiceLevelAgreementStatus(Model):
    """How the agreement stands."""

    observed_generation: int | None = None
    """The generation that this speaks of."""
    conditions: Annotated[
        list[Condition], Field(max_length=8, json_schema_extra=keyed_list("type"))
    ] = []
    """Ready; Met: whether what was attained so far meets every target; ProjectedMet: whether it will at
    the end of the period, as things go; Stalled."""
    period: Span | None = None
    """The period now."""
    objectives: Annotated[
        list[AgreedFigures], Field(max_length=16, json_schema_extra=keyed_list())
    ] = []
    """Each objective's figures."""
    evaluated_at: Time | None = None
    """When this was reckoned."""


class ServiceLevelAgreement(Model):
    """A promise to a party over calendar months: targets, exclusions, credits."""

    plural: ClassVar[str] = "servicelevelagreements"
    short_names: ClassVar[list[str]] = ["sla"]
    columns: ClassVar[list[tuple[str, str, str]]] = [
        ("PROVIDER", "string", ".spec.parties.provider"),
        ("TIER", "string", ".spec.parties.tier"),
        ("MET", "string", ".status.conditions[?(@.type=='Met')].status"),
        ("PROJECTED", "string", ".status.conditions[?(@.type=='ProjectedMet')].status"),
        ("UNTIL", "date", ".status.period.to"),
        ("MESSAGE", "string", ".status.conditions[?(@.type=='Met')].message"),
    ]
    wide_columns: ClassVar[list[str]] = ["MESSAGE"]

    spec: ServiceLevelAgreementSpec
    """Who promises what to whom, and what follows."""
    status: ServiceLevelAgreementStatus | None = None
    """How it stands; written by the operator."""
