"""Following a rollout: completion is latched, what stops it is named, and each wait has an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from pratique.lifecycle import rollout
from pratique.lifecycle.advance import advance
from pratique.lifecycle.causes import BY_NAME, CAUSES
from pratique.lifecycle.diagnosis import Finding
from pratique.lifecycle.situation import Step
from pratique.lifecycle.view import Container, Note, View
from pratique.resources.release import ReleaseStatus
from unit.lifecycle.builders import (
    RESTARTS,
    at,
    plan,
    pod,
    release_spec,
    revision,
    rolling,
    seconds,
    situation,
    view,
    waiting,
    workload,
)

SPEC = release_spec(plan([RESTARTS]))
NO_IMAGE = pod(containers=waiting("ImagePullBackOff", "not found"))


def follow(seen: View | None, now: float, before: ReleaseStatus | None = None) -> ReleaseStatus:
    return rollout.follow(situation(SPEC, seen, now), before or ReleaseStatus())


def step(seen: View | None, now: float, before: ReleaseStatus | None = None) -> Step:
    return advance(situation(SPEC, seen, now), before or ReleaseStatus())


def verdict(found: Step) -> tuple[str | None, str | None]:
    judgement = found.status.judgement
    return found.status.verdict, judgement.reason if judgement else None


def due(found: Step) -> float:
    assert isinstance(found.due, datetime)
    return seconds(found.due)


# Completion


def test_a_rollout_is_complete_when_all_pods_are_new_and_available() -> None:
    assert follow(view(), 5).rollout.completed_at == at(5)


@pytest.mark.parametrize(
    "unlike",
    [
        {"updated": 2},
        {"total": 4},
        {"available": 2},
        {"observed_generation": 0},
        {"paused": True},
        {"desired": 0, "updated": 0, "available": 0, "total": 0},
        {"revision": "2"},
    ],
)
def test_a_rollout_is_not_complete_while_anything_is_missing(unlike: dict[str, Any]) -> None:
    assert follow(view(workload(**unlike)), 5).rollout.completed_at is None


def test_completion_is_latched() -> None:
    done = follow(view(), 5)
    again = follow(view(workload(available=0, updated=1, total=4)), 90, done)
    assert again.rollout.completed_at == at(5)


def test_a_newer_versions_completion_is_not_this_releases() -> None:
    own = follow(view(rolling()), 5)
    assert own.rollout.revision_object == "cart-abc"
    newer = view(
        workload(generation=2, observed_generation=2, revision="2"),
        revisions=[revision(1), revision(2, "def")],
    )
    after = follow(newer, 60, own)
    assert after.rollout.revision_object == "cart-abc"
    assert after.rollout.completed_at is None


def test_the_revision_is_taken_only_once_it_is_known_beyond_doubt() -> None:
    unseen = view(workload(generation=2, observed_generation=1))
    assert follow(unseen, 1).rollout.revision_object is None
    behind = view(workload(revision="2"), revisions=[revision(1)])
    assert follow(behind, 1).rollout.revision_object is None
    held = view(workload(paused=True, updated=0))
    assert follow(held, 1).rollout.revision_object is None
    known = follow(view(), 1).rollout
    assert (known.revision, known.revision_object) == ("1", "cart-abc")


def test_only_this_versions_ready_pods_are_counted() -> None:
    pods = [pod("a", ready=1), pod("b"), pod("c", ready=1, pod_hash="old"), pod("d", ready=1)]
    seen = view(rolling(updated=3), [*pods[:3], pod("d", ready=1, deleting=True)])
    assert follow(seen, 5).rollout.ready == 1


# What ends it


def test_a_paused_rollout_says_so_and_ends_without_a_verdict_at_its_deadline() -> None:
    paused = view(rolling(paused=True))
    waits = step(paused, 0)
    assert verdict(waits) == (None, None)
    assert "kubectl rollout resume" in promotable(waits)
    assert due(waits) == 660
    assert verdict(step(paused, 660, waits.status)) == ("Inconclusive", "DeadlineExceeded")


def test_a_workload_at_zero_waits_for_pods_until_its_deadline() -> None:
    none = view(workload(desired=0, updated=0, available=0, total=0))
    waits = step(none, 0)
    assert waits.status.conditions[1].reason == "ScaledToZero"
    assert due(waits) == 660
    assert verdict(step(none, 660, waits.status)) == ("Inconclusive", "ScaledToZero")


def test_a_rollout_that_only_takes_too_long_has_failed() -> None:
    slow = view(rolling(), [pod("a", ready=1), pod("b")])
    early = step(slow, 659)
    assert verdict(early) == (None, None)
    assert due(early) == 660
    late = step(slow, 660, early.status)
    assert verdict(late) == ("NotPromotable", "RolloutFailed")
    assert "1 of 3 pods" in promotable(late)


def test_a_cause_ends_the_release_once_it_stood_for_fail_fast_after() -> None:
    stuck = view(rolling(), [NO_IMAGE])
    first = step(stuck, 10)
    assert due(first) == 130
    assert "ImageMissing" in promotable(first)
    assert "12:02:10" in promotable(first)
    assert verdict(step(stuck, 129, first.status)) == (None, None)
    ended = step(stuck, 130, first.status)
    assert verdict(ended) == ("NotPromotable", "RolloutFailed")
    assert "registry.example/cart:1" in promotable(ended)
    assert "cart-abc-p1" in promotable(ended)


def test_a_cause_that_goes_away_begins_anew() -> None:
    stuck, well = view(rolling(), [NO_IMAGE]), view(rolling(), [pod(ready=100)])
    status = step(stuck, 10).status
    status = step(well, 100, status).status
    assert status.rollout.diagnosis is None
    status = step(stuck, 120, status).status
    assert verdict(step(stuck, 239, status)) == (None, None)
    assert verdict(step(stuck, 240, status)) == ("NotPromotable", "RolloutFailed")


def test_another_cause_begins_anew_and_other_words_for_the_same_do_not() -> None:
    status = step(view(rolling(), [NO_IMAGE]), 10).status
    other_words = pod(containers=waiting("ErrImagePull", "quite different"))
    status = step(view(rolling(), [other_words]), 60, status).status
    assert status.rollout.diagnosis is not None
    assert status.rollout.diagnosis.since == at(10)
    crash = pod(containers=waiting("CrashLoopBackOff"))
    status = step(view(rolling(), [crash]), 70, status).status
    assert status.rollout.diagnosis is not None
    assert status.rollout.diagnosis.since == at(70)


@pytest.mark.parametrize(
    ("stuck", "cause"),
    [
        (view(rolling(), [NO_IMAGE]), "ImageMissing"),
        (view(rolling(), [pod(containers=waiting("CrashLoopBackOff"))]), "CrashLoop"),
        (view(rolling(), [pod(unschedulable="insufficient cpu")]), "InsufficientCpu"),
        (view(rolling(replica_failure="exceeded quota")), "QuotaExceeded"),
        (view(rolling(progress_failed="timed out")), "ProgressDeadlineExceeded"),
    ],
)
def test_every_cause_that_stands_fails_the_release(stuck: View, cause: str) -> None:
    status = step(stuck, 10).status
    ended = step(stuck, 130, status)
    assert verdict(ended) == ("NotPromotable", "RolloutFailed")
    assert cause in promotable(ended)


@pytest.mark.parametrize("cause", [c.name for c in CAUSES])
@pytest.mark.parametrize("after", ["2m", "0s"])
def test_a_definite_cause_ends_it_after_fail_fast_and_no_other_before_the_deadline(
    cause: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = BY_NAME[cause]
    finding = Finding(cause, "words", pod="p", definite=row.definite, next="there")
    monkeypatch.setattr(rollout, "diagnose", lambda *_: finding)
    spec = release_spec(plan([RESTARTS], failFastAfter=after))
    seen = view(rolling())

    def look(now: float, before: ReleaseStatus) -> Step:
        return advance(situation(spec, seen, now), before)

    first = look(10, ReleaseStatus())
    ends = (130 if after == "2m" else 10) if row.definite else 660
    if ends > 10:
        assert verdict(first) == (None, None)
        assert f"{cause}: words (pod p); look at: there" in promotable(first)
        assert f"12:{ends // 60:02}:{ends % 60:02}" in promotable(first)
        assert due(first) == ends
        assert verdict(look(ends - 1, first.status)) == (None, None)
        first = look(ends, first.status)
    assert verdict(first) == ("NotPromotable", "RolloutFailed")
    assert f"{cause}: words (pod p); look at: there" in promotable(first)


def test_what_kubernetes_gave_up_is_told_by_its_cause_at_once() -> None:
    probe = Note("Pod", "cart-abc-p1", "Unhealthy", "Readiness probe failed: 503", at(5), 4)
    unready = pod(containers=(Container("cart", running_since=at(0)),))
    slow = View(rolling(), (unready,), (revision(),), (probe,))
    status = step(slow, 10).status
    assert status.rollout.diagnosis is not None
    assert not status.rollout.diagnosis.definite
    late = replace(slow, workload=rolling(progress_failed="timed out progressing"))
    ended = step(late, 20, status)
    assert verdict(ended) == ("NotPromotable", "RolloutFailed")
    for words in ("ReadinessProbeFailing", "503", "ProgressDeadlineExceeded", "timed out"):
        assert words in promotable(ended)


def test_however_much_is_said_it_fits_into_a_message() -> None:
    long = "not found " * 500
    pods = [pod("p" * 240, containers=waiting("ErrImagePull", long))]
    given_up = view(rolling(progress_failed="timed out " * 300), pods)
    ended = step(given_up, 10)
    assert verdict(ended) == ("NotPromotable", "RolloutFailed")
    for words in ("ProgressDeadlineExceeded: timed out", "look at: push it"):
        assert words in promotable(ended)
    slow = step(view(rolling(), pods), 10)
    assert len(promotable(slow)) <= 2048
    assert "unless it goes" in promotable(slow)


def test_words_of_the_same_family_go_on_from_the_same_moment() -> None:
    status = step(view(rolling(), [NO_IMAGE]), 10).status
    denied = pod(containers=waiting("ErrImagePull", "401 Unauthorized"))
    status = step(view(rolling(), [denied]), 60, status).status
    assert status.rollout.diagnosis is not None
    assert (status.rollout.diagnosis.cause, status.rollout.diagnosis.since) == (
        "ImageUnauthorized",
        at(10),
    )
    away = pod(containers=waiting("ErrImagePull", "i/o timeout"))
    status = step(view(rolling(), [away]), 90, status).status
    assert status.rollout.diagnosis is not None
    assert status.rollout.diagnosis.since == at(90)


def test_a_pod_that_runs_without_being_ready_is_looked_at_when_that_becomes_telling() -> None:
    unready = view(rolling(), [pod(containers=(Container("cart", running_since=at(0)),))])
    assert due(step(unready, 5)) == 10
    assert due(step(unready, 12)) == 60
    named = step(unready, 60).status.rollout.diagnosis
    assert named is not None
    assert named.cause == "NeverReady"


def test_kubernetes_own_deadline_needs_no_further_wait() -> None:
    ended = step(view(rolling(progress_failed="timed out progressing")), 10)
    assert verdict(ended) == ("NotPromotable", "RolloutFailed")
    assert "timed out progressing" in promotable(ended)


def test_after_completion_want_of_room_for_a_later_pod_is_no_failure() -> None:
    status = step(view(pods=[pod("a", ready=1)]), 5).status
    scaled = view(workload(desired=4), [pod("a", ready=1), pod("b", unschedulable="no room")])
    assert step(scaled, 60, status).status.rollout.diagnosis is None


def test_after_completion_a_crash_loop_still_fails_the_release() -> None:
    status = step(view(pods=[pod("a", ready=1)]), 5).status
    crashing = view(workload(available=2), [pod("a", containers=waiting("CrashLoopBackOff"))])
    status = step(crashing, 60, status).status
    assert verdict(step(crashing, 180, status)) == ("NotPromotable", "RolloutFailed")


def test_old_pods_do_not_fail_the_new_version() -> None:
    old = pod("x", pod_hash="old", containers=waiting("CrashLoopBackOff"))
    assert follow(view(rolling(), [old]), 5).rollout.diagnosis is None


def promotable(found: Step) -> str:
    [condition] = [c for c in found.status.conditions if c.type == "Promotable"]
    return condition.message


def test_another_versions_rollout_is_not_taken_for_this_ones() -> None:
    # The policy is gone, so that of the newer template no release begins.
    seen = view(workload(revision="1"), [pod(n, ready=5) for n in "abc"], [revision(1)])
    same = replace(situation(SPEC, seen, 20), template_hash=SPEC.template_hash)
    other = replace(same, template_hash="another")
    assert advance(same, ReleaseStatus()).status.rollout.completed_at == at(20)
    status = advance(other, ReleaseStatus()).status
    assert status.rollout.completed_at is None
    assert status.rollout.revision_object is None
    ended = advance(replace(other, now=at(11 * 60)), status).status
    assert ended.judgement is not None
    assert (ended.verdict, ended.judgement.reason) == ("Inconclusive", "DeadlineExceeded")
    assert "a newer version took its place" in ended.judgement.message
