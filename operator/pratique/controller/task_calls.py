"""Carrying out what tasks want: Jobs, HTTP requests, GitHub runs, changes of workloads.

Each answers with what is known of how it ended, and never raises: what failed for good, what may be tried
again, and what nobody knows are told apart (``lifecycle/task_actions``). Not here: trying again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from ..calls.errors import CallError, Lost, NotSent
from ..calls.github import Github, Run
from ..calls.http import Caller
from ..cluster.client import Cluster
from ..cluster.errors import ClusterError, Conflict, Gone, Refused, Rejected, Unreachable
from ..cluster.jobs import Jobs, JobState, ended, job_body, why
from ..cluster.targets import NotGranted, Targets
from ..lifecycle.actions import Outcome
from ..lifecycle.task_actions import (
    AwaitJob,
    AwaitRun,
    Dispatch,
    EndJob,
    Fate,
    FindRun,
    HttpCall,
    PatchWorkload,
    StartJob,
    TaskAction,
)
from ..resources.task import SecretValue
from ..telemetry.spans import span_id, trace_id

logger = logging.getLogger(__name__)

FIRST, MOST = 1.0, 5.0
"""Seconds from one look at a Job or a run to the next: at first, and at most."""
STUCK_AFTER = 20.0
"""Seconds that a definite cause must keep a Job's pod from starting before that ends the task."""
SETTLES = 15.0
"""Seconds in which GitHub shows a run that it was asked for …"""
APPEARS = 180.0
"""… and after which one that it took shows no more."""
_PRINTABLE = re.compile(r"[\x20-\x7e\t]*")


class TaskCalls:
    """Carries tasks' actions out."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._jobs = Jobs(cluster.connection)
        self._targets = Targets(cluster.connection)
        self._caller = Caller()
        self._by_kind: dict[type[TaskAction], Callable[[Any], Awaitable[Outcome]]] = {
            StartJob: self._start_job,
            AwaitJob: self._await_job,
            EndJob: self._end_job,
            HttpCall: self._http,
            Dispatch: self._dispatch,
            FindRun: self._find_run,
            AwaitRun: self._await_run,
            PatchWorkload: self._patch,
        }

    async def perform(self, action: TaskAction) -> Outcome:
        """Carry it out; it ends shortly after the task's deadline at the latest."""
        try:
            outcome = await self._by_kind[type(action)](action)
        except CallError as error:
            fate: Fate = "Failed"
            if isinstance(error, Lost):
                fate = "Unknown"
            elif isinstance(error, NotSent):
                fate = "Again"
            outcome = _not(fate, error.message, error.reason)
        except ClusterError as error:
            outcome = _by_cluster(error)
        said = "" if outcome.ok else f": {outcome.message}"
        logger.info("%s/%s: %s %s%s", action.namespace, action.release, action.key,
                    "done" if outcome.ok else "not done", said)  # fmt: skip
        return outcome

    async def close(self) -> None:
        """End every connection."""
        await self._caller.close()

    # Jobs

    async def _start_job(self, action: StartJob) -> Outcome:
        body = job_body(
            namespace=action.namespace,
            name=action.name,
            release=action.release,
            uid=action.uid,
            task=action.task,
            job=action.job,
            environment=(*action.environment, ("TRACEPARENT", traceparent(action.uid))),
            context=action.context,
            deadline=(action.until - _now()).total_seconds(),
        )
        await self._patiently(action, lambda: self._jobs.create(action.namespace, body))
        stuck: float | None = None
        cause, wait = "", FIRST
        while True:
            state = await self._job(action)
            if state is None:
                return _not("Failed", "its Job was deleted", "JobDeleted")
            if state.owner != action.uid:
                return _not("Failed", f"a Job {action.name} of somebody else is there", "Refused")
            pods = await self._patiently(
                action, lambda: self._jobs.pods(action.namespace, action.name)
            )
            if state.over or any(p.phase in ("Running", "Succeeded", "Failed") for p in pods):
                return _done(f"Job {action.name} runs")
            found = why(action.namespace, action.name, pods, _now())
            loop = asyncio.get_running_loop()
            if found is None:
                stuck, cause = None, ""
            else:
                stuck, cause = stuck or loop.time(), f"{found.cause}: {found.message}"
                if found.definite and loop.time() - stuck >= STUCK_AFTER:
                    return _not("Failed", f"its pod does not start: {found.message}", found.cause)
            if _now() >= action.until:
                return _not("Failed", f"its pod did not start until its deadline: {cause or 'it has none'}",
                            "DeadlineExceeded")  # fmt: skip
            await asyncio.sleep(wait)
            wait = min(MOST, wait * 1.3)

    async def _await_job(self, action: AwaitJob) -> Outcome:
        wait = FIRST
        while True:
            state = await self._job(action)
            if state is None:
                return _not("Failed", "its Job was deleted", "JobDeleted")
            if state.succeeded:
                return _done(f"Job {action.name} is complete")
            if state.failed:
                pods = await self._patiently(
                    action, lambda: self._jobs.pods(action.namespace, action.name)
                )
                said = "; ".join(x for x in (ended(pods), state.message) if x)
                return _not("Failed", said or "the Job failed", _reason(state))
            if _now() >= action.until:
                return _not("Failed", "it still ran at its deadline", "DeadlineExceeded")
            await asyncio.sleep(wait)
            wait = min(MOST, wait * 1.3)

    async def _end_job(self, action: EndJob) -> Outcome:
        state = await self._job(action)
        if state is None or state.owner != action.uid:
            return _done("there is no such Job any more")
        try:
            if state.over:
                await self._jobs.let_expire(action.namespace, action.name, action.keep_for)
            else:
                await self._jobs.delete(action.namespace, action.name, state.uid)
        except (Gone, Conflict):
            return _done("there is no such Job any more")
        return _done(f"Job {action.name} is tidied up")

    async def _job(self, action: StartJob | AwaitJob | EndJob) -> JobState | None:
        found: JobState | None = await self._patiently(
            action, lambda: self._jobs.get(action.namespace, action.name)
        )
        return found

    async def _patiently(self, action: TaskAction, call: Callable[[], Awaitable[Any]]) -> Any:
        """The answer of a call that may be repeated, however long the API server is away."""
        wait = FIRST
        while True:
            try:
                return await call()
            except Unreachable:
                if _now() >= action.until:
                    raise
                await asyncio.sleep(wait)
                wait = min(2 * MOST, wait * 2)

    # Calls

    async def _http(self, action: HttpCall) -> Outcome:
        headers, secrets = {}, []
        for name, value, prefix in action.headers:
            if isinstance(value, SecretValue):
                secret = await self._secret(action.namespace, value)
                secrets.append(secret)
                value = f"{prefix}{secret}"
            headers[name] = value
        known = {n.lower() for n in headers}
        if action.body is not None and "content-type" not in known:
            headers["Content-Type"] = (
                "application/json" if action.is_json else "text/plain; charset=utf-8"
            )
        if "user-agent" not in known:
            headers["User-Agent"] = "pratique"
        headers["Idempotency-Key"] = action.idempotency_key
        headers["traceparent"] = traceparent(action.uid)
        try:
            reply = await self._caller.call(
                action.method,
                action.url,
                headers=headers,
                body=None if action.body is None else action.body.encode(),
                seconds=action.timeout.total_seconds(),
                most=0,
            )
        except CallError as error:
            raise type(error)(_without(error.message, secrets), error.reason) from None
        status = reply.status
        if status in action.expect or (not action.expect and 200 <= status < 300):
            return _done(f"answered {status}")
        wanted = f", not {' or '.join(map(str, action.expect))}" if action.expect else ""
        moved = ": redirects are not followed" if 300 <= status < 400 else ""
        said = f"it was answered {status}{wanted}{moved}"
        if status in (502, 504):
            return _not("Unknown", said, "HttpStatus")  # a gateway speaks, not who was called
        passing = status in (408, 425, 429) or status >= 500
        return _not("Again" if passing else "Failed", said, "HttpStatus")

    async def _dispatch(self, action: Dispatch) -> Outcome:
        github = await self._github(action)
        await github.dispatch(dict(action.inputs), action.event_type, action.correlation)
        return _done("dispatched")

    async def _find_run(self, action: FindRun) -> Outcome:
        run = await self._run(await self._github(action), action, SETTLES)
        if run is None:
            return _not("Absent", "GitHub shows no such run", "RunNotFound")
        return _done("its run is there", url=run.url)

    async def _await_run(self, action: AwaitRun) -> Outcome:
        github = await self._github(action)
        run = await self._run(github, action, APPEARS)
        if run is None:
            name = action.github.correlation
            return _not("Failed", f"GitHub shows no run with the id: let its run-name show {name}",
                        "RunNotFound")  # fmt: skip
        wait = FIRST
        while not run.completed:
            if _now() >= action.until:
                return _not("Failed", "its run still went on at its deadline", "DeadlineExceeded",
                            url=run.url)  # fmt: skip
            await asyncio.sleep(wait)
            wait = min(2 * MOST, wait * 1.3)
            try:
                run = await github.run(run.id)
            except (NotSent, Lost):
                continue
        if run.conclusion == "success":
            return _done("its run succeeded", url=run.url)
        return _not("Failed", f"its run ended as {run.conclusion}", "RunFailed", url=run.url)

    async def _run(self, github: Github, action: FindRun | AwaitRun, patience: float) -> Run | None:
        """The run, once GitHub shows it; None where it does not for that long."""
        loop = asyncio.get_running_loop()
        until, wait = loop.time() + patience, FIRST
        while True:
            try:
                run = await github.find(action.correlation, action.since)
            except (NotSent, Lost):
                run = None
                until = max(until, loop.time() + FIRST)  # no answer is no evidence
            if run is not None or loop.time() >= until or _now() >= action.until:
                return run
            await asyncio.sleep(wait)
            wait = min(2 * MOST, wait * 1.3)

    async def _github(self, action: Dispatch | FindRun | AwaitRun) -> Github:
        token = await self._secret(action.namespace, action.github.token)
        return Github(self._caller, action.github, token)

    async def _secret(self, namespace: str, named: SecretValue) -> str:
        """A Secret's value for a header; raises CallError."""
        what = f"Secret {namespace}/{named.name}, key {named.key},"
        try:
            value = await self._cluster.secret_value(namespace, named.name, named.key)
        except Refused:
            raise NotSent(f"{what} may not be read: see deploy/examples/secret-reader.yaml",
                          "SecretUnreadable") from None  # fmt: skip
        if value is None:
            raise NotSent(f"{what} is not there", "SecretUnreadable")
        value = value.strip()
        if not value or not _PRINTABLE.fullmatch(value):
            raise CallError(
                f"{what} is empty or holds characters that no header may", "SecretUnreadable"
            )
        return value

    async def _patch(self, action: PatchWorkload) -> Outcome:
        patch = action.patch
        try:
            to = await self._targets.change(
                patch.kind,
                patch.namespace,
                patch.name,
                source=(action.namespace, action.workload, action.release),
                container=patch.image.container if patch.image else None,
                image=action.image,
                keep_repository=patch.image.keep_repository if patch.image else False,
                labels=dict(action.labels),
                annotations=dict(action.annotations),
            )
        except NotGranted as error:
            return _not("Failed", str(error), "NotGranted")
        except Refused as error:
            return _not("Failed", f"{error}; see deploy/examples/promotion.yaml", "NotAllowed")
        except Conflict as error:
            return _not("Again", str(error))
        return _done(f"changed {to}")


def traceparent(uid: str) -> str:
    """The Release's trace, for who goes on with it."""
    return f"00-{trace_id(uid):032x}-{span_id(uid, 'release'):016x}-01"


def _by_cluster(error: ClusterError) -> Outcome:
    if isinstance(error, Unreachable):
        return _not("Again", str(error), "Unreachable")
    if isinstance(error, Refused):
        return _not("Failed", f"{error}; see deploy/tasks-rbac.yaml", "NotAllowed")
    reason = "Refused" if isinstance(error, Rejected) else "CallFailed"
    return _not("Failed", str(error), reason)


def _reason(state: JobState) -> str:
    return state.reason if re.fullmatch("[A-Za-z]{1,64}", state.reason) else "JobFailed"


def _without(message: str, secrets: list[str]) -> str:
    for secret in secrets:
        message = message.replace(secret, "***")
    return message


def _done(message: str, **facts: str) -> Outcome:
    return Outcome(ok=True, message=message, at=_now(), facts=tuple(facts.items()))


def _not(fate: Fate, message: str, reason: str = "CallFailed", **facts: str) -> Outcome:
    given = {"fate": fate, "reason": reason, **facts}
    return Outcome(ok=False, message=message[:1024], at=_now(), facts=tuple(given.items()))


def _now() -> datetime:
    return datetime.now(UTC)
