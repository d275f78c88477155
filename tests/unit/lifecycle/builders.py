"""Short spellings of workloads, pods, policies, plans and releases, for the tests beside this module.

All times are offsets in seconds from ``T0``, a moment on every grid used here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pratique.lifecycle.noticing import Fingerprint, Known, fingerprint
from pratique.lifecycle.planning import Library, Named, Provider
from pratique.lifecycle.policies import Policy
from pratique.lifecycle.situation import Answer, Situation
from pratique.lifecycle.suspects import Surroundings
from pratique.lifecycle.view import Container, Pod, Revision, View, Workload
from pratique.queries.questions import Question
from pratique.resources.indicator import ServiceLevelIndicatorSpec
from pratique.resources.objective import ServiceLevelObjectiveSpec
from pratique.resources.policy import ReleasePolicySpec
from pratique.resources.provider import MetricsProviderSpec, MetricsProviderStatus
from pratique.resources.release import Plan, ReleaseSpec, WorkloadRef

T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NAMESPACE = "shop"
LIBRARY = "pratique-system"
HISTOGRAM = "http_request_duration_seconds"

ERRORS: dict[str, Any] = {
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
    "evidence": "Point",
    "pass": [{"value": {"lte": 0.05}}],
}
FAST: dict[str, Any] = {
    "name": "fast",
    "indicator": {"latency": {"histogram": HISTOGRAM, "quantile": 0.95}},
    "pass": [{"value": {"lte": 0.3}}],
}
HEAP: dict[str, Any] = {
    "name": "heap",
    "indicator": {"query": {"expr": 'max(heap_bytes{pod=~"$pods"})'}},
    "pass": [{"value": {"lte": 100}}],
}
RESTARTS: dict[str, Any] = {
    "name": "restarts",
    "indicator": {"kubernetes": {"signal": "Restarts"}},
    "pass": [{"value": {"lte": 0}}],
}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def seconds(moment: datetime) -> float:
    return (moment - T0).total_seconds()


def template(
    image: str = "registry.example/cart:1",
    *,
    env: Mapping[str, str] | None = None,
    cpu: str | None = None,
    restarted: str | None = None,
    labels: Mapping[str, str] | None = None,
    sidecar: str | None = None,
) -> dict[str, Any]:
    """A pod template as the API server would give it."""
    container: dict[str, Any] = {"name": "cart", "image": image, "resources": {}}
    if env:
        container["env"] = [{"name": k, "value": v} for k, v in env.items()]
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    containers = [container]
    if sidecar:
        containers.append({"name": "proxy", "image": sidecar, "resources": {}})
    metadata: dict[str, Any] = {"labels": {"app": "cart", **(labels or {})}}
    if restarted:
        metadata["annotations"] = {"kubectl.kubernetes.io/restartedAt": restarted}
    return {"metadata": metadata, "spec": {"containers": containers, "restartPolicy": "Always"}}


def workload(**more: Any) -> Workload:
    """A Deployment ``cart`` with three pods, rolled out."""
    given: dict[str, Any] = {
        "kind": "Deployment",
        "namespace": NAMESPACE,
        "name": "cart",
        "uid": "uid-1",
        "generation": 1,
        "observed_generation": 1,
        "labels": {"app": "cart"},
        "template": template(),
        "desired": 3,
        "updated": 3,
        "available": 3,
        "total": 3,
        "revision": "1",
        **more,
    }
    return Workload(**given)


def rolling(**more: Any) -> Workload:
    """A Deployment whose new version has one pod of three yet."""
    return workload(**{"updated": 1, "available": 2, "total": 4, **more})


def revision(number: int = 1, pod_hash: str = "abc", **more: Any) -> Revision:
    return Revision(name=f"cart-{pod_hash}", number=number, pod_hash=pod_hash, **more)


def pod(name: str = "p1", *, ready: float | None = None, pod_hash: str = "abc", **more: Any) -> Pod:
    """A pod ``cart-abc-p1``; Ready since that second, or not at all."""
    given: dict[str, Any] = {
        "name": f"cart-{pod_hash}-{name}",
        "revision": pod_hash,
        "created": at(0),
        "ready": ready is not None,
        "ready_since": None if ready is None else at(ready),
        "phase": "Running" if ready is not None else "Pending",
        "containers": (Container("cart", image="registry.example/cart:1"),),
        **more,
    }
    return Pod(**given)


def waiting(reason: str, message: str = "", **more: Any) -> tuple[Container, ...]:
    """The one container of a pod, which waits."""
    image = "registry.example/cart:1"
    return (Container(name="cart", image=image, waiting=(reason, message), **more),)


def view(
    of: Workload | None = None,
    pods: Sequence[Pod] = (),
    revisions: Sequence[Revision] | None = None,
) -> View:
    return View(
        of or workload(), tuple(pods), tuple(revisions if revisions is not None else [revision()])
    )


def policy_spec(objectives: Sequence[Mapping[str, Any]] = (), **more: Any) -> ReleasePolicySpec:
    given: dict[str, Any] = {"objectives": list(objectives), **more}
    if "selector" not in given:
        given.setdefault("targetRefs", [{"kind": "Deployment", "name": "cart"}])
    return ReleasePolicySpec.model_validate(given)


def policy(
    objectives: Sequence[Mapping[str, Any]] = (),
    *,
    name: str = "cart",
    namespace: str = NAMESPACE,
    created: float = 0,
    **more: Any,
) -> Policy:
    return Policy(namespace, name, f"uid-{name}", 1, at(created), policy_spec(objectives, **more))


def provider(
    name: str = "default",
    namespace: str = LIBRARY,
    *,
    probed: bool = True,
    measured: str | None = None,
    **more: Any,
) -> Provider:
    """A provider that scrapes every 15 s, by its own word unless ``scrapeInterval`` is None."""
    given = {"url": "http://prometheus:9090", "scrapeInterval": "15s", **more}
    spec = MetricsProviderSpec.model_validate({k: v for k, v in given.items() if v is not None})
    status = None
    if probed:
        status = MetricsProviderStatus.model_validate(
            {"observedGeneration": 1, **({"scrapeInterval": measured} if measured else {})}
        )
    return Provider(namespace, name, 1, spec, status)


def library(
    *providers: Provider,
    objectives: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    indicators: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
) -> Library:
    """What a policy may refer to; with no provider named, ``default`` in the library."""
    return Library(
        objectives={
            key: Named(*key, 1, ServiceLevelObjectiveSpec.model_validate(spec))
            for key, spec in (objectives or {}).items()
        },
        indicators={
            key: Named(*key, 1, ServiceLevelIndicatorSpec.model_validate(spec))
            for key, spec in (indicators or {}).items()
        },
        providers={(p.namespace, p.name): p for p in (providers or (provider(),))},
        namespace=LIBRARY,
    )


def plan(
    objectives: Sequence[Mapping[str, Any]] = (),
    *,
    baselines: Sequence[Mapping[str, Any]] = (),
    provider: int | None = 0,
    **analysis: Any,
) -> Plan:
    """A plan by hand: interval 60 s, warm-up 60 s, window 300 s, one provider with 30 s of delay."""
    planned = [
        {
            "source": "inline",
            "provider": None if "kubernetes" in o["indicator"] else provider,
            **o,
        }
        for o in objectives
    ]
    return Plan.model_validate(
        {
            "policy": f"{NAMESPACE}/cart",
            "policyGeneration": 1,
            "analysis": {
                "warmUp": "1m",
                "window": "5m",
                "interval": "1m",
                "failAfter": 3,
                "rolloutDeadline": "11m",
                "deadline": "16m",
                "failFastAfter": "2m",
                **analysis,
            },
            "providers": [
                {
                    "namespace": LIBRARY,
                    "name": "default",
                    "scrapeInterval": "15s",
                    "delay": "30s",
                }
            ],
            "objectives": planned,
            "baselines": list(baselines),
        }
    )


def release_spec(of: Plan, *, noticed: float = 0, **more: Any) -> ReleaseSpec:
    """Release 2 of Deployment ``cart``."""
    found: Fingerprint = fingerprint(template())
    given: dict[str, Any] = {
        "workload": WorkloadRef(kind="Deployment", name="cart", uid="uid-1"),
        "number": 2,
        "template_hash": found.hash,
        "generation": 1,
        "cause": "Image",
        "images": list(found.images),
        "parts": found.parts,
        "noticed_at": at(noticed),
        "plan": of,
        **more,
    }
    return ReleaseSpec(**given)


def situation(
    spec: ReleaseSpec,
    seen: View | None,
    now: float,
    answers: Mapping[Question, Answer] | None = None,
    *,
    superseded_by: str | None = None,
    around: Surroundings | None = None,
) -> Situation:
    return Situation(
        name=f"cart-{spec.number}",
        namespace=NAMESPACE,
        generation=1,
        spec=spec,
        view=seen,
        now=at(now),
        answers=answers or {},
        superseded_by=superseded_by,
        around=around,
    )


def known(number: int = 1, of: Mapping[str, Any] | None = None, **more: Any) -> Known:
    """What is remembered of a release: finished and promotable unless said otherwise."""
    found = fingerprint(of if of is not None else template())
    given: dict[str, Any] = {
        "name": f"cart-{number}",
        "number": number,
        "uid": f"uid-rel-{number}",
        "template_hash": found.hash,
        "parts": found.parts,
        "images": found.images,
        "workload_uid": "uid-1",
        "revision": str(number),
        "revision_object": f"cart-rs{number}",
        "noticed_at": at(-3600),
        "completed": True,
        "verdict": "Promotable",
        "reason": "AllObjectivesMet",
        "measured": False,
        "rolled_out_at": at(-3500),
        "values": (),
        **more,
    }
    return Known(**given)
