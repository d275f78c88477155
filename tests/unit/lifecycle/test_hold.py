"""Held, checked, let go: each decision from the workload's marks and the Release's status."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pratique.lifecycle.actions import Outcome
from pratique.lifecycle.advance import advance
from pratique.lifecycle.announcements import announcements, differs
from pratique.lifecycle.hold import coverage, known_good
from pratique.lifecycle.letting_go import Hold, LetGo, let_go_stray, stray
from pratique.lifecycle.situation import Situation, Step
from pratique.lifecycle.view import Workload
from pratique.resources.hold import HoldTerms
from pratique.resources.release import ReleaseSpec, ReleaseStatus
from unit.lifecycle.builders import at, known, plan, release_spec, situation, view, workload

FREEZE = {"freezeWindows": [{"from": "2026-01-01T00:00", "to": "2026-12-31T00:00"}]}
NOWHERE = {"objectives": ["nowhere"]}
LABEL = {"pratique.sh/hold": "true"}


def spec(
    hold: dict[str, Any] | None, gate: dict[str, Any] | None = None, **more: Any
) -> ReleaseSpec:
    planned = plan().model_dump(by_alias=True, exclude_none=True)
    if hold is not None:
        planned["hold"] = hold
    if gate is not None:
        planned["errorBudgetPolicy"] = gate
    mode = more.pop("mode", "Enforce")
    return release_spec(type(plan()).model_validate({**planned, "mode": mode}), **more)


def held(**more: Any) -> Workload:
    given: dict[str, Any] = {"labels": LABEL, "held": True, "hold_mark": "true", "paused": True}
    return workload(**{**given, **more})


def see(of: ReleaseSpec, seen: Workload, now: float = 0, **more: Any) -> Situation:
    return replace(situation(of, view(seen), now), **more)


def first(of: ReleaseSpec, seen: Workload, now: float = 0, **more: Any) -> Step:
    return advance(see(of, seen, now, **more), ReleaseStatus())


def reason(step: Step) -> str:
    [found] = [c for c in step.status.conditions if c.type == "Promotable"]
    return found.reason


def lets_go(step: Step) -> bool:
    return any(type(a) is LetGo for a in step.actions)


def test_while_a_check_is_open_nothing_else_is_done() -> None:
    step = first(spec({}, FREEZE), held())
    assert step.status.phase == "Held"
    assert reason(step) == "Held"
    assert not step.actions
    assert step.due == at(15)
    assert step.status.hold is not None
    assert step.status.hold.waiting == ["FreezeWindows"]
    assert step.status.rollout.desired == 0, "its rollout is not followed yet"


@pytest.mark.parametrize(
    ("more", "seen", "around", "why"),
    [
        ({"hold": {}}, {}, {}, "nothing to wait for"),
        ({"hold": {"until": ["Budget"]}, "gate": FREEZE}, {}, {}, "nothing to wait for"),
        ({"hold": None, "gate": FREEZE}, {}, {}, "does not ask for hold"),
        ({"hold": {}, "gate": FREEZE}, {}, {"hold_asked": False}, "does not ask for hold"),
        ({"hold": {}, "gate": FREEZE}, {"labels": {}}, {}, "not \"true\" any more"),
        ({"hold": {}, "gate": FREEZE}, {"labels": {"pratique.sh/hold": "false"}}, {}, "not \"true\""),
        ({"hold": {}, "gate": FREEZE, "mode": "Warn"}, {}, {}, "mode is Warn"),
        ({"hold": {}, "gate": FREEZE, "purpose": "Record"}, {}, {}, "not judged"),
        ({"hold": {}, "gate": FREEZE}, {}, {"known_good": "it goes back to cart-1"}, "cart-1"),
        ({"hold": {}, "gate": FREEZE, "cause": "Rollback"}, {}, {}, "nothing to wait for"),
        ({"hold": {}, "gate": {**FREEZE, "mode": "Warn"}}, {}, {}, "nothing to wait for"),
    ],
)  # fmt: skip
def test_what_is_let_go_at_once(
    more: dict[str, Any], seen: dict[str, Any], around: dict[str, Any], why: str
) -> None:
    step = first(spec(**more), held(**seen), **around)
    assert lets_go(step)
    assert step.status.hold is not None
    assert step.status.hold.decided_at == at(0)
    assert why in (step.status.hold.why or "")
    assert step.status.phase == "Held", "until it is seen let go"


def test_a_user_who_is_paused_on_sight_needs_no_label() -> None:
    assert not lets_go(first(spec({}, FREEZE), held(labels={}, hold_mark="on-sight")))


def test_what_is_amiss_with_an_approval_is_written() -> None:
    of = spec({"until": ["Approval"]})
    before = first(of, held()).status
    assert not differs(before, advance(see(of, held(), 5), before).status)
    wrong = {"pratique.sh/approval": "yes"}
    after = advance(see(of, held(), 5, annotations=wrong), before).status
    assert after.phase == "Held"
    assert differs(before, after)


def test_its_deadline_passes_and_it_is_kept_or_let_go() -> None:
    for choice, gate, expected in (
        ("KeepHolding", FREEZE, ("NotPromotable", "FreezeWindow")),
        ("KeepHolding", NOWHERE, ("Inconclusive", "HeldTooLong")),
        ("LetGo", FREEZE, None),
    ):
        of = spec({"deadline": "1h", "onTimeout": choice}, gate)
        status = first(of, held()).status
        late = advance(see(of, held(), 3599), status)
        assert late.status.verdict is None
        assert not late.actions
        over = advance(see(of, held(), 3600), status)
        if expected is None:
            assert lets_go(over)
            assert "as long as its policy lets it" in (over.status.hold.why or "")  # type: ignore[union-attr]
            continue
        judgement = over.status.judgement
        assert judgement is not None
        assert (judgement.verdict, judgement.reason) == expected
        assert "pratique.sh/hold=false" in judgement.message
        assert not over.actions
        [condition] = [c for c in over.status.conditions if c.type == "Held"]
        assert (condition.status, condition.reason) == ("True", "KeptHeld")


def test_seen_let_go_its_rollout_begins_and_its_deadline_counts_from_there() -> None:
    of = spec({})
    status = first(of, held()).status
    free = workload(labels=LABEL, updated=0)
    step = advance(see(of, free, 5000), status)
    assert step.status.hold is not None
    assert step.status.hold.let_go_at == at(5000)
    assert step.status.phase == "RollingOut"
    assert [a.reason for a in announcements(of, step.status)] == ["Noticed", "Held", "LetGo"]
    assert advance(see(of, free, 5000 + 659), step.status).status.verdict is None
    assert advance(see(of, free, 5000 + 660), step.status).status.verdict is not None


def test_one_that_a_newer_one_replaces_is_not_said_to_stay_held() -> None:
    of = spec({}, FREEZE)
    status = first(of, held()).status
    for step in (
        advance(see(of, held(), 9, superseded_by="cart-3"), status),
        advance(replace(see(of, held(), 9), view=None), status),
    ):
        assert step.status.completed_at == at(9)
        [condition] = [c for c in step.status.conditions if c.type == "Held"]
        assert (condition.status, condition.reason) == ("False", "NeverLetGo")
        assert not step.actions


def test_let_go_by_somebody_else_it_goes_on() -> None:
    of = spec({}, FREEZE)
    status = first(of, held()).status
    step = advance(see(of, workload(labels={}), 9), status)
    assert step.status.hold is not None
    assert step.status.hold.why == "somebody else let it go"


def test_letting_go_is_tried_again_and_an_answer_is_waited_for() -> None:
    of = spec({})
    step = first(of, held())
    [action] = step.actions
    for outcome, wait in (
        (Outcome(ok=True, message="", at=at(1)), 5),
        (Outcome(ok=False, message="", at=at(1), facts=(("error", "Conflict"),)), 0.5),
        (Outcome(ok=False, message="no", at=at(1), facts=(("error", "Refused"),)), 2),
    ):
        done = {action.key: outcome}
        soon = advance(see(of, held(), 1.1, outcomes=done), step.status)
        assert not soon.actions
        assert soon.due == at(1 + wait)
        again = advance(see(of, held(), 1 + wait, outcomes=done), step.status)
        assert again.actions[0].key != action.key


def test_what_cannot_be_let_go_ends_and_its_deadline_is_known() -> None:
    of = spec({})
    step = first(of, held())
    no = Outcome(ok=False, message="may not patch", at=at(1), facts=(("error", "Refused"),))
    outcomes = {"cart-2/let-go/0": replace(no, at=at(599))}
    step = advance(see(of, held(), 599.5, outcomes=outcomes), step.status)
    assert step.status.verdict is None
    assert step.due is not None
    assert step.due <= at(601)
    limit = of.plan.analysis.rollout_deadline.total_seconds()
    step = advance(see(of, held(), limit + 1, outcomes=outcomes), step.status)
    assert step.status.judgement is not None
    assert (step.status.verdict, step.status.judgement.reason) == (
        "Inconclusive",
        "DeadlineExceeded",
    )
    assert "may not patch" in step.status.judgement.message
    [said] = [c for c in step.status.conditions if c.type == "Held"]
    assert (said.status, said.message) == ("False", "it could not be let go in time")


def test_held_again_without_a_new_version_it_is_let_go_again() -> None:
    of = spec({}, FREEZE)
    status = advance(see(of, workload(labels={}), 9), first(of, held()).status).status
    step = advance(see(of, held(), 20), status)
    assert lets_go(step)
    assert step.status.phase != "Held"


def test_a_newer_template_whose_release_cannot_begin_is_not_let_go_by_this_one() -> None:
    of = spec({"deadline": "1h"}, FREEZE)
    status = first(of, held()).status
    step = advance(see(of, held(), 10, template_hash="another"), status)
    assert not step.actions
    assert step.due == at(3600)
    over = advance(see(of, held(), 3600, template_hash="another"), status)
    assert over.status.judgement is not None
    assert over.status.judgement.reason == "HeldTooLong"


def test_what_was_not_held_is_paused_on_sight_where_that_can_be() -> None:
    of = spec({}, FREEZE)
    step = first(of, workload())
    assert [type(a) for a in step.actions] == [Hold]
    assert step.status.phase == "Held"
    paused = held(labels={}, hold_mark="on-sight")
    step = advance(see(of, paused, 2), step.status)
    assert step.status.hold is not None
    assert (step.status.hold.by, step.status.hold.since) == ("Sight", at(0))
    for more, seen, why in (
        ({"cause": "First"}, {}, "first pods can only be held at admission"),
        ({}, {"kind": "StatefulSet"}, "can only be held at admission"),
        ({}, {"kind": "DaemonSet"}, "neither be paused nor partitioned"),
        ({"attempt": 2}, {}, "a version whose rollout has begun"),
        ({}, {"on_delete": True, "kind": "StatefulSet"}, "OnDelete"),
        ({}, {"labels": {"pratique.sh/hold": "false"}}, 'is "false"'),
    ):
        free = first(spec({}, FREEZE, **more), workload(**seen))
        assert not free.actions
        assert free.status.phase != "Held"
        [condition] = [c for c in free.status.conditions if c.type == "Held"]
        assert condition.reason == "NotHeld"
        assert why in condition.message
    theirs = first(of, workload(paused=True))
    assert theirs.status.hold is None
    refused = Outcome(ok=False, message="may not", at=at(1), facts=(("error", "Refused"),))
    begun = first(of, workload())
    step = advance(see(of, workload(), 2, outcomes={begun.actions[0].key: refused}), begun.status)
    assert step.status.hold is not None
    assert step.status.hold.why == "it was not held: may not"
    assert advance(see(of, workload(), 31), begun.status).status.phase != "Held"


TERMS = HoldTerms()


@pytest.mark.parametrize(
    ("seen", "newest", "around", "expected"),
    [
        ({"hold_mark": None, "held": False}, {}, {}, False),
        ({"held": False}, {}, {}, True),
        ({"deleting": True}, {}, {}, False),
        ({}, {"completed": False}, {}, False),
        ({}, {}, {}, True),
        ({}, {"kept_held": True}, {}, False),
        ({"labels": {}}, {"kept_held": True}, {}, True),
        ({"labels": {}, "hold_mark": "on-sight"}, {"kept_held": True}, {}, False),
        ({}, {"kept_held": True}, {"terms": None}, True),
        ({}, {"template_hash": "other"}, {}, False),
        ({}, {"template_hash": "other"}, {"terms": None}, True),
        ({}, {"template_hash": "other"}, {"stalled": True, "now": at(7200)}, False),
        (
            {},
            {"template_hash": "other"},
            {"stalled": True, "now": at(7200), "terms": HoldTerms(onTimeout="LetGo")},
            True,
        ),
        ({"created": at(0)}, None, {"terms": None, "policy": False}, False),
        ({"created": at(-11)}, None, {"terms": None, "policy": False}, True),
        ({"created": at(0)}, None, {"terms": None}, True),
    ],
)
def test_a_hold_that_no_release_waits_for(
    seen: dict[str, Any], newest: dict[str, Any] | None, around: dict[str, Any], expected: bool
) -> None:
    mine = known(1)
    history = [] if newest is None else [replace(mine, **newest)]
    given: dict[str, Any] = {
        "terms": TERMS,
        "now": at(0),
        "policy": True,
        "stalled": False,
        **around,
    }
    terms, now = given.pop("terms"), given.pop("now")
    of = held(**{"held_since": at(0), **seen})
    let_go, due = stray(of, mine.template_hash, history, terms, now, **given)
    assert let_go is expected
    assert due is None or due > now


def test_a_stray_hold_is_tried_again() -> None:
    action, _ = let_go_stray(held(), "hash", {}, at(0))
    assert action is not None
    done = {action.key: Outcome(ok=False, message="", at=at(0), facts=(("error", "Refused"),))}
    assert let_go_stray(held(), "hash", done, at(1)) == (None, at(2))
    again, _ = let_go_stray(held(), "hash", done, at(2))
    assert again is not None
    assert again.key != action.key


def test_what_needs_no_checks() -> None:
    good = replace(known(1), template_hash="a")
    bad = replace(known(2), template_hash="b", verdict="NotPromotable")
    never = replace(known(3), template_hash="c", verdict="NotPromotable", rolled_out_at=None)
    history = [good, bad, never]
    assert "cart-1, the last promotable one" in (known_good("a", 4, history) or "")
    assert "cart-2, which runs" in (known_good("b", 4, history) or "")
    assert known_good("c", 4, history) is None
    assert known_good("a", 1, history) is None


def test_the_policy_says_which_workloads_cannot_be_held() -> None:
    assert coverage([held()])[1:3] == ("True", "AllLabelled")
    said = coverage([held(), workload(name="bare"), workload(kind="DaemonSet", name="node")])
    assert said[1:3] == ("False", "SomeNotHeld")
    assert "Deployment bare: without the label" in said[3]
    assert "DaemonSet node: cannot be held" in said[3]
