"""ReleaseGroup: workloads whose releases are judged and promoted together."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from .base import (
    SIMPLE_TYPE,
    Duration,
    LookInterval,
    Model,
    Name,
    Number,
    PositiveDuration,
    Time,
    cel,
    cel_no_shorter,
    keyed_list,
    rules,
)
from .conditions import Condition, Reason
from .judgement import Verdict
from .policy import (
    TITLE,
    AnalysisTerms,
    BaselineChoice,
    BaselinePolicy,
    LabelSelector,
    LabelValue,
    PolicyObjectives,
    Retention,
    ScoreThresholds,
    TargetRef,
    WorkloadKind,
    check_names,
)
from .promotion import PromotionTerms
from .task import Tasks, check_tasks

PART_OF = "app.kubernetes.io/part-of"
MAX_MEMBERS = 32
"""As many as a Release's status can tell of, one by one."""

_QUORUM = "write how many members (2), or which share of them (60%), from 1% to 100%"
_SHARE = re.compile(r"([1-9][0-9]?|100)%")


def _parse_quorum(value: object) -> object:
    if isinstance(value, str) and _SHARE.fullmatch(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_MEMBERS:
        return value
    raise ValueError(f"{value!r}: {_QUORUM}")


Quorum = Annotated[
    int | str,
    BeforeValidator(_parse_quorum),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            SIMPLE_TYPE: "number or percentage",
            "maxLength": 8,
            "x-kubernetes-validations": [
                cel(
                    "type(self) == string ? string(self).matches(r'^([1-9][0-9]?|100)%$') "
                    f": (type(self) == int && int(self) >= 1 && int(self) <= {MAX_MEMBERS})",
                    _QUORUM,
                )
            ],
        }
    ),
]
"""How many members: ``2``, or ``60%`` of them."""


def needed(quorum: int | str | None, members: int) -> int:
    """How many of so many members must be promotable, at least one; a share is rounded up."""
    if quorum is None:
        return max(1, members)
    if isinstance(quorum, int):
        return quorum
    return max(1, math.ceil(members * int(quorum.removesuffix("%")) / 100))


_SOURCES = (
    "a group is compared with LastPromotable, LastReleases or Fixed: the others are pods of one "
    "workload, whose own policy compares with them"
)
_MAX_WINDOW = "maxWindow is how far the window may be extended: it is at least the window"
_DEADLINE = "the deadline counts from the last member's rollout: leave it room for the whole window"


class GroupBaseline(Model):
    """What changes of a group's objectives are compared with: the group's own earlier releases."""

    order: Annotated[
        list[BaselineChoice],
        Field(
            min_length=1,
            max_length=3,
            json_schema_extra={
                "x-kubernetes-list-type": "atomic",
                "x-kubernetes-validations": [
                    cel(
                        "self.all(c, c.source in ['LastPromotable', 'LastReleases', 'Fixed'])",
                        _SOURCES,
                    )
                ],
            },
        ),
    ] = [BaselineChoice(source="LastPromotable")]
    """Where a baseline is looked for: the first that has a value counts."""
    max_traffic_ratio: Annotated[Number, Field(gt=1, le=1000)] = 3.0
    """A baseline with this many times more, or fewer, requests a second is passed over."""
    on_no_baseline: Literal["AbsoluteOnly", "Inconclusive"] = "AbsoluteOnly"
    """What becomes of a change beside a value where there is no baseline: skipped and said, or not
    judged."""

    @model_validator(mode="after")
    def _sources(self) -> Self:
        if any(c.source not in ("LastPromotable", "LastReleases", "Fixed") for c in self.order):
            raise ValueError(_SOURCES)
        return self


class GroupAnalysis(Model):
    """How a group's objectives are judged: over the window after the last member's rollout."""

    model_config = rules(
        cel(
            cel_no_shorter("self.window", "self.interval"),
            "the window must be at least as long as the interval",
        ),
        cel(cel_no_shorter("self.deadline", "self.window"), _DEADLINE),
        cel(cel_no_shorter("self.maxWindow", "self.window"), _MAX_WINDOW),
    )

    warm_up: Duration = Field(default="1m", validate_default=True)
    """The first time after the last member's rollout, left out."""
    window: PositiveDuration = Field(default="10m", validate_default=True)
    """The time judged; at least 4 scrape intervals."""
    interval: LookInterval = Field(default="1m", validate_default=True)
    """The time from look to look; at least 2 scrape intervals."""
    fail_after: Annotated[int, Field(strict=True, ge=1, le=20)] = 3
    """How many looks in a row must fail an objective to end the release before the window does."""
    deadline: PositiveDuration | None = None
    """How long after the last member's rollout the objectives may take; default warm-up + 2 windows + 5m."""
    on_little_traffic: Literal["Extend", "Inconclusive"] = "Extend"
    """With too few requests to have seen the declared harm: look on, or end inconclusive."""
    max_window: PositiveDuration | None = None
    """How far the window may be extended; default 6 windows."""
    baseline: GroupBaseline = GroupBaseline()
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

    def terms(self) -> AnalysisTerms:
        """The same in a policy's words."""
        given: dict[str, Any] = {
            name: getattr(self, name) for name in type(self).model_fields if name != "baseline"
        }
        baseline = BaselinePolicy(
            order=self.baseline.order,
            max_traffic_ratio=self.baseline.max_traffic_ratio,
            on_no_baseline=self.baseline.on_no_baseline,
        )
        return AnalysisTerms(**given, baseline=baseline)


_FIXED = "a fixed value names no objective of this group: correct its objective"
_IMAGE = "a group has no image: let each member hand on its own, by its policy's promotion: {withGroup: true}"
_OWN = "a group's promotion waits for no group: leave off withGroup"
_SCORE = "a score counts the group's objectives: declare some, or leave off score"
_WHICH = "say exactly one of targetRefs, selector and partOf"


class ReleaseGroupSpec(Model):
    """Which workloads belong together, and what makes them promotable together."""

    model_config = rules(
        cel(
            "(has(self.targetRefs) ? 1 : 0) + (has(self.selector) ? 1 : 0) "
            "+ (has(self.partOf) ? 1 : 0) == 1",
            _WHICH,
        ),
        cel("!has(self.tasks) || self.tasks.all(t, !has(t.patch) || !has(t.patch.image))", _IMAGE),
        cel(
            "!has(self.promotion) || !has(self.promotion.withGroup) || !self.promotion.withGroup",
            _OWN,
        ),
        cel("!has(self.score) || (has(self.objectives) && self.objectives.size() > 0)", _SCORE),
        cel(
            "!has(self.analysis) || !has(self.analysis.baseline) "
            "|| !has(self.analysis.baseline.order) || self.analysis.baseline.order.all(b, "
            "!has(b.values) || b.values.all(v, has(self.objectives) "
            f"&& self.objectives.exists(o, {TITLE} == v.objective)))",
            _FIXED,
        ),
    )

    target_refs: (
        Annotated[
            list[TargetRef],
            Field(
                min_length=1,
                max_length=MAX_MEMBERS,
                json_schema_extra={
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["kind", "name"],
                },
            ),
        ]
        | None
    ) = None
    """The members, by name; one that is not there counts as missing evidence."""
    selector: LabelSelector | None = None
    """The members, by the workloads' own labels."""
    part_of: Annotated[LabelValue, StringConstraints(min_length=1)] | None = None
    """The members, by their label app.kubernetes.io/part-of."""
    optional: Annotated[
        list[TargetRef],
        Field(
            max_length=MAX_MEMBERS,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["kind", "name"],
            },
        ),
    ] = []
    """Members that hold nothing back: judged and shown, and not counted."""
    quorum: Quorum | None = None
    """How many members must be promotable (2, or 60%, rounded up), of those that are not optional; default all."""
    on_adopted: Literal["Inconclusive", "Accept"] = "Inconclusive"
    """What a member counts whose version ran before a policy spoke of it, and was only measured: as missing
    evidence, or as standing."""
    settle: Duration = Field(default="1m", validate_default=True)
    """How long after a member's new release further members' releases are waited for, to begin together."""
    deadline: PositiveDuration | None = None
    """How long the members' verdicts may take; default as long as the members' own releases may, held time
    included, and 5m."""
    provider: Name | None = None
    """The MetricsProvider for indicators that name none; default the one called default."""
    objectives: PolicyObjectives = []
    """What the members must meet together, beside what each must meet by its own policy."""
    analysis: GroupAnalysis = GroupAnalysis()
    """How the group's objectives are judged."""
    mode: Literal["Enforce", "Warn", "DryRun"] = "Enforce"
    """Enforce; or Warn and DryRun: everything is judged and recorded, and nothing is held back."""
    score: ScoreThresholds | None = None
    """Promotable by score, of the group's objectives; without it every one must pass."""
    on_warning: Literal["Promotable", "NotPromotable"] = "Promotable"
    """What warnings, and no failure, of the group's objectives come to."""
    retention: Retention = Retention()
    """How long finished Releases of the group are kept."""
    tasks: Tasks = []
    """What is done once for the group: Before while its members are judged, During once all are rolled out and
    warm, After the verdict, and to promote it."""
    promotion: PromotionTerms | None = None
    """What must be true, beside the verdict, before a release of the group is promoted."""

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if sum(x is not None for x in (self.target_refs, self.selector, self.part_of)) != 1:
            raise ValueError(_WHICH)
        for targets in (self.target_refs or [], self.optional):
            for target in targets:
                if targets.count(target) > 1:
                    raise ValueError(f"{target.kind} {target.name!r} is named twice: name it once")
        check_names(self.objectives)
        if self.score is not None and not self.objectives:
            raise ValueError(_SCORE)
        check_tasks(self.tasks)
        if any(t.patch is not None and t.patch.image is not None for t in self.tasks):
            raise ValueError(_IMAGE)
        if self.promotion is not None and self.promotion.with_group:
            raise ValueError(_OWN)
        titles = {o.title for o in self.objectives}
        for choice in self.analysis.baseline.order:
            if any(v.objective not in titles for v in choice.values or []):
                raise ValueError(_FIXED)
        return self


class MemberVerdict(Model):
    """A member's newest release."""

    kind: WorkloadKind
    """The workload's kind."""
    name: Annotated[str, StringConstraints(max_length=253)]
    """The workload's name."""
    release: Annotated[str, StringConstraints(max_length=253)] | None = None
    """Its newest release, if there is one."""
    optional: bool | None = None
    """It holds nothing back."""
    verdict: Verdict | None = None
    """The release's verdict, once given."""
    reason: Reason
    """The reason of the verdict, or what is awaited or missing."""


class ReleaseGroupStatus(Model):
    """What became of the group's members, and of the group."""

    observed_generation: int | None = None
    """The generation that this speaks of."""
    conditions: Annotated[
        list[Condition], Field(max_length=8, json_schema_extra=keyed_list("type"))
    ] = []
    """Ready, Stalled, and Promotable: the group's newest release is, and it speaks of the members as they are."""
    release: Annotated[str, StringConstraints(max_length=253)] | None = None
    """The group's newest release."""
    verdict: Verdict | None = None
    """Its verdict, once given."""
    total: int = 0
    """How many members there are."""
    promotable: int = 0
    """How many of their newest releases are promotable."""
    not_promotable: int = 0
    """How many are not."""
    inconclusive: int = 0
    """How many ended without evidence."""
    pending: int = 0
    """How many are still being judged, were only measured, or have no release."""
    members: Annotated[
        list[MemberVerdict],
        Field(
            max_length=MAX_MEMBERS,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["kind", "name"],
            },
        ),
    ] = []
    """Each member, worst first."""
    evaluated_at: Time | None = None
    """When this last changed."""


class ReleaseGroup(Model):
    """Workloads whose releases are judged and promoted together."""

    plural: ClassVar[str] = "releasegroups"
    short_names: ClassVar[list[str]] = ["relgrp"]
    columns: ClassVar[list[tuple[str, str, str]]] = [
        ("MEMBERS", "integer", ".status.total"),
        ("RELEASE", "string", ".status.release"),
        ("PROMOTABLE", "string", ".status.conditions[?(@.type=='Promotable')].status"),
        ("REASON", "string", ".status.conditions[?(@.type=='Promotable')].reason"),
        ("READY", "string", ".status.conditions[?(@.type=='Ready')].status"),
        ("MESSAGE", "string", ".status.conditions[?(@.type=='Promotable')].message"),
    ]
    wide_columns: ClassVar[list[str]] = ["MESSAGE"]

    spec: ReleaseGroupSpec
    """Which workloads, and what makes them promotable together."""
    status: ReleaseGroupStatus | None = None
    """What became of them; written by the operator."""
