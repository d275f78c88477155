"""The kinds that the operator touches, and with which verbs: what is not listed cannot be asked.

Bodies stay plain dicts: our own kinds are validated by ``resources/``, the others are read by the
adapters in ``workloads``, which keep little of them.
"""

from __future__ import annotations

from typing import Any, cast

from lightkube.core.resource import ApiInfo, ResourceDef
from lightkube.generic_resource import (
    GenericGlobalResource,
    GenericNamespacedResource,
    create_namespaced_resource,
)

from ..resources.base import GROUP, VERSION

Kind = type[GenericNamespacedResource]

_READ = ["get", "list", "global_list"]
_FOLLOW = ["list", "watch"]


def _ours(kind: str, plural: str, *more: str) -> Kind:
    return create_namespaced_resource(GROUP, VERSION, kind, plural, verbs=[*_READ, *more])


def _theirs(group: str, kind: str, plural: str, verbs: list[str], version: str = "v1") -> Kind:
    # Not registered with the library: its own classes of these kinds decode far more than is read.
    made: dict[str, Any] = {
        "_api_info": ApiInfo(ResourceDef(group, version, kind), plural=plural, verbs=verbs)
    }
    return type(kind, (GenericNamespacedResource,), made)


def _wide(group: str, kind: str, plural: str, verbs: list[str]) -> type[GenericGlobalResource]:
    made: dict[str, Any] = {
        "_api_info": ApiInfo(ResourceDef(group, "v1", kind), plural=plural, verbs=verbs)
    }
    return type(kind, (GenericGlobalResource,), made)


OURS: dict[str, Kind] = {
    "metricsproviders": _ours("MetricsProvider", "metricsproviders"),
    "servicelevelindicators": _ours("ServiceLevelIndicator", "servicelevelindicators"),
    "servicelevelobjectives": _ours("ServiceLevelObjective", "servicelevelobjectives"),
    "servicelevelagreements": _ours("ServiceLevelAgreement", "servicelevelagreements"),
    "releasepolicies": _ours("ReleasePolicy", "releasepolicies"),
    "releasegroups": _ours("ReleaseGroup", "releasegroups"),
    "tasktemplates": _ours("TaskTemplate", "tasktemplates"),
    "releases": _ours("Release", "releases", "post", "patch", "delete"),
    "analyses": _ours("Analysis", "analyses", "delete"),
    "releaserecords": _ours("ReleaseRecord", "releaserecords", "post"),
}
"""By plural; ``status`` of each can be patched."""

READ: dict[str, Kind] = {
    **OURS,
    # Of the whole cluster, and only listed: the library knows it by its base.
    "namespaces": cast("Kind", _wide("", "Namespace", "namespaces", ["list"])),
    "deployments": _theirs("apps", "Deployment", "deployments", [*_READ, "patch"]),
    "networkpolicies": _theirs("networking.k8s.io", "NetworkPolicy", "networkpolicies", ["list"]),
    "services": _theirs("", "Service", "services", ["list"]),
    "poddisruptionbudgets": _theirs(
        "policy", "PodDisruptionBudget", "poddisruptionbudgets", ["list"]
    ),
    "horizontalpodautoscalers": _theirs(
        "autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", ["list"], "v2"
    ),
    "statefulsets": _theirs("apps", "StatefulSet", "statefulsets", [*_READ, "patch"]),
    "daemonsets": _theirs("apps", "DaemonSet", "daemonsets", _READ),
}
"""What can be read one by one and listed, by plural."""

AROUND: dict[str, type[GenericNamespacedResource] | type[GenericGlobalResource]] = {
    "configmaps": _theirs("", "ConfigMap", "configmaps", ["list"]),
    "secrets": _theirs("", "Secret", "secrets", ["get"]),
    "nodes": _wide("", "Node", "nodes", ["get"]),
}
"""Of what only the metadata is read, by plural."""

FOLLOWED: dict[str, Kind] = {
    "pods": _theirs("", "Pod", "pods", _FOLLOW),
    "replicasets": _theirs("apps", "ReplicaSet", "replicasets", _FOLLOW),
    "events": _theirs("events.k8s.io", "Event", "events", _FOLLOW),
    "controllerrevisions": _theirs("apps", "ControllerRevision", "controllerrevisions", _FOLLOW),
}
"""What is listed and watched within one namespace, by plural."""

JOB = _theirs("batch", "Job", "jobs", ["get", "post", "patch", "delete"])
TARGETS: dict[str, Kind] = {
    kind: _theirs("apps", kind, plural, ["get", "patch"])
    for kind, plural in (
        ("Deployment", "deployments"),
        ("StatefulSet", "statefulsets"),
        ("DaemonSet", "daemonsets"),
    )
}
"""What a task may change where it is granted, by kind."""
EVENT = _theirs("events.k8s.io", "Event", "events", ["post"])
SECRET = _theirs("", "Secret", "secrets", ["get"])
