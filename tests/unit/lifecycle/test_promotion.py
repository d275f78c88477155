"""When a promotable release is promoted, what stops it, and that the verdict is never touched by it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pratique.judge import calendars
from pratique.lifecycle import promotion
from pratique.lifecycle.advance import advance
from pratique.lifecycle.announcements import differs
from pratique.lifecycle.approval import approval
from pratique.lifecycle.noticing import promoted_from
from pratique.lifecycle.situation import Situation, Turn
from pratique.resources.judgement import Judgement
from pratique.resources.promotion import APPROVAL_ANNOTATION, Approvers, PromotionWindow
from pratique.resources.release import Plan, ReleaseStatus, Revocation

from .builders import at, plan, release_spec, situation, view, workload

HTTP = {"name": "deploy", "at": "Promotion", "http": {"url": "https://deploy.example"}}


def given(now: float, *, tasks: Any = (), promotion: Any = None, **more: Any) -> Situation:
    terms = {"promotion": promotion} if promotion is not None else {}
    of = Plan.model_validate({**plan([]).dump(), "tasks": list(tasks), **terms})
    return replace(situation(release_spec(of), view(), now), uid="uid-r", **more)


def judged(verdict: str = "Promotable", **more: Any) -> ReleaseStatus:
    judgement = Judgement.model_validate(
        {"verdict": verdict, "reason": "AllObjectivesMet", "message": "well"}
    )
    return ReleaseStatus(completed_at=at(0), verdict=judgement.verdict, judgement=judgement, **more)


def yes(**more: str) -> dict[str, str]:
    said = {"by": "alice", "for": "Promotion", "decision": "Approve", **more}
    return {APPROVAL_ANNOTATION: json.dumps(said)}


def promoted(s: Situation, status: ReleaseStatus) -> tuple[Turn, str, str]:
    turn = promotion.follow(s, status)
    said = promotion.condition(s, turn.status)
    assert said is not None
    assert turn.status.judgement == status.judgement
    assert turn.status.verdict == status.verdict
    return turn, said[0], said[1]


# 2026-03-02, T0's day, is a Monday; T0 is noon UTC.
WEEKEND = [{"days": ["Sat", "Sun"], "from": "09:00", "to": "17:00", "timeZone": "Europe/Berlin"}]
NOON = [{"days": ["Mon"], "from": "13:00", "to": "14:00", "timeZone": "Europe/Berlin"}]


@pytest.mark.parametrize(
    ("terms", "more", "truth", "reason"),
    [
        ({}, {}, "True", "Promoted"),
        ({"approval": "Required"}, {}, "Unknown", "AwaitingApproval"),
        ({"approval": "Required"}, {"annotations": yes()}, "True", "Promoted"),
        ({"approval": "Required"}, {"annotations": yes(**{"for": "Rollout"})}, "Unknown", "AwaitingApproval"),
        ({"approval": "Required"}, {"annotations": yes(decision="Reject")}, "False", "ApprovalRejected"),
        ({"approval": "Required"}, {"annotations": {APPROVAL_ANNOTATION: "yes"}}, "Unknown", "AwaitingApproval"),
        ({"approval": "Required", "approvers": {"users": ["bob"]}}, {"annotations": yes()}, "Unknown", "AwaitingApproval"),
        ({"approval": "Required", "approvers": {"users": ["alice"]}}, {"annotations": yes()}, "True", "Promoted"),
        ({"soak": "1m"}, {}, "Unknown", "Soaking"),
        ({"soak": "5s"}, {}, "True", "Promoted"),
        ({"windows": WEEKEND}, {}, "Unknown", "OutsideWindow"),
        ({"windows": NOON}, {}, "True", "Promoted"),
        ({}, {"superseded_by": "cart-3"}, "False", "Superseded"),
        ({}, {"disagrees": "the group has no verdict yet"}, "Unknown", "AwaitingGroup"),
        ({"soak": "1s", "deadline": "8s", "approval": "Required"}, {}, "False", "DeadlineExceeded"),
    ],
)  # fmt: skip
def test_what_it_waits_for(terms: Any, more: Any, truth: str, reason: str) -> None:
    s = given(10, promotion=terms, **more)
    turn, now, why = promoted(s, judged())
    assert (now, why) == (truth, reason)
    assert turn.lingers == (truth == "Unknown")
    assert not turn.waits
    if turn.lingers:
        assert any(d > s.now for d in turn.due)
    # The same again changes nothing.
    assert promotion.follow(s, turn.status).status == turn.status


@pytest.mark.parametrize(
    ("terms", "before", "after", "told"),
    [
        (
            {"withGroup": True},
            {"disagrees": "shop-grp-1 has no verdict yet"},
            {"disagrees": "shop-grp-1 is not promotable (MemberNotPromotable)"},
            "shop-grp-1 is not promotable",
        ),
        (
            {"approval": "Required", "approvers": {"users": ["bob"]}},
            {},
            {"annotations": yes()},
            "alice is none of the approvers",
        ),
    ],
)
def test_why_it_waits_is_written_though_the_reason_stays(
    terms: Any, before: Any, after: Any, told: str
) -> None:
    first = advance(given(10, promotion=terms, **before), judged()).status
    assert not differs(first, advance(given(20, promotion=terms, **before), first).status)
    then = advance(given(20, promotion=terms, **after), first).status
    assert [c.message.startswith(told) for c in then.conditions if c.type == "Promoted"] == [True]
    assert differs(first, then)


def test_only_what_is_promotable_is_promoted() -> None:
    for verdict in ("NotPromotable", "Inconclusive"):
        turn, truth, why = promoted(given(10, tasks=[HTTP]), judged(verdict))
        assert (truth, why, turn.actions) == ("False", "NotPromotable", [])


def test_a_revocation_stops_what_has_not_begun() -> None:
    revoked = Revocation(at=at(5), reason="ObjectiveFailed", message="bad")
    turn, truth, why = promoted(given(10, tasks=[HTTP]), judged(revoked=revoked))
    assert (truth, why, turn.actions) == ("False", "Revoked", [])


def test_a_freeze_that_began_since_the_verdict_is_waited_for() -> None:
    s = given(10, tasks=[HTTP])
    frozen = {"freezeWindows": [{"from": "2026-03-02T00:00", "to": "2026-03-03T00:00"}]}
    of = Plan.model_validate({**s.spec.plan.dump(), "errorBudgetPolicy": frozen})
    turn, truth, why = promoted(replace(s, spec=release_spec(of)), judged())
    assert (truth, why, turn.actions) == ("Unknown", "FreezeWindow", [])


def test_once_begun_a_newer_release_does_not_stop_it() -> None:
    turn, truth, why = promoted(given(10, tasks=[HTTP]), judged())
    assert (truth, why) == ("Unknown", "Promoting")
    assert [a.key for a in turn.actions] == ["task/deploy/1"]
    keys = frozenset(a.key for a in turn.actions)
    s = given(11, tasks=[HTTP], superseded_by="cart-3", begun=keys)
    again, truth, why = promoted(s, turn.status)
    assert (truth, why) == ("Unknown", "Promoting")
    assert again.lingers


def test_an_approval_that_was_seen_stays() -> None:
    terms = {"approval": "Required", "soak": "1m"}
    turn, _, why = promoted(given(10, promotion=terms, annotations=yes()), judged())
    assert why == "Soaking"
    _, truth, why = promoted(given(60, promotion=terms), turn.status)
    assert (truth, why) == ("True", "Promoted")


def test_groups_of_approvers_are_the_api_server_s_to_hold() -> None:
    both = Approvers(users=["bob"], groups=["managers"])
    assert approval(yes(), "Promotion", both, "cart-2").said == "Approved"


def test_windows_open_by_their_local_time() -> None:
    window = PromotionWindow.model_validate(WEEKEND[0])
    monday = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert calendars.opens([window], monday) == datetime(2026, 3, 7, 8, tzinfo=UTC)
    # The clocks are set forward on Sunday, 29 March.
    assert calendars.opens([window], datetime(2026, 3, 28, 20, tzinfo=UTC)) == datetime(
        2026, 3, 29, 7, tzinfo=UTC
    )
    assert calendars.weekly(window, datetime(2026, 3, 7, 8, tzinfo=UTC)) is not None


def test_where_a_version_came_from_is_told_only_of_that_image() -> None:
    images = release_spec(plan([])).images
    said = f"staging/cart-7={images[0].image}"
    assert promoted_from(workload(promoted_from=said), images) == "staging/cart-7"
    assert promoted_from(workload(promoted_from="staging/cart-7=other:1"), images) is None
    assert promoted_from(workload(), images) is None
