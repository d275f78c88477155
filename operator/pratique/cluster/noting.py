"""What Kubernetes' Events say of pods, and of what makes them: slim, few, one watch a namespace.

One watch without those Events that tell of health, rather than one for each kind of object or reason: a
field selector knows no "or", and connections cost more than Events. It is a help, not a need: where
Events cannot be read, releases go on and are diagnosed from what pods say of themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from ..lifecycle.view import Note
from .client import Body, Cluster
from .following import Following, Owned
from .workloads import Owner

OF_HEALTH = (
    "Created",
    "Killing",
    "Pulled",
    "Pulling",
    "ScalingReplicaSet",
    "Scheduled",
    "Started",
    "SuccessfulCreate",
    "SuccessfulDelete",
)
"""Reasons of most Events, which diagnosis does not ask for."""
MESSAGE = 1024
"""Characters kept of a message; the API server lets no newer Event have more."""
MOST = 5_000
"""Events kept of one namespace; the oldest give way. Each is less than 2 KiB."""
MOST_OF_ONE = 20
"""Events kept of one object."""


class Noting(Following[Note]):
    """The Events of one namespace that are about objects of the given kinds."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        *,
        about: Iterable[str],
        changed: Callable[[Owner], None],
    ) -> None:
        super().__init__(
            cluster,
            "events",
            namespace,
            read=note,
            owners=about,
            changed=changed,
            owner=regarding,
            fields=",".join(f"reason!={reason}" for reason in OF_HEALTH),
        )

    def about(self, uid: str) -> list[Note]:
        """The Events about the object with this UID."""
        return [o.record for o in self.owned_by(uid).values()]

    def _put(self, uid: str, owned: Owned[Note] | None) -> None:
        super()._put(uid, owned)
        if owned is None:
            return
        siblings = self.owned_by(owned.owner.uid)
        if len(siblings) > MOST_OF_ONE:
            super()._put(min(siblings, key=lambda u: siblings[u].record.at), None)
        if len(self) > MOST:
            super()._put(next(iter(self._records)), None)


def note(body: Body) -> Note:
    """An Event, in the words of ``events.k8s.io/v1``; older reporters fill the deprecated fields only."""
    about, series = body.get("regarding") or {}, body.get("series") or {}
    at = (
        series.get("lastObservedTime")
        or body.get("deprecatedLastTimestamp")
        or body.get("eventTime")
        or body["metadata"]["creationTimestamp"]
    )
    # spec.containers{app}
    path = about.get("fieldPath") or ""
    return Note(
        kind=about.get("kind", ""),
        name=about.get("name", ""),
        reason=body.get("reason") or "",
        message=(body.get("note") or "")[:MESSAGE],
        at=datetime.fromisoformat(at),
        count=series.get("count") or body.get("deprecatedCount") or 1,
        container=path.partition("{")[2].rstrip("}") or None,
    )


def regarding(body: Body) -> Owner | None:
    """What the Event is about."""
    about = body.get("regarding") or {}
    if not about.get("uid"):
        return None
    return Owner(about.get("kind", ""), about.get("name", ""), about["uid"])
