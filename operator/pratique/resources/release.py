"""Release: the record of one version of one workload."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from .base import Duration, Model, Name, Time, cel, keyed_list, rules
from .budget_policy import ErrorBudgetPolicy
from .conditions import Condition, Reason
from .group import MAX_MEMBERS
from .hold import HoldCheck, HoldTerms
from .indicator import ServiceLevelIndicatorSpec
from .judgement import BaselineValue, Judgement, ObjectiveResult, Verdict
from .objective import Bounds
from .policy import BaselineSource, Judged, Retention, ScoreThresholds, WorkloadKind
from .promotion import PromotionStatus, PromotionTerms
from .sensitivity import JudgingTerms, ScoringTerms
from .task import MAX_TASKS, PlannedTask, TaskStatus

FINISHED_LABEL = f"{'pratique.sh'}/finished"
"""Set once a release is closed, and its Events and its trace are all out."""

Cause = Literal["First", "Image", "Config", "Resources", "Restart", "Rollback", "Members"]
SubjectKind = Literal[WorkloadKind, "ReleaseGroup"]
"""Whose version a Release is: a workload's, or a group's."""
Purpose = Literal["Judge", "Measure", "Record"]
Phase = Literal[
    "Held",
    "RollingOut",
    "WarmingUp",
    "Evaluating",
    "Measuring",
    "Promoting",
    "Watching",
    "Completed",
]
RE_EVALUATE_ANNOTATION = f"{'pratique.sh'}/re-evaluate"
"""On the newest Release of a workload: judge this version again, by the policy as it stands now."""


class WorkloadRef(Model):
    """The workload whose version this is, or the group."""

    kind: SubjectKind
    """The workload's kind, or ReleaseGroup."""
    name: Name
    """The workload's name."""
    uid: Annotated[str, StringConstraints(max_length=64)]
    """Its UID when the release began."""


class Image(Model):
    """A container and its image."""

    container: Annotated[str, StringConstraints(max_length=63)]
    """The container's name."""
    image: Annotated[str, StringConstraints(max_length=1024)]
    """The image, as written in the template."""


class ContainerDigest(Model):
    """What a container's image really is."""

    container: Annotated[str, StringConstraints(max_length=63)]
    """The container's name."""
    digest: Annotated[str, StringConstraints(max_length=140)]
    """The digest that its runtime tells, such as sha256:…"""


Digests = Annotated[
    list[ContainerDigest],
    Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
]


class TemplateParts(Model):
    """Hashes of the template's parts, by which the next release's cause is told."""

    resources: Annotated[str, StringConstraints(max_length=16)]
    """Requests and limits."""
    restart: Annotated[str, StringConstraints(max_length=16)]
    """The annotation that ``kubectl rollout restart`` writes."""
    rest: Annotated[str, StringConstraints(max_length=16)]
    """All else but the images."""


class ProviderPlan(Model):
    """A metrics provider as resolved when the release began."""

    namespace: Name
    """Its namespace."""
    name: Name
    """Its name."""
    scrape_interval: Duration
    """The scrape interval in use."""
    delay: Duration
    """How long after a moment all its samples are there."""
    scope_label: Annotated[str, StringConstraints(max_length=128)] = "namespace"
    """The label that carries a series' namespace."""


class PlannedObjective(JudgingTerms, ScoringTerms):
    """An objective as resolved when the release began."""

    name: Annotated[str, StringConstraints(max_length=253)]
    """The name under which its result appears."""
    source: Annotated[str, StringConstraints(max_length=512)]
    """Where it was written: inline, built-in, or kind/namespace/name@generation."""
    indicator: ServiceLevelIndicatorSpec
    """What is measured."""
    pass_: Annotated[Bounds, Field(alias="pass")]
    """The bounds that make it pass."""
    warn: Bounds = []
    """The bounds within which it only warns."""
    min_requests: int = 20
    """Fewer requests than this in the window are no evidence."""
    provider: Annotated[int, Field(ge=0)] | None = None
    """Which of the plan's providers is asked (its index); none for Kubernetes' signals."""


class PlannedBaseline(Model):
    """An earlier release's measured values, or its pods to be measured."""

    source: BaselineSource
    """How it was found."""
    anchor: bool = False
    """Not compared with by the bounds, but by drift: what the release may differ from it in all."""
    release: Annotated[str, StringConstraints(max_length=253)]
    """The earlier release."""
    values: Annotated[
        list[BaselineObjective], Field(max_length=64, json_schema_extra=keyed_list())
    ] = []
    """What that release measured (LastPromotable, LastReleases, Fixed)."""
    pod_pattern: Annotated[str, StringConstraints(max_length=512)] | None = None
    """BeforeRollout, OldPods, Workload: a regular expression of those pods."""
    from_: Annotated[Time | None, Field(alias="from")] = None
    """BeforeRollout: the begin of the time to measure."""
    to: Time | None = None
    """BeforeRollout: its end, the moment when this release was noticed."""
    unfit: Annotated[str, StringConstraints(max_length=512)] | None = None
    """Why it cannot serve, so that the next in order does: older than maxAge."""


class BaselineObjective(Model):
    """One objective's value of an earlier release."""

    name: Annotated[str, StringConstraints(max_length=253)]
    """The objective's name."""
    value: float
    """Its value."""
    samples: int | None = None
    """How many requests it rests on."""
    seconds: float | None = None
    """Over how long, which gives the rate of requests."""
    spread: Spread | None = None
    """How its looks' values lay, for tests on values."""
    looks: Annotated[
        list[float | None],
        Field(max_length=60, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = []
    """Its looks' values, where the objective is judged by ranks."""
    indicator_hash: Annotated[str, StringConstraints(max_length=16)] | None = None
    """What was measured; a baseline of another indicator is none. Fixed values have none."""


class Spread(Model):
    """The values of a release's looks, as far as a test needs them."""

    count: int
    """How many."""
    mean: float
    """Their mean, of logarithms where ``logs``."""
    sd: float
    """Their standard deviation, likewise."""
    logs: bool
    """Whether all were above zero, so that logarithms were taken."""


class PlanAnalysis(Model):
    """How the release is judged, with every default made explicit."""

    warm_up: Duration
    """Each pod's first time after Ready, left out."""
    window: Duration
    """The time judged."""
    interval: Duration
    """The time from look to look."""
    fail_after: int
    """How many looks in a row must fail."""
    rollout_deadline: Duration
    """How long the rollout may take."""
    deadline: Duration
    """How long after completion the verdict may take."""
    fail_fast_after: Duration
    """How long a definite cause must stand."""
    max_window: Duration | None = None
    """How far the window may be extended where traffic is little; none: not at all."""
    noise_history: Duration | None = None
    """How much of the old version's past is read to know how much its figures wander by themselves."""
    max_traffic_ratio: float = 3.0
    """A baseline whose rate of requests is off by more than this is passed over."""
    drift: float | None = None
    """By how many percent a value may differ from the anchor's."""
    no_baseline: Literal["AbsoluteOnly", "Inconclusive"] = "AbsoluteOnly"
    """What becomes of a change beside a value where there is no baseline."""


class Plan(Model):
    """The policy and its objectives as resolved when the release began; only this is read later."""

    policy: Annotated[str, StringConstraints(max_length=512)]
    """namespace/name of the policy."""
    policy_generation: int
    """Its generation."""
    moved_tag: Judged = "Judge"
    """What becomes of the release where its cause is only recorded, and the same tag turns out to be another
    digest."""
    required: Annotated[
        list[Annotated[str, StringConstraints(max_length=512)]],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = []
    """The library's policies whose objectives were added, as namespace/name@generation."""
    analysis: PlanAnalysis
    """How the release is judged."""
    providers: Annotated[
        list[ProviderPlan],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = []
    """The metrics providers asked."""
    objectives: Annotated[
        list[PlannedObjective], Field(max_length=64, json_schema_extra=keyed_list())
    ]
    """What must be met."""
    basis: Annotated[str, StringConstraints(max_length=128)] | None = None
    """What the judgement rests on, where that is less than one would think."""
    mode: Literal["Enforce", "Warn", "DryRun"] = "Enforce"
    """Whether the verdict holds anything back."""
    score: ScoreThresholds | None = None
    """Promotable by score; none: every objective must pass."""
    on_warning: Literal["Promotable", "NotPromotable"] = "Promotable"
    """What warnings come to."""
    old_pods: Annotated[str, StringConstraints(max_length=512)] | None = None
    """A regular expression of the pods of the release before, whose history tells the noise."""
    old_pods_since: Time | None = None
    """Since when pods of those names were that release's, where names do not tell the version."""
    baselines: Annotated[
        list[PlannedBaseline],
        Field(max_length=12, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = []
    """What changes are compared with, in order."""
    error_budget_policy: ErrorBudgetPolicy | None = None
    """What empty error budgets, agreements at risk and freezes mean."""
    tasks: Annotated[
        list[PlannedTask], Field(max_length=MAX_TASKS, json_schema_extra=keyed_list())
    ] = []
    """What is done before, during and after it is judged, and to promote it."""
    promotion: PromotionTerms | None = None
    """What must be true, beside the verdict, before it is promoted."""
    hold: HoldTerms | None = None
    """What the version waits for before its rollout; none: nothing."""
    watch_for: Duration | None = None
    """How long it is watched after it was found promotable; none: not at all."""
    retention: Retention | None = None
    """How long it is kept where no policy judges the workload any more."""


class AttemptOf(Model):
    """Why a version is judged again."""

    release: Name
    """The attempt before, which stays as it is."""
    because: Literal["ObstacleGone", "ReEvaluate"]
    """ObstacleGone: what that one ended by has gone, which begins one attempt by itself. ReEvaluate:
    somebody asked for it."""
    message: Annotated[str, StringConstraints(max_length=512)]
    """What has gone, or how it was asked for."""
    request: Annotated[str, StringConstraints(max_length=253)] | None = None
    """ReEvaluate: the annotation's value, by which it is known which request was answered."""


class GroupMember(Model):
    """A member of a group's release."""

    kind: WorkloadKind
    """The workload's kind."""
    name: Name
    """The workload's name."""
    release: Name | None = None
    """Its release that is judged here; none where it had none."""
    optional: bool | None = None
    """It holds nothing back."""
    verdict: Verdict | None = None
    """The verdict that its release had already when the group's began: it stands."""
    reason: Reason | None = None
    """That verdict's reason, or why there was no release."""


class GroupTerms(Model):
    """How a group's members come to one verdict."""

    needed: Annotated[int, Field(ge=1)]
    """How many of the members that are not optional must be promotable."""
    on_adopted: Literal["Inconclusive", "Accept"] = "Inconclusive"
    """What a member counts that was only measured."""
    deadline: Duration
    """How long the members' verdicts may take."""


class ReleaseSpec(Model):
    """What this release is; written once by the operator, then immutable."""

    model_config = rules(
        cel("self == oldSelf", "a Release's spec is a record and cannot be changed"),
    )

    workload: WorkloadRef
    """The workload whose version this is."""
    number: Annotated[int, Field(ge=1)]
    """Counts the workload's releases."""
    attempt: Annotated[int, Field(ge=1)] | None = None
    """The second, third… attempt to judge this version; none: the first."""
    attempt_of: AttemptOf | None = None
    """Of a further attempt: why there is one."""
    template_hash: Annotated[str, StringConstraints(max_length=64)]
    """Our hash of the pod template."""
    generation: int
    """The workload's generation when it was noticed."""
    cause: Cause
    """What changed against the release before."""
    rollback_to: Annotated[int, Field(ge=1)] | None = None
    """The number of the earlier release whose template this is."""
    previous: Name | None = None
    """The release before."""
    purpose: Purpose = "Judge"
    """Measure: it was running before a policy spoke of it, and serves as a baseline only. Record: its cause
    is only recorded: it is followed and measured without a verdict."""
    images: Annotated[
        list[Image],
        Field(
            max_length=32,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["container"],
            },
        ),
    ] = []
    """Its containers' images."""
    digests_before: Digests = []
    """What those of the images were that the release before, or the one rolled back to, has by the same
    name."""
    version: Annotated[str, StringConstraints(max_length=63)] | None = None
    """The template's label app.kubernetes.io/version, or the first image's tag."""
    parts: TemplateParts
    """Hashes of the template's parts."""
    promoted_from: Annotated[str, StringConstraints(max_length=512)] | None = None
    """The release of the stage before, namespace/name, whose promotion brought this version here."""
    noticed_at: Time
    """When it was noticed."""
    members: Annotated[
        list[GroupMember],
        Field(
            max_length=MAX_MEMBERS,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["kind", "name"],
            },
        ),
    ] = []
    """A group's release: its members' releases."""
    group: GroupTerms | None = None
    """A group's release: how they come to one verdict."""
    plan: Plan
    """By what it is judged."""


class Cohort(Model):
    """Pods that count from the same moment on."""

    from_: Annotated[Time, Field(alias="from")]
    """The begin of the first look that counts them: after Ready and the warm-up."""
    pods: Annotated[
        list[Annotated[str, StringConstraints(max_length=253)]],
        Field(max_length=200, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ]
    """Their names, without the release's prefix."""
    born: Time | None = None
    """StatefulSet: when the youngest of them was created. What was measured under their names before, pods
    of an earlier version measured."""


class Look(Model):
    """One evaluation within the window."""

    at: Time
    """Its end."""
    values: Annotated[
        list[float | None],
        Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ]
    """The objectives' values over this look alone, in the plan's order; null without data."""
    results: Annotated[str, StringConstraints(max_length=64)]
    """One letter an objective, over this look alone: Pass, Warn, Fail, Unknown (no data, not judged);
    small where a test over all looks decides, and not so many in a row."""


class Signals(Model):
    """Kubernetes' own signals, accumulated over the time judged."""

    until: Time
    """Up to when they were counted."""
    restarts: int = 0
    """Container restarts since the pods began."""
    oom_kills: int = 0
    """Containers killed for want of memory."""
    unready_seconds: float = 0.0
    """Pod-seconds not Ready, after warm-up."""
    pod_seconds: float = 0.0
    """Pod-seconds counted, after warm-up."""
    earlier_restarts: int | None = None
    """Restarts of these pods before they were judged by this attempt, or watched: not counted."""
    earlier_oom_kills: int | None = None
    """The same of containers killed for want of memory."""


class WatchStatus(Model):
    """The watch over a promotable release."""

    since: Time
    """When it began: the end of the window that was judged."""
    until: Time
    """When it ends."""
    looked_at: Time
    """The last look that was taken in, with data or without."""
    ended_at: Time | None = None
    """When it was over."""
    looks: Annotated[
        list[Look], Field(max_length=20, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """The last looks, as many as must fail in a row."""
    counts: Annotated[
        list[
            Annotated[
                list[int],
                Field(max_length=3, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
            ]
        ],
        Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = []
    """Of each objective, in the plan's order: the requests, and how many of them the indicator counts; at
    least and at most, where that differs. Empty where it is not tested."""
    beside: Annotated[
        list[
            Annotated[
                list[float],
                Field(max_length=96, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
            ]
        ],
        Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = []
    """Of each objective that changes against a workload beside it: the logarithms of how much likelier
    each harm is, for each change; empty where there is none."""
    signals: Signals | None = None
    """Kubernetes' own signals since the watch began."""


class Revocation(Model):
    """Why a verdict does not hold any more."""

    at: Time
    """When it was revoked."""
    reason: Reason
    """What turned bad: ObjectiveFailed, or what is wrong with the pods."""
    message: Annotated[str, StringConstraints(max_length=1024)]
    """In a sentence."""


class Diagnosis(Model):
    """Why the rollout does not go on."""

    cause: Reason
    """In one word, such as ImageMissing."""
    message: Annotated[str, StringConstraints(max_length=1024)]
    """In the pods' own words."""
    pod: Annotated[str, StringConstraints(max_length=253)] | None = None
    """A pod that shows it."""
    container: Annotated[str, StringConstraints(max_length=253)] | None = None
    """Its container."""
    definite: bool
    """Whether it ends the release once it stood for failFast.after."""
    next: Annotated[str, StringConstraints(max_length=512)] | None = None
    """What to look at next."""
    since: Time
    """Since when it stands."""


class Suspect(Model):
    """An object near the workload that changed around the release: perhaps to blame, perhaps not."""

    kind: Annotated[str, StringConstraints(max_length=63)]
    """Its kind."""
    name: Annotated[str, StringConstraints(max_length=253)]
    """Its name."""
    manager: Annotated[str, StringConstraints(max_length=128)] | None = None
    """Who changed it last, by its managedFields."""
    at: Time | None = None
    """When; none where it is not there."""
    why: Annotated[str, StringConstraints(max_length=128)]
    """What it has to do with the workload."""


class RolloutStatus(Model):
    """The rollout as last seen."""

    revision: Annotated[str, StringConstraints(max_length=32)] | None = None
    """Kubernetes' revision number; of a DaemonSet its template's generation."""
    revision_object: Annotated[str, StringConstraints(max_length=253)] | None = None
    """The ReplicaSet (or ControllerRevision)."""
    desired: int = 0
    """How many pods of this version are wanted."""
    updated: int = 0
    """How many pods are of this version."""
    ready: int = 0
    """How many of those are Ready."""
    partition: int | None = None
    """A StatefulSet's partition, where it keeps pods on the version before: only those at or above it are
    judged. Once the rollout is complete, the lowest down to which it was."""
    digests: Digests = []
    """What its pods' images really are, as far as it was told; several of one container where a tag moved
    meanwhile."""
    completed_at: Time | None = None
    """When every wanted pod was of this version, available, and none other was left; latched. With a
    partition: when all pods at or above it were."""
    diagnosis: Diagnosis | None = None
    """Why it does not go on."""


class MemberStanding(Model):
    """How a member of a group's release stands."""

    kind: WorkloadKind
    """The workload's kind."""
    name: Annotated[str, StringConstraints(max_length=253)]
    """The workload's name."""
    verdict: Verdict | None = None
    """Its release's verdict, once given."""
    reason: Reason
    """The verdict's reason, or what is awaited or missing."""


class ObservedCause(Model):
    """What changed, seen only once its pods ran."""

    cause: Cause
    """Image: the same tag is another digest."""
    message: Annotated[str, StringConstraints(max_length=1024)]
    """Which."""
    since: Time
    """When it was seen."""


class IgnoredChange(Model):
    """The last change of the workload that its policy ignores; the release goes on speaking for it."""

    cause: Cause
    """What changed."""
    at: Time
    """When it was seen."""
    generation: int
    """The workload's generation with it."""
    parts: TemplateParts
    """Hashes of the template's parts with it; its images are the release's."""


class HoldStatus(Model):
    """How the version was held, before any pod of it came."""

    since: Time
    """Since when; the hold's deadline counts from here."""
    by: Literal["Admission", "Sight"] = "Admission"
    """Admission: no pod of it existed. Sight: it was paused once it was seen, as well as that went."""
    seen: bool = False
    """Whether the workload was seen held."""
    waiting: Annotated[
        list[HoldCheck], Field(max_length=4, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """The checks that are waited for."""
    decided_at: Time | None = None
    """When it was decided to let it go."""
    why: Annotated[str, StringConstraints(max_length=512)] | None = None
    """Why it was let go, or could not be held."""
    let_go_at: Time | None = None
    """When the workload was seen let go; the rollout's deadline counts from here."""


class ReleaseStatus(Model):
    """What happened to this release."""

    observed_generation: int | None = None
    """The generation that this speaks of."""
    phase: Phase | None = None
    """Where it is; derived from the rest."""
    verdict: Verdict | None = None
    """The verdict, once given; never rewritten."""
    completed_at: Time | None = None
    """When the verdict was given."""
    closed_at: Time | None = None
    """When all was done that follows the verdict: tasks, promotion, the watch."""
    template_hash: Annotated[str, StringConstraints(max_length=64)] | None = None
    """The template's hash, where it changed without a new revision (the API server's new defaults)."""
    ignored: IgnoredChange | None = None
    """The last change since that the policy ignores."""
    cause: ObservedCause | None = None
    """What changed, where that is seen only once its pods run."""
    hold: HoldStatus | None = None
    """How it was held before its rollout."""
    rollout: RolloutStatus = RolloutStatus()
    """The rollout as last seen."""
    members: Annotated[
        list[MemberStanding],
        Field(
            max_length=MAX_MEMBERS,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["kind", "name"],
            },
        ),
    ] = []
    """A group's release: how its members stand."""
    cohorts: Annotated[
        list[Cohort], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """The pods judged, by the moment from which they count."""
    window_from: Time | None = None
    """The begin of the window; latched once the rollout is complete and warm."""
    extended_to: Time | None = None
    """Where the window was extended, as there was too little traffic: to when."""
    signals: Signals | None = None
    """Kubernetes' own signals."""
    looks: Annotated[
        list[Look], Field(max_length=40, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """The last looks."""
    baseline: Annotated[
        list[BaselineEntry], Field(max_length=64, json_schema_extra=keyed_list())
    ] = []
    """What was measured before the rollout, once for each objective that is compared."""
    noise: Annotated[list[NoiseEntry], Field(max_length=64, json_schema_extra=keyed_list())] = []
    """How the old version's figures wandered by themselves, once for each objective that is tested."""
    judgement: Judgement | None = None
    """The judgement; before completion the figures so far."""
    measured: Annotated[
        list[ObjectiveResult], Field(max_length=64, json_schema_extra=keyed_list())
    ] = []
    """What a release that is only measured measured."""
    suspects: Annotated[
        list[Suspect],
        Field(
            max_length=8,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["kind", "name"],
            },
        ),
    ] = []
    """What else changed around a release that fails, most telling first."""
    unread: Annotated[
        list[Annotated[str, StringConstraints(max_length=63)]],
        Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = []
    """Kinds that the operator may not look at for suspects."""
    evaluated_through: Time | None = None
    """Until when the verdict is backed by data: the window's end, and while it is watched the last
    look that had data."""
    watch: WatchStatus | None = None
    """The watch after the verdict, where there is one."""
    revoked: Revocation | None = None
    """Why the verdict does not hold any more, where health turned bad while it was watched."""
    tasks: Annotated[
        list[TaskStatus], Field(max_length=MAX_TASKS, json_schema_extra=keyed_list())
    ] = []
    """How far its tasks got, in the order in which they began."""
    promotion: PromotionStatus | None = None
    """How far its promotion got."""
    conditions: Annotated[
        list[Condition], Field(max_length=10, json_schema_extra=keyed_list("type"))
    ] = []
    """Ready, Promotable, Promoted, TasksSucceeded, Superseded, WorkloadGone, Reconciling, Stalled."""


class BaselineEntry(BaselineValue):
    """The baseline of one objective."""

    name: Annotated[str, StringConstraints(max_length=253)]
    """The objective's name."""
    seconds: float | None = None
    """Over how long it was measured."""


class NoiseEntry(Model):
    """How one objective's rate wanders by itself."""

    name: Annotated[str, StringConstraints(max_length=253)]
    """The objective's name."""
    sd: float
    """The standard deviation of the log ratio of two versions in one look."""
    rho: float
    """How much of it stays from look to look."""
    known: bool
    """Whether there was a history long enough; else it is taken for none."""


class Release(Model):
    """The record of one version of one workload; written by the operator only."""

    plural: ClassVar[str] = "releases"
    short_names: ClassVar[list[str]] = ["rel"]
    columns: ClassVar[list[tuple[str, str, str]]] = [
        ("WORKLOAD", "string", ".spec.workload.name"),
        ("RELEASE", "integer", ".spec.number"),
        ("REVISION", "string", ".status.rollout.revision"),
        ("PHASE", "string", ".status.phase"),
        ("VERDICT", "string", ".status.verdict"),
        ("REASON", "string", ".status.conditions[?(@.type=='Promotable')].reason"),
        ("AGE", "date", ".metadata.creationTimestamp"),
        ("MESSAGE", "string", ".status.conditions[?(@.type=='Promotable')].message"),
    ]
    wide_columns: ClassVar[list[str]] = ["MESSAGE"]
    selectable: ClassVar[list[str]] = [
        ".spec.workload.kind",
        ".spec.workload.name",
        ".status.verdict",
    ]

    spec: ReleaseSpec
    """What this release is."""
    status: ReleaseStatus | None = None
    """What happened to it."""


BaselineObjective.model_rebuild()
PlannedBaseline.model_rebuild()
ReleaseStatus.model_rebuild()
