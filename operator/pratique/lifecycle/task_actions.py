"""What tasks want done, and what their calls say: a planned task made into plain values.

Placeholders are filled here, each value escaped for where it stands. Pure; carried out by
``controller/task_calls``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from ..resources import placeholders
from ..resources.release import ReleaseStatus
from ..resources.task import GithubTask, HttpTask, JobTask, PatchTask, PlannedTask, SecretValue
from .actions import Action
from .situation import Situation

Fate = Literal["Failed", "Again", "Absent", "Unknown"]
"""Of what did not succeed, the outcome's fact ``fate``: it failed; it failed in a way that may pass; nobody
knows; there is no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAction(Action):
    """A step of one task."""

    namespace: str
    release: str
    uid: str
    """The Release's."""
    task: str
    until: datetime
    """The task's deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartJob(TaskAction):
    """Make the Job, or find it there, and wait until its pod runs or it is over."""

    name: str
    job: JobTask
    environment: tuple[tuple[str, str], ...]
    context: str
    """The JSON of the context file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitJob(TaskAction):
    """Wait until the Job is over."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndJob(TaskAction):
    """Its result stands in the status: a Job that is over gets its time to live, another one goes."""

    name: str
    keep_for: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall(TaskAction):
    """One attempt of a request."""

    method: str
    url: str
    headers: tuple[tuple[str, str | SecretValue, str], ...]
    """Name, value or where it stands, and what stands before a Secret's value."""
    body: str | None
    is_json: bool
    expect: tuple[int, ...]
    timeout: timedelta
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch(TaskAction):
    """Start a workflow."""

    github: GithubTask
    inputs: tuple[tuple[str, str], ...]
    event_type: str
    correlation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindRun(TaskAction):
    """Look whether a run of that correlation id is there."""

    github: GithubTask
    correlation: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitRun(TaskAction):
    """Wait for the run's conclusion."""

    github: GithubTask
    correlation: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchWorkload(TaskAction):
    """Change a workload that grants it."""

    patch: PatchTask
    image: str | None
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]
    workload: str
    """Whose release this is: grants may name it."""


def idempotency_key(s: Situation, task: PlannedTask) -> str:
    """One key for all attempts of the task, in whichever process."""
    what = (s.namespace, s.name, s.spec.workload.uid, s.spec.noticed_at.isoformat(), task.name)
    digest = hashlib.sha256("\0".join(what).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def job_name(s: Situation, task: PlannedTask) -> str:
    """The same however often it is asked: the API server lets it be made once."""
    end = f"-{idempotency_key(s, task)[:8]}"
    return f"{s.name}-{task.name}"[: 63 - len(end)].rstrip("-.").replace(".", "-") + end


def start(
    s: Situation, status: ReleaseStatus, task: PlannedTask, key: str, until: datetime
) -> Action:
    """The first action of one attempt."""
    known = values(s, status, task)
    base = _base(s, task, key, until)
    if task.job is not None:
        return StartJob(
            **base,
            name=job_name(s, task),
            job=task.job,
            environment=tuple(_environment(task, known).items()),
            context=json.dumps(_context(s, task, known), sort_keys=True),
        )
    if task.http is not None:
        return _http(task.http, known, base, idempotency_key(s, task))
    if task.github is not None:
        return Dispatch(
            **base,
            github=task.github,
            inputs=_rendered(task.github.inputs, known),
            event_type=placeholders.render(task.github.event_type or "", known),
            correlation=correlation(s, task),
        )
    assert task.patch is not None
    return PatchWorkload(
        **base,
        patch=task.patch,
        image=_image(s, task.patch),
        labels=_rendered(task.patch.labels or {}, known),
        annotations=_rendered(task.patch.annotations or {}, known),
        workload=s.spec.workload.name,
    )


def go_on(s: Situation, task: PlannedTask, key: str, since: datetime, until: datetime) -> Action:
    """Wait for the end of what was started."""
    base = _base(s, task, key, until)
    if task.job is not None:
        return AwaitJob(**base, name=job_name(s, task))
    assert task.github is not None
    return AwaitRun(**base, github=task.github, correlation=correlation(s, task), since=since)


def find_run(s: Situation, task: PlannedTask, key: str, since: datetime, until: datetime) -> Action:
    """Was it started after all?"""
    assert task.github is not None
    return FindRun(
        **_base(s, task, key, until),
        github=task.github,
        correlation=correlation(s, task),
        since=since,
    )


def end_job(s: Situation, task: PlannedTask, key: str) -> Action:
    """Tidy up."""
    assert task.job is not None
    return EndJob(
        **_base(s, task, key, s.now + timedelta(minutes=1)),
        name=job_name(s, task),
        keep_for=task.job.keep_for,
    )


def correlation(s: Situation, task: PlannedTask) -> str:
    """What a workflow shows in its run-name."""
    return f"pratique-{idempotency_key(s, task)[:18]}"


def values(s: Situation, status: ReleaseStatus, task: PlannedTask) -> dict[str, str]:
    """The placeholders' values."""
    spec = s.spec
    known = {
        "namespace": s.namespace,
        "workload": spec.workload.name,
        "kind": spec.workload.kind,
        "release": s.name,
        "number": str(spec.number),
        "previous": spec.previous or "",
        "version": spec.version or "",
        "image": spec.images[0].image if spec.images else "",
        "policy": spec.plan.policy.rpartition("/")[2],
        "cause": spec.cause,
        "task": task.name,
        "key": idempotency_key(s, task),
        "verdict": status.verdict or "",
        "reason": status.judgement.reason if status.judgement and status.verdict else "",
    }
    return {**known, **{n: placeholders.render(v, known) for n, v in task.args.items()}}


def _base(s: Situation, task: PlannedTask, key: str, until: datetime) -> dict[str, Any]:
    return {
        "key": key,
        "namespace": s.namespace,
        "release": s.name,
        "uid": s.uid,
        "task": task.name,
        "until": until,
    }


def _http(task: HttpTask, known: Mapping[str, str], base: dict[str, Any], key: str) -> HttpCall:
    def line(value: str) -> str:
        return "".join(c if c.isprintable() else " " for c in value)

    body = None
    if task.json_ is not None:
        body = json.dumps(placeholders.rendered(task.json_, known), ensure_ascii=False)
    elif task.body is not None:
        body = placeholders.render(task.body, known)
    return HttpCall(
        **base,
        method=task.method,
        url=placeholders.render(task.url, known, lambda v: quote(v, safe="")),
        headers=tuple(
            (h.name, h.secret_ref, h.prefix or "")
            if h.secret_ref is not None
            else (h.name, placeholders.render(h.value or "", known, line), "")
            for h in task.headers
        ),
        body=body,
        is_json=task.json_ is not None,
        expect=tuple(task.expect),
        timeout=task.timeout,
        idempotency_key=key,
    )


def _rendered(given: Mapping[str, str], known: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, placeholders.render(value, known)) for name, value in given.items())


def _environment(task: PlannedTask, known: Mapping[str, str]) -> dict[str, str]:
    return {
        f"PRATIQUE_ARG_{name.upper()}" if name in task.args else f"PRATIQUE_{name.upper()}": value
        for name, value in known.items()
    }


def _context(s: Situation, task: PlannedTask, known: Mapping[str, str]) -> dict[str, Any]:
    return {
        **{n: v for n, v in known.items() if n not in task.args},
        "number": s.spec.number,
        "images": {i.container: i.image for i in s.spec.images},
        "members": {m.release: f"{m.kind}/{m.name}" for m in s.spec.members if m.release},
        "args": {n: v for n, v in known.items() if n in task.args},
    }


def _image(s: Situation, patch: PatchTask) -> str | None:
    """This release's image for the target; the reducer has seen that there is one."""
    if patch.image is None:
        return None
    wanted = patch.image.from_
    return next((i.image for i in s.spec.images if wanted in (None, i.container)), None)
