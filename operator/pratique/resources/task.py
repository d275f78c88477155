"""Tasks: what is done before, during and after a release is judged, and to promote it.

These models say what is to be done and, in a Release's status, how far it got. Not here: when
(``lifecycle/tasks``) and how (``cluster/jobs``, ``calls/``); promotion's own terms (``promotion``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from . import placeholders
from .base import (
    SIMPLE_TYPE,
    Duration,
    Model,
    Name,
    PositiveDuration,
    Says,
    Text,
    Time,
    cel,
    keyed_list,
    rules,
)
from .conditions import Reason
from .judgement import Verdict
from .provider import NEAR, SAY_NEAR

MAX_TASKS = 12
VARIABLES = (
    "namespace", "workload", "kind", "release", "number", "previous", "version", "image", "policy",
    "cause", "task", "key", "verdict", "reason",
)  # fmt: skip
"""The placeholders that every task knows; ``verdict`` and ``reason`` are empty before there is one."""
OUTCOME_ANNOTATION = "pratique.sh/outcome-"
"""On a Release, with a task's name: what became of a call whose outcome nobody knows."""
GRANT_ANNOTATION = "pratique.sh/accepts-promotion-from"
"""On a workload: the namespaces (or namespace/workload) whose releases may patch it, by commas."""
PROMOTED_FROM_ANNOTATION = "pratique.sh/promoted-from"
"""On a workload, by us: namespace/release whose image it was given, ``=`` and that image."""

At = Literal["Before", "During", "After", "Promotion"]
ATS: tuple[At, ...] = ("Before", "During", "After", "Promotion")
TaskName = Annotated[
    str,
    StringConstraints(max_length=40),
    Says.matches(
        "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
        "write a task's name in lower-case letters, digits and -, at most 40",
        simple_type="task name",
    ),
]
Template = Annotated[
    dict[str, Any],
    Field(min_length=1, max_length=64),
    WithJsonSchema(
        {
            "type": "object",
            SIMPLE_TYPE: "any object",
            "maxProperties": 64,
            "x-kubernetes-preserve-unknown-fields": True,
        }
    ),
]
Text2K = Annotated[str, StringConstraints(max_length=2048)]


class SecretValue(Model):
    """One key of one Secret in the release's own namespace."""

    name: Name
    """The Secret's name."""
    key: Annotated[str, StringConstraints(min_length=1, max_length=253)] = "token"
    """The key in the Secret's data."""


class JobTask(Model):
    """A Kubernetes Job, run once whatever crashes."""

    template: Template
    """The Job's pod template: metadata (optional) and spec, as in a Job's own spec.template."""
    backoff_limit: Annotated[int, Field(strict=True, ge=0, le=100)] = 0
    """How often Kubernetes tries again after a failed pod."""
    keep_for: Duration = Field(default="1d", validate_default=True)
    """How long the Job stays after its result is recorded."""

    @model_validator(mode="after")
    def _has_containers(self) -> Self:
        spec = self.template.get("spec")
        if not isinstance(spec, dict) or not spec.get("containers"):
            raise ValueError(
                "template.spec.containers is missing: write the pod template of a Job, as its "
                "spec.template"
            )
        return self


_OURS = ("idempotency-key", "traceparent", "host", "content-length", "transfer-encoding")
_SAY_OURS = "Idempotency-Key, traceparent, Host and lengths are set by the operator: leave it out"


class Header(Model):
    """One header of the request."""

    model_config = rules(
        cel("has(self.value) != has(self.secretRef)", "say exactly one of value and secretRef"),
        cel(f"!(self.name.lowerAscii() in {list(_OURS)!r})", _SAY_OURS),
    )

    name: Annotated[
        str,
        StringConstraints(max_length=64),
        Says.matches("[A-Za-z0-9_.-]+", "write a header's name, such as X-Team"),
    ]
    """Its name."""
    value: Annotated[str, StringConstraints(max_length=1024)] | None = None
    """Its value; may hold placeholders such as $release."""
    secret_ref: SecretValue | None = None
    """Its value from a Secret of the release's namespace."""
    prefix: Annotated[str, StringConstraints(max_length=32)] | None = None
    """What stands before a Secret's value, such as "Bearer "."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.value is None) == (self.secret_ref is None):
            raise ValueError("say exactly one of value and secretRef")
        if self.name.lower() in _OURS:
            raise ValueError(f"{self.name!r}: {_SAY_OURS}")
        return self


Url = Annotated[
    str,
    StringConstraints(max_length=1024),
    Says.matches(
        r"https?://[^/\s][^\s]*",
        "write a URL with http:// or https://, such as https://deploy.example/hooks/$workload",
        secret=True,
    ),
    Says.matches(
        "[^@]*",
        "a user name or password in the URL can be read by all who may read this object: use a "
        "header with secretRef (write %40 for an @)",
        secret=True,
    ),
]
_BODIES = "say at most one of body and json"


class HttpTask(Model):
    """One HTTP request. Redirects are not followed, and what is answered is not kept."""

    model_config = rules(
        cel("!(has(self.body) && has(self.json))", _BODIES),
        cel(
            "!has(self.headers) || !self.headers.exists(h, has(h.secretRef)) "
            f"|| self.url.matches(r'{NEAR}')",
            SAY_NEAR,
        ),
    )
    model_config |= ConfigDict(hide_input_in_errors=True)

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    """The request's method."""
    url: Url
    """Where to; may hold placeholders such as $release, which are percent-encoded."""
    headers: Annotated[list[Header], Field(max_length=16, json_schema_extra=keyed_list())] = []
    """The request's headers. Idempotency-Key and traceparent are added."""
    body: Annotated[str, StringConstraints(max_length=8192)] | None = None
    """The body as text; may hold placeholders, which stand in it as they are."""
    json_: Annotated[Template | None, Field(alias="json")] = None
    """The body as a JSON object; every string in it may hold placeholders."""
    expect: Annotated[
        list[Annotated[int, Field(strict=True, ge=100, le=599)]],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = []
    """The statuses that mean success; default 200 to 299."""
    timeout: PositiveDuration = Field(default="10s", validate_default=True)
    """How long one attempt may take."""

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if self.body is not None and self.json_ is not None:
            raise ValueError(_BODIES)
        if any(h.secret_ref for h in self.headers) and not re.match(NEAR, self.url):
            raise ValueError(SAY_NEAR)
        return self

    @property
    def repeatable(self) -> bool:
        """Whether HTTP itself says that doing it twice is doing it once."""
        return self.method in ("GET", "HEAD", "PUT", "DELETE")

    def texts(self) -> Iterable[str]:
        """Everything that may hold placeholders."""
        yield self.url
        yield self.body or ""
        yield from (h.value for h in self.headers if h.value is not None)
        yield from _strings(self.json_)


_DISPATCHES = "say exactly one of eventType (repository dispatch) and workflow (workflow dispatch)"
Inputs = Annotated[dict[str, Text2K], Field(max_length=9)]


class GithubTask(Model):
    """A repository dispatch or a workflow dispatch, and the run that comes of it.

    The run is found by a correlation id: it is sent as the client payload's, or the inputs', field
    ``correlation``, and the workflow shows it in its run-name.
    """

    model_config = rules(
        cel("has(self.eventType) != has(self.workflow)", _DISPATCHES),
        cel(f"self.baseUrl.matches(r'{NEAR}')", SAY_NEAR),
    )

    repository: Annotated[
        str,
        StringConstraints(max_length=200),
        Says.matches(
            "[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", "write OWNER/REPOSITORY, such as shop/deploy"
        ),
    ]
    """owner/repository."""
    event_type: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    """Repository dispatch: the event's type."""
    workflow: (
        Annotated[
            str,
            StringConstraints(max_length=128),
            Says.matches("[A-Za-z0-9_.-]+", "write the workflow's file name, such as deploy.yaml"),
        ]
        | None
    ) = None
    """Workflow dispatch: the workflow's file name or id."""
    git_ref: Annotated[str, StringConstraints(min_length=1, max_length=255)] = "main"
    """Workflow dispatch: the branch or tag to run on."""
    inputs: Inputs = {}
    """The inputs, or the client payload; values may hold placeholders such as $image."""
    correlation: Annotated[
        str,
        StringConstraints(max_length=64),
        Says.matches("[A-Za-z_][A-Za-z0-9_-]*", "write the name of an input, such as pratique_id"),
    ] = "pratique_id"
    """The input, or the payload's field, that carries the correlation id."""
    wait: bool = True
    """Wait for the run's conclusion; else the task has succeeded once it is dispatched."""
    token: SecretValue
    """The Secret with a token that may dispatch and read runs."""
    base_url: Url = "https://api.github.com"
    """The API's base URL."""
    timeout: PositiveDuration = Field(default="10s", validate_default=True)
    """How long one call may take."""

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if (self.event_type is None) == (self.workflow is None):
            raise ValueError(_DISPATCHES)
        if not re.match(NEAR, self.base_url):
            raise ValueError(SAY_NEAR)
        return self


class PatchImage(Model):
    """A container that is given this release's image."""

    container: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    """The target's container."""
    from_: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=63)] | None, Field(alias="from")
    ] = None
    """This release's container whose image it is; default the first."""
    keep_repository: bool = False
    """Give only tag and digest, where the stages have registries of their own."""


_WHAT = "say at least one of image, labels and annotations"
_SAY_KEY = "keys of pratique.sh and kubernetes.io are not for tasks to write: use your own"
_FORBIDDEN = r"([a-z0-9.-]*[.])?(pratique[.]sh|kubernetes[.]io|k8s[.]io)/.*"
Metadata = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=1024)]],
    Field(max_length=16),
    Says(
        rule=f"self.all(k, !k.matches(r'^{_FORBIDDEN}$'))",
        holds=lambda value: not any(re.fullmatch(_FORBIDDEN, k) for k in value),
        message=_SAY_KEY,
    ),
]


class PatchTask(Model):
    """A change of one named workload, such as the next stage's.

    The workload's owners grant it: by its annotation pratique.sh/accepts-promotion-from, and by a Role
    for the operator (deploy/examples/promotion.yaml).
    """

    model_config = rules(
        cel("has(self.image) || has(self.labels) || has(self.annotations)", _WHAT),
    )

    kind: Literal["Deployment", "StatefulSet", "DaemonSet"] = "Deployment"
    """The workload's kind."""
    namespace: Name
    """Its namespace."""
    name: Name
    """Its name."""
    image: PatchImage | None = None
    """The container that is given this release's image."""
    labels: Metadata | None = None
    """Labels of the workload; values may hold placeholders."""
    annotations: Metadata | None = None
    """Annotations of the workload; values may hold placeholders."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.image or self.labels or self.annotations):
            raise ValueError(_WHAT)
        return self


class Retries(Model):
    """How a call is tried again: after a failure that may pass, each time later."""

    limit: Annotated[int, Field(strict=True, ge=0, le=20)] = 5
    """How often after the first time."""
    backoff: PositiveDuration = Field(default="2s", validate_default=True)
    """How long before the second time; it doubles, give or take a fifth."""
    max_backoff: PositiveDuration = Field(default="5m", validate_default=True)
    """It doubles up to this."""


_ONE = "say exactly one of job, http, github and patch"
_ONE_OR_REF = "say exactly one of job, http, github, patch and ref"
_COUNT = "[has(self.job), has(self.http), has(self.github), has(self.patch){0}].filter(x, x).size()"


class Doing(Model):
    """What is done: exactly one of these."""

    job: JobTask | None = None
    """Run a Kubernetes Job."""
    http: HttpTask | None = None
    """Make an HTTP request."""
    github: GithubTask | None = None
    """Start a workflow on GitHub."""
    patch: PatchTask | None = None
    """Change a workload, such as the next stage's."""

    @property
    def done(self) -> tuple[JobTask | HttpTask | GithubTask | PatchTask, ...]:
        """What was said, which should be one."""
        return tuple(x for x in (self.job, self.http, self.github, self.patch) if x is not None)

    def check_placeholders(self, known: Iterable[str]) -> None:
        """Raises ValueError where a placeholder is unknown."""
        known = tuple(known)
        texts: list[str] = []
        if self.http:
            texts += self.http.texts()
        if self.github:
            texts += [*self.github.inputs.values(), self.github.event_type or ""]
        if self.patch:
            texts += [*(self.patch.labels or {}).values()]
            texts += [*(self.patch.annotations or {}).values()]
        for text in texts:
            placeholders.check(text, known)


DEADLINE = timedelta(minutes=30)
"""How long a task may take that does not say so."""


class TaskTerms(Model):
    """How long a task may take, how often it is tried, and what an unknown outcome means."""

    deadline: PositiveDuration | None = None
    """How long it may take in all, from the moment when it may begin; default 30m."""
    retries: Retries | None = None
    """How calls (http, github, patch) are tried again; a Job has its backoffLimit."""
    on_unknown_outcome: Literal["Ask", "Retry"] | None = None
    """A call was sent and nobody knows what came of it: ask people (the default), or send it again."""


Arguments = Annotated[dict[str, Text2K], Field(max_length=16)]


class TaskPlace(Model):
    """Where a task stands among the others."""

    name: TaskName
    """Its name."""
    at: At
    """When: Before (or while it rolls out), During the window, After the verdict, or as Promotion."""
    when: Annotated[
        list[Verdict], Field(max_length=3, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """After: on which verdicts; with none on every one, unless the release was superseded before it."""
    needs: Annotated[
        list[TaskName], Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """The tasks that must have succeeded before it begins."""
    on_failure: Literal["Fail", "Ignore"] = "Fail"
    """Fail: its failure fails the release or, after the verdict, stops the promotion. Ignore: it is only
    said."""
    owns_window: bool = False
    """During: the window begins when the task has started, and ends with it."""
    args: Arguments = {}
    """Values of the template's parameters; they may hold placeholders."""


class PlannedTask(Doing, TaskTerms, TaskPlace):
    """A task as resolved when the release began."""

    source: Annotated[str, StringConstraints(max_length=512)] = "inline"
    """Where it was written: inline, or TaskTemplate/namespace/name@generation."""

    @property
    def what(self) -> str:
        """In one word: job, http, github or patch."""
        return next(n for n in ("job", "http", "github", "patch") if getattr(self, n) is not None)

    @property
    def limit(self) -> timedelta:
        """How long it may take in all."""
        return self.deadline or DEADLINE

    @property
    def tries(self) -> Retries:
        """How it is tried again."""
        return self.retries or Retries()


_WHEN = "when is for tasks after the verdict: leave it out, or write at: After"
_OWNS = "only a task at: During owns the window: write at: During, or leave out ownsWindow"
_OWNS_WHAT = "a task that owns the window runs for a time: write a job, or a github task that waits"
_ARGS = "args are values of a TaskTemplate's parameters: write ref, or leave them out"


class Task(Doing, TaskTerms, TaskPlace):
    """One thing to be done around a release."""

    model_config = rules(
        cel(f"{_COUNT.format(', has(self.ref)')} == 1", _ONE_OR_REF),
        cel("!has(self.when) || self.when.size() == 0 || self.at == 'After'", _WHEN),
        cel("!self.ownsWindow || self.at == 'During'", _OWNS),
        cel("!self.ownsWindow || !(has(self.http) || has(self.patch))", _OWNS_WHAT),
        cel("!has(self.args) || self.args.size() == 0 || has(self.ref)", _ARGS),
    )

    ref: Name | None = None
    """A TaskTemplate of that name, found beside the policy, else in the library namespace."""

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if len(self.done) + (self.ref is not None) != 1:
            raise ValueError(_ONE_OR_REF)
        if self.when and self.at != "After":
            raise ValueError(_WHEN)
        if self.owns_window and self.at != "During":
            raise ValueError(_OWNS)
        if self.owns_window and self.ref is None:
            check_owner(self)
        if self.args and self.ref is None:
            raise ValueError(_ARGS)
        self.check_placeholders(VARIABLES)
        for text in self.args.values():
            placeholders.check(text, VARIABLES)
        return self


def check_owner(doing: Doing) -> None:
    """Raises ValueError where that is no task that can own the window."""
    if doing.job is None and not (doing.github and doing.github.wait):
        raise ValueError(_OWNS_WHAT)


_UNKNOWN_NEED = "needs names a task that is not in the list: name one of its tasks"
_SELF_NEED = "a task cannot need itself: leave it out of needs"
_TWO_CYCLE = "two tasks need each other: leave one of both out of needs"
_LATER = (
    "needs names a task of a later time (Before, During, After, Promotion): it would never begin"
)
_ORDER = "{'Before': 0, 'During': 1, 'After': 2, 'Promotion': 3}"
_OWNERS = "two tasks own the window: only one can"

Tasks = Annotated[
    list[Task],
    Field(
        max_length=MAX_TASKS,
        json_schema_extra=keyed_list(
            "name",
            **{
                "x-kubernetes-validations": [
                    cel(
                        "self.all(t, !has(t.needs) || t.needs.all(n, self.exists(o, o.name == n)))",
                        _UNKNOWN_NEED,
                    ),
                    cel("self.all(t, !has(t.needs) || !(t.name in t.needs))", _SELF_NEED),
                    cel(
                        "self.all(t, !has(t.needs) || self.all(o, o.name == t.name || "
                        "!(o.name in t.needs) || !has(o.needs) || !(t.name in o.needs)))",
                        _TWO_CYCLE,
                    ),
                    cel(
                        "self.all(t, !has(t.needs) || self.all(o, !(o.name in t.needs) || "
                        f"{_ORDER}[o.at] <= {_ORDER}[t.at]))",
                        _LATER,
                    ),
                    cel("self.filter(t, t.ownsWindow).size() <= 1", _OWNERS),
                ]
            },
        ),
    ),
]
"""Tasks of different names, whose needs can be met."""


def check_tasks(tasks: Sequence[TaskPlace]) -> None:
    """Raises ValueError, with the mend, where names or needs do not fit together."""
    known = {t.name: t for t in tasks}
    if len(known) < len(tasks):
        names = [t.name for t in tasks]
        twice = next(n for n in names if names.count(n) > 1)
        raise ValueError(f"two tasks are called {twice!r}: give one of them another name")
    for task in tasks:
        for need in task.needs:
            if need == task.name:
                raise ValueError(f"{task.name!r}: {_SELF_NEED}")
            if need not in known:
                raise ValueError(f"{task.name!r} needs {need!r}: {_UNKNOWN_NEED}")
            if ATS.index(known[need].at) > ATS.index(task.at):
                raise ValueError(f"{task.name!r} needs {need!r}: {_LATER}")
    cycle = _cycle(known)
    if cycle:
        shown = " → ".join(cycle)
        raise ValueError(
            f"tasks need each other in a circle ({shown}): leave one of them out of needs"
        )
    if sum(t.owns_window for t in tasks) > 1:
        raise ValueError(_OWNERS)


def _cycle(known: Mapping[str, TaskPlace]) -> list[str]:
    """A circle of needs, if there is one, from its first task round to it again."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for need in known[name].needs:
            found = walk(need, [*path, name])
            if found:
                return found
        done.add(name)
        return []

    return next((found for name in known if (found := walk(name, []))), [])


class Parameter(Model):
    """A value that the users of a template give."""

    name: Annotated[
        str,
        StringConstraints(max_length=40),
        Says.matches("[a-zA-Z][a-zA-Z0-9_]*", "write a parameter's name in letters, digits and _"),
        Says(
            rule=f"!(self in {list(VARIABLES)!r})",
            holds=lambda value: value not in VARIABLES,
            message="every task knows a placeholder of that name: choose another",
        ),
    ]
    """Its name: the placeholder in the template's texts, and PRATIQUE_ARG_NAME in a Job."""
    default: Text2K | None = None
    """Its value where none is given; without one it must be given. May hold placeholders."""
    description: Text | None = None
    """What it is, for people."""


class TaskTemplateSpec(Doing, TaskTerms):
    """What is done, with the values that its users give."""

    model_config = rules(cel(f"{_COUNT.format('')} == 1", _ONE))

    description: Text | None = None
    """What it does, for people."""
    parameters: Annotated[
        list[Parameter], Field(max_length=16, json_schema_extra=keyed_list())
    ] = []
    """The values that its users give."""

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if len(self.done) != 1:
            raise ValueError(_ONE)
        for parameter in self.parameters:
            placeholders.check(parameter.default or "", VARIABLES)
        self.check_placeholders([*VARIABLES, *(p.name for p in self.parameters)])
        return self


class TaskTemplate(Model):
    """A task that policies refer to."""

    plural: ClassVar[str] = "tasktemplates"
    short_names: ClassVar[list[str]] = ["tt"]
    columns: ClassVar[list[tuple[str, str, str]]] = [
        ("SAYS", "string", ".spec.description"),
        ("AGE", "date", ".metadata.creationTimestamp"),
    ]

    spec: TaskTemplateSpec
    """What is done."""


TaskState = Literal[
    "Waiting", "Calling", "Running", "UnknownOutcome", "Succeeded", "Failed", "Skipped", "Cancelled"
]
OVER: tuple[TaskState, ...] = ("Succeeded", "Failed", "Skipped", "Cancelled")


class TaskStatus(Model):
    """How far a task got; one that has not begun is not here."""

    name: TaskName
    """The task's name."""
    state: TaskState
    """Calling: begun, and what came of it is not known yet. Running: it was started and goes on. Waiting:
    to be tried again. UnknownOutcome: nobody knows whether the call was done, people are asked."""
    attempts: int = 1
    """How often it was tried."""
    started_at: Time | None = None
    """When it was begun."""
    running_since: Time | None = None
    """When it was seen to run."""
    retry_at: Time | None = None
    """When it is tried again."""
    completed_at: Time | None = None
    """When it was over."""
    reason: Reason | None = None
    """Why it failed, in one word."""
    message: Annotated[str, StringConstraints(max_length=256)] | None = None
    """Why, in one sentence."""
    job: Annotated[str, StringConstraints(max_length=63)] | None = None
    """Its Job."""
    url: Annotated[str, StringConstraints(max_length=256)] | None = None
    """Where to look, such as a workflow's run."""

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in OVER


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
