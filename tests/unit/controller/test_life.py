"""Random lives of a workload's releases, driven through the real reconciler: a model-based property test.

``PRATIQUE_LIVES`` is how many lives are tried, each time others; without it few, and the same each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from unittest import TestCase

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from unit.controller.api_server import Mishap
from unit.controller.kubernetes import Health
from unit.controller.life import POLICIES, TASKED, Life

LIVES = int(os.environ.get("PRATIQUE_LIVES", "0"))
Happening = Callable[[Life], object]

ROLLOUTS: Mapping[str, Happening] = {
    "restarts": Life.restart,
    "scales to 0": lambda life: life.scale(0),
    "scales to 1": lambda life: life.scale(1),
    "scales to 3": lambda life: life.scale(3),
    "scales to 2": lambda life: life.scale(2),
    "a pod restarts": Life.restart_pod,
    "goes bad": Life.goes_bad,
    "provider down": lambda life: life.provider("down"),
    "provider silent": lambda life: life.provider("silent"),
    "provider up": lambda life: life.provider("up"),
    "asked again": Life.re_evaluate,
    "first version again": lambda life: life.ship_again(0),
    "version before again": lambda life: life.ship_again(len(life.images) - 2),
}
TASKS: Mapping[str, Happening] = {
    "approved": Life.approve,
    "rejected": lambda life: life.approve("Reject"),
    "outcome told": lambda life: life.say("done"),
    "outcome told: failed": lambda life: life.say("failed"),
    "told to retry": lambda life: life.say("retry"),
    "answers: done": lambda life: life.answers("done"),
    "answers: lost": lambda life: life.answers("done, answer lost"),
    "answers: refused": lambda life: life.answers("refused"),
    "answers: try later": lambda life: life.answers("try later"),
    "jobs run on": lambda life: life.jobs("run on"),
    "jobs succeed": lambda life: life.jobs("succeed"),
    "jobs fail": lambda life: life.jobs("fail"),
    "goes bad": Life.goes_bad,
    "asked again": Life.re_evaluate,
    "provider down": lambda life: life.provider("down"),
    "provider up": lambda life: life.provider("up"),
}
RARE: Mapping[str, Happening] = {
    "workload deleted": Life.delete_workload,
    "pauses": lambda life: life.pause(True),
    "resumes": lambda life: life.pause(False),
    "hold: true": lambda life: life.label_hold("true"),
    "hold: false": lambda life: life.label_hold("false"),
    "policy deleted": lambda life: life.set_policy(None),
    "operator stops": lambda life: life.world.stop(),
    "operator starts": lambda life: life.world.start(),
    "operator hears late": lambda life: life.world.behind_for(20),
}
MEANWHILE: Mapping[str, Happening] = {
    "touched": Life.touch,
    "rolls out": Life.roll_out,
    "restarts": Life.restart,
    "a new version": lambda life: life.ship("good"),
    "workload deleted": Life.delete_workload,
}


def edits(policies: Iterable[str]) -> dict[str, Happening]:
    """The policy is changed to another."""
    return {
        f"policy: {name}": lambda life, name=name: life.set_policy(name)  # type: ignore[misc]
        for name in policies
    }


def lives(
    policies: Iterable[str], usual: Mapping[str, Happening], sick: Iterable[Health], examples: int
) -> type[TestCase]:
    """Lives under these policies. The operator does at once what there is to do after each happening."""
    rare = {**RARE, **edits(policies)}
    healths: st.SearchStrategy[Health] = st.sampled_from(["good", "good", "good", "good", *sick])
    befalls: st.SearchStrategy[Mishap] = st.sampled_from(
        ["killed before", "killed after", "killed before", "unreachable", "answer lost"]
    )

    class Lives(RuleBasedStateMachine):
        life: Life | None = None
        failed = False

        @initialize(policy=st.sampled_from(sorted(policies)), health=healths, held=st.booleans())
        def begin(self, policy: str, health: Health, held: bool) -> None:
            self.life = Life(policy, held=held)
            self._do(lambda life: life.ship(health))

        @rule(health=healths, rolled_out=st.booleans(), seconds=st.sampled_from([0, 300, 900]))
        def ships(self, health: Health, rolled_out: bool, seconds: float) -> None:
            self._do(lambda life: life.ship(health))
            if rolled_out:
                self._do(Life.roll_out)
            self._do(lambda life: life.world.advance(seconds))

        @rule(what=st.sampled_from(sorted(usual)), seconds=st.sampled_from([0, 30, 120, 600]))
        def happens(self, what: str, seconds: float) -> None:
            self._do(usual[what])
            self._do(lambda life: life.world.advance(seconds))

        @rule(what=st.sampled_from(sorted(rare)))
        def happens_rarely(self, what: str) -> None:
            self._do(rare[what])

        @rule(count=st.integers(1, 6))
        def rolls_on(self, count: int) -> None:
            for _ in range(count):
                self._do(lambda life: life.turns(1))

        @rule(seconds=st.sampled_from([0, 30, 300]))
        def rolls_out(self, seconds: float) -> None:
            self._do(Life.roll_out)
            self._do(lambda life: life.world.advance(seconds))

        @rule(seconds=st.sampled_from([0.5, 5, 30, 60, 180, 300, 900]))
        def time_goes_on(self, seconds: float) -> None:
            self._do(lambda life: life.world.advance(seconds))

        @rule(
            doom=st.lists(st.tuples(st.integers(0, 7), befalls), min_size=1, max_size=5),
            seconds=st.sampled_from([0, 60, 180, 300]),
        )
        def mishaps(self, doom: list[tuple[int, Mishap]], seconds: float) -> None:
            self._do(lambda life: life.doom(doom))
            self._do(lambda life: life.world.advance(seconds))

        @rule(
            calls=st.integers(0, 5),
            what=st.sampled_from(sorted(MEANWHILE)),
            seconds=st.sampled_from([0, 60, 180]),
        )
        def happens_between_two_calls(self, calls: int, what: str, seconds: float) -> None:
            self._do(lambda life: life.between(calls, lambda: MEANWHILE[what](life)))
            self._do(lambda life: life.world.advance(seconds))

        @invariant()
        def what_was_written_was_right(self) -> None:
            if self.life is not None:
                self._do(Life.hold)

        def teardown(self) -> None:
            if self.life is None:
                return
            try:
                if not self.failed:
                    self.life.end()
            finally:
                self.life.close()

        def _do(self, what: Happening) -> None:
            assert self.life is not None
            try:
                what(self.life)
                self.life.world.run()
            except BaseException:
                self.failed = True
                raise

    made: type[TestCase] = Lives.TestCase
    made.settings = settings(  # type: ignore[attr-defined]
        max_examples=LIVES or examples,
        stateful_step_count=30,
        derandomize=not LIVES,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    return made


TestLives = lives(set(POLICIES) - TASKED, ROLLOUTS, ["bad", "missing", "crashing"], 70)
TestLivesWithTasks = lives(TASKED, TASKS, ["bad"], 50)
