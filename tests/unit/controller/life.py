"""What can happen to a Deployment, its policy and its operator, each as one call, and how it all ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from pratique.lifecycle.noticing import RESTARTED_AT, fingerprint
from pratique.resources.hold import HOLD_LABEL
from pratique.resources.policy import ReleasePolicySpec
from pratique.resources.promotion import APPROVAL_ANNOTATION
from pratique.resources.release import RE_EVALUATE_ANNOTATION
from unit.controller.api_server import Body, Mishap, Planned
from unit.controller.kubernetes import Health, Mode
from unit.controller.outside import Answers, Jobs
from unit.controller.process import World
from unit.lifecycle.builders import ERRORS, LIBRARY, NAMESPACE, RESTARTS

NAME = "cart"
LATEST = timedelta(hours=4)
"""After the last event every release must be closed: its deadlines are far shorter."""
MOST_TURNS = 3000
ANALYSIS = {"warmUp": "30s", "window": "2m", "interval": "30s", "failAfter": 2}
JOB = {"template": {"spec": {"containers": [{"name": "test", "image": "registry.example/test"}]}}}
POST = {"url": "http://deploys.example/hooks"}
NEXT = {"namespace": "production", "kind": "Deployment", "name": NAME, "image": {"container": NAME}}
POLICIES: Mapping[str, Mapping[str, Any]] = {
    "errors": {"objectives": [ERRORS]},
    "stays up": {},
    "both": {"objectives": [ERRORS, RESTARTS]},
    "restarts recorded": {"objectives": [ERRORS], "causes": {"restart": "Record"}},
    "watched": {"objectives": [ERRORS], "watch": {"for": "10m"}},
    "few kept": {"objectives": [ERRORS], "retention": {"count": 2}},
    "held": {"objectives": [ERRORS], "hold": {}},
    "held in a freeze": {
        "objectives": [ERRORS],
        "hold": {"deadline": "20m"},
        "errorBudgetPolicy": {
            "freezeWindows": [{"from": "2026-03-02T12:10", "to": "2026-03-02T12:40"}]
        },
    },
    "let go in a freeze": {
        "objectives": [ERRORS],
        "hold": {"deadline": "10m", "onTimeout": "LetGo"},
        "errorBudgetPolicy": {
            "freezeWindows": [{"from": "2026-03-02T12:10", "to": "2026-03-02T13:00"}]
        },
    },
    "tasks": {
        "objectives": [ERRORS],
        "tasks": [
            {"name": "smoke", "at": "Before", "job": JOB},
            {"name": "tell", "at": "During", "http": POST, "deadline": "20m"},
            {"name": "load", "at": "During", "job": JOB, "deadline": "5m", "onFailure": "Ignore"},
            {"name": "report", "at": "After", "http": POST, "deadline": "20m"},
        ],
    },
    "promotion": {
        "objectives": [ERRORS],
        "promotion": {"soak": "1m", "deadline": "30m"},
        "watch": {"for": "10m"},
        "tasks": [
            {"name": "next", "at": "Promotion", "patch": NEXT, "deadline": "10m"},
            {"name": "hail", "at": "Promotion", "http": POST},  # while the watch asks too
            {"name": "ship", "at": "Promotion", "http": POST, "needs": ["next"]},
            {"name": "check", "at": "Promotion", "job": JOB},
        ],
    },
    "approval": {
        "objectives": [ERRORS],
        "promotion": {"approval": "Required", "deadline": "30m"},
        "tasks": [
            {"name": "note", "at": "After", "http": POST, "onUnknownOutcome": "Retry"},
            {"name": "ship", "at": "Promotion", "http": POST},
        ],
    },
    "restarts ignored": {"objectives": [ERRORS], "causes": {"restart": "Ignore"}},
}
TASKED = frozenset(name for name, spec in POLICIES.items() if "tasks" in spec)


class Life:
    """A namespace with one Deployment, one policy, one provider, and one operator at a time."""

    def __init__(self, policy: str = "errors", *, held: bool = False) -> None:
        self._labels = {HOLD_LABEL: "true"} if held else {}
        self.world = World()
        self.images: list[str] = []
        world = self.world
        for name in (NAMESPACE, LIBRARY):
            world.create("Namespace", "namespaces", "", name)
        provider = {"url": "http://prometheus:9090", "scrapeInterval": "15s"}
        world.create("MetricsProvider", "metricsproviders", LIBRARY, "default", spec=provider)
        self.provider("up")
        self.set_policy(policy)
        world.start()

    def close(self) -> None:
        self.world.close()

    # Users

    def ship(self, health: Health) -> None:
        """A new version."""
        image = f"registry.example/cart:{len(self.images) + 1}"
        self.images.append(image)
        labels = self._labels if self.there is None else None
        self.world.kubernetes.apply(NAME, image, health, labels=labels)

    def ship_again(self, index: int) -> None:
        """A version that was there before, or is."""
        image = self.images[index % len(self.images)]
        self.world.kubernetes.apply(NAME, image, self.world.kubernetes.health[image])

    def restart(self) -> None:
        def change(body: Body) -> None:
            meta = body["spec"]["template"]["metadata"]
            meta["annotations"] = {RESTARTED_AT: self.world.now.isoformat()}

        self.edit(change)

    def scale(self, replicas: int) -> None:
        def change(body: Body) -> None:
            body["spec"]["replicas"] = replicas

        self.edit(change)

    def pause(self, paused: bool) -> None:
        def change(body: Body) -> None:
            body["spec"]["paused"] = paused

        self.edit(change)

    def edit(self, change: Callable[[Body], None]) -> None:
        if self.there:
            self.world.kubernetes.edit(NAME, change)

    @property
    def there(self) -> Body | None:
        """The Deployment."""
        return self.world.server.get("deployments", NAMESPACE, NAME)

    def delete_workload(self) -> None:
        self.world.kubernetes.remove(NAME)

    def set_policy(self, which: str | None) -> None:
        server = self.world.server
        if which is None:
            server.delete("releasepolicies", NAMESPACE, NAME)
            return
        spec = {
            "targetRefs": [{"kind": "Deployment", "name": NAME}],
            "analysis": ANALYSIS,
            **POLICIES[which],
        }
        ReleasePolicySpec.model_validate(spec)  # as the CRD would
        if server.get("releasepolicies", NAMESPACE, NAME) is None:
            self.world.create("ReleasePolicy", "releasepolicies", NAMESPACE, NAME, spec=spec)
            return

        def change(body: Body) -> None:
            body["spec"] = spec

        server.change("releasepolicies", NAMESPACE, NAME, change)

    def label_hold(self, value: str | None) -> None:
        """Whether its new versions are held at admission."""

        def change(body: Body) -> None:
            labels = body["metadata"]["labels"]
            labels.pop(HOLD_LABEL, None)
            if value is not None:
                labels[HOLD_LABEL] = value

        self.edit(change)

    def re_evaluate(self) -> None:
        """Somebody asks for another attempt at the newest version."""
        if self.world.releases():
            name = self.world.releases()[-1]["metadata"]["name"]

            def change(body: Body) -> None:
                mine = body["metadata"].setdefault("annotations", {})
                mine[RE_EVALUATE_ANNOTATION] = self.world.now.isoformat()

            self.world.server.change("releases", NAMESPACE, name, change)

    def touch(self) -> None:
        """Somebody else writes on every Release, so that its resourceVersion is another."""
        for release in self.world.releases():

            def change(body: Body) -> None:
                mine = body["metadata"].setdefault("annotations", {})
                mine["example.com/seen"] = self.world.now.isoformat() + str(len(mine))

            self.world.server.change("releases", NAMESPACE, release["metadata"]["name"], change)

    # Kubernetes, the pods and the provider

    def turns(self, count: int) -> None:
        for _ in range(count):
            if not self.world.kubernetes.turn(NAME):
                return

    def roll_out(self) -> None:
        """As far as it goes by itself."""
        self.turns(60)

    def restart_pod(self) -> None:
        self.world.kubernetes.restart_pod(NAME)

    def goes_bad(self) -> None:
        """The newest version serves errors from now on."""
        if self.images:
            self.world.kubernetes.bad_since.setdefault(self.images[-1], self.world.now)

    def provider(self, mode: Mode) -> None:
        """How it answers from now on; the prober sees it at once."""
        self.world.kubernetes.mode = mode
        ready = {
            "type": "Ready",
            "status": "False" if mode == "down" else "True",
            "reason": "Unreachable" if mode == "down" else "Probed",
            "message": "",
            "lastTransitionTime": self.world.now.isoformat(),
        }
        status = {"observedGeneration": 1, "conditions": [ready]}
        self.world.server.write_status("metricsproviders", LIBRARY, "default", status, None)

    # Those whom tasks reach, and people

    def answers(self, how: Answers) -> None:
        self.world.outside.answers = how

    def jobs(self, jobs: Jobs) -> None:
        self.world.outside.set_jobs(jobs)

    def approve(self, decision: str = "Approve") -> None:
        """Somebody answers for the newest release."""
        if self.world.releases():
            said = {"by": "jane", "for": "Promotion", "decision": decision}

            def change(body: Body) -> None:
                mine = body["metadata"].setdefault("annotations", {})
                mine[APPROVAL_ANNOTATION] = json.dumps(said)

            name = self.world.releases()[-1]["metadata"]["name"]
            self.world.server.change("releases", NAMESPACE, name, change)

    def say(self, said: Literal["done", "failed", "retry"]) -> None:
        """Somebody tells what came of every call whose outcome nobody knows."""
        for release in self.world.releases():
            for task in release["spec"]["plan"].get("tasks", []):
                self.world.outside.say(release, task["name"], said)

    def say_the_truth(self) -> None:
        """As somebody would who looked whether it was done."""
        for release in self.world.releases():
            for task in release["spec"]["plan"].get("tasks", []):
                done = f"{release['metadata']['name']}/{task['name']}" in self.world.outside.really
                self.world.outside.say(release, task["name"], "done" if done else "retry")

    # The operator

    def doom(self, mishaps: Sequence[tuple[int, Mishap]]) -> None:
        """Something befalls the process after so many calls from now, and those after it in turn."""
        planned = [Planned(calls, mishap) for calls, mishap in mishaps]
        if self.world.process is not None and planned:
            self.world.process.connection.planned.append(planned.pop(0))
        self.world.doom += planned

    def between(self, calls: int, event: Callable[[], object]) -> None:
        """Just before that call something happens in the cluster."""
        if self.world.process is not None:
            self.world.process.connection.planned.append(Planned(calls, between=event))

    # The end

    def end(self) -> None:
        """Nothing happens any more but time: everything must come to its end, and stay."""
        world = self.world
        world.start()
        assert world.process is not None
        world.behind_until = world.now
        world.run()
        last = world.now + LATEST
        for _ in range(MOST_TURNS):
            if not world.unfinished():
                world.advance(300)  # something may be tried once more
            if not world.unfinished():
                break
            said = [self.said(r) for r in world.unfinished()]
            assert world.now < last, f"waits for ever: {said}"
            assert world.to_the_next_due(), f"nothing will ever wake it: {said}"
        assert not world.unfinished(), "too many turns"
        self.check_the_end()
        before = world.server.writes
        world.stop()
        world.start()
        world.advance(120)
        assert world.server.writes == before, "a restart wrote something, though all was over"
        self.hold()

    def check_the_end(self) -> None:
        world, releases = self.world, self.world.releases()
        for index, release in enumerate(releases):
            newer = index + 1 < len(releases)
            name, uid = release["metadata"]["name"], release["metadata"]["uid"]
            status = release["status"]
            assert status.get("closedAt"), f"{name} is not closed"
            told = world.ledger.judged[uid]
            assert told == bool(status.get("verdict")), f"{name}: its verdict was told {told} times"
            conditions = {c["type"]: c for c in status["conditions"]}
            assert ("Superseded" in conditions) == newer, f"{name}: {sorted(conditions)}"
            assert "Reconciling" not in conditions, name
            going = [t for t in status.get("tasks", []) if not t.get("completedAt")]
            assert not going, f"{name} is closed with tasks under way: {going}"
            begun = (status.get("promotion") or {}).get("beganAt")
            assert not begun or status["promotion"].get("completedAt"), (
                f"{name} is promoted for ever"
            )
            if status.get("verdict") and status.get("looks") and status.get("cohorts"):
                record = world.server.get("releaserecords", NAMESPACE, name)
                assert record is not None, f"the samples of {name} are not kept"
        body = self.there
        policy = world.server.get("releasepolicies", NAMESPACE, NAME)
        if body is not None and policy is not None:
            assert releases, "the Deployment has no release"
            newest = releases[-1]
            known = newest["status"].get("templateHash") or newest["spec"]["templateHash"]
            assert known == fingerprint(body["spec"]["template"]).hash, "a version went unnoticed"
        assert world.process is not None
        assert not world.process.watches.holders, "pods are watched for nobody"

    def hold(self) -> None:
        """What was ever written and done was right."""
        broken = self.world.ledger.broken + self.world.outside.broken
        assert not broken, broken

    @staticmethod
    def said(release: Body) -> str:
        status = release.get("status") or {}
        found = [c for c in status.get("conditions", []) if c["type"] == "Promotable"]
        return (
            f"{release['metadata']['name']} {status.get('phase')}: {found and found[0]['message']}"
        )
