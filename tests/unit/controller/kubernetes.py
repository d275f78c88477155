"""What Kubernetes and the pods do beside the operator: Deployments roll out step by step, pods get ready or
do not, and their metrics are good or bad.

One step is one thing that a controller or a kubelet does; nothing happens by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from pratique.cluster import holding
from pratique.judge.samples import Missing, Sample
from pratique.lifecycle.view import Container, Pod, Revision, View, Workload
from pratique.queries.questions import Question
from pratique.resources.hold import BY_ADMISSION, HELD_ANNOTATION, HOLD_LABEL
from unit.controller.api_server import ApiServer, Body, copy
from unit.lifecycle.builders import NAMESPACE
from unit.lifecycle.simulator import answer

Health = Literal["good", "bad", "missing", "crashing"]
"""Of an image: serves well; serves errors; cannot be pulled; starts and ends."""
Mode = Literal["up", "down", "silent"]
"""Of the metrics provider."""
DEADLINE = 600
"""progressDeadlineSeconds."""


@dataclass
class _Pod:
    name: str
    image: str
    of: str
    """Its ReplicaSet."""
    created: datetime
    ready_since: datetime | None = None
    restarts: int = 0


@dataclass
class _Set:
    name: str
    number: int
    pod_hash: str
    created: datetime
    template: Body


@dataclass
class _Rollout:
    """What the Deployment's controller knows of one Deployment."""

    uid: str
    sets: dict[str, _Set] = field(default_factory=dict)
    pods: list[_Pod] = field(default_factory=list)
    since: datetime | None = None
    """When it last got further."""
    done: datetime | None = None
    """When the newest version was wholly available; none while it is not."""


@dataclass
class Told:
    """A question, and what the provider said."""

    at: datetime
    question: Question
    images: frozenset[str]
    sample: Sample


class Kubernetes:
    """Deployments of one namespace, and a metrics provider that measures their pods."""

    def __init__(self, server: ApiServer, now: Callable[[], datetime]) -> None:
        self._server = server
        self._now = now
        self._rollouts: dict[str, _Rollout] = {}
        self._names = 0
        self.health: dict[str, Health] = {}
        self.bad_since: dict[str, datetime] = {}
        """Images that serve errors from a moment on."""
        self.mode: Mode = "up"
        self.said: list[Told] = []
        self.pods_ever: dict[str, str] = {}
        """Pod names → images."""
        self.complete: dict[str, set[str]] = {}
        """Deployments → images whose rollout was complete at least once."""
        self.changed: Callable[[str], None] = lambda name: None
        """Called with the Deployment whose pods or ReplicaSets changed."""

    # What users do

    def apply(
        self,
        name: str,
        image: str,
        health: Health,
        *,
        replicas: int = 2,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Create the Deployment, or change its image."""
        self.health.setdefault(image, health)
        if self._server.get("deployments", NAMESPACE, name) is None:
            made = _deployment(name, image, replicas, labels or {})
            if made["metadata"]["labels"].get(HOLD_LABEL) == "true":
                _hold(made)
            self._server.create("deployments", made)
            return

        def change(body: Body) -> None:
            body["spec"]["template"]["spec"]["containers"][0]["image"] = image
            body["metadata"]["labels"] |= labels or {}

        self.edit(name, change)

    def edit(self, name: str, change: Callable[[Body], None]) -> None:
        """Any other change of the Deployment; the admission policy of hold has its say."""

        def admitted(body: Body) -> None:
            before = copy(body)
            change(body)
            if body["metadata"]["labels"].get(HOLD_LABEL) != "true":
                return
            was, paused = bool(before["spec"].get("paused")), bool(body["spec"].get("paused"))
            if holding.held(before):
                starts = not holding.held(body)
            else:
                other = body["spec"]["template"] != before["spec"]["template"]
                starts = not paused and (other or was)
            if starts:
                _hold(body)

        self._server.change("deployments", NAMESPACE, name, admitted)

    def remove(self, name: str) -> None:
        self._server.delete("deployments", NAMESPACE, name)

    # What controllers and kubelets do

    def turn(self, name: str) -> bool:
        """One step; False where there is nothing to do."""
        body = self._server.get("deployments", NAMESPACE, name)
        known = self._rollouts.get(name)
        if known and (body is None or body["metadata"]["uid"] != known.uid):
            if known.pods:
                known.pods.pop()
            else:
                del self._rollouts[name]
            self.changed(name)
            return True
        if body is None:
            return False
        rollout = self._rollouts.setdefault(name, _Rollout(body["metadata"]["uid"]))
        moved = self._observe(name, body, rollout) or self._move(name, body, rollout)
        if moved:
            self.changed(name)
        return self._report(name, rollout) or moved

    def restart_pod(self, name: str) -> None:
        """A container of the Deployment ends and is started again."""
        rollout = self._rollouts.get(name)
        if rollout and rollout.pods:
            rollout.pods[-1].restarts += 1
            self.changed(name)

    def view(self, workload: Workload) -> View:
        """What a watch of pods and ReplicaSets shows."""
        rollout = self._rollouts.get(workload.name)
        if rollout is None or rollout.uid != workload.uid:
            return View(workload)
        return View(
            workload,
            tuple(self._pod(p, rollout) for p in sorted(rollout.pods, key=lambda p: p.name)),
            tuple(
                Revision(
                    name=s.name,
                    number=s.number,
                    pod_hash=s.pod_hash,
                    created=s.created,
                )
                for s in sorted(rollout.sets.values(), key=lambda s: s.number)
            ),
        )

    # What the provider answers

    async def ask(self, questions: tuple[Question, ...]) -> Mapping[Question, Sample]:
        """In place of the operator's asker."""
        found = {}
        for question in questions:
            images = self._asked(question)
            found[question] = self._sample(question, images)
            self.said.append(Told(self._now(), question, images, found[question]))
        return found

    def _asked(self, question: Question) -> frozenset[str]:
        scope = question.scope
        names = set(scope.pods)
        if scope.pod_pattern:
            names |= {n for n in self.pods_ever if re.fullmatch(scope.pod_pattern, n)}
        return frozenset(self.pods_ever[n] for n in names if n in self.pods_ever)

    def _sample(self, question: Question, images: frozenset[str]) -> Sample:
        assert question.end <= self._now(), "the future was asked"
        if self.mode == "down":
            return Missing("ProviderError", "connection refused")
        serving = {i for i in images if self.health[i] != "missing"}
        if self.mode == "silent" or not serving or question.step:
            return Missing("NoData", "no series")
        bad = any(self.is_bad(i, question.end) for i in serving)
        return answer(question, share=0.3 if bad else 0.01, slow=0.01, value=1.0)

    def is_bad(self, image: str, end: datetime) -> bool:
        since = self.bad_since.get(image)
        return self.health[image] == "bad" or (since is not None and end > since)

    # Inside

    def _observe(self, name: str, body: Body, rollout: _Rollout) -> bool:
        meta, spec = body["metadata"], body["spec"]
        if body.get("status", {}).get("observedGeneration") == meta["generation"]:
            return False
        image = spec["template"]["spec"]["containers"][0]["image"]
        newest = max(rollout.sets.values(), key=lambda s: s.number, default=None)
        mine = next((s for s in rollout.sets.values() if s.template == spec["template"]), None)
        if not spec.get("paused") and (mine is None or mine is not newest):
            number = newest.number + 1 if newest else 1
            if mine is None:
                pod_hash = f"h{len(rollout.sets) + 1}{meta['uid'].removeprefix('uid-')}"
                set_name = f"{name}-{pod_hash}"
                rollout.sets[set_name] = _Set(
                    set_name, number, pod_hash, self._now(), spec["template"]
                )
            else:
                mine.number = number
            rollout.since, rollout.done = self._now(), None

        def observed(body: Body) -> None:
            body.setdefault("status", {})["observedGeneration"] = meta["generation"]
            if rollout.sets:
                number = max(s.number for s in rollout.sets.values())
                body["metadata"].setdefault("annotations", {})[
                    "deployment.kubernetes.io/revision"
                ] = str(number)

        assert image in self.health
        self._server.change("deployments", NAMESPACE, name, observed)
        return True

    def _move(self, name: str, body: Body, rollout: _Rollout) -> bool:
        wanted, paused = body["spec"]["replicas"], body["spec"].get("paused", False)
        if not rollout.sets:
            return False
        newest = max(rollout.sets.values(), key=lambda s: s.number)
        own = [p for p in rollout.pods if p.of == newest.name]
        old = [p for p in rollout.pods if p.of != newest.name]
        starting = [p for p in rollout.pods if p.ready_since is None and self._starts(p)]
        if starting:
            starting[0].ready_since = self._now()
        elif paused and len(rollout.pods) <= wanted:
            return False
        elif len(own) < wanted and len(rollout.pods) <= wanted:
            self._names += 1
            image = newest.template["spec"]["containers"][0]["image"]
            made = _Pod(f"{newest.name}-p{self._names}", image, newest.name, self._now())
            self.pods_ever[made.name] = image
            rollout.pods.append(made)
        elif len(own) > wanted:
            rollout.pods.remove(own[-1])
        elif old and (len(rollout.pods) > wanted or not wanted):
            if not all(p.ready_since for p in own) and wanted:
                return False
            rollout.pods.remove(old[0])
        else:
            return False
        rollout.since = self._now()
        return True

    def _starts(self, pod: _Pod) -> bool:
        return self.health[pod.image] in ("good", "bad")

    def _report(self, name: str, rollout: _Rollout) -> bool:
        """The Deployment's status, by the pods as they are; whether it changed."""
        if not rollout.sets:
            return False
        newest = max(rollout.sets.values(), key=lambda s: s.number)
        own = [p for p in rollout.pods if p.of == newest.name]
        found = self._server.get("deployments", NAMESPACE, name)
        assert found is not None
        wanted = found["spec"]["replicas"]
        ready = [p for p in rollout.pods if p.ready_since]
        whole = len(own) == len(rollout.pods) == len([p for p in own if p.ready_since]) == wanted
        if whole and rollout.done is None and not found["spec"].get("paused"):
            rollout.done = self._now()
            if wanted:
                image = newest.template["spec"]["containers"][0]["image"]
                self.complete.setdefault(name, set()).add(image)
        since = rollout.since or self._now()
        late = self._now() - since >= timedelta(seconds=DEADLINE) and rollout.done is None
        reason, at = "ReplicaSetUpdated", since
        if rollout.done is not None:
            reason, at = "NewReplicaSetAvailable", rollout.done
        elif late:
            reason, at = "ProgressDeadlineExceeded", since + timedelta(seconds=DEADLINE)

        def report(body: Body) -> None:
            body["status"] = {
                "observedGeneration": body.get("status", {}).get("observedGeneration", 0),
                "replicas": len(rollout.pods),
                "updatedReplicas": len(own),
                "availableReplicas": len(ready),
                "conditions": [
                    {
                        "type": "Progressing",
                        "status": "False" if reason == "ProgressDeadlineExceeded" else "True",
                        "reason": reason,
                        "message": f'ReplicaSet "{newest.name}": {reason}',
                        "lastUpdateTime": at.isoformat(),
                    }
                ],
            }

        before = self._server.writes
        self._server.change("deployments", NAMESPACE, name, report)
        return self._server.writes > before

    def _pod(self, pod: _Pod, rollout: _Rollout) -> Pod:
        health = self.health[pod.image]
        waiting = {
            "missing": ("ImagePullBackOff", f'Back-off pulling image "{pod.image}": not found'),
            "crashing": ("CrashLoopBackOff", "back-off 5m0s restarting failed container"),
        }.get(health)
        return Pod(
            name=pod.name,
            revision=rollout.sets[pod.of].pod_hash,
            created=pod.created,
            ready=pod.ready_since is not None,
            ready_since=pod.ready_since,
            phase="Pending" if health == "missing" else "Running",
            containers=(
                Container(
                    "cart",
                    image=pod.image,
                    waiting=waiting,
                    restarts=pod.restarts + (5 if health == "crashing" else 0),
                    running_since=pod.ready_since,
                    ready=pod.ready_since is not None,
                ),
            ),
        )


def _hold(body: Body) -> None:
    body["spec"]["paused"] = True
    body["metadata"].setdefault("annotations", {})[HELD_ANNOTATION] = BY_ADMISSION


def _deployment(name: str, image: str, replicas: int, labels: Mapping[str, str]) -> dict[str, Any]:
    container = {"name": "cart", "image": image, "resources": {}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name, **labels}},
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": DEADLINE,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "restartPolicy": "Always"},
            },
        },
    }
