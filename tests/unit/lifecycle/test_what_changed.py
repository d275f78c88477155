"""What changed: what the template shows, what only running pods tell, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from pratique.lifecycle import digests
from pratique.lifecycle.announcements import announcements
from pratique.lifecycle.baselines import pods_of, trusted
from pratique.lifecycle.history import remember
from pratique.lifecycle.noticing import Begin, Ignored, Known, fingerprint, notice
from pratique.lifecycle.rollout import follow
from pratique.lifecycle.view import Container
from pratique.resources.base import ObjectMeta
from pratique.resources.policy import Causes
from pratique.resources.release import ContainerDigest, ReleaseSpec, ReleaseStatus
from unit.lifecycle.builders import (
    ERRORS,
    at,
    known,
    plan,
    pod,
    release_spec,
    situation,
    template,
    view,
    workload,
)
from unit.lifecycle.simulator import Change, Play, bad, good, rolled_out

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
CHANGES = {
    "Image": template("registry.example/cart:2"),
    "Config": template(env={"MODE": "b"}),
    "Resources": template(cpu="1"),
    "Restart": template(restarted="2026-03-02"),
}


def decide(of: Any, *history: Known, **causes: str) -> Any:
    return notice(
        workload(revision="9"),
        fingerprint(of),
        history or (known(1),),
        window=timedelta(minutes=10),
        now=at(0),
        causes=Causes.model_validate(causes),
    )


# What becomes of it


@pytest.mark.parametrize("cause", CHANGES)
def test_without_a_word_everything_is_judged(cause: str) -> None:
    begun = decide(CHANGES[cause])
    assert (begun.cause, begun.purpose) == (cause, "Judge")


@pytest.mark.parametrize("cause", CHANGES)
def test_a_cause_may_be_recorded(cause: str) -> None:
    begun = decide(CHANGES[cause], **{cause.lower(): "Record"})
    assert (begun.cause, begun.purpose) == (cause, "Record")


@pytest.mark.parametrize("cause", ["Config", "Resources", "Restart"])
def test_a_cause_that_brings_no_other_code_may_be_ignored(cause: str) -> None:
    assert decide(CHANGES[cause], **{cause.lower(): "Ignore"}) == Ignored("cart-1", cause)  # type: ignore[arg-type]


@pytest.mark.parametrize("cause", ["first", "image", "rollback"])
def test_other_code_is_never_ignored(cause: str) -> None:
    with pytest.raises(ValidationError, match="Input should be 'Judge' or 'Record'"):
        Causes.model_validate({cause: "Ignore"})


def test_while_the_version_before_waits_for_its_verdict_a_restart_does_not_free_it() -> None:
    restart = CHANGES["Restart"]
    waiting = known(1, completed=False, verdict=None)
    for treated in ("Record", "Ignore"):
        assert decide(restart, waiting, restart=treated).purpose == "Judge"
    recorded = replace(waiting, purpose="Record")
    assert decide(restart, recorded, restart="Ignore").purpose == "Record"
    assert decide(restart, recorded, restart="Judge").purpose == "Judge"


def test_the_first_version_may_be_recorded_and_adopted_it_is_measured() -> None:
    def first(**more: Any) -> Begin:
        found = notice(
            workload(**more), fingerprint(template()), [], window=timedelta(minutes=10),
            now=at(0), causes=Causes(first="Record"),
        )  # fmt: skip
        assert isinstance(found, Begin)
        return found

    assert first().purpose == "Record"
    assert first(rolled_out_since=at(-9000)).purpose == "Measure"


# Ignored


def test_after_an_ignored_change_the_next_is_compared_with_that() -> None:
    restarted = fingerprint(CHANGES["Resources"])
    status = ReleaseStatus.model_validate(
        {
            "templateHash": restarted.hash,
            "rollout": {"revisionObject": "cart-abc"},
            "ignored": {
                "cause": "Resources",
                "at": "2026-03-02T12:00:00Z",
                "generation": 3,
                "parts": restarted.parts.dump(),
            },
        }
    )
    remembered = remember(ObjectMeta(name="cart-2"), release_spec(plan([ERRORS])), status)
    assert decide(CHANGES["Resources"], remembered) is None
    again = template(cpu="1", restarted="2026-03-02")
    assert decide(again, replace(remembered, completed=True)).cause == "Restart"
    assert pods_of(remembered) == "cart-[a-z0-9]+-[a-z0-9]+", "its pods were replaced unfollowed"


# Recorded


def play(spec: ReleaseSpec, provider: Any = good, changes: Any = None) -> ReleaseStatus:
    return Play(spec, changes or rolled_out(), provider).run()


@pytest.mark.parametrize("provider", [good, bad])
def test_a_recorded_release_is_measured_and_gets_no_verdict(provider: Any) -> None:
    spec = release_spec(plan([ERRORS]), purpose="Record", cause="Restart")
    status = play(spec, provider)
    assert (status.verdict, status.judgement) == (None, None)
    [errors] = status.measured
    assert errors.value == pytest.approx(0.01 if provider is good else 0.3)
    assert errors.result == "NotJudged"
    [promotable] = [c for c in status.conditions if c.type == "Promotable"]
    assert (promotable.status, promotable.reason) == ("Unknown", "Recorded")
    assert "(Restart) is only recorded" in promotable.message
    assert announcements(spec, status)[-1].reason == "Recorded"
    assert not trusted(remember(ObjectMeta(name="cart-2"), spec, status))


def test_a_recorded_rollout_that_fails_says_why() -> None:
    stuck = (Container("cart", waiting=("ImagePullBackOff", "not found")),)
    seen = view(workload(updated=1), [pod("a", containers=stuck)])
    spec = release_spec(plan([ERRORS]), purpose="Record", cause="Config")
    status = play(spec, changes=[Change(0, seen)])
    assert status.verdict is None
    [promotable] = [c for c in status.conditions if c.type == "Promotable"]
    assert promotable.reason == "Recorded"
    assert "its rollout was not complete: Image" in promotable.message


# The same tag, another digest


def running(digest: str, name: str = "a", *, prefix: str = "registry.example/cart@") -> Any:
    image = "registry.example/cart:1"
    return pod(
        name, ready=20, containers=(Container("cart", image=image, image_id=prefix + digest),)
    )


def observed(spec: ReleaseSpec, *pods: Any, before: ReleaseStatus | None = None) -> ReleaseStatus:
    s = situation(spec, view(workload(), pods), 60)
    return digests.observe(s, follow(s, before or ReleaseStatus()))


def restarted(**more: Any) -> ReleaseSpec:
    before = [ContainerDigest(container="cart", digest=A)]
    given = {"cause": "Restart", "previous": "cart-1", "digests_before": before, **more}
    return release_spec(plan([ERRORS]), **given)


def test_digests_are_kept_as_they_become_known() -> None:
    status = observed(release_spec(plan([ERRORS])), running(A), running("", "b", prefix=""))
    assert [(d.container, d.digest) for d in status.rollout.digests] == [("cart", A)]
    assert status.cause is None
    later = observed(release_spec(plan([ERRORS])), running(B), before=status)
    assert [d.digest for d in later.rollout.digests] == [A, B], "none is taken away"


@pytest.mark.parametrize("prefix", ["", "docker://"])
def test_what_a_node_made_itself_is_compared_with_nothing(prefix: str) -> None:
    status = observed(restarted(), running(B, prefix=prefix))
    assert (status.rollout.digests, status.cause) == ([], None)


def test_a_restart_that_runs_another_digest_is_said_to_be_another_image() -> None:
    status = observed(restarted(), running(A), running(B, "b"))
    assert status.cause is not None
    assert status.cause.cause == "Image"
    assert status.cause.message.startswith("same tag, another digest than with cart-1: container")
    assert "sha256:bbbbbbbbbbbb" in status.cause.message
    assert observed(restarted(), running(A)).cause is None
    kept = observed(restarted(), running(B), before=status)
    assert kept.cause == status.cause


def test_only_images_of_the_same_name_are_compared() -> None:
    told = (ContainerDigest(container="cart", digest=A),)
    assert decide(CHANGES["Restart"], known(1, digests=told)).digests_before == told
    assert decide(CHANGES["Image"], known(1, digests=told)).digests_before == ()
    pinned = template(f"registry.example/cart@{A}")
    again = template(f"registry.example/cart@{A}", restarted="2026-03-02")
    assert decide(again, known(1, pinned, digests=told)).digests_before == ()


def test_a_rollback_is_compared_with_what_it_goes_back_to() -> None:
    old = (ContainerDigest(container="cart", digest=A),)
    new = (ContainerDigest(container="cart", digest=B),)
    history = (known(1, digests=old), known(2, CHANGES["Image"], digests=new))
    begun = decide(template(), *history)
    assert (begun.rollback_to, begun.digests_before) == (1, old)


@pytest.mark.parametrize(("moved_tag", "verdict"), [("Judge", "Promotable"), ("Record", None)])
def test_what_was_to_be_recorded_is_judged_where_it_is_other_code(
    moved_tag: str, verdict: str | None
) -> None:
    of = plan([ERRORS]).model_copy(update={"moved_tag": moved_tag})
    before = [ContainerDigest(container="cart", digest=A)]
    spec = release_spec(of, purpose="Record", cause="Restart", digests_before=before)
    changes = [
        replace(c, seen=replace(c.seen, pods=tuple(
            replace(p, containers=running(B).containers) for p in c.seen.pods)))
        for c in rolled_out() if c.seen is not None
    ]  # fmt: skip
    assert play(spec, changes=changes).verdict == verdict


# Scaled to zero while it is judged


def test_scaled_to_zero_within_its_window_it_ends_without_a_verdict() -> None:
    def none_left(question: Any, now: float) -> Any:
        from unit.lifecycle.simulator import silent

        return (good if now < 150 else silent)(question, now)

    empty = workload(desired=0, updated=0, available=0, total=0)
    changes = [*rolled_out(), Change(150, view(empty, []))]
    made = Play(release_spec(plan([ERRORS])), changes, none_left)
    status = made.run()
    assert status.judgement is not None
    assert (status.verdict, status.judgement.reason) == ("Inconclusive", "ScaledToZero")
    said = {
        c.reason for _, step in made.steps for c in step.status.conditions if c.type == "Promotable"
    }
    assert "ScaledToZero" in said
