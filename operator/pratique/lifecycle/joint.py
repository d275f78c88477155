"""A group's release: its members' verdicts and the group's objectives, brought together in one verdict.

Promotable only when as many members as are needed are promotable by their own policies and the group's
objectives pass; not promotable as soon as too many members are not. What a member's release was given
stands: only what changed is judged anew, by the release that it is.

Not here: which workloads are members, and when a release of theirs begins (groups).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..resources.judgement import Judgement
from ..resources.release import Cohort, GroupMember, GroupTerms, MemberStanding, ReleaseStatus
from . import grid, looks
from .situation import Situation

PENDING = "InProgress"
NAMED = 6
"""Members that a sentence names."""
State = Literal["Good", "Bad", "Pending", "Unknown"]
MENDS = {
    "NoPolicy": "no ReleasePolicy judges it: write one, or make it optional",
    "NoWorkload": "it is not there: create it, or name another",
    "NoRelease": "it had no release yet",
    "ReleaseGone": "its Release was deleted before its verdict",
    "Adopted": "it ran before a policy spoke of it and was only measured: release it anew, make it "
    "optional, or say onAdopted: Accept",
}
"""Why a member without a verdict is no evidence, and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """A member with what is known of its release."""

    member: GroupMember
    standing: MemberStanding
    state: State

    @property
    def title(self) -> str:
        """What a sentence calls it."""
        return self.member.release or f"{self.member.kind} {self.member.name}"

    @property
    def told(self) -> str:
        """The same with its reason."""
        reason = self.standing.reason
        return f"{self.title} ({reason}{': ' + MENDS[reason] if reason in MENDS else ''})"


def gather(s: Situation, status: ReleaseStatus) -> ReleaseStatus:
    """Take in how the members stand; once their rollouts are over, from when they are measured together."""
    standings = [r.standing for r in _rows(s, status)]
    return _rolled_out(s, status.model_copy(update={"members": standings}))


def judge(s: Situation, status: ReleaseStatus) -> looks.Looking:
    """Judge the group's objectives, and conclude where possible."""
    rows, limit = _rows(s, status), deadline(s)
    if _overtaken(s):
        # A newer release of the group begins with it; this one's members are not what runs.
        return _waiting(s, looks.Looking(status), limit, rows)
    members = conclude(s, rows)
    found = looks.Looking(status)
    if members is not None and members.verdict == "NotPromotable":
        found.judgement = members
        return found
    objectives = bool(s.spec.plan.objectives)
    if objectives:
        if status.window_from is not None and s.now < status.window_from:
            found.due.append(status.window_from)
        found = looks.judge(s, status)
        if found.judgement is not None and found.judgement.verdict == "NotPromotable":
            return found
    if members is None or (objectives and status.window_from is None):
        if members is not None and members.verdict == "Inconclusive":
            found.judgement = members
            return found
        found.judgement = None
        return _waiting(s, found, limit, rows)
    if members.verdict == "Inconclusive" or not objectives:
        found.judgement = members
    elif found.judgement is not None:
        found.judgement = _both(found.judgement, members)
    return found


def deadline(s: Situation) -> datetime:
    """When the members' verdicts are no longer waited for."""
    return s.spec.noticed_at + _terms(s).deadline


def waiting(s: Situation, status: ReleaseStatus) -> tuple[str, str]:
    """(reason, sentence) while members' verdicts are awaited."""
    overtaken = _overtaken(s)
    if overtaken:
        return "AwaitingMembers", f"{_named(overtaken)} came: a newer release of the group follows"
    rows = [r for r in _rows(s, status) if not r.member.optional]
    pending = [r for r in rows if r.state == "Pending"]
    good = sum(r.state == "Good" for r in rows)
    return (
        "AwaitingMembers",
        f"{good} of the {_terms(s).needed} members that are needed are promotable; waiting for "
        f"{_named([r.title for r in pending]) or 'the rollouts'} until {deadline(s):%H:%M:%S} UTC",
    )


def awaited(s: Situation, status: ReleaseStatus) -> bool:
    """Whether members' verdicts are what it waits for."""
    return bool(_overtaken(s)) or conclude(s, _rows(s, status)) is None


def conclude(s: Situation, rows: Sequence[Row]) -> Judgement | None:
    """What the members' verdicts come to; None while those that are awaited may still decide."""
    terms, counted = _terms(s), [r for r in rows if not r.member.optional]
    good, bad, pending, unknown = (
        [r for r in counted if r.state == state] for state in ("Good", "Bad", "Pending", "Unknown")
    )
    by_evidence = any(r.standing.verdict == "Promotable" for r in good)
    if terms.needed > len(counted):
        return _judgement(
            s,
            "Inconclusive",
            "QuorumUnreachable",
            f"{terms.needed} members must be promotable, and only {len(counted)} count: lower the "
            "quorum, or make fewer members optional",
        )
    wanted = f"{terms.needed} of {len(counted)} members must be promotable"
    if len(counted) - len(bad) < terms.needed:
        return _judgement(
            s,
            "NotPromotable",
            "MemberNotPromotable",
            f"{wanted}, and not promotable: {_named([r.told for r in bad])}",
        )
    if len(good) >= terms.needed and by_evidence:
        return _promotable(s, rows, good, [*bad, *unknown, *pending])
    if pending:
        return None
    return _judgement(
        s,
        "Inconclusive",
        "MemberInconclusive",
        f"{wanted}, and without evidence: {_named([r.told for r in [*unknown, *bad]] or [r.told for r in good])}",
    )


def _promotable(
    s: Situation, rows: Sequence[Row], good: Sequence[Row], rest: Sequence[Row]
) -> Judgement:
    names = _named([r.title for r in good])
    if rest:
        reason = "QuorumReached"
        text = (
            f"{len(good)} members are promotable, of the {_terms(s).needed} that the quorum wants: "
            f"{names}; beside them {_named([r.told for r in rest])}"
        )
    else:
        reason = "AllMembersPromotable"
        text = f"all {len(good)} members are promotable: {names}"
    shown = [r.told for r in rows if r.member.optional and r.state != "Good"]
    if shown:
        text += f"; optional: {_named(shown)}"
    return _judgement(s, "Promotable", reason, text)


def _judgement(
    s: Situation,
    verdict: Literal["Promotable", "NotPromotable", "Inconclusive"],
    reason: str,
    message: str,
) -> Judgement:
    mode = s.spec.plan.mode
    said = {"Enforce": "", "Warn": "only warns: ", "DryRun": "dry run: "}[mode]
    return Judgement(
        verdict=verdict,
        reason=reason,
        message=f"{said}{message}"[:2048],
        basis=s.spec.plan.basis,
        enforced=False if mode != "Enforce" else None,
    )


def _both(objectives: Judgement, members: Judgement) -> Judgement:
    """The objectives' judgement with the members' beside it; it passes only where both do."""
    reason = members.reason if objectives.verdict == "Promotable" else objectives.reason
    message = f"{objectives.message.rstrip('.')}; {members.message}"
    return objectives.model_copy(update={"reason": reason, "message": message[:2048]})


def _waiting(
    s: Situation, found: looks.Looking, limit: datetime, rows: Sequence[Row]
) -> looks.Looking:
    if s.now < limit:
        found.due.append(limit)
        return found
    late = [r for r in rows if r.state == "Pending" and not r.member.optional]
    overtaken = _overtaken(s)
    what = (
        f"a newer release of the group, with {_named(overtaken)}, did not begin"
        if overtaken
        else f"without a verdict: {_named([r.told for r in late])}"
        if late
        else "the members' rollouts were not complete"
    )
    found.judgement = _judgement(
        s,
        "Inconclusive",
        "DeadlineExceeded",
        f"the members' verdicts were awaited until {limit:%H:%M:%S} UTC; {what}",
    )
    found.ask.clear()
    return found


def _rows(s: Situation, status: ReleaseStatus) -> list[Row]:
    latched = {(m.kind, m.name): m for m in status.members}
    rows = []
    for member in s.spec.members:
        standing = _standing(s, member, latched.get((member.kind, member.name)))
        rows.append(Row(member, standing, _state(s, standing)))
    return rows


def _standing(s: Situation, member: GroupMember, before: MemberStanding | None) -> MemberStanding:
    """The member's release as it stands; what was seen of one that is gone stays."""
    joined = (s.members or {}).get((member.kind, member.name))
    known = joined.release if joined else None
    verdict, reason = member.verdict, member.reason or "NoRelease"
    if known is not None:
        verdict = known.stands
        reason = "Adopted" if known.adopted else known.reason if known.completed else PENDING
    elif before is not None and (before.verdict or before.reason == "Adopted"):
        return before
    elif member.release is not None and member.verdict is None:
        reason = "ReleaseGone"
    return MemberStanding(kind=member.kind, name=member.name, verdict=verdict, reason=reason)


def _state(s: Situation, standing: MemberStanding) -> State:
    match standing.verdict:
        case "Promotable":
            return "Bad" if standing.reason == "Revoked" else "Good"
        case "NotPromotable":
            return "Bad"
        case "Inconclusive":
            return "Unknown"
    if standing.reason == "Adopted" and _terms(s).on_adopted == "Accept":
        return "Good"
    return "Pending" if standing.reason == PENDING else "Unknown"


def _overtaken(s: Situation) -> list[str]:
    """Members' releases that are newer than this one's."""
    return [
        joined.newest
        for m in s.spec.members
        if (joined := (s.members or {}).get((m.kind, m.name))) is not None
        and joined.newest not in (None, m.release)
        and joined.newest is not None
    ]


def _rolled_out(s: Situation, status: ReleaseStatus) -> ReleaseStatus:
    """Once each member that counts is rolled out, or has ended: complete, and warm from when on; latched."""
    if status.rollout.completed_at is not None:
        return status
    moments = [s.spec.noticed_at]
    for member in s.spec.members:
        joined = (s.members or {}).get((member.kind, member.name))
        if member.optional or joined is None or (known := joined.release) is None:
            continue
        if known.rolled_out_at is not None:
            moments.append(known.rolled_out_at)
        elif not known.completed:
            return status
    completed, analysis = max(moments), s.spec.plan.analysis
    rollout = status.rollout.model_copy(update={"completed_at": completed})
    cohorts = []
    if s.spec.plan.objectives or any(t.at == "During" for t in s.spec.plan.tasks):
        # Pods are told by their members' versions: none is listed.
        warm = grid.ceil(completed + analysis.warm_up, analysis.interval)
        cohorts.append(Cohort(from_=warm, pods=[]))
    return status.model_copy(update={"rollout": rollout, "cohorts": cohorts})


def _terms(s: Situation) -> GroupTerms:
    assert s.spec.group is not None
    return s.spec.group


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
