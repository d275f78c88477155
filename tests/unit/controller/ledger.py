"""What must hold of everything that is ever written, whoever is killed meanwhile; checked at each write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pratique.judge.samples import Missing
from pratique.resources.release import Release
from unit.controller.api_server import Body
from unit.controller.kubernetes import Kubernetes

MAX_STATUS_BYTES = 8 * 1024
GIVEN = ("verdict", "completedAt", "judgement", "measured")
"""What stands once the verdict does."""


class Ledger:
    """Takes down everything that was written, and what was wrong with it.

    A violation is kept and not raised: whoever writes might catch it.
    """

    def __init__(self, kubernetes: Kubernetes, now: Callable[[], datetime]) -> None:
        self._kubernetes = kubernetes
        self._now = now
        self.broken: list[str] = []
        self.releases: dict[tuple[str, str, int, int], str] = {}
        """(kind, workload, number, attempt) → the Release's UID, of all that ever were."""
        self.events: Counter[tuple[str, str, str]] = Counter()
        """(UID, reason, note)."""
        self.judged: Counter[str] = Counter()
        """Events that tell of a verdict, by the Release's UID."""

    def written(self, plural: str, before: Body | None, after: Body | None) -> None:
        """To be called with every change."""
        if after is None:
            return
        if plural == "events":
            self._event(after)
        if plural == "releases":
            self._release(before, after)

    def _event(self, event: Body) -> None:
        uid = event["regarding"]["uid"]
        told = (uid, event["reason"], event["note"])
        self.events[told] += 1
        # Who asks twice is refused twice.
        once = self.events[told] == 1 or event["action"] == "ReEvaluate"
        self._hold(once, f"told twice: {told}")
        if event["action"] == "Judge":
            self.judged[uid] += 1
            self._hold(self.judged[uid] == 1, f"a second verdict was told of {uid}: {told}")

    def _release(self, before: Body | None, after: Body) -> None:
        meta, spec = after["metadata"], after["spec"]
        name, uid = meta["name"], meta["uid"]
        if before is None:
            workload = spec["workload"]
            identity = (
                workload["kind"],
                workload["name"],
                spec["number"],
                spec.get("attempt") or 1,
            )
            self._hold(identity not in self.releases, f"{identity} began twice")
            self.releases[identity] = uid
            return
        self._hold(before["spec"] == spec, f"the spec of {name} was changed")
        old: dict[str, Any] = before.get("status") or {}
        new: dict[str, Any] = after.get("status") or {}
        release = Release.model_validate({"spec": spec, "status": new})
        assert release.status is not None
        size = len(release.status.model_dump_json(by_alias=True, exclude_none=True))
        self._hold(size <= MAX_STATUS_BYTES, f"the status of {name} is {size} bytes")
        if old.get("completedAt"):
            for field in GIVEN:
                same = old.get(field) == new.get(field)
                self._hold(same, f"{field} of {name}: {old.get(field)} became {new.get(field)}")
        tasks = {t["name"]: t for t in new.get("tasks", [])}
        for task in old.get("tasks", []):
            # What is over is over; what was begun is not forgotten.
            now = tasks.get(task["name"], {})
            kept = now == task if task.get("completedAt") else bool(now)
            self._hold(kept, f"a task of {name}: {task} became {now}")
        promotion: dict[str, Any] = new.get("promotion") or {}
        for field, value in (old.get("promotion") or {}).items():
            same = value == promotion.get(field) or not value
            self._hold(same, f"{field} of {name}'s promotion: {value} became {promotion}")
        if old.get("revoked"):
            self._hold(old["revoked"] == new.get("revoked"), f"{name} was revoked otherwise")
        if new.get("revoked"):
            self._hold(new.get("verdict") == "Promotable", f"{name} was revoked without a verdict")
        if old.get("closedAt"):
            self._hold(old["closedAt"] == new.get("closedAt"), f"{name} was closed twice")
        for field in ("windowFrom", "templateHash"):
            kept = old.get(field) is None or new.get(field) is not None
            self._hold(kept, f"{field} of {name} was forgotten")
        if new.get("verdict") == "Promotable" and old.get("verdict") is None:
            self._evidence(name, release)

    def _evidence(self, name: str, release: Release) -> None:
        """Promotable: pods of this very image were all there, and somebody measured that they do well."""
        status, spec = release.status, release.spec
        assert status is not None
        image, judgement = spec.images[0].image, status.judgement
        self._hold(status.window_from is not None, f"{name} is promotable without a window")
        complete = self._kubernetes.complete.get(spec.workload.name, set())
        self._hold(image in complete, f"{name} is promotable, {image} never ran wholly")
        assert judgement is not None
        valued = all(r.value is not None for r in judgement.results)
        self._hold(bool(judgement.results) and valued, f"{name} is promotable without values")
        analysis = spec.plan.analysis
        if status.window_from is None:
            return
        waited = self._now() - status.window_from >= analysis.window
        self._hold(waited, f"{name} is promotable before its window is over")
        if any(o.provider is not None for o in spec.plan.objectives):
            heard = [
                t
                for t in self._kubernetes.said
                if image in t.images
                and t.question.end > status.window_from
                and not isinstance(t.sample, Missing)
            ]
            well = [t for t in heard if not self._kubernetes.is_bad(image, t.question.end)]
            self._hold(bool(heard), f"{name} is promotable, and no provider said anything")
            self._hold(not heard or bool(well), f"{name} is promotable, and all was bad")

    def _hold(self, fact: bool, said: str) -> None:
        if not fact:
            self.broken.append(said)
