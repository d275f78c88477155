"""A recorded release judged again: as it was it comes to the same; a changed policy is heard."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pratique.cli import app
from pratique.judge.samples import Buckets, Counts, Missing, Sample, Value
from pratique.lifecycle.planning import indicator_hash
from pratique.lifecycle.records import Recorded as Samples
from pratique.lifecycle.records import _halved, encode, gather, record
from pratique.lifecycle.situation import Answer
from pratique.queries.questions import Question
from pratique.replay.again import again
from pratique.replay.reading import BadInput
from pratique.replay.recorded import Recorded, of
from pratique.resources.indicator import ServiceLevelIndicatorSpec
from pratique.resources.policy import ReleasePolicySpec
from pratique.resources.release import ReleaseSpec
from unit.lifecycle.builders import (
    ERRORS,
    FAST,
    HEAP,
    RESTARTS,
    at,
    plan,
    pod,
    policy_spec,
    release_spec,
    rolling,
    seconds,
    view,
)
from unit.lifecycle.simulator import EDGES, Change, Play, bad, ended, good, rolled_out

TESTED = {**ERRORS, "evidence": "Conclusive"}
HASH = indicator_hash(ServiceLevelIndicatorSpec.model_validate(ERRORS["indicator"]))
Provider = Callable[[Question, float], Sample | None]


def play(spec: ReleaseSpec, provider: Provider, changes: Any = None) -> Play:
    made = Play(spec, changes or rolled_out(), provider)
    made.run()
    return made


def bodies(made: Play) -> tuple[dict[str, Any], dict[str, Any]]:
    """Release and ReleaseRecord as kubectl would show them."""
    _, ask = gather(made.situation(), made.status)
    # As the operator does: what it has forgotten, or never needed, is asked once more.
    heard = {q: made.provider(q, made.now) for q in ask}
    made.answers.update({q: Answer(x, at(made.now)) for q, x in heard.items() if x is not None})
    found, ask = gather(made.situation(), made.status)
    assert found is not None
    assert not ask
    name = f"cart-{made.spec.number}"
    meta = {"name": name, "namespace": "shop", "uid": "u"}
    head = {"apiVersion": "pratique.sh/v1alpha1", "metadata": meta}
    release = {**head, "kind": "Release", "spec": made.spec.dump(), "status": made.status.dump()}
    spec = record(made.situation(), made.status, found).dump()
    return release, {**head, "kind": "ReleaseRecord", "spec": spec}


def recorded(made: Play) -> Recorded:
    return of(*bodies(made), "shop/cart-2")


# As it was


def wandering(seed: int) -> Provider:
    """Traffic and figures that change from look to look, with gaps; the same question, the same answer."""
    overall = random.Random(seed)
    share = overall.choice([0.0, 0.01, 0.03, 0.06, 0.2])
    requests = overall.choice([3, 30, 100, 1000])
    gaps = overall.choice([0, 0, 0.1, 0.5])

    def answer(question: Question, _: float) -> Sample:
        chance = random.Random(
            f"{seed} {question.end} {question.span} {question.scope.pod_pattern}"
        )
        if chance.random() < gaps:
            return Missing("NoData", "no series")
        total = round(requests * chance.uniform(0.5, 1.5) * question.span / 60)
        part = sum(chance.random() < share for _ in range(total))
        if question.indicator.ratio:
            return Counts(part, total)
        if question.indicator.latency:
            within = total - part
            return Buckets(EDGES, (within // 2, within, total, total))
        return Value(chance.gauss(90, 1 + 400 * share))

    return answer


def long_rollout(chance: random.Random) -> list[Change]:
    """The first pod is Ready at once and the rollout takes minutes: there are looks before the window."""
    first = rolled_out(0)
    later = chance.choice([0, 200, 500])
    return [
        Change(c.at if i < 2 else c.at + later, c.seen, c.superseded_by)
        for i, c in enumerate(first)
    ]


@pytest.mark.parametrize("seed", range(120))
def test_as_it_was_it_comes_to_the_same(seed: int) -> None:
    chance = random.Random(seed)
    compared = {**TESTED, "pass": [{"value": {"lte": 0.05}, "change": {"lte": "10%"}}]}
    objectives = chance.choice(
        [[TESTED], [compared], [ERRORS], [FAST], [HEAP], [TESTED, HEAP], [compared, FAST, HEAP]]
    )
    value = {"name": "errors", "value": 0.02, "samples": 3000, "indicatorHash": HASH}
    before = {"source": "LastPromotable", "release": "cart-1", "values": [value]}
    drift = {**before, "values": [{**value, "value": 0.015}], "anchor": True}
    made = play(
        release_spec(
            plan(
                objectives,
                baselines=chance.choice([[], [before], [before, drift]]),
                maxWindow=chance.choice([None, "20m"]),
                failAfter=chance.choice([1, 3]),
                drift=chance.choice([None, 50.0]),
            )
        ),
        wandering(seed),
        long_rollout(chance),
    )
    judgement = made.status.judgement
    assert judgement is not None
    found = again(recorded(made))
    assert found.judged.was == made.status.verdict
    if judgement.reason in ("DeadlineExceeded", "RolloutFailed"):
        assert found.judged.judgement.verdict != "Promotable"
        return
    same = found.judged.judgement
    assert (same.verdict, same.reason) == (judgement.verdict, judgement.reason)
    told = [r.model_copy(update={"provider": None, "query": None}) for r in judgement.results]
    assert [(r.name, r.result, r.reason) for r in same.results] == [
        (r.name, r.result, r.reason) for r in told
    ]
    if judgement.verdict == "NotPromotable":  # of what was still open then other looks may be told
        same_failed, failed = ([r for r in x if r.result == "Fail"] for x in (same.results, told))
        assert same_failed == failed
    else:
        assert same.results == told


def test_the_draws_reach_every_verdict() -> None:
    ends = [ended(play(release_spec(plan([TESTED])), wandering(n)).status) for n in range(25)]
    assert {verdict for verdict, _ in ends} == {"Promotable", "NotPromotable", "Inconclusive"}
    assert all(reason != "DeadlineExceeded" for _, reason in ends)


def test_noise_that_was_read_then_is_reckoned_with_again() -> None:
    made = play(release_spec(plan([TESTED])), wandering(3))
    release, kept = bodies(made)
    release["status"]["noise"] = [{"name": "errors", "sd": 0.3, "rho": 0.9, "known": True}]
    with_noise = again(of(release, kept, "x")).judged.judgement.results[0]
    without = again(recorded(made)).judged.judgement.results[0]
    assert with_noise.statistic is not None
    assert with_noise.statistic.noise == 0.3
    assert without.statistic is not None
    assert without.statistic.noise is None


def test_how_far_it_drifted_from_the_anchor_is_judged_again() -> None:
    value = {"name": "errors", "value": 0.01, "samples": 5000, "indicatorHash": HASH}
    last = {"source": "LastPromotable", "release": "cart-1", "values": [value]}
    anchor = {**last, "release": "cart-0", "values": [{**value, "value": 0.001}], "anchor": True}
    compared = {**TESTED, "pass": [{"value": {"lte": 0.05}, "change": {"lte": "10%"}}]}

    def reason(drift: float) -> tuple[str, str]:
        spec = release_spec(plan([compared], baselines=[last, anchor], drift=drift))
        made = play(spec, good)
        assert made.status.judgement is not None
        same = again(recorded(made)).judged.judgement
        assert same.results[0].message == made.status.judgement.results[0].message
        return same.verdict, same.results[0].reason

    assert reason(50.0) == ("NotPromotable", "DriftExceeded")
    assert reason(1000.0) == ("Promotable", "WithinBounds")


def test_what_ended_during_its_rollout_is_called_there_again() -> None:
    stuck = [Change(0, view(rolling(), [pod("a", ready=0)]))]
    made = play(release_spec(plan([TESTED])), bad, stuck)
    assert ended(made.status) == ("NotPromotable", "ObjectiveFailed")
    found = again(recorded(made))
    assert (found.judged.judgement.verdict, found.judged.called_at) == ("NotPromotable", 1)


# Under a changed policy


def errors(bound: float, **more: Any) -> ReleasePolicySpec:
    return policy_spec([{**TESTED, "pass": [{"value": {"lte": bound}}], **more}],
                       analysis={"window": "5m", "interval": "1m"})  # fmt: skip


def test_a_stricter_policy_catches_it() -> None:
    made = play(release_spec(plan([TESTED])), good)
    assert ended(made.status)[0] == "Promotable"
    found = again(recorded(made), errors(0.001))
    assert (found.judged.judgement.verdict, found.judged.was) == ("NotPromotable", "Promotable")
    assert found.judged.called_at == 1
    assert found.notes == ()


def test_a_laxer_policy_passes_nothing_on_looks_that_were_never_taken() -> None:
    made = play(release_spec(plan([TESTED])), bad)
    found = again(recorded(made), errors(0.9))
    assert found.judged.judgement.verdict == "Inconclusive"
    assert found.notes == (
        "the record ends after 1 looks of the window, of 5 that were planned: what is known so far can "
        "fail it, and not pass it",
    )


def test_a_release_that_never_came_to_its_window_cannot_pass_either() -> None:
    samples = recorded(play(release_spec(plan([TESTED])), good))
    never = replace(samples, samples=replace(samples.samples, window_from=None))
    found = again(never)
    assert found.judged.judgement.verdict == "Inconclusive"
    assert any("looks of a rollout pass nothing" in n for n in found.notes)


def test_what_cannot_be_applied_is_said() -> None:
    made = play(release_spec(plan([TESTED, HEAP])), good)
    policy = policy_spec(
        [
            {"ref": "heap"},
            {**TESTED, "name": "errors", "indicator": FAST["indicator"], "pass": [{"value": {"lte": 0.3}}]},
            {**FAST, "name": "new"},
        ],
        analysis={"window": "20m", "interval": "1m"},
    )  # fmt: skip
    found = again(recorded(made), policy)
    assert found.notes == (
        "heap: is a reference, so its bounds are those of then",
        "errors: measures something else now; the samples of then are judged",
        "new: was not measured then, so it is left out; there are errors, heap",
        "analysis.window: was 5m then, which stays: looks cannot be taken otherwise now",
    )
    judgement = found.judged.judgement
    assert [r.name for r in judgement.results] == ["heap", "errors"]
    assert judgement.basis == "without new, not measured then"
    assert "(without new, not measured then)" in judgement.message


def test_a_release_whose_objectives_are_all_gone_is_not_promotable_by_that() -> None:
    made = play(release_spec(plan([TESTED])), good)
    found = again(recorded(made), policy_spec([{**FAST, "name": "new"}]))
    assert found.judged.judgement.verdict == "Inconclusive"
    assert "no objective of the policy was measured" in found.notes


def test_pooled_looks_still_cover_the_window() -> None:
    made = play(release_spec(plan([TESTED])), good)
    whole = recorded(made)
    halved = replace(whole, samples=_halved(whole.samples), note="too large: looks pooled")
    found = again(halved)
    assert found.judged.judgement.verdict == "Promotable"
    assert found.judged.judgement.results[0].samples == 5000
    assert found.notes == ("the record is not whole: too large: looks pooled",)


# From files


def test_a_referenced_objective_changes_where_its_document_stands_beside_the_policy(
    tmp_path: Path,
) -> None:
    documents = list(bodies(play(release_spec(plan([TESTED])), good)))

    def head(kind: str) -> dict[str, Any]:
        return {"apiVersion": "pratique.sh/v1alpha1", "kind": kind, "metadata": {"name": "errors"}}

    target = {"targetRefs": [{"kind": "Deployment", "name": "cart"}]}
    terms = {k: TESTED[k] for k in ("indicator", "evidence")}
    policy = {**head("ReleasePolicy"), "spec": {**target, "objectives": [{"ref": "errors"}]}}
    stricter = {
        **head("ServiceLevelObjective"),
        "spec": {**terms, "pass": [{"value": {"lte": 0.001}}]},
    }

    def told(*given: Any) -> Any:
        path = tmp_path / "new.yaml"
        path.write_text(yaml.safe_dump_all(given))
        return judge(tmp_path, "--with-policy", str(path), documents=documents)

    alone = told(policy)
    assert alone.exit_code == 0, alone.output
    assert "note: errors: is a reference, so its bounds are those of then" in alone.stderr
    both = told(stricter, policy)
    assert both.exit_code == 1, both.output
    assert "is a reference" not in both.stderr
    twice = told(stricter, stricter, policy)
    assert twice.exit_code == 2
    assert "holds two ServiceLevelObjectives 'errors'" in twice.stderr
    spoiled = told({**stricter, "spec": {**stricter["spec"], "pass": []}}, policy)
    assert spoiled.exit_code == 2
    assert "new.yaml: ServiceLevelObjective errors: spec.pass: " in spoiled.stderr


def judge(tmp_path: Path, *args: str, documents: list[Any]) -> Any:
    path = tmp_path / "cart-2.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return CliRunner().invoke(app, ["judge", "--record", str(path), *args])


def test_release_and_record_from_one_file(tmp_path: Path) -> None:
    release, kept = bodies(play(release_spec(plan([TESTED, RESTARTS])), good))
    listed = {"apiVersion": "v1", "kind": "List", "items": [kept, release]}
    for documents in ([release, kept], [listed]):
        found = judge(tmp_path, "-o", "json", documents=documents)
        assert found.exit_code == 0, found.output
        [shown] = yaml.safe_load(found.stdout)
        assert (shown["name"], shown["was"]) == ("cart-2", "Promotable")
    policy = tmp_path / "new.yaml"
    policy.write_text(yaml.safe_dump({
        "apiVersion": "pratique.sh/v1alpha1", "kind": "ReleasePolicy", "metadata": {"name": "cart"},
        "spec": errors(0.001).dump()}))  # fmt: skip
    found = judge(tmp_path, "--with-policy", str(policy), documents=[release, kept])
    assert found.exit_code == 1
    assert (
        "cart-2: NotPromotable (ObjectiveFailed, called at look 1, was Promotable)" in found.stdout
    )
    assert "note: restarts: is not in the policy any more" in found.stderr


def test_what_is_no_record_is_refused_with_its_reason(tmp_path: Path) -> None:
    release, kept = bodies(play(release_spec(plan([TESTED])), good))
    begin = at(0)
    looks = {"errors": (Counts(1, 2), Counts(1, 2))}
    odd = Samples(ends=(begin, begin + timedelta(minutes=1)), window_from=None, looks=looks)
    for change, said in (
        ({"data": "AAAA"}, "the record's data cannot be read"),
        ({"data": encode(odd)}, "its looks and times do not fit"),
        ({"format": 9}, "the record has format 9, and 1 is known"),
        ({"verdict": "Perhaps"}, "verdict"),
    ):
        broken = {**kept, "spec": {**kept["spec"], **change}}
        found = judge(tmp_path, documents=[release, broken])
        assert found.exit_code == 2
        assert said in found.stderr
    assert "must hold a Release and a ReleaseRecord of one name" in judge(
        tmp_path, documents=[release]).stderr  # fmt: skip
    other = {**kept, "metadata": {"name": "cart-3"}}
    third = {**release, "metadata": {"name": "cart-3"}}
    two = judge(tmp_path, documents=[release, kept, other, third])
    assert "holds cart-2, cart-3: choose one by --release" in two.stderr
    assert (
        judge(tmp_path, "--release", "cart-3", documents=[release, kept, other, third]).exit_code
        == 0
    )
    with pytest.raises(BadInput, match=r"the Release: spec\.workload: is missing"):
        of({"metadata": {"name": "x"}, "spec": {}}, kept, "x")


def test_an_older_status_is_read_as_far_as_it_matters() -> None:
    release, kept = bodies(play(release_spec(plan([TESTED])), good))
    release["status"]["somethingOfLater"] = {"x": 1}
    assert again(of(release, kept, "x")).judged.judgement.verdict == "Promotable"
    assert seconds(of(release, kept, "x").samples.ends[0]) >= 0
