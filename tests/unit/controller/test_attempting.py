"""Further attempts as the operator finds them, with a cluster and providers that are played."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from pratique.controller.attempting import Attempter
from pratique.controller.store import Record, Seen, Store
from pratique.judge.samples import Counts, Missing, Sample
from pratique.lifecycle.attempts import Again
from pratique.lifecycle.history import remember
from pratique.lifecycle.noticing import fingerprint
from pratique.queries.questions import Question
from pratique.resources.base import ObjectMeta
from pratique.resources.conditions import Condition
from pratique.resources.provider import MetricsProviderStatus
from pratique.resources.release import RE_EVALUATE_ANNOTATION, Release, ReleaseStatus
from unit.lifecycle.builders import (
    ERRORS,
    LIBRARY,
    NAMESPACE,
    T0,
    at,
    plan,
    provider,
    release_spec,
    rolling,
    seconds,
    template,
    workload,
)
from unit.lifecycle.simulator import Play, rolled_out, silent

KEY = (NAMESPACE, "Deployment", "cart")


class World:
    """A Release that ended, the cluster it is in, and a provider."""

    def __init__(self, play: Play) -> None:
        self.now = 0.0
        self.sample: Sample = Missing("NoData", "no series")
        self.asked: list[Question] = []
        self.events: list[str] = []
        self.store = Store(LIBRARY)
        self.release = Release(spec=play.spec, status=play.run(closed=True))
        self.annotations: dict[str, str] = {}
        self.workload = workload()
        self.ready = "True"
        self.attempter = Attempter(
            store=self.store,
            cluster=self,  # type: ignore[arg-type]
            asker=self,  # type: ignore[arg-type]
            now=lambda: at(self.now),
        )
        assert self.release.status is not None
        assert self.release.status.completed_at is not None
        self.now = seconds(self.release.status.completed_at)

    async def get(self, plural: str, namespace: str, name: str) -> dict[str, Any]:
        return {"spec": self.release.spec.dump(), "status": self.release.status.dump()}  # type: ignore[union-attr]

    async def ask(self, questions: Iterable[Question]) -> dict[Question, Sample]:
        self.asked += (given := list(questions))
        return dict.fromkeys(given, self.sample)

    async def event(self, *, message: str, **_: Any) -> bool:
        self.events.append(message)
        return True

    async def annotate(self, *_: Any) -> dict[str, Any]:
        self.annotations = {}
        self.fill()
        return {"metadata": {"name": "none"}, "spec": {}}

    def fill(self, finished: bool = True) -> None:
        """The store as it would be."""
        status = self.release.status or ReleaseStatus()
        meta = ObjectMeta(
            name="cart-2", namespace=NAMESPACE, uid="u2", annotations=dict(self.annotations)
        )
        known = remember(meta, self.release.spec, status)
        record = Record(meta, known, 1, finished, False, None, status)
        self.store.releases = {KEY: {"cart-2": record}}
        self.store.put = lambda *_: set()  # type: ignore[method-assign]
        condition = Condition(
            type="Ready", status=self.ready, reason="Reachable", last_transition_time=T0
        )
        of = provider()
        probed = MetricsProviderStatus(observed_generation=1, conditions=[condition])
        self.store.providers = {
            (LIBRARY, "default"): type(of)(LIBRARY, "default", 1, of.spec, probed)
        }

    async def look(self, *, judged: bool = True) -> tuple[Again | None, datetime | None]:
        self.fill()
        seen = Seen(self.workload, fingerprint(template()))
        return await self.attempter.consider(KEY, seen, judged=judged)

    async def until(self, limit: float, change: Callable[[], None] = lambda: None) -> Again | None:
        """Jump from due time to due time."""
        change()
        while self.now < limit:
            again, due = await self.look()
            if again is not None:
                return again
            if due is None:
                return None
            assert seconds(due) > self.now
            self.now = seconds(due)
        return None


def without_data() -> World:
    return World(Play(release_spec(plan([ERRORS])), rolled_out(), silent))


async def test_series_that_came_begin_an_attempt_once_they_stayed() -> None:
    world = without_data()
    begin = world.now
    assert await world.until(begin + 600) is None
    assert 5 <= len(world.asked) <= 12
    world.sample = Counts(0, 5)
    again = await world.until(begin + 2000)
    assert again is not None
    assert (again.because, again.attempt, again.of.name) == ("ObstacleGone", 2, "cart-2")
    assert "there is data now" in again.message
    # Two minutes are failFast.after: as long as a cause must stand, it must be gone.
    assert world.now >= begin + 720


async def test_while_something_else_is_in_the_way_nobody_is_asked() -> None:
    world = without_data()
    world.workload = rolling()
    assert await world.look() == (None, None)
    world.workload, world.ready = workload(), "Unknown"
    assert await world.look() == (None, None)
    assert world.asked == []


async def test_what_comes_and_goes_begins_nothing() -> None:
    world = without_data()
    for _ in range(20):
        world.sample = Counts(0, 5)
        again, due = await world.look()
        assert again is None
        assert due is not None
        world.now += 90
        world.workload = rolling()
        assert await world.look() == (None, None)
        world.workload = workload()


async def test_after_a_day_nobody_is_asked_any_more() -> None:
    world = without_data()
    assert await world.until(world.now + 200_000) is None
    assert world.now < 86_400 + 1000
    assert len(world.asked) < 340


async def test_without_a_policy_nothing_begins() -> None:
    world = without_data()
    world.sample = Counts(0, 5)
    assert await world.look(judged=False) == (None, None)


async def test_a_request_begins_an_attempt_at_once_and_without_a_policy_is_refused() -> None:
    world = without_data()
    world.annotations = {RE_EVALUATE_ANNOTATION: "now"}
    again, _ = await world.look()
    assert again is not None
    assert (again.because, again.request) == ("ReEvaluate", "now")
    assert world.events == []
    assert (await world.look(judged=False))[0] is None
    assert "no policy" in world.events[0]
    assert world.annotations == {}
