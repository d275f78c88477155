"""The cluster adapter and the operator's rights, against a real API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from pratique.cluster import client, errors
from pratique.cluster.client import Cluster
from pratique.cluster.watching import NamespaceWatch, Watches
from pratique.cluster.workloads import BY_PLURAL, deployment
from pratique.lifecycle.view import View
from pratique.resources.kinds import WATCHED, kind_of
from pratique.resources.release import (
    Plan,
    PlanAnalysis,
    ReleaseSpec,
    TemplateParts,
    WorkloadRef,
)

pytestmark = pytest.mark.integration

DEPLOY = Path(__file__).parents[2] / "deploy"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def release_spec(number: int = 1) -> ReleaseSpec:
    minute = timedelta(minutes=1)
    return ReleaseSpec(
        workload=WorkloadRef(kind="Deployment", name="cart", uid="u"),
        number=number,
        template_hash="h",
        generation=1,
        cause="First",
        parts=TemplateParts(resources="a", restart="b", rest="c"),
        noticed_at=NOW,
        plan=Plan(
            policy="shop/cart",
            policy_generation=1,
            analysis=PlanAnalysis(
                warm_up=minute,
                window=10 * minute,
                interval=minute,
                fail_after=1,
                rollout_deadline=10 * minute,
                deadline=60 * minute,
                fail_fast_after=2 * minute,
            ),
            objectives=[],
        ),
    )


def status(**more: Any) -> dict[str, Any]:
    return {"observedGeneration": 1, "phase": "RollingOut", **more}


@pytest.fixture
async def cluster(bed: Any) -> AsyncIterator[Cluster]:
    made = Cluster.connect(bed.kubeconfig)
    yield made
    await made.close()


@pytest.fixture(scope="module")
def rights(bed: Any) -> None:
    bed.apply(DEPLOY / "rbac.yaml")


@pytest.fixture
async def operator(bed: Any, rights: None) -> AsyncIterator[Cluster]:
    """With the operator's own rights."""
    made = Cluster.connect(bed.service_account_kubeconfig("pratique-system", "pratique"))
    yield made
    await made.close()


async def test_a_release_is_created_once(cluster: Cluster, namespace: str) -> None:
    made = await cluster.create_release(namespace, "cart-1", release_spec(), {"a": "b"})
    assert made is not None
    assert made["metadata"]["labels"] == {"a": "b"}
    assert ReleaseSpec.model_validate(made["spec"]) == release_spec()
    assert await cluster.create_release(namespace, "cart-1", release_spec(2), {}) is None
    found = await cluster.get("releases", namespace, "cart-1")
    assert found is not None
    assert found["spec"]["number"] == 1
    assert await cluster.get("releases", namespace, "cart-2") is None


async def test_a_namespace_that_is_not_there(cluster: Cluster) -> None:
    with pytest.raises(errors.Gone):
        await cluster.create_release("no-such-namespace", "cart-1", release_spec(), {})


async def test_a_stale_version_is_a_conflict_and_writes_nothing(
    cluster: Cluster, namespace: str
) -> None:
    made = await cluster.create_release(namespace, "cart-1", release_spec(), {})
    assert made is not None
    version = made["metadata"]["resourceVersion"]
    await cluster.patch_status("releases", namespace, "cart-1", status(), version)
    with pytest.raises(errors.Conflict):
        await cluster.patch_status(
            "releases", namespace, "cart-1", status(phase="Evaluating"), version
        )
    found = await cluster.get("releases", namespace, "cart-1")
    assert found is not None
    assert found["status"]["phase"] == "RollingOut"


async def test_a_status_is_replaced_wholly(cluster: Cluster, namespace: str) -> None:
    await cluster.create_release(namespace, "cart-1", release_spec(), {})
    looks = [{"at": "2026-01-01T00:01:00Z", "values": [None, 0.5], "results": "UP"}]
    rollout = {"revision": "1", "desired": 3, "updated": 3, "ready": 3}
    full = status(looks=looks, rollout=rollout, windowFrom="2026-01-01T00:00:00Z")
    first = await cluster.patch_status("releases", namespace, "cart-1", full, None)
    assert first["status"] == full  # the null within the list too: it says "no data"
    version = first["metadata"]["resourceVersion"]
    less = status(rollout={"desired": 3, "updated": 0, "ready": 0})
    second = await cluster.patch_status("releases", namespace, "cart-1", less, version)
    assert second["status"] == less
    version = second["metadata"]["resourceVersion"]
    third = await cluster.patch_status("releases", namespace, "cart-1", less, version)
    assert third["metadata"]["resourceVersion"] == version
    assert third["spec"] == first["spec"]


async def test_a_status_of_what_is_gone(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(errors.Gone):
        await cluster.patch_status("releases", namespace, "cart-9", status(), None)


async def test_a_status_that_the_schema_refuses(cluster: Cluster, namespace: str) -> None:
    await cluster.create_release(namespace, "cart-1", release_spec(), {})
    with pytest.raises(errors.Rejected, match="phase"):
        await cluster.patch_status("releases", namespace, "cart-1", status(phase="Dancing"), None)


async def test_an_event_happens_once_and_is_readable(
    bed: Any, cluster: Cluster, namespace: str
) -> None:
    made = await cluster.create_release(namespace, "cart-1", release_spec(), {})
    assert made is not None
    event: dict[str, Any] = {
        "regarding": {
            "apiVersion": made["apiVersion"],
            "kind": "Release",
            "namespace": namespace,
            "name": "cart-1",
            "uid": made["metadata"]["uid"],
        },
        "name": "cart-1.notpromotable",
        "type": "Warning",
        "reason": "NotPromotable",
        "message": "p95 is 0.6 s, more than 0.3 s",
        "action": "Judge",
        "at": datetime.now(UTC),
    }
    assert await cluster.event(**event) is True
    assert await cluster.event(**event | {"message": "told again after a kill"}) is False
    described = bed.kubectl("describe", "releases.pratique.sh", "cart-1", "-n", namespace).stdout
    assert "NotPromotable" in described
    assert "p95 is 0.6 s, more than 0.3 s" in described
    listed = json.loads(bed.kubectl("get", "events", "-n", namespace, "-o", "json").stdout)["items"]
    [told] = [e for e in listed if e["involvedObject"].get("kind") == "Release"]
    assert told["message"] == "p95 is 0.6 s, more than 0.3 s"
    assert told["type"] == "Warning"


async def test_labels_come_and_go(cluster: Cluster, namespace: str) -> None:
    await cluster.create_release(namespace, "cart-1", release_spec(), {"old": "1", "kept": "1"})
    changed = await cluster.label(
        "releases", namespace, "cart-1", {"old": None, "pratique.sh/finished": "true"}
    )
    assert changed["metadata"]["labels"] == {"kept": "1", "pratique.sh/finished": "true"}


async def test_lists_are_read_in_pages_and_by_label(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    for number in range(1, 6):
        labels = {"pratique.sh/finished": "true"} if number % 2 else {}
        await cluster.create_release(namespace, f"cart-{number}", release_spec(number), labels)
    everything = [r async for r in cluster.list("releases", namespace)]
    assert [r["metadata"]["name"] for r in everything] == [f"cart-{n}" for n in range(1, 6)]
    assert {r["kind"] for r in everything} == {"Release"}
    unfinished = cluster.list("releases", namespace, "!pratique.sh/finished")
    assert [r["spec"]["number"] async for r in unfinished] == [2, 4]
    anywhere = [r async for r in cluster.list("releases")]
    assert len(anywhere) >= 5


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if condition():
                return
            await asyncio.sleep(0.1)


def cart(image: str = "cart:1") -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cart"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "cart"}},
            "template": {
                "metadata": {"labels": {"app": "cart"}},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
        },
    }


class Following:
    """A watch of one namespace, and the view of ``cart`` through it."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.watch = NamespaceWatch(cluster, namespace, self.told.append)
        self._cluster = cluster
        self._namespace = namespace

    async def view(self) -> View | None:
        body = await self._cluster.get("deployments", self._namespace, "cart")
        return self.watch.view(deployment(body)) if body else None

    async def until(self, condition: Callable[[View], bool]) -> View:
        async with asyncio.timeout(30):
            while True:
                view = await self.view()
                if view is not None and condition(view):
                    return view
                await asyncio.sleep(0.1)


@pytest.fixture
async def follow(cluster: Cluster, namespace: str) -> AsyncIterator[Following]:
    made = Following(cluster, namespace)
    await made.watch.start()
    yield made
    await made.watch.stop()


def apply(bed: Any, namespace: str, tmp_path: Path, document: dict[str, Any]) -> None:
    path = tmp_path / "document.yaml"
    path.write_text(yaml.safe_dump(document))
    bed.kubectl("apply", "-n", namespace, "-f", str(path))


def all_ready(view: View) -> bool:
    return len(view.pods) == 2 and all(p.ready and not p.deleting for p in view.pods)


async def test_the_watch_sees_a_rollout_through(
    bed: Any, follow: Following, namespace: str, tmp_path: Path
) -> None:
    apply(bed, namespace, tmp_path, cart())
    first = await follow.until(all_ready)
    assert set(follow.told) == {(namespace, "Deployment", "cart")}
    assert [r.number for r in first.revisions] == [1]
    apply(bed, namespace, tmp_path, cart("cart:2"))
    second = await follow.until(
        # The status tells of the old pods until it is of this generation.
        lambda v: (
            all_ready(v)
            and v.workload.observed_generation >= v.workload.generation
            and v.workload.revision == "2"
            and v.workload.updated == v.workload.total == 2
            and not {p.name for p in v.pods} & {p.name for p in first.pods}
        )
    )
    assert [r.number for r in second.revisions] == [1, 2]
    assert second.current is not None
    assert {p.revision for p in second.pods} == {second.current.pod_hash}
    assert {p.containers[0].image for p in second.pods} == {"cart:2"}
    assert not {p.name for p in first.pods} & {p.name for p in second.pods}
    assert second.workload.rolled_out_since is not None
    assert follow.watch.restarts == 0


async def test_the_watch_sees_pods_go(
    bed: Any, follow: Following, namespace: str, tmp_path: Path
) -> None:
    apply(bed, namespace, tmp_path, cart())
    before = await follow.until(all_ready)
    bed.kubectl("delete", "deployment", "cart", "-n", namespace, "--wait=false")
    await eventually(lambda: follow.watch.view(before.workload) == View(before.workload))


async def test_the_operators_account_may_do_what_it_does(
    bed: Any, operator: Cluster, namespace: str, tmp_path: Path
) -> None:
    apply(bed, namespace, tmp_path, cart())
    made = await operator.create_release(namespace, "cart-1", release_spec(), {})
    assert made is not None
    version = made["metadata"]["resourceVersion"]
    await operator.patch_status("releases", namespace, "cart-1", status(), version)
    await operator.label("releases", namespace, "cart-1", {"pratique.sh/finished": "true"})
    for plural in (
        "metricsproviders",
        "servicelevelindicators",
        "servicelevelobjectives",
        "releasepolicies",
        "releases",
        "deployments",
        "statefulsets",
        "daemonsets",
    ):
        async for _ in operator.list(plural):
            break
        await operator.get(plural, namespace, "nothing")
    # A status that may not be written would be Refused; one of what is not there is Gone.
    for plural in ("releasepolicies", "metricsproviders"):
        with pytest.raises(errors.Gone):
            await operator.patch_status(plural, namespace, "nothing", {}, None)
    regarding = {k: made[k] for k in ("apiVersion", "kind")}
    regarding |= {k: made["metadata"][k] for k in ("namespace", "name", "uid")}
    assert await operator.event(
        regarding=regarding,
        name="cart-1.begun",
        type="Normal",
        reason="RollingOut",
        message="m",
        action="Follow",
        at=datetime.now(UTC),
    )
    async for _ in operator.list("namespaces"):
        break
    watches = Watches(operator, lambda _: None)
    watch = await watches.acquire(namespace, "cart-1")
    await watches.acquire(namespace, "cart-sts-1", "StatefulSet")
    body = await operator.get("deployments", namespace, "cart")
    assert body is not None
    await eventually(lambda: all_ready(watch.view(deployment(body))))
    assert watches.restarts == 0
    await watches.close()


WATCHED_BY_KOPF = [
    *(("watch", f"{plural}.apps") for plural in BY_PLURAL),
    ("watch", "namespaces"),
    *(("watch", f"{kind_of(model).plural}.pratique.sh") for model in WATCHED),
]
KEPT = [
    ("create", "releaserecords.pratique.sh"),
    ("delete", "releases.pratique.sh"),
    ("watch", "events.events.k8s.io"),
    ("list", "configmaps"),
    ("get", "nodes"),
]
REFUSED = [
    ("list", "secrets"),
    ("get", "secrets"),
    ("get", "configmaps"),
    ("watch", "configmaps"),
    ("list", "nodes"),
    ("watch", "networkpolicies.networking.k8s.io"),
    ("patch", "deployments.apps"),
    ("patch", "statefulsets.apps"),
    ("patch", "daemonsets.apps"),
    ("patch", "namespaces"),
    ("update", "deployments.apps"),
    ("delete", "deployments.apps"),
    ("create", "pods"),
    ("delete", "pods"),
    ("get", "pods/log"),
    ("patch", "replicasets.apps"),
    ("deletecollection", "releases.pratique.sh"),
    ("update", "releases.pratique.sh"),
    ("patch", "releasepolicies.pratique.sh"),
    ("create", "releasepolicies.pratique.sh"),
    ("patch", "releasegroups.pratique.sh"),
    ("patch", "servicelevelobjectives.pratique.sh"),
    ("patch", "events.events.k8s.io"),
    *((verb, "releaserecords.pratique.sh") for verb in ("get", "list", "watch", "patch")),
    ("create", "serviceaccounts/token"),
    ("escalate", "clusterroles.rbac.authorization.k8s.io"),
]


@pytest.mark.parametrize(
    ("verb", "resource", "allowed"),
    [
        *((verb, resource, True) for verb, resource in WATCHED_BY_KOPF + KEPT),
        *((verb, resource, False) for verb, resource in REFUSED),
    ],
)
def test_the_operators_account_may_do_no_more(
    bed: Any, rights: None, tmp_path: Path, verb: str, resource: str, allowed: bool
) -> None:
    named, _, subresource = resource.partition("/")
    plural, _, group = named.partition(".")
    asked = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "system:serviceaccount:pratique-system:pratique",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {**asked, "namespace": "default"},
        },
    }
    path = tmp_path / "review.json"
    path.write_text(json.dumps(review))
    said = json.loads(bed.kubectl("create", "-f", str(path), "-o", "json").stdout)
    assert said["status"]["allowed"] is allowed


async def test_a_secret_is_read_only_once_its_name_was_granted(bed: Any, operator: Cluster) -> None:
    for name in ("prometheus-token", "another"):
        bed.kubectl("delete", "secret", name, "-n", "pratique-system", "--ignore-not-found")
        create = ["create", "secret", "generic", name, "-n", "pratique-system"]
        bed.kubectl(*create, "--from-literal=token=t0p")
    example = DEPLOY / "examples" / "secret-reader.yaml"
    bed.kubectl("delete", "-f", str(example), "--ignore-not-found")
    with pytest.raises(errors.Refused):
        await operator.secret_value("pratique-system", "prometheus-token", "token")
    bed.apply(example)
    async with asyncio.timeout(10):
        while True:  # the authorizer learns of it by a watch
            try:
                value = await operator.secret_value("pratique-system", "prometheus-token", "token")
                break
            except errors.Refused:
                await asyncio.sleep(0.1)
    assert value == "t0p"
    assert await operator.secret_value("pratique-system", "prometheus-token", "absent") is None
    with pytest.raises(errors.Refused):
        await operator.secret_value("pratique-system", "another", "token")
    bed.kubectl("delete", "-f", str(example))


def test_the_operators_pod_is_let_in_where_only_restricted_ones_are(
    bed: Any, rights: None, tmp_path: Path
) -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "operator.yaml").read_text()))
    [operator] = [d for d in documents if d["kind"] == "Deployment"]
    template = operator["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**template["metadata"], "name": "try", "namespace": "pratique-system"}
    path = tmp_path / "pod.yaml"
    path.write_text(yaml.safe_dump(pod))
    said = bed.kubectl("create", "--dry-run=server", "-f", str(path)).stdout
    assert "created" in said
    said = bed.kubectl("apply", "--dry-run=server", "-f", str(DEPLOY / "operator.yaml")).stdout
    assert "deployment.apps/pratique" in said
