"""ReleasePolicy: which objectives a workload's releases must meet, and how they are judged."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .base import (
    Duration,
    Model,
    Name,
    PositiveDuration,
    Says,
    Time,
    cel,
    cel_no_duration,
    cel_no_shorter,
    keyed_list,
    rules,
)
from .bounds import BOUND_RULES, check_bounds
from .conditions import Condition, Reason
from .judgement import Verdict
from .objective import Bounds, IndicatorSource, ServiceLevelObjectiveSpec

WorkloadKind = Literal["Deployment"]
BaselineSource = Literal["LastPromotable", "BeforeRollout"]


class TargetRef(Model):
    """A workload in the policy's namespace."""

    kind: WorkloadKind
    """Deployment."""
    name: Name
    """The workload's name."""


LabelValue = Annotated[str, StringConstraints(max_length=63)]


class LabelRequirement(Model):
    """One requirement on a label."""

    model_config = rules(
        cel(
            "self.operator in ['In', 'NotIn'] ? (has(self.values) && self.values.size() > 0) "
            ": (!has(self.values) || self.values.size() == 0)",
            "In and NotIn need values; Exists and DoesNotExist take none",
        ),
    )

    key: Annotated[str, StringConstraints(min_length=1, max_length=317)]
    """The label's key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How its value is compared."""
    values: Annotated[
        list[LabelValue], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """The values, for In and NotIn."""

    @model_validator(mode="after")
    def _values(self) -> Self:
        if (self.operator in ("In", "NotIn")) != bool(self.values):
            raise ValueError("In and NotIn need values; Exists and DoesNotExist take none")
        return self


class LabelSelector(Model):
    """Matches the workloads' own labels; everything must hold."""

    model_config = rules(
        cel(
            "(has(self.matchLabels) && self.matchLabels.size() > 0) "
            "|| (has(self.matchExpressions) && self.matchExpressions.size() > 0)",
            "an empty selector would match every workload by accident: say matchLabels or matchExpressions",
        ),
    )

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=32)] | None = None
    """Labels and their values."""
    match_expressions: (
        Annotated[
            list[LabelRequirement],
            Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
        ]
        | None
    ) = None
    """Further requirements."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.match_labels and not self.match_expressions:
            raise ValueError(
                "an empty selector would match every workload by accident: say matchLabels or matchExpressions"
            )
        return self


class PolicyObjective(Model):
    """An objective: by reference, or written out with a name."""

    model_config = rules(
        cel(
            "has(self.ref) != (has(self.indicator) || has(self.pass))",
            "say either ref, or indicator and pass",
        ),
        cel(
            "has(self.ref) || (has(self.name) && has(self.indicator) && has(self.pass))",
            "an objective written out needs name, indicator and pass",
        ),
        cel(
            "!has(self.ref) || (!has(self.warn) && !has(self.minRequests))",
            "a referenced objective brings its own bounds: change them there, or write it out here",
        ),
        *BOUND_RULES,
    )

    ref: Name | None = None
    """The name of a ServiceLevelObjective: beside the policy, else in the library namespace."""
    name: (
        Annotated[
            str,
            StringConstraints(max_length=63),
            Says.matches(
                "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
                "write an objective's name in lower-case letters, digits and -",
            ),
        ]
        | None
    ) = None
    """The name under which the result appears; default the reference's."""
    indicator: IndicatorSource | None = None
    """What is measured."""
    pass_: Annotated[Bounds, Field(min_length=1)] | None = Field(default=None, alias="pass")
    """The bounds that make it pass: entries OR, inside one entry AND."""
    warn: Bounds | None = None
    """The wider bounds within which it only warns."""
    min_requests: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)] | None = None
    """Fewer requests than this in the window are no evidence; default 20."""

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.ref is not None) == (self.indicator is not None or self.pass_ is not None):
            raise ValueError("say either ref, or indicator and pass")
        if self.ref is None and not (self.name and self.indicator and self.pass_):
            raise ValueError("an objective written out needs name, indicator and pass")
        if self.ref and (self.warn or self.min_requests):
            raise ValueError(
                "a referenced objective brings its own bounds: change them there, or write it out here"
            )
        if self.indicator and self.pass_:
            check_bounds(self.indicator, self.pass_, self.warn or [])
        return self

    @property
    def key(self) -> str:
        """The name under which its result appears."""
        return self.name or self.ref or ""

    def inline(self) -> ServiceLevelObjectiveSpec:
        """The objective's spec, where it is written out here."""
        assert self.indicator
        assert self.pass_
        return ServiceLevelObjectiveSpec(
            indicator=self.indicator,
            pass_=self.pass_,
            warn=self.warn or [],
            **({} if self.min_requests is None else {"min_requests": self.min_requests}),
        )


class FailFast(Model):
    """When a failing rollout ends the release before its deadline."""

    after: Duration = Field(default="2m", validate_default=True)
    """How long a definite cause (no such image, crash loop, no node fits) must stand; 0s at once."""


_DEADLINE = "the deadline counts from the rollout's completion: leave it room for the whole window"


class Analysis(Model):
    """How a release is judged."""

    model_config = rules(
        cel(
            cel_no_shorter("self.window", "self.interval"),
            "the window must be at least as long as the interval",
        ),
        cel(
            cel_no_shorter("self.deadline", "self.window"),
            _DEADLINE,
        ),
    )

    warm_up: Duration = Field(default="1m", validate_default=True)
    """Each pod's first time after Ready, left out."""
    window: PositiveDuration = Field(default="10m", validate_default=True)
    """The time judged after the rollout is complete and warm; at least 4 scrape intervals."""
    interval: Annotated[
        Duration,
        Says(
            rule=f"!self.contains('d') && ({cel_no_duration('self')} "
            "|| (duration(self) >= duration('1s') && duration(self) <= duration('24h')))",
            holds=lambda value: 1 <= value.total_seconds() <= 86_400,
            message="the interval is at least 1s and at most 24h",
        ),
    ] = Field(default="1m", validate_default=True)
    """The time from look to look; at least 2 scrape intervals."""
    fail_after: Annotated[int, Field(strict=True, ge=1, le=20)] = 3
    """How many looks in a row must fail an objective to end the release before the window does."""
    rollout_deadline: PositiveDuration | None = None
    """How long the rollout may take; default the workload's progress deadline plus one minute."""
    deadline: PositiveDuration | None = None
    """How long after the rollout's completion the verdict may take; default warm-up + 2 windows + 5m."""
    fail_fast: FailFast = FailFast()
    """When a failing rollout ends the release before its deadline."""
    baseline: Annotated[
        list[BaselineSource],
        Field(max_length=4, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = ["LastPromotable", "BeforeRollout"]
    """What changes are compared with: the first of these that exists."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.window < self.interval:
            raise ValueError("the window must be at least as long as the interval")
        if self.deadline is not None and self.deadline < self.window:
            raise ValueError(_DEADLINE)
        return self


class ReleasePolicySpec(Model):
    """Which workloads' releases are judged, by what, and how."""

    model_config = rules(
        cel(
            "has(self.targetRefs) != has(self.selector)",
            "say exactly one of targetRefs and selector",
        ),
    )

    target_refs: (
        Annotated[
            list[TargetRef],
            Field(
                min_length=1,
                max_length=64,
                json_schema_extra={
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["kind", "name"],
                },
            ),
        ]
        | None
    ) = None
    """The workloads, by name."""
    selector: LabelSelector | None = None
    """The workloads, by their own labels."""
    provider: Name | None = None
    """The MetricsProvider for indicators that name none; default the one called default."""
    objectives: Annotated[
        list[PolicyObjective],
        Field(
            max_length=64,
            json_schema_extra={
                "x-kubernetes-list-type": "atomic",
                "x-kubernetes-validations": [
                    cel(
                        "self.all(a, (!has(a.name) && !has(a.ref)) || self.exists_one(b, "
                        "(has(a.name) ? a.name : a.ref) "
                        "== (has(b.name) ? b.name : has(b.ref) ? b.ref : '')))",
                        "two objectives have the same name: give one of them another name",
                    )
                ],
            },
        ),
    ] = []
    """What must be met; with none, the built-in stays-up (Kubernetes' own signals)."""
    analysis: Analysis = Analysis()
    """How a release is judged."""

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if (self.target_refs is None) == (self.selector is None):
            raise ValueError("say exactly one of targetRefs and selector")
        targets = self.target_refs or []
        for target in targets:
            if targets.count(target) > 1:
                raise ValueError(f"{target.kind} {target.name!r} is named twice: name it once")
        names = [o.key for o in self.objectives]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"two objectives have the same name {name!r}: give one of them another name"
                )
        return self


class WorkloadVerdict(Model):
    """A workload's newest release."""

    kind: WorkloadKind
    """The workload's kind."""
    name: Annotated[str, StringConstraints(max_length=253)]
    """The workload's name."""
    release: Annotated[str, StringConstraints(max_length=253)]
    """Its newest release."""
    generation: int
    """The workload's generation that this speaks of."""
    verdict: Verdict | None = None
    """The verdict, once given."""
    reason: Reason
    """The reason of the verdict, or what is awaited."""


class ReleasePolicyStatus(Model):
    """What became of its workloads; this is what GitOps tools read."""

    observed_generation: int | None = None
    """The generation that this speaks of."""
    conditions: Annotated[
        list[Condition], Field(max_length=8, json_schema_extra=keyed_list("type"))
    ] = []
    """Ready, Stalled, Shadowed, and Promotable: every newest release is."""
    total: int = 0
    """How many workloads it judges."""
    promotable: int = 0
    """How many of their newest releases are promotable."""
    not_promotable: int = 0
    """How many are not."""
    inconclusive: int = 0
    """How many ended without evidence."""
    pending: int = 0
    """How many are still being judged, or were only measured."""
    workloads: Annotated[
        list[WorkloadVerdict],
        Field(
            max_length=50,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["kind", "name"],
            },
        ),
    ] = []
    """The first 50, worst first."""
    evaluated_at: Time | None = None
    """When this last changed."""


class ReleasePolicy(Model):
    """Which objectives a workload's releases must meet, and how they are judged."""

    plural: ClassVar[str] = "releasepolicies"
    short_names: ClassVar[list[str]] = ["relpol"]
    columns: ClassVar[list[tuple[str, str, str]]] = [
        ("WORKLOADS", "integer", ".status.total"),
        ("PROMOTABLE", "string", ".status.conditions[?(@.type=='Promotable')].status"),
        ("REASON", "string", ".status.conditions[?(@.type=='Promotable')].reason"),
        ("READY", "string", ".status.conditions[?(@.type=='Ready')].status"),
    ]

    spec: ReleasePolicySpec
    """Which workloads, by what, and how."""
    status: ReleasePolicyStatus | None = None
    """What became of its workloads; written by the operator."""
