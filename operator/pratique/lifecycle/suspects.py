"""What else changed: objects around a failed release, most telling first.

They are suspects, not causes: that something changed near in time and stands near the workload says no
more. Each says who changed it and when, by Kubernetes' own book (managedFields). Not here: reading them
(``cluster.surroundings``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..resources.judgement import Judgement
from ..resources.release import ReleaseSpec, ReleaseStatus, Suspect
from .noticing import Known

MOST = 8
"""As many as the status holds."""
BEFORE = timedelta(hours=1)
"""How long before the release was noticed a change is looked for, where no earlier release went well."""
AT_MOST = timedelta(days=7)
"""How long before it a change is looked for at all."""
TEXT = 2048
"""Characters of a judgement's message."""
_EVERYWHERE = {"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"}
"""ConfigMaps that controllers put into every namespace."""
_ENDED_OTHERWISE = {"Superseded", "WorkloadDeleted"}


@dataclass(frozen=True, slots=True)
class Thing:
    """An object near the workload, and who changed it last."""

    kind: str
    name: str
    manager: str = ""
    at: datetime | None = None
    """When its last change was that is not of its status alone."""
    selector: Mapping[str, Any] | None = None
    """The pods it selects, as a LabelSelector; an empty one selects all, None selects none."""
    target: tuple[str, str] | None = None
    """(kind, name) of the workload that it scales."""
    busy: bool = False
    """Whether it is changed all the time by what it is for, such as a lock."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stood around the workload when it was looked at."""

    template: Mapping[str, Any]
    """The workload's pod template."""
    things: tuple[Thing, ...] = ()
    whole: frozenset[str] = frozenset()
    """Kinds of which all objects were listed, so that what is not there is missing."""
    unread: tuple[str, ...] = ()
    """Kinds that could not be looked at."""
    rolled_out_at: datetime | None = None
    """When the newest earlier release that went well was rolled out."""
    nodes: frozenset[str] = field(default_factory=frozenset)
    """Where the release's pods are."""


def wanted(before: ReleaseStatus, after: ReleaseStatus, looked: str | None) -> bool:
    """Whether the surroundings are to be looked at: once a cause was named, and when the release fails.

    ``before`` is what was written, so that naming does not wait for it; ``looked`` is the cause for which
    they were looked at last.
    """
    if before.completed_at is not None:
        return False
    if after.completed_at is not None:
        judgement = after.judgement
        return bool(
            judgement
            and judgement.verdict != "Promotable"
            and judgement.reason not in _ENDED_OTHERWISE
        )
    told, now = before.rollout.diagnosis, after.rollout.diagnosis
    return told is not None and now is not None and told.cause == now.cause != looked


def keep(spec: ReleaseSpec, around: Surroundings | None, status: ReleaseStatus) -> ReleaseStatus:
    """The status with the suspects seen now; those seen before stay while their cause does."""
    if around is not None:
        found, unread = find(spec, around), list(around.unread)
    elif status.rollout.diagnosis is not None or status.completed_at is not None:
        return status
    else:
        found, unread = [], []
    if (found, unread) == (status.suspects, status.unread):
        return status
    return status.model_copy(update={"suspects": found, "unread": unread})


def named(judgement: Judgement, spec: ReleaseSpec, around: Surroundings | None) -> Judgement:
    """A judgement that is no success, naming a changed NetworkPolicy that selects the release's pods."""
    if around is None or judgement.verdict == "Promotable" or judgement.reason in _ENDED_OTHERWISE:
        return judgement
    begin, labels = since(spec, around), _labels(around.template)
    words = [
        f"; NetworkPolicy {t.name}, which selects its pods, was changed at {t.at:%Y-%m-%d %H:%M:%S} UTC"
        + (f" by {t.manager}" if t.manager else "")
        for t in around.things
        if t.kind == "NetworkPolicy" and t.at and t.at >= begin and selects(t.selector, labels)
    ]
    if not words:
        return judgement
    more = "".join(words[:2])
    return judgement.model_copy(update={"message": judgement.message[: TEXT - len(more)] + more})


def went_well(known: Iterable[Known], before: int) -> datetime | None:
    """When the newest earlier release that went well was rolled out: promotable, or taken as it was.

    One that failed may have failed by the very change that is sought.
    """
    moments = (
        k.rolled_out_at
        for k in known
        if k.number < before and (k.stands == "Promotable" or k.measured)
    )
    return max((m for m in moments if m is not None), default=None)


def since(spec: ReleaseSpec, around: Surroundings) -> datetime:
    """From when on a change may be to blame: an earlier release went well with what was before."""
    earlier = around.rolled_out_at
    if earlier is None or earlier > spec.noticed_at:
        return spec.noticed_at - BEFORE
    return max(earlier, spec.noticed_at - AT_MOST)


def find(spec: ReleaseSpec, around: Surroundings) -> list[Suspect]:
    """The suspects, most telling first, then newest first."""
    begin, labels = since(spec, around), _labels(around.template)
    uses = dict(references(around.template))
    ranked: list[tuple[int, float, str, Suspect]] = []
    for (kind, name), needed in uses.items():
        if needed and kind in around.whole and (kind, name) not in _names(around.things):
            missing = Suspect(kind=kind, name=name, why="the pod template refers to it; not there")
            ranked.append((0, 0.0, name, missing))
    for thing in around.things:
        if thing.at is None or thing.at < begin:
            continue
        place = _why(thing, spec, labels, uses, around.nodes)
        if place is None:
            continue
        rank, why = place
        suspect = Suspect(
            kind=thing.kind,
            name=thing.name,
            manager=thing.manager[:128] or None,
            at=thing.at,
            why=why,
        )
        ranked.append((rank, -thing.at.timestamp(), f"{thing.kind}/{thing.name}", suspect))
    return [suspect for *_, suspect in sorted(ranked, key=lambda r: r[:3])[:MOST]]


def _why(
    thing: Thing,
    spec: ReleaseSpec,
    labels: Mapping[str, str],
    uses: Mapping[tuple[str, str], bool],
    nodes: frozenset[str],
) -> tuple[int, str] | None:
    match thing.kind:
        case "ConfigMap" | "Secret":
            if (thing.kind, thing.name) in uses:
                return 1, "the pod template refers to it"
            if thing.kind == "Secret" or thing.busy or thing.name in _EVERYWHERE:
                return None
        case "HorizontalPodAutoscaler":
            mine = thing.target == (spec.workload.kind, spec.workload.name)
            return (2, "it scales the workload") if mine else None
        case "Node":
            return (3, "pods of the release are on it") if thing.name in nodes else None
        case "PodDisruptionBudget":
            return (2, "it selects the pods") if selects(thing.selector, labels) else None
        case "NetworkPolicy":
            if selects(thing.selector, labels):
                return 1, "it selects the pods"
        case _:
            if selects(thing.selector, labels):
                return 2, "it selects the pods"
    return 4, "in the same namespace"


def references(template: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], bool]]:
    """((kind, name), whether it must be there) of each ConfigMap and Secret that a pod template names."""
    found: dict[tuple[str, str], bool] = {}

    def add(kind: str, source: Mapping[str, Any] | None, field: str = "name") -> None:
        name = (source or {}).get(field)
        if source and name:
            needed = not source.get("optional", False)
            found[(kind, name)] = found.get((kind, name), False) or needed

    spec = template.get("spec") or {}
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        for variable in container.get("env") or ():
            source = variable.get("valueFrom") or {}
            add("ConfigMap", source.get("configMapKeyRef"))
            add("Secret", source.get("secretKeyRef"))
        for whole in container.get("envFrom") or ():
            add("ConfigMap", whole.get("configMapRef"))
            add("Secret", whole.get("secretRef"))
    for volume in spec.get("volumes") or ():
        add("ConfigMap", volume.get("configMap"))
        add("Secret", volume.get("secret"), "secretName")
        for part in (volume.get("projected") or {}).get("sources") or ():
            add("ConfigMap", part.get("configMap"))
            add("Secret", part.get("secret"))
    for pull in spec.get("imagePullSecrets") or ():
        add("Secret", {**pull, "optional": True})
    yield from found.items()


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector matches; a term that is not understood matches nothing."""
    if selector is None:
        return False
    if any(labels.get(k) != v for k, v in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_term(term, labels) for term in selector.get("matchExpressions") or ())


def _term(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = term.get("key", ""), term.get("values") or ()
    match term.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def _labels(template: Mapping[str, Any]) -> Mapping[str, str]:
    return (template.get("metadata") or {}).get("labels") or {}


def _names(things: Sequence[Thing]) -> set[tuple[str, str]]:
    return {(t.kind, t.name) for t in things}
