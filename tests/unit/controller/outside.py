"""What tasks reach: Jobs, somebody's HTTP endpoint, the next stage's workload. Scripted, and counted.

In place of whoever carries tasks out in the operator: each call goes over the process's connection, so
that the process can be killed before it was sent, and after it was done but before it is known.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pratique.lifecycle.actions import Outcome
from pratique.lifecycle.task_actions import (
    AwaitJob,
    EndJob,
    HttpCall,
    PatchWorkload,
    StartJob,
    TaskAction,
)
from pratique.resources.task import OUTCOME_ANNOTATION
from unit.controller.api_server import ApiServer, Body, Connection

Answers = Literal["done", "done, answer lost", "try later", "refused"]
"""Of an endpoint, and of the next stage."""
Jobs = Literal["run on", "succeed", "fail"]


class Outside:
    """Beyond the operator, and so beyond its kills."""

    def __init__(self, server: ApiServer, now: Callable[[], datetime]) -> None:
        self._server = server
        self._now = now
        self.answers: Answers = "done"
        self.jobs: Jobs = "succeed"
        self._jobs_end = asyncio.Event()
        self.done: Counter[str] = Counter()
        """How often something was really done, by idempotency key; Jobs by Release and task."""
        self.allowed: Counter[str] = Counter()
        """How often somebody said that it may be done once more, by Release and task."""
        self.really: set[str] = set()
        """What was done at least once, by Release and task."""
        self.broken: list[str] = []

    def set_jobs(self, jobs: Jobs) -> None:
        """What becomes of the Jobs that run, and of those to come."""
        self.jobs = jobs
        if jobs != "run on":
            self._jobs_end.set()

    async def perform(self, connection: Connection, action: TaskAction) -> Outcome:
        """Carry a task's action out."""
        match action:
            case StartJob():
                await connection.call(action.key, lambda: self._start(action))
                return self._outcome("it runs")
            case AwaitJob():
                while self.jobs == "run on":
                    self._jobs_end.clear()
                    await self._jobs_end.wait()
                ended: Outcome = await connection.call(action.key, lambda: self._job_ended(action))
                return ended
            case EndJob():
                await connection.call(action.key, lambda: self._end(action))
                return self._outcome("tidied up")
            case HttpCall():
                key, repeatable = action.idempotency_key, action.method == "PUT"
            case PatchWorkload():
                key, repeatable = f"{action.release}/{action.task}", True
            case _:
                raise TypeError(f"{action} is not played here")
        done: Outcome = await connection.call(
            action.key, lambda: self._call(action, key, repeatable)
        )
        return done

    def _start(self, action: StartJob) -> None:
        self._check(action)
        if self._server.get("jobs", action.namespace, action.name) is None:
            release = self._server.get("releases", action.namespace, action.release)
            assert release is not None
            owner = {"kind": "Release", "name": action.release, "uid": action.uid}
            meta = {"name": action.name, "namespace": action.namespace, "ownerReferences": [owner]}
            self._server.create("jobs", {"metadata": meta, "spec": {}})
            which = f"{action.release}/{action.task}"
            self.done[which] += 1
            if self.done[which] > 1:
                self.broken.append(f"{which} had {self.done[which]} Jobs, now {action.name}")

    def _job_ended(self, action: AwaitJob) -> Outcome:
        if self._server.get("jobs", action.namespace, action.name) is None:
            return self._outcome("the Job is gone", "Absent")
        return self._outcome("the Job's end", "Failed" if self.jobs == "fail" else None)

    def _end(self, action: EndJob) -> None:
        self._server.delete("jobs", action.namespace, action.name)

    def _call(self, action: TaskAction, key: str, repeatable: bool) -> Outcome:
        planned = self._check(action)
        repeatable = repeatable or planned.get("onUnknownOutcome") == "Retry"
        if self.answers == "try later":
            return self._outcome("503", "Again")
        if self.answers == "refused":
            return self._outcome("403", "Failed")
        self.done[key] += 1
        self.really.add(f"{action.release}/{action.task}")
        most = 1 + self.allowed[f"{action.release}/{action.task}"]
        if self.done[key] > most and not repeatable:
            self.broken.append(f"{action.key} of {action.release} was done {self.done[key]} times")
        if self.answers == "done, answer lost":
            return self._outcome("connection reset", "Unknown")
        return self._outcome("200")

    def say(self, release: Body, task: str, said: Literal["done", "failed", "retry"]) -> None:
        """Somebody says what came of a call whose outcome nobody knows."""
        name, namespace = release["metadata"]["name"], release["metadata"]["namespace"]
        entry = _entry(release, task)
        if entry is None or entry["state"] != "UnknownOutcome":
            return
        value = said
        if said == "retry":
            self.allowed[f"{name}/{task}"] += 1
            value = f"retry-{entry['attempts']}"  # type: ignore[assignment]

        def change(body: Body) -> None:
            body["metadata"].setdefault("annotations", {})[f"{OUTCOME_ANNOTATION}{task}"] = value

        self._server.change("releases", namespace, name, change)

    def _check(self, action: TaskAction) -> Body:
        """Whether it may be done, by what the API server holds at this moment; the planned task."""
        release = self._server.get("releases", action.namespace, action.release)
        if release is None:
            return {}  # it was deleted while the call was under way
        status = release.get("status") or {}
        entry = _entry(release, action.task)
        if entry is None:
            self.broken.append(f"{action.key} of {action.release} is done and not written")
        tasks: list[Body] = release["spec"]["plan"]["tasks"]
        planned = next(t for t in tasks if t["name"] == action.task)
        if planned["at"] in ("After", "Promotion") and not status.get("completedAt"):
            self.broken.append(f"{action.key} of {action.release}: there is no verdict yet")
        if planned["at"] != "Promotion":
            return planned
        promotion = status.get("promotion") or {}
        if status.get("verdict") != "Promotable":
            self.broken.append(f"{action.release} is promoted, it is {status.get('verdict')}")
        if not promotion.get("beganAt"):
            self.broken.append(f"{action.release} is promoted before its promotion begins")
        revoked = status.get("revoked")
        if revoked and revoked["at"] < promotion.get("beganAt", ""):
            self.broken.append(f"{action.release} is promoted, it was revoked before")
        terms = release["spec"]["plan"].get("promotion") or {}
        if terms.get("approval") == "Required" and not promotion.get("approvedBy"):
            self.broken.append(f"{action.release} is promoted, nobody approved")
        return planned

    def _outcome(self, message: str, fate: str | None = None) -> Outcome:
        facts = () if fate is None else (("fate", fate),)
        return Outcome(ok=fate is None, message=message, at=self._now(), facts=facts)


def _entry(release: Body, task: str) -> Body | None:
    """How far the task got, by the written status."""
    entries: list[Body] = (release.get("status") or {}).get("tasks", [])
    return next((t for t in entries if t["name"] == task), None)
