"""What holds for every life of a release, whatever the cluster and the provider do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pratique.judge.samples import Missing, Sample, Value
from pratique.lifecycle.advance import MAX_STATUS_BYTES, advance
from pratique.lifecycle.announcements import announcements
from pratique.lifecycle.planning import indicator_hash, resolve
from pratique.lifecycle.situation import Answer, Situation, Step
from pratique.lifecycle.view import Container, Pod, View, Workload
from pratique.queries.questions import Question
from pratique.resources.release import ReleaseSpec, ReleaseStatus
from unit.lifecycle.builders import (
    ERRORS,
    FAST,
    HEAP,
    RESTARTS,
    at,
    library,
    plan,
    pod,
    policy,
    provider,
    release_spec,
    revision,
    seconds,
    situation,
    view,
    workload,
)
from unit.lifecycle.simulator import (
    Change,
    Play,
    after,
    answer,
    bad,
    down,
    good,
    rolled_out,
    silence,
    silent,
)

CHANGE = {
    **FAST,
    "name": "no-slower",
    "pass": [{"value": {"lte": 0.3}, "change": {"lte": "10%"}}],
}
BEFORE = {
    "source": "BeforeRollout",
    "release": "cart-1",
    "podPattern": "cart-old-[a-z0-9]+",
    "from": "2026-03-02T11:55:00Z",
    "to": "2026-03-02T12:00:00Z",
}
OBJECTIVES = [ERRORS, FAST, HEAP, RESTARTS, CHANGE]
MISSING = [
    Missing(reason, "said the provider")
    for reason in ("NoData", "ProviderError", "NotANumber", "QueryRejected", "SeveralSeries")
]


def size(status: ReleaseStatus) -> int:
    return len(status.model_dump_json(by_alias=True, exclude_none=True).encode())


# Random lives

chosen = st.lists(
    st.sampled_from(OBJECTIVES), min_size=1, max_size=4, unique_by=lambda o: o["name"]
)
containers = st.sampled_from(
    [
        (Container("cart"),),
        (Container("cart"),),
        (Container("cart", restarts=1),),
        (Container("cart", waiting=("ImagePullBackOff", "no such image")),),
        (Container("cart", waiting=("CrashLoopBackOff", ""), restarts=5),),
    ]
)


@st.composite
def pods(draw: st.DrawFn, now: float) -> list[Pod]:
    made = []
    for name in draw(st.lists(st.sampled_from("abcde"), unique=True, max_size=4)):
        ready = draw(st.booleans())
        made.append(
            pod(
                name,
                ready=draw(st.floats(0, max(now, 0.001))) if ready else None,
                containers=(Container("cart"),) if ready else draw(containers),
                deleting=draw(st.integers(0, 9)) == 0,
                pod_hash=draw(st.sampled_from(["abc", "abc", "abc", "def"])),
            )
        )
    return made


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    if draw(st.booleans()):
        return workload()
    desired = draw(st.integers(0, 4))
    return workload(
        desired=desired,
        updated=draw(st.integers(0, desired)),
        available=draw(st.integers(0, 4)),
        total=draw(st.integers(0, 5)),
        generation=draw(st.sampled_from([1, 1, 1, 2])),
        paused=draw(st.integers(0, 9)) == 0,
        deleting=draw(st.integers(0, 19)) == 0,
        progress_failed="timed out" if draw(st.integers(0, 19)) == 0 else None,
    )


@dataclass(frozen=True)
class Moment:
    """What the world is like after a jump in time."""

    jump: float | None
    """Seconds; None: to the due time that the step named."""
    seen: View | None
    superseded: bool
    samples: Mapping[str, Sample | None]
    """By objective, and by objective/whole for more than a look; None: no answer came."""
    killed: bool


@st.composite
def lives(draw: st.DrawFn) -> tuple[ReleaseSpec, list[Moment]]:
    objectives = draw(chosen)
    analysis: dict[str, Any] = {
        "failAfter": draw(st.integers(1, 4)),
        "window": draw(st.sampled_from(["1m", "3m", "150s"])),
        "warmUp": draw(st.sampled_from(["0s", "30s", "1m"])),
        "deadline": draw(st.sampled_from(["4m", "16m"])),
    }
    baselines = [BEFORE] if draw(st.booleans()) else []
    spec = release_spec(plan(objectives, baselines=baselines, **analysis))
    moments, now = [], 0.0
    steady, calm = draw(st.booleans()), draw(st.booleans())
    seen: View | None = view(pods=[pod(n, ready=0) for n in "abc"])
    for _ in range(draw(st.integers(1, 25))):
        jump = draw(st.none() | st.floats(0.001, 300))
        now += jump or 60
        if not (steady and draw(st.integers(0, 5))):
            seen = (
                None
                if draw(st.integers(0, 60)) == 0
                else view(
                    draw(workloads()),
                    draw(pods(now)),
                    revisions=draw(st.sampled_from([[revision()], [revision()], []])),
                )
            )
        moments.append(
            Moment(
                jump,
                seen,
                superseded=draw(st.integers(0, 99)) == 0,
                samples={
                    o["name"] + suffix: draw(samples(o, calm and not suffix))
                    for o in objectives
                    for suffix in ("", "/whole")
                },
                killed=draw(st.integers(0, 9)) == 0,
            )
        )
    return spec, moments


def samples(objective: Mapping[str, Any], calm: bool) -> st.SearchStrategy[Sample | None]:
    if "kubernetes" in objective["indicator"]:
        return st.none()
    spec = release_spec(plan([objective])).plan.objectives[0]

    def shaped(well: bool, total: int) -> Sample:
        question = Question.__new__(Question)
        object.__setattr__(question, "indicator", spec.indicator)
        object.__setattr__(question, "span", 60.0)
        share = 0.01 if well else 0.5
        return answer(question, share=share, slow=share, value=500 * share, total=total)

    if calm:
        return st.just(shaped(True, 1000))
    data = st.builds(shaped, st.integers(0, 3).map(bool), st.sampled_from([0, 5, 100, 1000]))
    odd = st.sampled_from([Value(math.nan), Value(math.inf), *MISSING])
    return st.one_of(data, data, data, data, odd, st.none())


@dataclass
class Life:
    """Steps through the moments, and holds what must always hold."""

    spec: ReleaseSpec
    now: float = 0.0
    status: ReleaseStatus = field(default_factory=ReleaseStatus)
    written: ReleaseStatus = field(default_factory=ReleaseStatus)
    answers: dict[Question, Answer] = field(default_factory=dict)
    with_data: set[str] = field(default_factory=set)
    """Indicators of which there was ever data of this release."""

    def at(self, moment: Moment) -> Step:
        s = situation(
            self.spec,
            moment.seen,
            self.now,
            self.answers,
            superseded_by="cart-9" if moment.superseded else None,
        )
        for _ in range(6):
            step = self.checked(s)
            self.status = step.status
            heard = {}
            for question in step.ask:
                name = next(
                    o.name
                    for o in self.spec.plan.objectives
                    if o.indicator == question.indicator and o.name in moment.samples
                )
                looks = question.span <= self.spec.plan.analysis.interval.total_seconds()
                sample = moment.samples[name if looks else f"{name}/whole"]
                if sample is not None:
                    heard[question] = Answer(sample, at(self.now))
                    if not isinstance(sample, Missing) and question.scope.pod_pattern is None:
                        self.with_data.add(indicator_hash(question.indicator))
            self.answers.update(heard)
            if not heard:
                break
        self.written = ReleaseStatus.model_validate(self.status.dump())
        return step

    def checked(self, s: Situation) -> Step:
        before = self.status
        step = advance(s, before)
        again = advance(s, step.status)
        assert again == step, "calling it again with its own result changes something"
        after = step.status
        assert size(after) <= MAX_STATUS_BYTES
        assert ReleaseStatus.model_validate(after.dump()) is not None
        if before.completed_at is not None:
            assert after.verdict == before.verdict
            assert after.judgement == before.judgement
            assert after.completed_at == before.completed_at
            assert (step.ask, step.due) == ((), None)
        elif after.completed_at is None:
            assert after.verdict is None
            assert after.judgement is None
            assert step.due is not None, "nothing will ever wake it"
            assert step.due > s.now
        else:
            self.given(after)
        promotable = next(c.status for c in after.conditions if c.type == "Promotable")
        assert (promotable == "True") == (after.verdict == "Promotable")
        assert (promotable == "False") == (after.verdict == "NotPromotable")
        keys = [a.key for a in announcements(self.spec, after)]
        assert len(set(keys)) == len(keys)
        return step

    def given(self, status: ReleaseStatus) -> None:
        assert status.judgement is not None
        assert status.judgement.verdict == status.verdict
        if status.verdict != "Promotable":
            return
        assert status.rollout.completed_at is not None
        assert status.window_from is not None
        window = status.judgement.window
        assert window is not None
        assert window.from_ >= status.rollout.completed_at
        assert window.to - window.from_ >= self.spec.plan.analysis.window
        assert window.to <= at(self.now)
        assert [r.name for r in status.judgement.results] == [
            o.name for o in self.spec.plan.objectives
        ]
        for result, objective in zip(
            status.judgement.results, self.spec.plan.objectives, strict=True
        ):
            assert result.result in ("Pass", "Warn")
            assert result.value is not None
            assert math.isfinite(result.value)
            if objective.provider is not None:
                assert indicator_hash(objective.indicator) in self.with_data
            if objective.indicator.ratio or objective.indicator.latency:
                assert (result.samples or 0) >= objective.min_requests


@given(lives())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_for_every_life_the_promises_hold(drawn: tuple[ReleaseSpec, list[Moment]]) -> None:
    spec, moments = drawn
    life = Life(spec)
    due = None
    for moment in moments:
        if moment.jump is not None:
            life.now += moment.jump
        elif due is not None:
            life.now = seconds(due)
        due = life.at(moment).due
        if moment.killed:
            life.answers, life.status = {}, life.written
    last = moments[-1]
    # However it was left: with nothing more than its own due times it comes to an end.
    for _ in range(300):
        if life.status.completed_at is not None:
            break
        assert due is not None
        life.now = seconds(due)
        due = life.at(last).due
    assert life.status.completed_at is not None
    assert life.now <= 660 + 300 * len(moments) + 16 * 60


# Never stuck


@pytest.mark.parametrize("provider", [good, bad, down, silence], ids=lambda p: p.__name__)
@pytest.mark.parametrize("last", range(5))
def test_when_events_stop_coming_each_state_still_ends(last: int, provider: Any) -> None:
    # Only the first so many changes are ever seen: the watch broke after them.
    seen = [Change(0, view(workload(generation=2), [])), *rolled_out(begin=1)][: last + 1]
    made = Play(release_spec(plan([ERRORS, RESTARTS])), seen, provider)
    status = made.run()
    assert status.verdict is not None
    assert made.now <= 660 if last < 4 else made.now <= 1100


def test_an_operator_that_sleeps_over_everything_still_comes_to_an_honest_end() -> None:
    spec = release_spec(plan([ERRORS, RESTARTS]))
    made = Play(spec, rolled_out(), good, now=100_000)
    assert made.run(until=110_000).verdict == "Promotable"
    gone = Play(spec, [*rolled_out(), Change(50_000, None)], good, now=100_000)
    assert gone.run(until=110_000).verdict == "Inconclusive"


@given(
    interval=st.integers(2, 1200),
    looks=st.floats(1, 6),
    warm_up=st.integers(0, 900),
    delay=st.integers(0, 1200),
    ready=st.integers(0, 600),
)
@settings(max_examples=60, deadline=None)
def test_the_default_deadline_leaves_a_good_release_the_time_that_it_needs(
    interval: int, looks: float, warm_up: int, delay: int, ready: int
) -> None:
    analysis = {
        "interval": f"{interval}s",
        "window": f"{max(4, int(looks * interval))}s",
        "warmUp": f"{warm_up}s",
    }
    of = resolve(
        policy([ERRORS], analysis=analysis),
        library(provider(scrapeInterval="1s", delay=f"{delay}s")),
        progress_deadline=3600,
    )
    assert Play(release_spec(of), rolled_out(ready), good).run(until=40_000).verdict == "Promotable"


# Size


def test_a_status_of_ten_objectives_fits_8_kib_from_begin_to_end() -> None:
    ten = [
        {**base, "name": f"objective-{i}-with-a-name-of-some-length"}
        for i, base in enumerate([ERRORS, FAST, CHANGE, HEAP, FAST] * 2)
    ]
    spec = release_spec(plan(ten, baselines=[BEFORE], window="60m", deadline="150m"))
    for answering in (good, bad, silent, after(2000, good, bad)):
        made = Play(spec, rolled_out(), answering)
        made.run(until=20_000)
        largest = max(size(step.status) for _, step in made.steps)
        assert largest <= MAX_STATUS_BYTES
        final = made.status.judgement
        assert final is not None
        assert len(final.results) == 10


def test_a_status_of_many_pods_and_objectives_fits_8_kib() -> None:
    many = [pod(f"{i:05}", ready=i % 7 * 60) for i in range(300)]
    of = workload(desired=300, updated=300, available=300, total=300)
    ten = [{**ERRORS, "name": f"objective-{i}"} for i in range(10)]
    made = Play(
        release_spec(plan(ten, window="60m", deadline="150m")),
        [Change(0, view(of, many))],
        good,
    )
    made.run(until=20_000)
    assert max(size(step.status) for _, step in made.steps) <= MAX_STATUS_BYTES
