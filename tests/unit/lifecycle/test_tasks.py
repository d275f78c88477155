"""Tasks step by step: begun once, in the order of their needs, tried again, ended at their deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pratique.lifecycle import tasks
from pratique.lifecycle.actions import Action, Outcome
from pratique.lifecycle.situation import Situation, Turn
from pratique.lifecycle.task_actions import (
    AwaitJob,
    Dispatch,
    EndJob,
    FindRun,
    HttpCall,
    PatchWorkload,
    StartJob,
)
from pratique.resources.release import ReleaseStatus
from pratique.resources.task import PlannedTask

from .builders import at, plan, release_spec, situation, view

JOB: dict[str, Any] = {"job": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}}
HTTP: dict[str, Any] = {"http": {"url": "https://deploy.example/hooks/$workload"}}
GITHUB: dict[str, Any] = {
    "github": {"repository": "shop/deploy", "eventType": "deploy", "token": {"name": "gh"}}
}
PATCH: dict[str, Any] = {
    "patch": {"namespace": "prod", "name": "cart", "image": {"container": "cart"}}
}


def task(name: str, what: Mapping[str, Any] = HTTP, **more: Any) -> PlannedTask:
    return PlannedTask.model_validate({"name": name, "at": "Before", **what, **more})


def given(*planned: PlannedTask, now: float = 0, **more: Any) -> Situation:
    of = plan([]).model_copy(update={"tasks": list(planned)})
    return replace(situation(release_spec(of), view(), now), uid="uid-r", **more)


def outcome(ok: bool = True, now: float = 1, message: str = "", **facts: str) -> Outcome:
    return Outcome(ok=ok, message=message, at=at(now), facts=tuple(facts.items()))


class World:
    """Plays reconcile: the status first, then the actions, once a process."""

    def __init__(self, *planned: PlannedTask) -> None:
        self.s = given(*planned)
        self.status = ReleaseStatus()
        self.done: list[Action] = []
        self.turn = Turn(self.status)

    def step(self, now: float, **outcomes: Outcome) -> Turn:
        known = {**self.s.outcomes, **{k.replace("__", "/"): v for k, v in outcomes.items()}}
        self.s = replace(self.s, now=at(now), outcomes=known)
        self.turn = tasks.turn(self.s, self.status, "Before")
        self.status = self.turn.status
        new = [a for a in self.turn.actions if a.key not in self.s.begun]
        self.done += new
        self.s = replace(self.s, begun=self.s.begun | {a.key for a in new})
        return self.turn

    def kill(self) -> None:
        """A new process: it has the status, and nothing else."""
        self.s = replace(self.s, begun=frozenset(), outcomes={})

    def answer(self, now: float, key: str, given: Outcome) -> Turn:
        self.s = replace(self.s, outcomes={**self.s.outcomes, key: given})
        return self.step(now)

    def state(self, name: str) -> str | None:
        entry = tasks.of(self.status, name)
        return entry.state if entry else None


def test_a_request_is_rendered_and_begun_once() -> None:
    w = World(task("tell", {"http": {
        "url": "https://deploy.example/$workload?image=$image",
        "headers": [{"name": "X-Release", "value": "$release"},
                    {"name": "Authorization", "secretRef": {"name": "s"}, "prefix": "Bearer "}],
        "json": {"text": "it's \"$release\" for $$5", "list": ["${number}", 3]},
    }}))  # fmt: skip
    found = w.step(0)
    (action,) = found.actions
    assert isinstance(action, HttpCall)
    assert action.url == "https://deploy.example/cart?image=registry.example%2Fcart%3A1"
    assert action.headers[0] == ("X-Release", "cart-2", "")
    assert action.headers[1][2] == "Bearer "
    assert action.body == '{"text": "it\'s \\"cart-2\\" for $5", "list": ["2", 3]}'
    assert (found.waits, w.state("tell")) == (True, "Calling")
    assert [a.key for a in w.step(1).actions] == [action.key]
    assert len(w.done) == 1
    found = w.answer(2, "task/tell/1", outcome(message="200"))
    assert (found.waits, found.actions, w.state("tell")) == (False, [], "Succeeded")


def test_retries_keep_the_key_and_wait_longer_each_time() -> None:
    w = World(task("tell", retries={"limit": 2, "backoff": "10s"}))
    now, keys, waits = 0.0, set(), []
    for n in (1, 2, 3):
        w.step(now)
        assert isinstance(w.done[-1], HttpCall)
        keys.add(w.done[-1].idempotency_key)
        w.answer(
            now + 1,
            f"task/tell/{n}",
            outcome(False, now + 1, "503", fate="Again", reason="Http503"),
        )
        entry = tasks.of(w.status, "tell")
        assert entry is not None
        if n < 3:
            assert entry.state == "Waiting"
            assert entry.retry_at is not None
            waits.append((entry.retry_at - at(now + 1)).total_seconds())
            now = (entry.retry_at - at(0)).total_seconds() + 0.001
    assert len(keys) == 1
    assert 8 <= waits[0] <= 12
    assert 16 <= waits[1] <= 24
    assert entry.state == "Failed"
    assert entry.reason == "Http503"
    assert w.turn.judgement is not None
    assert w.turn.judgement.reason == "TaskFailed"


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, "UnknownOutcome"),
        ({"onUnknownOutcome": "Retry"}, "Waiting"),
        ({"http": {"url": "https://x.example", "method": "PUT"}}, "Calling"),
        (JOB, "Calling"),
        (PATCH, "Calling"),
    ],
)
def test_a_call_of_a_dead_process(more: dict[str, Any], state: str) -> None:
    """What may be repeated is; else people are asked, unless the policy says to send it again."""
    w = World(task("tell", {} if {"http", "job", "patch"} & set(more) else HTTP, **more))
    w.step(0)
    w.kill()
    w.step(1)
    assert w.state("tell") == state


def test_an_unknown_outcome_is_asked_for_and_answered() -> None:
    for said, state in (("done", "Succeeded"), ("failed", "Failed"), ("retry-1", "Calling")):
        w = World(task("tell"))
        w.step(0)
        w.kill()
        w.step(1)
        entry = tasks.of(w.status, "tell")
        assert entry is not None
        assert "pratique.sh/outcome-tell=done" in (entry.message or "")
        assert "retry-1" in (entry.message or "")
        w.s = replace(w.s, annotations={"pratique.sh/outcome-tell": "retry-7"})
        w.step(2)
        assert w.state("tell") == "UnknownOutcome"
        w.s = replace(w.s, annotations={"pratique.sh/outcome-tell": said})
        w.step(3)
        assert w.state("tell") == state
    w = World(task("tell"))
    w.step(0)
    w.kill()
    w.step(1)
    w.step(1800)
    assert w.state("tell") == "Failed"


def test_a_job_is_started_awaited_and_tidied() -> None:
    w = World(task("smoke", JOB))
    w.step(0)
    start = w.done[-1]
    assert isinstance(start, StartJob)
    assert dict(start.environment)["PRATIQUE_RELEASE"] == "cart-2"
    assert len(start.name) <= 63
    w.answer(5, "task/smoke/1", outcome(now=5))
    assert isinstance(w.done[-1], AwaitJob)
    assert w.state("smoke") == "Running"
    w.kill()
    again = w.step(6).actions
    assert [type(a) for a in again] == [AwaitJob]
    w.answer(
        9,
        "task/smoke/1/end",
        outcome(False, 9, "exit 1", fate="Failed", reason="BackoffLimitExceeded"),
    )
    assert w.state("smoke") == "Failed"
    tidied = tasks.tidy(w.s, w.status)
    assert [type(a) for a in tidied.actions] == [EndJob]
    assert tidied.waits
    ended = replace(w.s, outcomes={"task/smoke/end": outcome()})
    assert not tasks.tidy(ended, w.status).waits


def test_a_lost_dispatch_is_looked_for_before_anything_else() -> None:
    for seen, state in (
        (outcome(url="https://x.example/runs/1"), "Running"),
        (outcome(False, fate="Absent"), "UnknownOutcome"),
    ):
        w = World(task("deploy", GITHUB))
        w.step(0)
        assert isinstance(w.done[-1], Dispatch)
        w.kill()
        w.step(1)
        assert isinstance(w.done[-1], FindRun)
        assert w.state("deploy") == "Calling"
        w.answer(2, "task/deploy/1/find", seen)
        assert w.state("deploy") == state
        assert sum(isinstance(a, Dispatch) for a in w.done) == 1


def test_needs_order_tasks_and_pass_failures_on() -> None:
    w = World(task("c", needs=["b"]), task("b", needs=["a"]), task("a"))
    w.step(0)
    assert [a.key for a in w.done] == ["task/a/1"]
    w.answer(1, "task/a/1", outcome())
    assert [a.key for a in w.done] == ["task/a/1", "task/b/1"]
    w.answer(2, "task/b/1", outcome(False, 2, "404", fate="Failed", reason="Http404"))
    entry = tasks.of(w.status, "c")
    assert entry is not None
    assert (entry.state, entry.reason) == ("Failed", "NeedsFailed")


def test_deadlines_end_every_state() -> None:
    for what in (HTTP, JOB, GITHUB, PATCH):
        w = World(task("x", what, deadline="1m"))
        w.step(0)
        w.step(60)
        assert w.state("x") == "Calling"  # who carries it out may still say why
        assert any(d > w.s.now for d in w.turn.due)
        w.step(60 + tasks.GRACE.total_seconds())
        entry = tasks.of(w.status, "x")
        assert entry is not None
        assert (entry.state, entry.reason) == ("Failed", "DeadlineExceeded")


def test_what_is_ignored_neither_waits_nor_fails() -> None:
    w = World(task("x", onFailure="Ignore"))
    assert not w.step(0).waits
    w.answer(1, "task/x/1", outcome(False, fate="Failed"))
    assert w.state("x") == "Failed"
    assert w.turn.judgement is None


def test_a_patch_gives_the_release_s_image() -> None:
    w = World(task("next", PATCH))
    w.step(0)
    action = w.done[-1]
    assert isinstance(action, PatchWorkload)
    assert action.image == "registry.example/cart:1"
    missing = {"patch": {**PATCH["patch"], "image": {"container": "cart", "from": "sidecar"}}}
    w = World(task("next", missing))
    w.step(0)
    entry = tasks.of(w.status, "next")
    assert entry is not None
    assert (entry.state, w.done) == ("Failed", [])
    assert "there is no container 'sidecar'" in (entry.message or "")


def test_cancelling_ends_what_is_under_way() -> None:
    w = World(task("smoke", JOB), task("tell"))
    w.step(0)
    w.answer(1, "task/tell/1", outcome())
    status = tasks.cancel(w.s, w.status, ("Before",), "why")
    states = {t.name: t.state for t in status.tasks}
    assert states == {"smoke": "Cancelled", "tell": "Succeeded"}
    assert [type(a) for a in tasks.tidy(w.s, status).actions] == [EndJob]


def test_a_failure_that_is_heard_of_late_is_tried_again_at_once() -> None:
    w = World(task("tell", retries={"backoff": "1s"}))
    w.step(0)
    turn = w.answer(60, "task/tell/1", outcome(False, 1, "503", fate="Again", reason="HttpStatus"))
    assert w.state("tell") == "Waiting"
    assert min(turn.due) - w.s.now <= timedelta(seconds=1)
    w.step(60.2)
    assert [a.key for a in w.done] == ["task/tell/1", "task/tell/2"]


def test_what_tasks_say_is_bounded() -> None:
    planned = [task(f"t{n:02}", onFailure="Ignore") for n in range(12)]
    w = World(*planned)
    w.step(0)
    for one in planned:
        w.answer(
            1,
            f"task/{one.name}/1",
            outcome(False, 1, "ü" * 900, fate="Failed", reason="HttpStatus"),
        )
    assert all(t.state == "Failed" and t.message for t in w.status.tasks)
    size = len(w.status.model_dump_json(by_alias=True, exclude_none=True).encode())
    assert size < 12 * tasks.ROOM + tasks.ALL_MESSAGES


def names(found: Sequence[PlannedTask]) -> list[str]:
    return [t.name for t in found]


def test_after_a_verdict_only_what_it_is_for_runs() -> None:
    planned = (
        task("always", at="After"),
        task("good", at="After", when=["Promotable"]),
        task("bad", at="After", when=["NotPromotable"]),
    )
    s = given(*planned)
    status = ReleaseStatus(completed_at=at(0), verdict="Promotable")
    assert names(tasks.unfinished(s, status, "After")) == ["always", "good"]
    turn = tasks.turn(s, status, "After")
    assert [t.name for t in turn.status.tasks] == ["always", "good"]
    assert turn.judgement is None


def test_the_wait_before_trying_again_is_the_same_everywhere() -> None:
    one = task("x", retries={"backoff": "1s", "maxBackoff": "4s"})
    waits = [tasks.backoff(one, n, "key") for n in range(1, 8)]
    assert waits == [tasks.backoff(one, n, "key") for n in range(1, 8)]
    assert all(w <= timedelta(seconds=4.8) for w in waits)
