"""Documents as a user would apply them, and waiting for what becomes of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from pratique_testbed.bed import Testbed

Document = dict[str, Any]

SIM = "sim.pratique.sh/"
FAIL = "testbed.pratique.sh/fail"
QUICK: Document = {
    "warmUp": "3s",
    "window": "12s",
    "interval": "3s",
    "failFast": {"after": "3s"},
}
FAST: Document = {
    "name": "fast",
    "indicator": {"latency": {"histogram": "http_request_duration_seconds", "quantile": 0.95}},
    "pass": [{"value": {"lte": 0.3}, "change": {"lte": "25%"}}],
}
ERRORS: Document = {
    "name": "errors",
    "indicator": {
        "ratio": {
            "bad": {
                "metric": "http_requests_total",
                "where": [{"label": "code", "matches": "5.."}],
            },
            "total": {"metric": "http_requests_total"},
        }
    },
    "pass": [{"value": {"lte": 0.02}}],
}


def deployment(
    namespace: str,
    name: str,
    *,
    image: str = "registry.example/app:1",
    replicas: int = 2,
    sim: dict[str, str] | None = None,
    fail: str | None = None,
    environment: dict[str, str] | None = None,
    cpu: str | None = None,
    **spec: Any,
) -> Document:
    """A Deployment whose pods the simulator speaks for (``sim``) or KWOK fails (``fail``)."""
    annotations = {SIM + k: v for k, v in (sim or {}).items()}
    if fail:
        annotations[FAIL] = fail
    container: Document = {"name": "app", "image": image}
    if environment:
        container["env"] = [{"name": k, "value": v} for k, v in environment.items()]
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": annotations},
                "spec": {"containers": [container]},
            },
            **spec,
        },
    }


def policy(
    namespace: str,
    name: str,
    objectives: list[Document] | None = None,
    analysis: Document | None = None,
    **spec: Any,
) -> Document:
    """A ReleasePolicy for the Deployment of that name."""
    body: Document = {"targetRefs": [{"kind": "Deployment", "name": name}], **spec}
    if objectives is not None:
        body["objectives"] = objectives
    body["analysis"] = {**QUICK, **(analysis or {})}
    return {
        "apiVersion": "pratique.sh/v1alpha1",
        "kind": "ReleasePolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": body,
    }


def provider(namespace: str, url: str, **spec: Any) -> Document:
    """The MetricsProvider called default."""
    return {
        "apiVersion": "pratique.sh/v1alpha1",
        "kind": "MetricsProvider",
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"url": url, **spec},
    }


def get(bed: Testbed, kind: str, namespace: str, name: str) -> Document | None:
    """The object, or None."""
    found = bed.kubectl("get", kind, name, "-n", namespace, "-o", "json", check=False)
    return json.loads(found.stdout) if found.returncode == 0 else None


def items(bed: Testbed, kind: str, namespace: str, *more: str) -> list[Document]:
    """All objects of a kind in the namespace."""
    found = bed.kubectl("get", kind, "-n", namespace, "-o", "json", *more)
    return list(json.loads(found.stdout)["items"])


def wait(
    bed: Testbed,
    kind: str,
    namespace: str,
    name: str,
    until: Callable[[Document], bool],
    *,
    timeout: float = 60,
) -> Document:
    """The object once ``until`` holds for it; else an AssertionError that shows it."""
    limit = time.monotonic() + timeout
    found: Document | None = None
    while time.monotonic() < limit:
        found = get(bed, kind, namespace, name)
        if found is not None and until(found):
            return found
        time.sleep(0.2)
    shown = json.dumps((found or {}).get("status"), indent=1)[:3000]
    raise AssertionError(f"{kind} {namespace}/{name} did not come to it in {timeout} s:\n{shown}")


def condition(found: Document, type_: str) -> Document:
    """A condition of an object; empty where there is none."""
    conditions = found.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == type_), {})


def completed(found: Document) -> bool:
    """Whether a Release is done, and all that is told of it is out."""
    labels = found["metadata"].get("labels", {})
    return bool(labels.get("pratique.sh/finished") == "true")


def verdict(bed: Testbed, namespace: str, name: str, *, timeout: float = 60) -> Document:
    """A Release once it is done."""
    return wait(bed, "releases.pratique.sh", namespace, name, completed, timeout=timeout)


def says(release: Document) -> tuple[str | None, str]:
    """(verdict, reason) of a Release; a failing test shows its sentence."""
    print(release["metadata"]["name"], condition(release, "Promotable").get("message"))
    return release["status"].get("verdict"), condition(release, "Promotable").get("reason", "")
