"""A group's status: its members' newest releases, and what the group's own newest release says of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..resources import conditions
from ..resources.conditions import Status
from ..resources.group import MAX_MEMBERS, MemberVerdict, ReleaseGroupStatus, needed
from .groups import Group, Member, Settling, is_optional
from .noticing import Known
from .summary import PENDING

_ORDER = {"NotPromotable": 0, "Inconclusive": 1, None: 2, "Promotable": 3}


def summarize(
    group: Group,
    before: ReleaseGroupStatus | None,
    members: Sequence[Member],
    *,
    newest: Known | None,
    settling: Settling | None,
    problem: str | None,
    now: datetime,
) -> ReleaseGroupStatus:
    """The group's status; equal to ``before`` where nothing changed.

    ``newest`` is the group's newest release; ``problem`` is why none can begin.
    """
    rows = sorted(
        (_row(group, m) for m in members), key=lambda r: (_ORDER[r.verdict], r.kind, r.name)
    )
    counts = {
        verdict: sum(r.verdict == verdict for r in rows)
        for verdict in ("Promotable", "NotPromotable", "Inconclusive")
    }
    wanted: list[tuple[str, Status, str, str]] = []
    if problem is None:
        wanted.append(("Ready", "True", "Accepted", "the group is in force"))
    else:
        wanted.append(("Ready", "Unknown", "Stalled", "the group cannot be judged as it stands"))
        wanted.append(("Stalled", "True", "Unresolved", problem))
    truth, reason, message = _promotable(group, members, newest, settling, problem)
    if group.spec.mode != "Enforce" and truth == "False":
        truth, reason, message = "Unknown", "DryRun", f"nothing is enforced; {message}"
    wanted.append(("Promotable", truth, reason, message))
    status = ReleaseGroupStatus(
        observed_generation=group.generation,
        conditions=conditions.merge(
            before.conditions if before else [], wanted, generation=group.generation, now=now
        ),
        release=newest.name if newest else None,
        verdict=newest.stands if newest else None,
        total=len(members),
        promotable=counts["Promotable"],
        not_promotable=counts["NotPromotable"],
        inconclusive=counts["Inconclusive"],
        pending=len(members) - sum(counts.values()),
        members=rows[:MAX_MEMBERS],
        evaluated_at=before.evaluated_at if before else None,
    )
    return status if status == before else status.model_copy(update={"evaluated_at": now})


def _row(group: Group, member: Member) -> MemberVerdict:
    newest = member.newest
    known = member.missing if newest is None else newest.reason
    reason = known if newest is None or newest.completed else PENDING
    return MemberVerdict(
        kind=member.kind,
        name=member.name,
        release=newest.name if newest else None,
        optional=is_optional(group.spec, member.kind, member.name) or None,
        verdict=newest.stands if newest else None,
        reason=reason,
    )


def _promotable(
    group: Group,
    members: Sequence[Member],
    newest: Known | None,
    settling: Settling | None,
    problem: str | None,
) -> tuple[Status, str, str]:
    if not members:
        return (
            "Unknown",
            "NoWorkload",
            "no workload matches: compare targetRefs, selector or partOf with it",
        )
    if settling is not None:
        return (
            "Unknown",
            "Settling",
            f"{settling.release} came; a release of the group begins at "
            f"{settling.until:%H:%M:%S} UTC with what has come by then",
        )
    if newest is None:
        if problem is not None:
            return "Unknown", "Unresolved", problem
        return (
            "Unknown",
            "NoRelease",
            "no member has a release that is judged: the group's first one begins with it",
        )
    joined = [
        f"{m.kind} {m.name}"
        for m in members
        if m.identity not in newest.members and not is_optional(group.spec, m.kind, m.name)
    ]
    if joined:
        return (
            "Unknown",
            "NoRelease",
            f"{newest.name} does not speak of {', '.join(joined[:5])} as it stands now",
        )
    if newest.verdict is None:
        return "Unknown", PENDING, f"{newest.name} is being judged: kubectl get rel {newest.name}"
    counted = [m for m in members if not is_optional(group.spec, m.kind, m.name)]
    revoked = [m.newest.name for m in counted if m.newest is not None and m.newest.revoked]
    if newest.verdict == "Promotable" and len(counted) - len(revoked) < needed(
        group.spec.quorum, len(counted)
    ):
        return (
            "False",
            "Revoked",
            f"{newest.name} was promotable, and since then {', '.join(revoked[:5])} was revoked",
        )
    truth: Status = (
        "True"
        if newest.stands == "Promotable"
        else "False"
        if newest.stands == "NotPromotable"
        else "Unknown"
    )
    said = {"True": "is promotable", "False": "is not promotable", "Unknown": "is inconclusive"}
    return truth, newest.reason, f"{newest.name} {said[truth]} ({newest.reason})"
