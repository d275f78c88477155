"""When a version is judged again: by itself, once, or because somebody asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pratique.judge.samples import Buckets, Counts, Missing, Value
from pratique.lifecycle import attempts
from pratique.lifecycle.baselines import find_baselines
from pratique.lifecycle.noticing import Begin, fingerprint, notice, release_name
from pratique.resources.conditions import Condition
from pratique.resources.provider import MetricsProviderStatus
from pratique.resources.release import AttemptOf, BaselineObjective, ReleaseStatus
from unit.lifecycle.builders import (
    ERRORS,
    FAST,
    LIBRARY,
    RESTARTS,
    T0,
    at,
    known,
    plan,
    pod,
    policy,
    provider,
    release_spec,
    rolling,
    seconds,
    template,
    view,
    workload,
)
from unit.lifecycle.simulator import Change, Play, ended, rolled_out, silent

FOUND = fingerprint(template())
BY_ITSELF = AttemptOf(release="cart-1", because="ObstacleGone", message="it went")
ASKED = AttemptOf(release="cart-1", because="ReEvaluate", message="asked", request="now")


def failed(reason: str = "RolloutFailed", **more: object):
    verdict = "NotPromotable" if reason == "RolloutFailed" else "Inconclusive"
    return known(1, verdict=verdict, reason=reason, ended_at=at(0), **more)


def ready(status: str = "True"):
    found = provider()
    condition = Condition(type="Ready", status=status, reason="Reachable", last_transition_time=T0)
    probed = MetricsProviderStatus(observed_generation=1, conditions=[condition])
    return {(LIBRARY, "default"): type(found)(LIBRARY, "default", 1, found.spec, probed)}


# By itself


@pytest.mark.parametrize("reason", sorted(attempts.MAY_GO))
def test_what_may_go_may_begin_an_attempt(reason: str) -> None:
    assert attempts.candidate([failed(reason)], FOUND) is not None


@pytest.mark.parametrize(
    "reason",
    [
        "ObjectiveFailed", "Superseded", "WorkloadDeleted", "BudgetExhausted", "FreezeWindow",
        "QueryRejected", "NoBaseline", "Ambiguous", "AllObjectivesMet",
    ],
)  # fmt: skip
def test_a_judgement_a_mistake_or_an_end_begins_nothing(reason: str) -> None:
    assert attempts.candidate([failed(reason)], FOUND) is None


def test_one_attempt_by_itself_and_no_more_whatever_was_asked_for_between() -> None:
    second = failed(attempt=2, attempt_of=BY_ITSELF)
    assert attempts.candidate([failed(), second], FOUND) is None
    third = failed(attempt=3, attempt_of=ASKED)
    assert attempts.candidate([failed(), second, third], FOUND) is None
    asked_only = failed(attempt=2, attempt_of=ASKED)
    assert attempts.candidate([failed(), asked_only], FOUND) == asked_only


def test_a_changed_template_is_a_release_and_no_attempt() -> None:
    assert attempts.candidate([failed()], fingerprint(template("registry.example/cart:2"))) is None


def test_what_is_measured_or_still_judged_is_no_candidate() -> None:
    assert attempts.candidate([], FOUND) is None
    assert attempts.candidate([failed(completed=False)], FOUND) is None
    assert (
        attempts.candidate([known(1, verdict=None, reason="Adopted", measured=True)], FOUND) is None
    )


@pytest.mark.parametrize(
    ("seen", "is_"),
    [
        (workload(), True),
        (rolling(), False),
        (workload(available=2), False),
        (workload(desired=0, updated=0, available=0, total=0), False),
        (workload(paused=True), False),
        (workload(generation=2), False),
        (workload(deleting=True), False),
    ],
)
def test_a_rollout_is_complete_by_the_workloads_own_word(seen, is_: bool) -> None:
    assert attempts.rolled_out(seen) is is_
    assert (attempts.in_the_way(failed(), release_spec(plan([ERRORS])), seen, {}) is None) is is_


def test_providers_must_be_ready_where_data_was_missing() -> None:
    spec = release_spec(plan([ERRORS]))
    for reason in ("ProviderError", "NoData", "InsufficientTraffic", "DeadlineExceeded"):
        assert attempts.in_the_way(failed(reason), spec, workload(), ready()) is None
        for bad in ({}, ready("Unknown"), {(LIBRARY, "default"): provider()}):
            assert "not ready" in (attempts.in_the_way(failed(reason), spec, workload(), bad) or "")
    assert attempts.in_the_way(failed("ScaledToZero"), spec, workload(), {}) is None


def test_only_what_had_no_data_is_asked_for_again() -> None:
    spec = release_spec(plan([ERRORS, FAST, RESTARTS]))
    status = Play(spec, rolled_out(), silent).run()
    assert ended(status) == ("Inconclusive", "NoData")
    asked = attempts.probes("cart-2", "shop", spec, status, at(3000))
    assert set(asked) == {"errors", "fast"}
    for question, least in asked.values():
        assert least == 1
        assert question.scope.pod_pattern == "cart-abc-[a-z0-9]+"
        assert seconds(question.end) <= 3000 - 30, "all of its samples are there"
        assert question.span == 60
    assert attempts.probes("cart-2", "shop", spec, ReleaseStatus(), at(3000)) == {}


def test_little_traffic_is_asked_for_over_the_window_and_the_requests_needed() -> None:
    spec = release_spec(plan([{**ERRORS, "minRequests": 5000}]))
    few = Play(spec, rolled_out(), lambda q, _: Counts(0, 10)).run()
    assert ended(few) == ("Inconclusive", "InsufficientTraffic")
    [(question, least)] = attempts.probes("cart-2", "shop", spec, few, at(3000)).values()
    assert (question.span, least) == (300, 5000)


@pytest.mark.parametrize(
    ("sample", "least", "enough"),
    [
        (Missing("NoData", "no series"), 1, False),
        (Counts(0, 0), 1, False),
        (Counts(0, 5), 1, True),
        (Counts(0, 5), 6, False),
        (Buckets((0.1, float("inf")), (3, 5)), 5, True),
        (Buckets((0.1, float("inf")), (3, 5)), 6, False),
        (Value(0.0), 1, True),
    ],
)
def test_what_is_data_enough(sample, least: int, enough: bool) -> None:
    assert (attempts.lacks(sample, least) is None) is enough


def test_questions_grow_seldom_and_end_after_a_day() -> None:
    newest, now, count = failed("NoData"), at(0), 0
    while (due := attempts.asked_again(newest, timedelta(minutes=1), now)) is not None:
        assert timedelta(minutes=1) <= due - now <= timedelta(minutes=5)
        now, count = due, count + 1
    assert now >= at(86_400)
    assert count < 340


# By request


def test_only_the_newest_release_with_a_verdict_is_judged_again() -> None:
    first, second = known(1), known(2)
    assert attempts.refused(second, second, judged=True) is None
    assert "ask for cart-2" in (attempts.refused(second, first, judged=True) or "")
    judged = known(2, completed=False)
    assert "still being judged" in (attempts.refused(judged, judged, judged=True) or "")
    assert "no policy" in (attempts.refused(second, second, judged=False) or "")
    of_all = replace(known(2), kind="ReleaseGroup")
    assert "ask for a member's" in (attempts.refused(of_all, of_all, judged=False) or "")


# Several attempts of one number


def test_an_attempts_name_is_the_releases_with_its_number() -> None:
    assert release_name("Deployment", "cart", 7, 2) == "cart-7-a2"


def test_a_new_version_after_attempts_has_the_next_number() -> None:
    history = [known(6), failed(), failed(attempt=2)]
    history = [known(6), known(7, name="cart-7"), known(7, name="cart-7-a2", attempt=2)]
    found = fingerprint(template("registry.example/cart:2"))
    begin = notice(workload(revision="8"), found, history, window=timedelta(0), now=at(0))
    assert isinstance(begin, Begin)
    assert (begin.number, begin.previous, begin.cause) == (8, "cart-7-a2", "Image")


def test_going_back_to_an_earlier_attempts_template_is_no_rollback_to_itself() -> None:
    rebased = known(7, template("registry.example/cart:3"), name="cart-7-a2", attempt=2)
    history = [known(7, name="cart-7"), rebased]
    begin = notice(workload(revision="8"), FOUND, history, window=timedelta(0), now=at(0))
    assert isinstance(begin, Begin)
    assert begin.cause == "Image"


def test_the_time_before_the_rollout_lies_before_the_first_attempt() -> None:
    before = known(1, rolled_out_at=at(-3000), values=())
    found = find_baselines(policy([FAST]), workload(), [before], now=at(5000), rolled_out=at(0))
    [baseline] = [b for b in found if b.source == "BeforeRollout"]
    assert baseline.to == at(0)
    assert baseline.from_ == at(-600)


def test_a_revoked_release_is_no_baseline() -> None:
    value = BaselineObjective(name="fast", value=0.2, samples=1000)
    good, bad = known(1, values=(value,)), known(2, values=(value,), revoked=True)
    found = find_baselines(policy([FAST]), workload(), [good, bad], now=at(0))
    assert [(b.source, b.release) for b in found] == [("LastPromotable", "cart-1")]


# How an attempt is judged


def long_ready(restarts: int = 0):
    from pratique.lifecycle.view import Container

    pods = [pod(n, ready=-3000, containers=(Container("cart", restarts=restarts),)) for n in "abc"]
    return [Change(0, view(workload(), pods))]


def test_an_attempt_does_not_look_at_what_came_before_it() -> None:
    spec = release_spec(plan([ERRORS, RESTARTS]), attempt=2, attempt_of=BY_ITSELF)
    play = Play(spec, long_ready(restarts=7))
    status = play.run()
    assert ended(status) == ("Promotable", "AllObjectivesMet")
    assert all(seconds(q.end) - q.span >= 0 for _, q in play.asked)
    assert status.signals is not None
    assert status.signals.restarts == 0


def test_a_restart_during_an_attempt_counts() -> None:
    spec = release_spec(plan([ERRORS, RESTARTS]), attempt=2, attempt_of=BY_ITSELF)
    changes = [*long_ready(restarts=7), Change(200, long_ready(restarts=8)[0].seen)]
    assert ended(Play(spec, changes).run())[0] == "NotPromotable"
