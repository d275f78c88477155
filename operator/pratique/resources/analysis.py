"""Analysis: a judgement on demand, over a time that is named.

Not here: what is judged (a policy's objectives), and the judgement itself.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .base import (
    Duration,
    LookInterval,
    Model,
    Name,
    Number,
    PositiveDuration,
    Says,
    Time,
    cel,
    keyed_list,
    rules,
)
from .conditions import Condition
from .judgement import Judgement, Verdict, Window
from .policy import (
    TITLE,
    FixedValue,
    PolicyObjectives,
    ScoreThresholds,
    WorkloadKind,
    check_names,
)

_ARGUMENT = "[a-z][a-z0-9_]{0,31}"


class AnalysedWorkload(Model):
    """Whose series are judged."""

    kind: WorkloadKind = "Deployment"
    """The workload's kind."""
    name: Name
    """The workload's name; where nothing else is said, all its pods of that time are judged."""
    release: Name | None = None
    """One of its Releases: only that one's pods, or its version, are judged."""


_ONE_BASELINE = "say exactly one of release, fixed, window, before, workload"


class AnalysisBaseline(Model):
    """What changes are compared with."""

    model_config = rules(
        cel(
            "[has(self.release), has(self.fixed), has(self.window), has(self.before), "
            "has(self.workload)].filter(x, x).size() == 1",
            _ONE_BASELINE,
        ),
        cel(
            "!has(self.window) || self.window.from < self.window.to",
            "the baseline's window ends before it begins: change from or to",
        ),
    )

    release: Name | None = None
    """What this Release of the workload measured; it was promotable by evidence, or adopted."""
    fixed: (
        Annotated[
            list[FixedValue],
            Field(min_length=1, max_length=64, json_schema_extra=keyed_list("objective")),
        ]
        | None
    ) = None
    """Values written here."""
    window: Window | None = None
    """The same workload over another time."""
    before: PositiveDuration | None = None
    """The same workload, so long before the window."""
    workload: Name | None = None
    """Another workload of the same kind, over the same time."""
    max_traffic_ratio: Annotated[Number, Field(gt=1, le=1000)] = 3.0
    """A baseline with this many times more, or fewer, requests a second is passed over."""
    on_no_baseline: Literal["AbsoluteOnly", "Inconclusive"] = "AbsoluteOnly"
    """What becomes of a change beside a value where there is no baseline: skipped and said, or not
    judged."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = (self.release, self.fixed, self.window, self.before, self.workload)
        if sum(g is not None for g in given) != 1:
            raise ValueError(_ONE_BASELINE)
        if self.window is not None and self.window.from_ >= self.window.to:
            raise ValueError("the baseline's window ends before it begins: change from or to")
        return self


class Retention(Model):
    """How long a finished Analysis is kept."""

    ttl: PositiveDuration
    """So long after its verdict it is deleted."""


Arguments = Annotated[
    dict[str, Annotated[str, StringConstraints(min_length=1, max_length=256)]],
    Field(max_length=32),
    Says(
        rule=f"self.all(k, k.matches('^{_ARGUMENT}$'))",
        holds=lambda value: all(re.fullmatch(_ARGUMENT, name) for name in value),
        message="write an argument's name in lower-case letters, digits and _, beginning with a letter",
    ),
]

_ONE_TIME = "say exactly one of window, recent, until"
_FROM = "from belongs to until: the time from when on; with a window say window.from"
_TURNED = "the time ends before it begins: change from, to or until"
_WHAT = "say either objectives or policy"
_ITSELF = (
    "over the same time a workload never differs from itself: let baseline.workload name another"
)
_FIXED = "a fixed value names no objective of this analysis: correct its objective"


class AnalysisSpec(Model):
    """What is judged, over which time, by what; it cannot be changed."""

    model_config = rules(
        cel("self == oldSelf", "an Analysis is judged once and cannot be changed: make another"),
        cel(
            "[has(self.window), has(self.recent), has(self.until)].filter(x, x).size() == 1",
            _ONE_TIME,
        ),
        cel("!has(self.from) || has(self.until)", _FROM),
        cel(
            "(!has(self.window) || self.window.from < self.window.to) "
            "&& (!has(self.from) || !has(self.until) || self.from < self.until)",
            _TURNED,
        ),
        cel("(has(self.objectives) && self.objectives.size() > 0) != has(self.policy)", _WHAT),
        cel(
            "!has(self.baseline) || !has(self.baseline.workload) "
            "|| self.baseline.workload != self.workload.name",
            _ITSELF,
        ),
        cel(
            "!has(self.baseline) || !has(self.baseline.fixed) || has(self.policy) "
            "|| self.baseline.fixed.all(v, has(self.objectives) "
            f"&& self.objectives.exists(o, {TITLE} == v.objective))",
            _FIXED,
        ),
    )

    workload: AnalysedWorkload
    """Whose series are judged."""
    window: Window | None = None
    """From and to; may lie in the future."""
    recent: PositiveDuration | None = None
    """So long before the Analysis was created."""
    until: Time | None = None
    """From its creation (or ``from``) until then."""
    from_: Annotated[Time | None, Field(alias="from")] = None
    """With until: the begin."""
    objectives: PolicyObjectives = []
    """What must be met; as in a ReleasePolicy, and not on Kubernetes' own signals, which cannot be
    asked for the past."""
    policy: Name | None = None
    """A ReleasePolicy beside it: its objectives, provider and score."""
    provider: Name | None = None
    """The MetricsProvider for indicators that name none; default the policy's, else the one called
    default."""
    interval: LookInterval | None = None
    """The time from look to look, at least 2 scrape intervals; default the policy's, else 1m, and as much
    shorter or longer as gives from 4 to 60 looks."""
    args: Arguments = {}
    """Values for $arg_NAME in the objectives' queries and matchers."""
    baseline: AnalysisBaseline | None = None
    """What changes are compared with."""
    score: ScoreThresholds | None = None
    """Promotable by score; default the policy's, else every objective must pass."""
    on_warning: Literal["Promotable", "NotPromotable"] | None = None
    """What warnings, and no failure, come to; default the policy's, else Promotable."""
    delay: Duration | None = None
    """How long after a moment it is asked for; default each provider's."""
    retention: Retention | None = None
    """How long it is kept; default for ever."""

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if sum(t is not None for t in (self.window, self.recent, self.until)) != 1:
            raise ValueError(_ONE_TIME)
        if self.from_ is not None and self.until is None:
            raise ValueError(_FROM)
        if self.window is not None and self.window.from_ >= self.window.to:
            raise ValueError(_TURNED)
        if self.from_ is not None and self.until is not None and self.from_ >= self.until:
            raise ValueError(_TURNED)
        if bool(self.objectives) == (self.policy is not None):
            raise ValueError(_WHAT)
        check_names(self.objectives)
        if self.baseline is not None:
            if self.baseline.workload == self.workload.name:
                raise ValueError(_ITSELF)
            names = {o.title for o in self.objectives}
            fixed = self.baseline.fixed or []
            if not self.policy and any(v.objective not in names for v in fixed):
                raise ValueError(_FIXED)
        return self


class AnalysisStatus(Model):
    """What came of it; once there is a verdict it is never written again."""

    observed_generation: int | None = None
    """The generation that this speaks of."""
    window: Window | None = None
    """The time that is judged."""
    deadline: Time | None = None
    """By when there is a verdict, whatever happens."""
    policy: Annotated[str, StringConstraints(max_length=512)] | None = None
    """namespace/name@generation of the policy by which it was judged."""
    verdict: Verdict | None = None
    """The verdict, once given; never rewritten."""
    completed_at: Time | None = None
    """When the verdict was given."""
    judgement: Judgement | None = None
    """Why, with each objective's result."""
    conditions: Annotated[
        list[Condition], Field(max_length=8, json_schema_extra=keyed_list("type"))
    ] = []
    """Ready, Promotable, Reconciling, Stalled."""


class Analysis(Model):
    """A judgement on demand: over a time that is named, for CI and load tests."""

    plural: ClassVar[str] = "analyses"
    short_names: ClassVar[list[str]] = ["ana"]
    columns: ClassVar[list[tuple[str, str, str]]] = [
        ("WORKLOAD", "string", ".spec.workload.name"),
        ("VERDICT", "string", ".status.verdict"),
        ("REASON", "string", ".status.conditions[?(@.type=='Promotable')].reason"),
        ("AGE", "date", ".metadata.creationTimestamp"),
        ("MESSAGE", "string", ".status.conditions[?(@.type=='Promotable')].message"),
    ]
    wide_columns: ClassVar[list[str]] = ["MESSAGE"]
    selectable: ClassVar[list[str]] = [".spec.workload.name", ".status.verdict"]

    spec: AnalysisSpec
    """What is judged, over which time, by what."""
    status: AnalysisStatus | None = None
    """What came of it; written by the operator."""
