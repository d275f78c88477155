"""ReleasePolicy: which objectives a workload's releases must meet, and how they are judged."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .base import (
    NO_DEFAULTS,
    Duration,
    LookInterval,
    Model,
    Name,
    Number,
    PositiveDuration,
    Says,
    Time,
    cel,
    cel_no_shorter,
    keyed_list,
    rules,
)
from .bounds import BOUND_RULES, check_bounds
from .budget_policy import ErrorBudgetPolicy
from .conditions import Condition, Reason
from .hold import HoldTerms
from .judgement import Verdict
from .objective import Bounds, IndicatorSource, ServiceLevelObjectiveSpec
from .promotion import PromotionTerms
from .sensitivity import Drift, JudgingTerms, Score, ScoringTerms
from .task import Tasks, check_tasks

WorkloadKind = Literal["Deployment", "StatefulSet", "DaemonSet"]
BaselineSource = Literal[
    "LastPromotable", "LastReleases", "BeforeRollout", "OldPods", "Workload", "Fixed"
]


class TargetRef(Model):
    """A workload in the policy's namespace."""

    kind: WorkloadKind
    """Deployment, StatefulSet or DaemonSet."""
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
    """Matches an object's own labels; everything must hold."""

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


_WRITTEN_OUT = "an objective written out needs name, indicator and pass (or informational: true)"
_KEY = "an informational objective decides nothing: leave off key, or informational"


class PolicyObjective(JudgingTerms, ScoringTerms):
    """An objective: by reference, or written out with a name."""

    model_config = rules(
        cel(
            "has(self.ref) != (has(self.indicator) || has(self.pass))",
            "say either ref, or indicator and pass",
        ),
        cel(
            "has(self.ref) || (has(self.name) && has(self.indicator) && (has(self.pass) "
            "|| (has(self.informational) && self.informational)))",
            _WRITTEN_OUT,
        ),
        cel(
            "!has(self.ref) || !(has(self.warn) || has(self.minRequests) || has(self.evidence) "
            "|| has(self.sensitivity) || has(self.mannWhitney) || has(self.missing))",
            "a referenced objective brings its own bounds: change them there, or write it out here",
        ),
        cel(
            "!((has(self.informational) && self.informational) && has(self.key) && self.key)",
            _KEY,
        ),
        *BOUND_RULES,
        **{NO_DEFAULTS: True},
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
        if self.ref is None and not (
            self.name and self.indicator and (self.pass_ or self.informational)
        ):
            raise ValueError(_WRITTEN_OUT)
        if self.informational and self.key:
            raise ValueError(_KEY)
        own = any(getattr(self, n) is not None for n in JudgingTerms.model_fields)
        if self.ref and (self.warn or self.min_requests or own):
            raise ValueError(
                "a referenced objective brings its own bounds: change them there, or write it out here"
            )
        if self.indicator:
            check_bounds(self.indicator, self.pass_ or [], self.warn or [])
        return self

    @property
    def title(self) -> str:
        """The name under which its result appears."""
        return self.name or self.ref or ""

    def inline(self) -> ServiceLevelObjectiveSpec:
        """The objective's spec, where it is written out here."""
        assert self.indicator
        fields: dict[str, Any] = {n: getattr(self, n) for n in JudgingTerms.model_fields}
        if self.min_requests is not None:
            fields["min_requests"] = self.min_requests
        return ServiceLevelObjectiveSpec.model_construct(
            indicator=self.indicator, pass_=self.pass_ or [], warn=self.warn or [], **fields
        )


class ScoreThresholds(Model):
    """Promotable by score: achieved ÷ possible, over the objectives that count."""

    model_config = rules(
        cel(
            "!has(self.warn) || double(string(self.warn).replace('%', '')) "
            "<= double(string(self.pass).replace('%', ''))",
            "warn is the lower of the two: a score between warn and pass is a warning",
        ),
    )

    pass_: Annotated[Score, Field(alias="pass")]
    """Promotable from this percentage on, included."""
    warn: Score | None = None
    """A warning from this percentage on, included; below it the release is not promotable."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.warn is not None and self.warn > self.pass_:
            raise ValueError(
                "warn is the lower of the two: a score between warn and pass is a warning"
            )
        return self


class FixedValue(Model):
    """A value that somebody says is good, for one objective."""

    objective: Name
    """The objective's name."""
    value: Number
    """In the indicator's unit."""
    samples: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000_000)] | None = None
    """How many requests it rests on. Without, the value is taken as exactly known, and so far is a bound:
    a test on counts then asks whether the release stays within it."""


_MAX_AGE = (
    "maxAge belongs to LastPromotable and LastReleases: the others are of now, or have no age"
)


class BaselineChoice(Model):
    """One place where a baseline may be found."""

    model_config = rules(
        cel(
            "(self.source == 'LastReleases') == has(self.count)",
            "count belongs to LastReleases: how many promotable releases are taken together",
        ),
        cel(
            "(self.source == 'Workload') == has(self.name)",
            "name belongs to Workload: the workload of the same kind beside this one that is compared with",
        ),
        cel(
            "(self.source == 'Fixed') == has(self.values)",
            "values belong to Fixed: say each objective's value",
        ),
        cel(
            "!has(self.aggregate) || self.source == 'LastReleases'",
            "aggregate belongs to LastReleases",
        ),
        cel("!has(self.maxAge) || self.source in ['LastPromotable', 'LastReleases']", _MAX_AGE),
    )

    source: BaselineSource
    """LastPromotable: the newest release promotable by evidence (or adopted). LastReleases: the last
    ``count`` of these together. BeforeRollout: the release before, over the window before the
    rollout. OldPods: its pods over the same minutes; of a StatefulSet those below its partition, of a
    DaemonSet none, as names do not tell them apart. Workload: another workload of the same kind over the
    same minutes. Fixed: values written here."""
    count: Annotated[int, Field(strict=True, ge=2, le=20)] | None = None
    """LastReleases: how many."""
    aggregate: Literal["Mean", "Median", "P90", "P95", "Min", "Max"] | None = None
    """LastReleases: how their values become one; default Median."""
    name: Name | None = None
    """Workload: its name."""
    values: (
        Annotated[
            list[FixedValue],
            Field(min_length=1, max_length=64, json_schema_extra=keyed_list("objective")),
        ]
        | None
    ) = None
    """Fixed: the values."""
    max_age: PositiveDuration | None = None
    """LastPromotable, LastReleases: older than this it is passed over for the next in the list, which the
    sentence says."""

    @model_validator(mode="after")
    def _belongs(self) -> Self:
        for source, field, given, mend in (
            (
                "LastReleases",
                "count",
                self.count,
                "how many promotable releases are taken together",
            ),
            (
                "Workload",
                "name",
                self.name,
                "the workload of the same kind beside this one that is compared with",
            ),
        ):
            if (self.source == source) != (given is not None):
                raise ValueError(f"{field} belongs to {source}: {mend}")
        if (self.source == "Fixed") != bool(self.values):
            raise ValueError("values belong to Fixed: say each objective's value")
        if self.aggregate and self.source != "LastReleases":
            raise ValueError("aggregate belongs to LastReleases")
        if self.max_age and self.source not in ("LastPromotable", "LastReleases"):
            raise ValueError(_MAX_AGE)
        return self


class BaselinePolicy(Model):
    """What changes are compared with."""

    model_config = rules(
        cel("!has(self.anchor) || has(self.drift)", "anchor needs drift: how far it may go in all"),
    )

    order: Annotated[
        list[BaselineChoice],
        Field(min_length=1, max_length=6, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = [BaselineChoice(source="LastPromotable"), BaselineChoice(source="BeforeRollout")]
    """Where a baseline is looked for: the first that has a value counts."""
    max_traffic_ratio: Annotated[Number, Field(gt=1, le=1000)] = 3.0
    """A baseline with this many times more, or fewer, requests a second is passed over."""
    drift: Drift | None = None
    """How far a value may go from the anchor's in all: ten times +9 % is 2.4 times."""
    anchor: Name | None = None
    """The release that drift counts from; default the oldest promotable one that is kept."""
    on_no_baseline: Literal["AbsoluteOnly", "Inconclusive"] = "AbsoluteOnly"
    """What becomes of a change beside a value where there is no baseline: skipped and said, or not
    judged."""

    @model_validator(mode="after")
    def _anchored(self) -> Self:
        if self.anchor and self.drift is None:
            raise ValueError("anchor needs drift: how far it may go in all")
        return self


class FailFast(Model):
    """When a failing rollout ends the release before its deadline."""

    after: Duration = Field(default="2m", validate_default=True)
    """How long a definite cause (no such image, crash loop, no node fits) must stand; 0s at once."""


_ITSELF = (
    "a workload compared with itself never changes: let baseline.order name another Deployment"
)
_FIXED = "a fixed value names no objective of this policy: correct its objective"
TITLE = "(has(o.name) ? o.name : has(o.ref) ? o.ref : '')"
"""CEL: the name under which the result of the objective ``o`` appears."""
_ORDER = "self.analysis.baseline.order"
_NO_ORDER = (
    "!has(self.analysis) || !has(self.analysis.baseline) || !has(self.analysis.baseline.order)"
)

_MAX_WINDOW = "maxWindow is how far the window may be extended: it is at least the window"
_DEADLINE = "the deadline counts from the rollout's completion: leave it room for the whole window"


class AnalysisTerms(Model):
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
        cel(cel_no_shorter("self.maxWindow", "self.window"), _MAX_WINDOW),
    )

    warm_up: Duration = Field(default="1m", validate_default=True)
    """Each pod's first time after Ready, left out."""
    window: PositiveDuration = Field(default="10m", validate_default=True)
    """The time judged after the rollout is complete and warm; at least 4 scrape intervals."""
    interval: LookInterval = Field(default="1m", validate_default=True)
    """The time from look to look; at least 2 scrape intervals."""
    fail_after: Annotated[int, Field(strict=True, ge=1, le=20)] = 3
    """How many looks in a row must fail an objective to end the release before the window does."""
    rollout_deadline: PositiveDuration | None = None
    """How long the rollout may take; default the workload's progress deadline plus one minute."""
    deadline: PositiveDuration | None = None
    """How long after the rollout's completion the verdict may take; default warm-up + 2 windows + 5m."""
    fail_fast: FailFast = FailFast()
    """When a failing rollout ends the release before its deadline."""
    on_little_traffic: Literal["Extend", "Inconclusive"] = "Extend"
    """With too few requests to have seen the declared harm: look on, or end inconclusive."""
    max_window: PositiveDuration | None = None
    """How far the window may be extended; default 6 windows."""
    noise_history: Duration = Field(default="1d", validate_default=True)
    """How much of the old version's past is read to know how much its figures wander by themselves;
    0s reads none."""
    baseline: BaselinePolicy = BaselinePolicy()
    """What changes are compared with."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.window < self.interval:
            raise ValueError("the window must be at least as long as the interval")
        if self.deadline is not None and self.deadline < self.window:
            raise ValueError(_DEADLINE)
        if self.max_window is not None and self.max_window < self.window:
            raise ValueError(_MAX_WINDOW)
        return self


PolicyObjectives = Annotated[
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
]
"""Objectives of different names."""


def check_names(objectives: list[PolicyObjective]) -> None:
    """The same in Python: raises ValueError."""
    names = [o.title for o in objectives]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"two objectives have the same name {name!r}: give one of them another name"
            )


Judged = Literal["Judge", "Record"]
Treated = Literal["Judge", "Record", "Ignore"]


class Causes(Model):
    """What becomes of a new version, by what changed against the one before.

    Judge: it is judged. Record: its rollout is followed and its objectives are measured, without a verdict;
    it is no baseline. Ignore: no release, the one before goes on speaking for the workload. What brings
    other code takes no Ignore, as an earlier verdict would then speak for what it never saw. While the
    release before has no verdict yet, the new one is at least what that one was.
    """

    first: Judged = "Judge"
    """The first version that a policy meets, where it is not adopted."""
    image: Judged = "Judge"
    """Another image of a container; or the same tag, where it turns out to be another digest."""
    rollback: Judged = "Judge"
    """The template of an earlier release."""
    config: Treated = "Judge"
    """Anything else in the pod template: environment, arguments, volumes, labels."""
    resources: Treated = "Judge"
    """Requests and limits alone."""
    restart: Treated = "Judge"
    """Nothing but the annotation that kubectl rollout restart writes."""


_REQUIRE = (
    "require adds to the policies of other namespaces: say namespaceSelector, which names those"
)


class Watch(Model):
    """How long a release is watched after it was found promotable."""

    for_: Annotated[Duration, Field(alias="for")] = Field(default="1h", validate_default=True)
    """For how long after the verdict; while health turns bad in it the verdict is revoked. 0s: not at
    all."""


class Retention(Model):
    """How long finished Releases are kept; never deleted are the newest one and the last baseline."""

    count: Annotated[int, Field(strict=True, ge=1, le=1000)] = 10
    """How many Releases of a workload are kept, each attempt counted."""
    age: PositiveDuration | None = None
    """Older ones are deleted; default: however old."""
    after_deletion: PositiveDuration = Field(default="30d", validate_default=True)
    """How long after the workload is gone its Releases are kept."""
    last_baseline: Literal["Keep", "Delete"] = "Keep"
    """What becomes then of the newest Release and the last baseline, from which a workload of this name
    would go on."""


class ReleasePolicySpec(Model):
    """Which workloads' releases are judged, by what, and how."""

    model_config = rules(
        cel(
            "has(self.targetRefs) != has(self.selector)",
            "say exactly one of targetRefs and selector",
        ),
        cel(
            f"!has(self.targetRefs) || {_NO_ORDER} || {_ORDER}.all(b, !has(b.name) "
            "|| !self.targetRefs.exists(t, t.name == b.name))",
            _ITSELF,
        ),
        cel(
            f"{_NO_ORDER} || {_ORDER}.all(b, !has(b.values) || b.values.all(v, "
            f"has(self.objectives) && self.objectives.exists(o, {TITLE} == v.objective)))",
            _FIXED,
        ),
        cel(
            "!(has(self.require) && self.require) || has(self.namespaceSelector)",
            _REQUIRE,
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
    namespace_selector: LabelSelector | None = None
    """In the library namespace only: the workloads of all namespaces with these labels, as far as they have
    no policy of their own."""
    require: bool = False
    """With namespaceSelector: where a workload has a policy of its own, the objectives here are added to
    that one's, and each must pass."""
    provider: Name | None = None
    """The MetricsProvider for indicators that name none; default the one called default."""
    objectives: PolicyObjectives = []
    """What must be met; with none, the built-in stays-up (Kubernetes' own signals)."""
    analysis: AnalysisTerms = AnalysisTerms()
    """How a release is judged."""
    causes: Causes = Causes()
    """What becomes of a new version, by what changed."""
    mode: Literal["Enforce", "Warn", "DryRun"] = "Enforce"
    """Enforce; or Warn and DryRun: everything is judged and recorded, and nothing is held back."""
    score: ScoreThresholds | None = None
    """Promotable by score; without it every objective must pass."""
    on_warning: Literal["Promotable", "NotPromotable"] = "Promotable"
    """What a release with warnings, and no failure, is."""
    error_budget_policy: ErrorBudgetPolicy | None = None
    """What empty error budgets, agreements at risk and freezes mean; without it they hold nothing back."""
    hold: HoldTerms | None = None
    """Keep each new version from starting until its checks have passed: docs/hold.md says how."""
    watch: Watch | None = None
    """How long a promotable release is watched; default 1h where something is promoted, else not at all."""
    retention: Retention = Retention()
    """How long finished Releases are kept."""
    tasks: Tasks = []
    """What is done before, during and after a release is judged, and to promote it."""
    promotion: PromotionTerms | None = None
    """What must be true, beside the verdict, before a release is promoted."""

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if (self.target_refs is None) == (self.selector is None):
            raise ValueError("say exactly one of targetRefs and selector")
        if self.require and self.namespace_selector is None:
            raise ValueError(_REQUIRE)
        targets = self.target_refs or []
        for target in targets:
            if targets.count(target) > 1:
                raise ValueError(f"{target.kind} {target.name!r} is named twice: name it once")
        check_names(self.objectives)
        names = {o.title for o in self.objectives}
        for choice in self.analysis.baseline.order:
            if any(t.name == choice.name for t in targets):
                raise ValueError(_ITSELF)
            if any(v.objective not in names for v in choice.values or []):
                raise ValueError(_FIXED)
        check_tasks(self.tasks)
        return self


class WorkloadVerdict(Model):
    """A workload's newest release."""

    namespace: Name | None = None
    """The workload's namespace, where it is not the policy's."""
    kind: WorkloadKind
    """The workload's kind."""
    name: Annotated[str, StringConstraints(max_length=253)]
    """The workload's name."""
    release: Annotated[str, StringConstraints(max_length=253)]
    """Its newest release."""
    generation: int
    """The workload's generation that this speaks of."""
    verdict: Verdict | None = None
    """The verdict, once given; NotPromotable where it was revoked."""
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
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
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
