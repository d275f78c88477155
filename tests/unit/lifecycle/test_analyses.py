"""An Analysis from its creation to its one verdict: what is asked, when, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.judge.samples import Counts, History, Missing, Sample
from pratique.lifecycle.analyses import MAX_STATUS_BYTES, Step, advance, expires
from pratique.lifecycle.assignments import Around, Asked, assign
from pratique.lifecycle.planning import Unresolved
from pratique.lifecycle.situation import Answer
from pratique.lifecycle.spans import cut
from pratique.queries.questions import Question
from pratique.resources import conditions
from pratique.resources.analysis import AnalysisSpec, AnalysisStatus
from pratique.resources.base import format_time
from pratique.resources.judgement import Window
from unit.lifecycle.builders import (
    ERRORS,
    FAST,
    HEAP,
    NAMESPACE,
    RESTARTS,
    at,
    known,
    library,
    policy,
    provider,
    seconds,
)
from unit.lifecycle.simulator import bad, down, good, silence, silent

TESTED: dict[str, Any] = {k: v for k, v in ERRORS.items() if k != "evidence"}
CHANGE: dict[str, Any] = {**ERRORS, "pass": [{"change": {"lte": "50%"}}]}
Provider = Callable[[Question, float], Sample | None]


def asked(*objectives: Mapping[str, Any], created: float = 0, **more: Any) -> Asked:
    given: dict[str, Any] = {"workload": {"name": "cart"}, **more}
    if not {"window", "recent", "until"} & more.keys():
        given["recent"] = "10m"
    if objectives:
        given["objectives"] = list(objectives)
    spec = AnalysisSpec.model_validate(given)
    return Asked(NAMESPACE, "ci-1", 1, at(created), spec)


def around(**more: Any) -> Around:
    given: dict[str, Any] = {
        "library": library(provider(scope={"raw": "Allow"})),
        "policies": {},
        "exists": True,
        "version": "1.4",
        "releases": {},
        **more,
    }
    return Around(**given)


def past(question: Question, _: float) -> Sample | None:
    """No history; else as ``good``."""
    return History(()) if question.step else good(question, _)


@dataclass
class Run:
    """An Analysis on a clock of its own; every step is told what came."""

    asked: Asked
    provider: Provider = good
    around: Around = field(default_factory=around)
    killed: Callable[[int], bool] = lambda _: False
    now: float = 0.0
    status: AnalysisStatus = field(default_factory=AnalysisStatus)
    answers: dict[Question, Answer] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    statuses: list[AnalysisStatus] = field(default_factory=list)
    steps: int = 0

    def step(self) -> Step:
        for _ in range(8):
            found = advance(self.asked, self.status, self.around, self.answers, at(self.now))
            if self.killed(self.steps):
                self.answers.clear()  # and what was not written is lost
                self.steps += 1
                return Step(self.status, due=at(self.now))
            self.steps += 1
            heard = {}
            for q in found.ask:
                assert self.now >= seconds(q.end), "the future was asked"
                sample = (
                    History(()) if q.step and self.provider in (good, bad)
                    else self.provider(q, self.now)
                )  # fmt: skip
                if sample is not None:
                    heard[q] = Answer(sample, at(self.now))
            self.questions += found.ask
            self.answers.update(heard)
            self.status = found.status
            if not heard:
                break
        if not self.statuses or self.statuses[-1] != self.status:
            self.statuses.append(self.status)
        return found

    def run(self, until: float = 7200) -> AnalysisStatus:
        for _ in range(400):
            step = self.step()
            if self.status.completed_at is not None:
                return self.status
            assert step.due is not None, "nothing would ever look again"
            self.now = max(self.now + (0 if step.ask else 0.001), seconds(step.due))
            assert self.now <= until, "no wait is for ever"
        raise AssertionError("it goes round in circles")


def promotable(status: AnalysisStatus) -> tuple[str, str]:
    found = conditions.find(status.conditions, "Promotable")
    assert found
    return found.status, found.reason


def test_the_recent_past_is_judged_at_once() -> None:
    run = Run(asked(ERRORS, FAST, HEAP))
    status = run.run()
    assert (status.verdict, promotable(status)) == ("Promotable", ("True", "AllObjectivesMet"))
    assert status.judgement is not None
    assert status.window == Window(from_=at(-600), to=at(0)) == status.judgement.window
    assert run.now == 30  # the provider's delay, and no more
    assert [r.name for r in status.judgement.results] == ["errors", "fast", "heap"]
    assert status.judgement.results[0].samples == 10_000
    ends = sorted({seconds(q.end) for q in run.questions})
    assert ends == [-540 + 60 * k for k in range(10)]
    assert {q.scope.pod_pattern for q in run.questions} == {"cart-[a-z0-9]+-[a-z0-9]+"}


def test_what_is_bad_is_not_promotable() -> None:
    status = Run(asked(ERRORS, FAST), bad).run()
    assert (status.verdict, promotable(status)) == ("NotPromotable", ("False", "ObjectiveFailed"))


def test_without_data_nothing_is_promotable() -> None:
    status = Run(asked(ERRORS), silent).run()
    assert (status.verdict, promotable(status)) == ("Inconclusive", ("Unknown", "NoData"))


@pytest.mark.parametrize("silence", [down, silence])
def test_a_provider_that_fails_ends_inconclusive_at_the_deadline(silence: Provider) -> None:
    run = Run(asked(ERRORS), silence)
    if silence is not down:
        run.now = 30
        assert run.step().ask
        run.now = 330.0
        run.step()
        status = run.status
    else:
        status = run.run()
    assert status.verdict == "Inconclusive"
    assert promotable(status)[1] == ("ProviderError" if silence is down else "DeadlineExceeded")
    assert (run.now, status.deadline) == (330.0, at(330))


def test_a_provider_that_fails_is_said_meanwhile() -> None:
    run = Run(asked(ERRORS), down)
    run.now = 31
    run.step()
    assert promotable(run.status) == ("Unknown", "ProviderError")
    found = conditions.find(run.status.conditions, "Promotable")
    assert found
    assert "connection refused" in found.message
    run.provider = good
    assert run.run().verdict == "Promotable"


def test_a_time_to_come_is_waited_for() -> None:
    run = Run(asked(FAST, until=format_time(at(600))))
    run.step()
    assert promotable(run.status) == ("Unknown", "Evaluating")
    assert conditions.find(run.status.conditions, "Reconciling")
    assert run.status.window == Window(from_=at(0), to=at(600))
    status = run.run()
    assert (status.verdict, run.now) == ("Promotable", 630)
    # It is written when it begins, and when it ends.
    assert len(run.statuses) == 2


def test_harm_is_called_before_the_window_ends() -> None:
    run = Run(asked(TESTED, until=format_time(at(1200))), bad)
    status = run.run()
    assert status.verdict == "NotPromotable"
    assert run.now == 90
    assert status.judgement is not None
    assert status.judgement.window == Window(from_=at(0), to=at(60))


def test_one_bad_look_of_a_plain_value_decides_nothing() -> None:
    def once(question: Question, now: float) -> Sample | None:
        return bad(question, now) if seconds(question.end) == 120 else good(question, now)

    assert Run(asked(FAST, until=format_time(at(600))), once).run().verdict == "Promotable"


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.integers(0, 60)),
    st.sampled_from([good, bad, silent, down]),
    st.sampled_from([{"recent": "10m"}, {"until": "2026-03-02T12:08:00Z"}]),
)
def test_killed_at_any_step_it_comes_to_the_same(
    kills: set[int], provider: Provider, time: dict[str, str]
) -> None:
    calm = Run(asked(TESTED, HEAP, **time), provider).run()
    run = Run(asked(TESTED, HEAP, **time), provider, killed=lambda n: n in kills)
    status = run.run()
    assert (status.verdict, status.window) == (calm.verdict, calm.window)
    if provider is not down:  # how often it is asked again depends on when
        assert status.judgement == calm.judgement


@given(st.sampled_from([good, bad, silent, down]))
@settings(max_examples=8, deadline=None)
def test_a_verdict_is_never_written_again(provider: Provider) -> None:
    run = Run(asked(TESTED), provider)
    status = run.run()
    run.provider = bad if provider is good else good
    run.answers.clear()
    run.now += 10_000
    assert run.step() == Step(status)


ANSWERS = st.one_of(
    st.builds(lambda t, p: Counts(min(t, p), t), st.integers(0, 500), st.integers(0, 500)),
    st.builds(Missing, st.sampled_from(["NoData", "ProviderError", "NotANumber"]), st.just("so")),
    st.none(),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ANSWERS, min_size=1, max_size=12), st.booleans())
def test_without_evidence_it_is_never_promotable(samples: list[Sample | None], first: bool) -> None:
    """Whatever comes look by look: promotable needs data in eight of ten looks, and few errors."""

    def drawn(question: Question, _: float) -> Sample | None:
        if question.step:
            return History(())
        return samples[int(seconds(question.end) // 60) % len(samples)]

    run = Run(asked(ERRORS if first else TESTED), drawn)
    for now in (0, 30, *range(36, 331, 6), 331):
        run.now = now
        run.step()
    status = run.status
    assert status.verdict is not None
    if status.verdict == "Promotable":
        looks = [samples[k % len(samples)] for k in range(-9, 1)]
        counts = [x for x in looks if isinstance(x, Counts)]
        total = sum(c.total for c in counts)
        assert len(counts) >= 8
        assert total >= 20
        if first:
            assert sum(c.part for c in counts) <= 0.05 * total


# --- what it refers to -------------------------------------------------------------------------------


def test_a_policy_lends_objectives_provider_and_score() -> None:
    of = policy(
        [ERRORS, {**FAST, "weight": 3}, RESTARTS],
        provider="mine",
        score={"pass": "75%"},
        onWarning="NotPromotable",
        analysis={"interval": "2m"},
    )
    run = Run(
        asked(policy="cart"),
        around=around(policies={of.key: of}, library=library(provider("mine"))),
    )
    status = run.run()
    assert status.policy == "shop/cart@1"
    assert promotable(status) == ("True", "ScoreReached")
    assert status.judgement is not None
    assert [r.name for r in status.judgement.results] == ["errors", "fast"]
    assert {r.provider for r in status.judgement.results} == {"pratique-system/mine"}
    assert {q.span for q in run.questions} == {120.0}
    # What could not be asked is not passed over in silence.
    assert status.judgement.basis == "without Kubernetes' own signals (restarts)"
    assert "restarts" in status.judgement.message


def test_a_release_is_told_by_its_own_pods_and_version() -> None:
    by_version = {
        **ERRORS,
        "name": "by-version",
        "indicator": {**ERRORS["indicator"], "attribution": "Version"},
    }
    run = Run(
        asked(ERRORS, by_version, workload={"name": "cart", "release": "cart-7"}),
        around=around(releases={"cart-7": known(7, version="1.3")}),
    )
    run.run()
    assert {q.scope.pod_pattern for q in run.questions} == {"cart-rs7-[a-z0-9]+", None}
    assert {q.scope.version for q in run.questions} == {"1.3"}


def test_arguments_reach_just_the_questions_that_use_them() -> None:
    heap = {**HEAP, "indicator": {"query": {"expr": 'max(heap{pod=~"$pods",run="$arg_run"})'}}}
    run = Run(asked(ERRORS, heap, args={"run": "r-1", "other": "x"}))
    run.run()
    assert {(q.indicator.query is not None, q.scope.args) for q in run.questions} == {
        (False, ()),
        (True, (("run", "r-1"),)),
    }


@pytest.mark.parametrize(
    ("of", "given", "field", "mend"),
    [
        (asked({"ref": "none"}), {}, "spec.objectives[0].ref", "apply it, or write"),
        (asked(policy="none"), {}, "spec.policy", "say objectives"),
        (asked(ERRORS, provider="none"), {}, "spec.provider", "apply one"),
        (asked(RESTARTS), {}, "spec.objectives", "use ratio, latency or query"),
        (asked(ERRORS, interval="20s"), {}, "spec.interval", "at least 30s"),
        (asked(ERRORS, interval="20m"), {}, "spec.interval", "make it shorter"),
        (asked(ERRORS, recent="45s"), {}, "spec (the window)", "at least 1m"),
        (asked(ERRORS, recent="3h", interval="30s"), {}, None, None),
        (asked(ERRORS, recent="7d", interval="1m"), {}, "spec.interval", "at least 28m"),
        (
            asked(*({**ERRORS, "name": f"o{n}"} for n in range(64)), recent="3h", interval="1m"), {},
            "spec.interval", "112 that are asked of 64 objectives: make it at least 1m37s",
        ),
        (asked(ERRORS, until="2026-03-02T11:00:00Z"), {}, "spec.until", "say from too"),
        (asked(ERRORS), {"exists": False}, "spec.workload.name", "correct the name"),
        (
            asked(ERRORS, workload={"name": "cart", "release": "cart-9"}), {},
            "spec.workload.release", "kubectl get",
        ),
        (
            asked(CHANGE, baseline={"release": "cart-1"}), {"releases": {"cart-1": known(1)}},
            "spec.baseline.release", "name another",
        ),
        (
            asked(CHANGE, baseline={"release": "cart-9"}), {},
            "spec.baseline.release", "name one that it has",
        ),
        (
            asked(policy="cart", baseline={"fixed": [{"objective": "erors", "value": 0.01}]}),
            {"policies": {(NAMESPACE, "cart"): policy([ERRORS])}},
            "spec.baseline.fixed[0].objective", "the policy has errors",
        ),
        (
            asked({**HEAP, "indicator": {"query": {"expr": 'x{pod=~"$pods",r="$arg_r"}'}}}), {},
            "spec.args.r", "give it a value",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_resolved_names_field_and_mend(
    of: Asked, given: dict[str, Any], field: str | None, mend: str | None
) -> None:
    if field is None or mend is None:
        assert assign(of, around(**given)).ends
        return
    with pytest.raises(Unresolved) as refused:
        assign(of, around(**given))
    assert refused.value.field == field
    assert mend in refused.value.message


def test_a_mended_reference_is_taken_up_and_one_that_stays_ends_at_the_deadline() -> None:
    run = Run(asked(policy="late"))
    run.step()
    stalled = conditions.find(run.status.conditions, "Stalled")
    assert stalled
    assert stalled.reason == "Unresolved"
    assert "spec.policy: there is no ReleasePolicy 'late'" in stalled.message
    assert promotable(run.status) == ("Unknown", "Unresolved")
    left = replace(run, status=run.status, answers={})
    of = policy([ERRORS], name="late")
    run.around = around(policies={of.key: of})
    assert run.run().verdict == "Promotable"
    assert not conditions.find(run.status.conditions, "Stalled")
    status = left.run()
    assert (status.verdict, promotable(status)) == ("Inconclusive", ("Unknown", "Unresolved"))
    assert left.now == 300


def test_a_provider_that_is_not_probed_yet_is_awaited() -> None:
    run = Run(asked(ERRORS), around=around(library=library(provider(probed=False))))
    run.step()
    assert not conditions.find(run.status.conditions, "Stalled")
    assert conditions.find(run.status.conditions, "Reconciling")


# --- what it is compared with ------------------------------------------------------------------------


def doubled(question: Question, now: float) -> Sample | None:
    """1 % errors, and 3 % from T0 − 10 m on."""
    return bad(question, now) if seconds(question.end) > -600 else good(question, now)


@pytest.mark.parametrize(
    ("baseline", "release"),
    [
        ({"before": "10m"}, "cart from 2026-03-02 11:40:00 to 11:50:00 UTC"),
        (
            {"window": {"from": "2026-03-02T11:00:00Z", "to": "2026-03-02T11:10:00Z"}},
            "cart from 2026-03-02 11:00:00 to 11:10:00 UTC",
        ),
        ({"fixed": [{"objective": "errors", "value": 0.01, "samples": 9000}]}, "the analysis"),
    ],
)
def test_a_change_is_judged_against_the_baseline(baseline: dict[str, Any], release: str) -> None:
    of = asked(CHANGE, baseline=baseline)
    status = Run(of, doubled).run()
    assert status.verdict == "NotPromotable"
    assert status.judgement is not None
    compared = status.judgement.results[0].baseline
    assert compared is not None
    assert (compared.release, compared.value) == (release, 0.01)
    assert Run(of, good).run().verdict == "Promotable"


def test_another_workload_is_measured_over_the_same_minutes() -> None:
    def stable(question: Question, now: float) -> Sample | None:
        return good(question, now) if question.scope.workload == "stable" else bad(question, now)

    run = Run(asked(CHANGE, baseline={"workload": "stable"}), stable)
    status = run.run()
    assert status.verdict == "NotPromotable"
    beside = {q.scope.pod_pattern for q in run.questions if q.scope.workload == "stable"}
    assert beside == {"stable-[a-z0-9]+-[a-z0-9]+"}


def test_a_change_without_a_baseline_is_not_judged() -> None:
    status = Run(asked(CHANGE)).run()
    assert (status.verdict, promotable(status)[1]) == ("Inconclusive", "NoBaseline")


# --- looks, sizes, times -----------------------------------------------------------------------------


@given(
    st.integers(-1000, 1000),
    st.integers(1, 5000),
    st.integers(2, 300),
    st.integers(1, 150),
)
def test_looks_cover_the_window_and_none_is_too_short(
    begin: int, length: int, interval: int, least: int
) -> None:
    least = min(least, interval)
    window = Window(from_=at(begin), to=at(begin + length))
    ends = cut(window, timedelta(seconds=interval), timedelta(seconds=least))
    assert ends[-1] == window.to
    edges = [window.from_, *ends]
    spans = [(b - a).total_seconds() for a, b in pairwise(edges)]
    assert sum(spans) == length
    assert len(ends) == 1 or min(spans) >= least
    assert all(e.timestamp() % interval == 0 for e in ends[:-1])


@pytest.mark.parametrize(
    ("recent", "looks"), [("10m", 10), ("2m", 4), ("1h", 60), ("12h", 60), ("1m", 2), ("30d", 60)]
)
def test_a_fair_number_of_looks_is_chosen(recent: str, looks: int) -> None:
    found = assign(asked(ERRORS, recent=recent), around())
    assert abs(len(found.ends) - looks) <= 1


def test_sixty_four_objectives_fit_a_status() -> None:
    objectives = [{**ERRORS, "name": f"objective-{n}"} for n in range(64)]
    status = Run(asked(*objectives), bad).run()
    assert status.judgement is not None
    assert len(status.judgement.results) == 64
    assert (
        len(status.model_dump_json(by_alias=True, exclude_none=True).encode()) <= MAX_STATUS_BYTES
    )


def test_it_is_kept_as_long_as_it_says() -> None:
    of = asked(ERRORS, retention={"ttl": "1h"})
    run = Run(of)
    assert expires(of.spec, run.status) is None
    status = run.run()
    assert expires(of.spec, status) == at(30 + 3600)
    assert expires(asked(ERRORS).spec, status) is None
