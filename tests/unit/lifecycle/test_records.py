"""What a release leaves behind: figures of the adopted, baselines for the next, Events, a summary."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from pratique.judge.samples import Sample
from pratique.lifecycle.advance import MAX_STATUS_BYTES
from pratique.lifecycle.announcements import announcements, differs
from pratique.lifecycle.baselines import find_baselines
from pratique.lifecycle.history import remember
from pratique.lifecycle.noticing import Known, fingerprint
from pratique.lifecycle.summary import Judged, summarize
from pratique.queries.questions import Question
from pratique.resources.base import ObjectMeta
from pratique.resources.policy import ReleasePolicyStatus
from pratique.resources.release import ReleaseSpec, ReleaseStatus
from unit.lifecycle.builders import (
    ERRORS,
    FAST,
    HEAP,
    RESTARTS,
    at,
    known,
    plan,
    pod,
    policy,
    release_spec,
    rolling,
    seconds,
    template,
    view,
    waiting,
    workload,
)
from unit.lifecycle.simulator import (
    Change,
    Play,
    after,
    answer,
    bad,
    down,
    ended,
    good,
    rolled_out,
    silence,
    silent,
)

CHANGE = {**FAST, "pass": [{"change": {"lte": "10%"}}]}
RUNNING = [Change(0, view(pods=[pod(n, ready=-3600) for n in "abc"]))]


def adopted(*objectives: dict[str, Any], **more: Any) -> ReleaseSpec:
    return release_spec(plan(objectives, **more), number=1, cause="First", purpose="Measure")


def play(spec: ReleaseSpec, provider: Any = good, changes: Any = None) -> Play:
    made = Play(spec, changes or rolled_out(), provider)
    made.run()
    return made


def remembered(made: Play) -> Known:
    name = f"cart-{made.spec.number}"
    # As the operator has it: what was written and read again.
    spec = ReleaseSpec.model_validate(made.spec.dump())
    return remember(ObjectMeta(name=name, uid="u"), spec, made.written)


# The adopted


def test_the_adopted_are_measured_over_the_window_before_and_not_judged() -> None:
    made = play(adopted(ERRORS, FAST), good, RUNNING)
    assert ended(made.status) == (None, None)
    assert [(r.name, r.result, r.value) for r in made.status.measured] == [
        ("errors", "NotJudged", 0.01),
        ("fast", "NotJudged", pytest.approx(0.1 + 0.2 * (950 - 495) / 495)),
    ]
    assert [(seconds(q.end), q.span, now) for now, q in made.asked] == [(0, 300, 30)] * 2
    assert {q.scope.pod_pattern for _, q in made.asked} == {"cart-abc-[a-z0-9]+"}


def test_bad_figures_of_the_adopted_are_no_verdict_either() -> None:
    made = play(adopted(ERRORS), bad, RUNNING)
    assert ended(made.status) == (None, None)
    promotable = next(c for c in made.status.conditions if c.type == "Promotable")
    assert (promotable.status, promotable.reason) == ("Unknown", "Adopted")
    assert "1 of 1 objectives had data" in promotable.message


@pytest.mark.parametrize("provider", [down, silence])
def test_measuring_the_adopted_ends_at_its_deadline(provider: Any) -> None:
    made = play(adopted(ERRORS), provider, RUNNING)
    assert made.status.completed_at == at(960)
    assert [r.value for r in made.status.measured] in ([], [None])


def test_measuring_waits_for_the_workloads_revision_until_its_deadline() -> None:
    unseen = [Change(0, view(workload(observed_generation=0)))]
    assert play(adopted(ERRORS), good, unseen).status.completed_at == at(960)


def test_kubernetes_signals_of_the_past_are_not_to_be_had() -> None:
    made = play(adopted(RESTARTS), good, RUNNING)
    assert [(r.result, r.reason, r.value) for r in made.status.measured] == [
        ("NoData", "NoData", None)
    ]


def test_what_ten_objectives_measured_fits_8_kib() -> None:
    long = "1 + " * 200 + 'max(heap_bytes{pod=~"$pods"})'
    ten = [{**HEAP, "name": f"heap-{i}", "indicator": {"query": {"expr": long}}} for i in range(10)]
    made = play(adopted(*ten), good, RUNNING)
    assert [r.value for r in made.status.measured] == [50.0] * 10
    size = len(made.status.model_dump_json(by_alias=True, exclude_none=True).encode())
    assert size <= MAX_STATUS_BYTES


# What the next release is compared with


def test_a_promotable_releases_values_are_the_next_ones_baseline() -> None:
    first = remembered(play(release_spec(plan([FAST]), number=1)))
    assert (first.verdict, first.completed, first.revision_object) == (
        "Promotable",
        True,
        "cart-abc",
    )
    baselines = find_baselines(policy([CHANGE]), workload(), [first], now=at(10_000))
    assert [b.source for b in baselines] == ["LastPromotable", "BeforeRollout"]
    of = plan([CHANGE], baselines=[b.dump() for b in baselines])
    assert ended(play(release_spec(of)).status) == ("Promotable", "AllObjectivesMet")
    slower = play(release_spec(of), _slower).status
    assert ended(slower) == ("NotPromotable", "ObjectiveFailed")
    assert slower.judgement is not None
    assert "cart-1" in slower.judgement.message


def _slower(question: Question, now: float) -> Sample:
    return answer(question, share=0, slow=0.2, value=0)


def test_what_was_measured_of_the_adopted_is_a_baseline_too() -> None:
    first = remembered(play(adopted(FAST), good, RUNNING))
    assert first.measured
    baselines = find_baselines(policy([CHANGE]), workload(), [first], now=at(10_000))
    assert [b.source for b in baselines] == ["LastPromotable", "BeforeRollout"]
    of = plan([CHANGE], baselines=[b.dump() for b in baselines[:1]])
    assert ended(play(release_spec(of), _slower).status)[0] == "NotPromotable"


@pytest.mark.parametrize("provider", [bad, silent, down])
def test_figures_of_a_release_that_was_not_promotable_are_not_remembered(provider: Any) -> None:
    found = remembered(play(release_spec(plan([FAST])), provider))
    assert found.values == ()
    assert find_baselines(policy([FAST]), workload(), [found], now=at(10_000)) == []


def test_a_re_based_hash_is_the_one_remembered() -> None:
    made = play(release_spec(plan([FAST])))
    made.written = made.written.model_copy(update={"template_hash": "f" * 40})
    assert remembered(made).template_hash == "f" * 40


def test_a_template_with_very_many_containers_can_be_written() -> None:
    of = template()
    of["spec"]["containers"] = [{"name": f"c{i}", "image": f"i:{i}"} for i in range(40)]
    found = fingerprint(of)
    spec = release_spec(plan([FAST]), images=list(found.images), version=found.version)
    assert len(spec.images) == 32
    assert found.version == "0"


# Events


def told(made: Play) -> list[tuple[str, str]]:
    """Every announcement of the life, once, as the operator would tell it."""
    found: dict[str, tuple[str, str]] = {}
    for _, step in made.steps:
        for a in announcements(made.spec, step.status):
            assert len(a.message) > 5
            found.setdefault(a.key, (a.type, a.reason))
    return list(found.values())


def test_each_transition_is_told_once() -> None:
    assert told(play(release_spec(plan([FAST])))) == [
        ("Normal", "Noticed"),
        ("Normal", "RolledOut"),
        ("Normal", "Promotable"),
    ]
    assert told(play(release_spec(plan([FAST])), bad))[-1] == ("Warning", "NotPromotable")
    assert told(play(release_spec(plan([FAST])), silent))[-1] == ("Warning", "Inconclusive")


def test_a_cause_is_told_by_its_name() -> None:
    stuck = [Change(0, view(rolling(), [pod(containers=waiting("ErrImagePull", "not found"))]))]
    assert told(play(release_spec(plan([FAST])), good, stuck)) == [
        ("Normal", "Noticed"),
        ("Warning", "ImageMissing"),
        ("Warning", "NotPromotable"),
    ]


def test_the_adopted_are_told_of_only_once_measured() -> None:
    assert told(play(adopted(FAST), good, RUNNING)) == [("Normal", "Measured")]


def test_a_rollback_is_called_one() -> None:
    spec = release_spec(plan([FAST]), number=5, cause="Rollback", rollback_to=2)
    [noticed] = announcements(spec, ReleaseStatus())
    assert noticed.message == "release 5 of Deployment cart (rollback to 2)"
    assert noticed.at == at(0)


def test_a_look_that_changes_no_meaning_is_not_worth_a_write() -> None:
    made = play(release_spec(plan([FAST])))
    within = [step.status for now, step in made.steps if 150 < now < 450]
    assert len(within) >= 4
    assert all(len(a.looks) != len(b.looks) for a, b in itertools.pairwise(within))
    assert not any(differs(a, b) for a, b in itertools.pairwise(within))
    assert differs(within[-1], made.status)


# A policy's summary


def summary(*rows: Known | None, before: ReleasePolicyStatus | None = None, **more: Any) -> Any:
    judged = [Judged(workload(name=f"app-{i}"), row, 4) for i, row in enumerate(rows)]
    given: dict[str, Any] = {"shadowed": [], "problem": None, "now": at(0), **more}
    return summarize(policy(), before, judged, **given)


def promotable(status: ReleasePolicyStatus) -> tuple[str, str]:
    [found] = [c for c in status.conditions if c.type == "Promotable"]
    return found.status, found.reason


GOOD = known(2)
BAD = known(3, verdict="NotPromotable", reason="ObjectiveFailed")
OPEN = known(4, verdict="Inconclusive", reason="NoData")
GOING = known(5, verdict=None, completed=False, reason="WarmingUp")
ADOPTED = known(1, verdict=None, reason="Adopted", measured=True)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([GOOD, GOOD], ("True", "AllPromotable")),
        ([GOOD, BAD], ("False", "ObjectiveFailed")),
        ([GOING, BAD], ("False", "ObjectiveFailed")),
        ([GOOD, OPEN], ("Unknown", "NoData")),
        ([GOOD, GOING], ("Unknown", "InProgress")),
        ([GOOD, None], ("Unknown", "InProgress")),
        ([GOOD, ADOPTED], ("Unknown", "Adopted")),
        ([], ("Unknown", "NoWorkload")),
    ],
)
def test_a_policy_is_promotable_only_if_every_newest_release_is(
    rows: list[Known | None], expected: tuple[str, str]
) -> None:
    assert promotable(summary(*rows)) == expected


def test_the_worst_are_listed_first_and_counted() -> None:
    status = summary(GOOD, GOING, OPEN, BAD, None)
    assert [w.release for w in status.workloads] == ["cart-3", "cart-4", "cart-5", "cart-2"]
    assert [w.reason for w in status.workloads][2] == "InProgress"
    counts = (status.total, status.promotable, status.not_promotable, status.inconclusive)
    assert counts == (5, 1, 1, 1)
    assert status.pending == 2


def test_fifty_workloads_at_most_are_listed_and_all_are_counted() -> None:
    status = summary(*[GOOD] * 60, BAD)
    assert len(status.workloads) == 50
    assert (status.workloads[0].release, status.total, status.promotable) == ("cart-3", 61, 60)


def test_nothing_new_is_the_same_status() -> None:
    first = summary(GOOD)
    assert first.evaluated_at == at(0)
    assert summary(GOOD, before=first, now=at(60)) == first
    assert summary(BAD, before=first, now=at(60)).evaluated_at == at(60)


def test_what_is_wrong_with_a_policy_is_said() -> None:
    status = summary(problem="spec.provider: there is none", shadowed=["cart"])
    found = {c.type: (c.status, c.message) for c in status.conditions}
    assert found["Stalled"] == ("True", "spec.provider: there is none")
    assert found["Ready"][0] == "Unknown"
    assert found["Shadowed"] == ("True", "another policy judges cart")
    [said] = [c for c in summary(shadowed=["cart"]).conditions if c.type == "Promotable"]
    assert "is judged by another policy" in said.message
    [said] = [c for c in summary().conditions if c.type == "Promotable"]
    assert "no workload matches" in said.message


def test_a_provider_that_comes_back_within_the_deadline_is_measured() -> None:
    made = play(adopted(FAST), after(600, down, good), RUNNING)
    assert made.status.measured[0].value is not None
