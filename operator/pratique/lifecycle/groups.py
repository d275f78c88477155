"""Groups: which workloads belong together, and when a release of theirs begins.

A group's release is a Release whose ``members`` name the members' releases. It begins when a member's
newest release is another than the one that the group's newest release names, and others had time to come.

Not here: what becomes of it (joint), and the group's own status (group_summary).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..resources.group import MAX_MEMBERS, PART_OF, ReleaseGroupSpec, needed
from ..resources.policy import ReleasePolicySpec
from ..resources.release import (
    GroupMember,
    GroupTerms,
    Plan,
    ReleaseSpec,
    TemplateParts,
    WorkloadRef,
)
from .baselines import find_baselines
from .noticing import Known
from .planning import Library, Unresolved, resolve
from .policies import Policy, selects
from .view import Workload

KIND = "ReleaseGroup"
GRACE = timedelta(minutes=5)
BASIS = "judged by its members' verdicts only"


@dataclass(frozen=True, slots=True)
class Group:
    """A ReleaseGroup as it stands in the cluster."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: datetime
    spec: ReleaseGroupSpec

    @property
    def key(self) -> tuple[str, str, str]:
        """(namespace, kind, name)."""
        return (self.namespace, KIND, self.name)


@dataclass(frozen=True, slots=True)
class Member:
    """A member as it stands now."""

    kind: str
    name: str
    newest: Known | None = None
    """Its newest release."""
    missing: str = ""
    """Why there is none: NoWorkload, NoPolicy, NoRelease."""
    ends_by: datetime | None = None
    """By when its newest release has its verdict, by its own deadlines; none where it has it already."""

    @property
    def identity(self) -> tuple[str, str, str | None]:
        """(kind, name, release)."""
        return (self.kind, self.name, self.newest.name if self.newest else None)


@dataclass(frozen=True, slots=True)
class Settling:
    """A release of the group begins at that time, with the members' releases that came by then."""

    until: datetime
    release: str
    """What came first."""


@dataclass(frozen=True, slots=True)
class Begins:
    """A release of the group begins now."""


def belongs(group: Group, workload: Workload) -> bool:
    """Whether the workload is a member."""
    spec = group.spec
    if group.namespace != workload.namespace or workload.deleting:
        return False
    if spec.target_refs is not None:
        return any((t.kind, t.name) == (workload.kind, workload.name) for t in spec.target_refs)
    if spec.selector is not None:
        return selects(spec.selector, workload.labels)
    return workload.labels.get(PART_OF) == spec.part_of


def names(group: Group, workloads: Iterable[Workload]) -> list[tuple[str, str, bool]]:
    """(kind, name, whether it is there) of each member, in order; those named beforehand, there or not."""
    there = {(w.kind, w.name) for w in workloads if belongs(group, w)}
    named = {(t.kind, t.name) for t in group.spec.target_refs or []}
    return [(kind, name, (kind, name) in there) for kind, name in sorted(there | named)]


def is_optional(spec: ReleaseGroupSpec, kind: str, name: str) -> bool:
    """Whether the member holds nothing back."""
    return any((t.kind, t.name) == (kind, name) for t in spec.optional)


def notice(
    group: Group, members: Sequence[Member], known: Sequence[Known], now: datetime
) -> Begins | Settling | None:
    """Whether a release of the group begins. ``known`` are the group's Releases by ascending number.

    What was only measured begins none: there is nothing to judge yet. That a member went, or has no
    release, begins none as long as the newest one of the group stands promotable.
    """
    newest = known[-1] if known else None
    before = set(newest.members) if newest else set()
    if before == {m.identity for m in members}:
        return None
    judged = [(m, m.newest) for m in members if m.newest is not None and not m.newest.adopted]
    if not judged:
        return None
    fresh = [k for m, k in judged if m.identity not in before]
    if fresh:
        first = min(fresh, key=lambda k: (k.noticed_at, k.name))
        since, name = first.noticed_at, first.name
    elif newest is None or newest.verdict == "Promotable":
        return None
    else:
        since, name = newest.noticed_at, newest.name
    at = since + group.spec.settle
    return Settling(at, name) if now < at else Begins()


def begin(
    group: Group, members: Sequence[Member], known: Sequence[Known], library: Library, now: datetime
) -> ReleaseSpec:
    """The group's release that begins now; raises Unresolved with the field and the mend."""
    spec = group.spec
    if len(members) > MAX_MEMBERS:
        raise Unresolved(
            "spec.selector" if spec.selector else "spec.partOf",
            f"{len(members)} workloads match, and a group has at most {MAX_MEMBERS} members: "
            "make several groups of them",
        )
    counted = [m for m in members if not is_optional(spec, m.kind, m.name)]
    newest = known[-1] if known else None
    return ReleaseSpec(
        workload=WorkloadRef(kind=KIND, name=group.name, uid=group.uid),
        number=newest.number + 1 if newest else 1,
        template_hash=_digest([m.identity for m in members]),
        generation=group.generation,
        cause="Members" if newest else "First",
        previous=newest.name if newest else None,
        parts=TemplateParts(resources="", restart="", rest=""),
        noticed_at=now,
        members=[_member(spec, m) for m in members],
        group=GroupTerms(
            needed=needed(spec.quorum, len(counted)),
            on_adopted=spec.on_adopted,
            deadline=spec.deadline or _patience(members, now),
        ),
        plan=plan(group, known, library, now),
    )


def plan(group: Group, known: Sequence[Known], library: Library, now: datetime) -> Plan:
    """The group's objectives resolved as a policy's are; raises Unresolved."""
    spec = group.spec
    policy = Policy(
        group.namespace,
        group.name,
        group.uid,
        group.generation,
        group.created,
        ReleasePolicySpec.model_construct(
            provider=spec.provider,
            objectives=spec.objectives,
            analysis=spec.analysis.terms(),
            mode=spec.mode,
            score=spec.score,
            on_warning=spec.on_warning,
            retention=spec.retention,
            tasks=spec.tasks,
            promotion=spec.promotion,
        ),
    )
    found = resolve(
        policy,
        library,
        progress_deadline=None,
        baselines=find_baselines(policy, None, known, now=now),
    )
    # Its members are watched; that one of them was revoked is said by the group's status.
    found = found.model_copy(update={"watch_for": None})
    if not spec.objectives:
        found = found.model_copy(update={"objectives": [], "baselines": [], "basis": BASIS})
    for index, task in enumerate(found.tasks):
        if task.patch is not None and task.patch.image is not None:
            raise Unresolved(
                f"spec.tasks[{index}].ref",
                "the template hands on an image, and a group has none: let each member hand on its own, by "
                "its policy's promotion: {withGroup: true}",
            )
    for index, objective in enumerate(found.objectives):
        field = f"spec.objectives[{index}].indicator"
        if objective.indicator.kubernetes is not None:
            raise Unresolved(
                f"{field}.kubernetes",
                "Kubernetes' signals are of one workload's pods: judge by them in its own policy",
            )
        if objective.indicator.attribution == "Version":
            raise Unresolved(
                f"{field}.attribution",
                "a group has no version: use Pod (all members' pods) or Workload",
            )
    return found


def disagreement(
    member: tuple[str, str, str], histories: Sequence[tuple[str, Sequence[Known]]]
) -> str | None:
    """Why the groups of a member do not agree to the promotion of its release; None once all do.

    ``histories`` are the names of its groups with their Releases by ascending number.
    """
    if not histories:
        return "it is promoted with its group, and no ReleaseGroup has it as a member"
    for name, known in histories:
        newest = next((k for k in reversed(known) if member in k.members), None)
        if newest is None:
            return f"ReleaseGroup {name} has no release with {member[2]} yet"
        if newest.verdict is None:
            return f"{newest.name} has no verdict yet"
        if newest.verdict != "Promotable" or newest.reason == "Revoked":
            return f"{newest.name} is not promotable ({newest.reason})"
    return None


def ends_by(spec: ReleaseSpec) -> datetime:
    """By when a member's release has its verdict, by its plan."""
    analysis = spec.plan.analysis
    judging = max(analysis.deadline, analysis.max_window or timedelta(0))
    held = spec.plan.hold.deadline if spec.plan.hold is not None else timedelta(0)
    return spec.noticed_at + held + analysis.rollout_deadline + analysis.warm_up + judging


def _patience(members: Sequence[Member], now: datetime) -> timedelta:
    last = max((m.ends_by for m in members if m.ends_by is not None), default=now)
    return timedelta(seconds=round((max(last, now) - now + GRACE).total_seconds()))


def _member(spec: ReleaseGroupSpec, member: Member) -> GroupMember:
    known = member.newest
    ended = known is not None and known.verdict is not None
    return GroupMember(
        kind=member.kind,
        name=member.name,
        release=known.name if known else None,
        optional=is_optional(spec, member.kind, member.name) or None,
        verdict=known.stands if known and ended else None,
        reason=known.reason if known and ended else member.missing or None,
    )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:40]
