"""Workloads promoted together, on a real control plane and a real Prometheus."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pratique_testbed.bed import Testbed
from pratique_testbed.operator import OperatorProcess
from support.documents import (
    ERRORS,
    Document,
    condition,
    deployment,
    get,
    items,
    policy,
    provider,
    says,
    verdict,
    wait,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

BRIEF: Document = {"warmUp": "1s", "window": "6s", "interval": "3s"}
PART_OF = "app.kubernetes.io/part-of"
REL, GROUP = "releases.pratique.sh", "releasegroups"


@pytest.fixture(scope="module")
def operator(bed: Testbed) -> Iterator[OperatorProcess]:
    with OperatorProcess(bed) as process:
        yield process


@dataclass
class Calls:
    """What tasks called: a path, and the release on whose behalf."""

    url: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """Paths that are answered with 404."""

    def task(self, name: str, at: str) -> Document:
        """A task that calls the path of its name."""
        http = {"url": f"{self.url}/{name}", "json": {"release": "$release"}}
        return {"name": name, "at": at, "http": http}

    def of(self, name: str) -> list[str]:
        """The releases that the task of that name was done for."""
        return [release for path, release in self.seen if path == f"/{name}"]


@pytest.fixture
def calls() -> Iterator[Calls]:
    made = Calls()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            made.seen.append((self.path, body["release"]))
            self.send_response(404 if self.path in made.refused else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    made.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield made
    listening.shutdown()
    listening.server_close()
    thread.join()


def member(namespace: str, name: str, *, errors: str = "0", image: str = "app:1") -> Document:
    """A Deployment that is part of the shop."""
    sim = {"latency": "100ms", "rps": "30", "error-ratio": errors}
    made = deployment(namespace, name, image=f"registry.example/{image}", sim=sim)
    made["metadata"]["labels"][PART_OF] = "shop"
    return made


def stateful(namespace: str, name: str) -> Document:
    """A StatefulSet that is part of the shop."""
    made = member(namespace, name)
    made["kind"] = "StatefulSet"
    made["spec"]["serviceName"] = name
    return made


def group(namespace: str, name: str = "shop", **spec: object) -> Document:
    body: Document = {"settle": "2s", **spec}
    if not {"targetRefs", "selector"} & body.keys():
        body["partOf"] = "shop"
    return {
        "apiVersion": "pratique.sh/v1alpha1",
        "kind": "ReleaseGroup",
        "metadata": {"name": name, "namespace": namespace},
        "spec": body,
    }


def members(release: Document) -> dict[str, tuple[str | None, str | None]]:
    """Name → (release, verdict carried over) of a group's release."""
    return {m["name"]: (m.get("release"), m.get("verdict")) for m in release["spec"]["members"]}


def names(bed: Testbed, namespace: str) -> set[str]:
    return {r["metadata"]["name"] for r in items(bed, REL, namespace)}


def test_one_bad_member_holds_the_group_and_once_mended_only_it_is_judged_anew(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    bed.apply(
        provider(namespace, bed.prometheus_url, scrapeInterval="1s"),
        *[policy(namespace, name, [ERRORS], BRIEF) for name in ("cart", "pay")],
        policy(
            namespace, "web", [ERRORS], BRIEF, targetRefs=[{"kind": "StatefulSet", "name": "web"}]
        ),
        # The group looks later than its members, so that it is a member's verdict that it hears first.
        group(
            namespace,
            objectives=[{**ERRORS, "name": "all-errors"}],
            analysis={**BRIEF, "warmUp": "9s"},
        ),
        member(namespace, "cart"),
        stateful(namespace, "web"),
        member(namespace, "pay", errors="0.3"),
    )
    first = verdict(bed, namespace, "shop-grp-1")
    assert says(first) == ("NotPromotable", "MemberNotPromotable")
    assert "pay-1 (ObjectiveFailed)" in condition(first, "Promotable")["message"]
    assert first["spec"]["workload"]["kind"] == "ReleaseGroup"
    assert members(first) == {
        "cart": ("cart-1", None), "pay": ("pay-1", None), "web": ("web-sts-1", None),
    }  # fmt: skip
    for name in ("cart-1", "web-sts-1"):
        assert says(verdict(bed, namespace, name))[0] == "Promotable"
    stands = wait(
        bed, GROUP, namespace, "shop",
        lambda g: g.get("status", {}).get("promotable") == 2,
    )["status"]  # fmt: skip
    assert (stands["total"], stands["notPromotable"], stands["release"]) == (3, 1, "shop-grp-1")
    assert stands["members"][0] == {
        "kind": "Deployment", "name": "pay", "release": "pay-1",
        "verdict": "NotPromotable", "reason": "ObjectiveFailed",
    }  # fmt: skip

    bed.apply(member(namespace, "pay"))
    second = verdict(bed, namespace, "shop-grp-2")
    assert says(second) == ("Promotable", "AllMembersPromotable")
    assert members(second) == {
        "cart": ("cart-1", "Promotable"),
        "pay": ("pay-2", None),
        "web": ("web-sts-1", "Promotable"),
    }
    assert names(bed, namespace) == {
        "cart-1",
        "pay-1",
        "pay-2",
        "web-sts-1",
        "shop-grp-1",
        "shop-grp-2",
    }
    (together,) = second["status"]["judgement"]["results"]
    # The pods of all three members over the window, each answering 30 requests a second.
    assert together["samples"] == pytest.approx(3 * 2 * 30 * 6, rel=0.3)
    assert together["result"] == "Pass"
    paid = get(bed, REL, namespace, "pay-2")
    assert paid is not None
    assert (
        second["status"]["judgement"]["window"]["from"] >= paid["status"]["rollout"]["completedAt"]
    )

    shown = wait(
        bed, GROUP, namespace, "shop",
        lambda g: condition(g, "Promotable").get("status") == "True",
    )  # fmt: skip
    assert condition(shown, "Ready")["status"] == "True"
    head, row = bed.kubectl("get", "relgrp", "-n", namespace).stdout.splitlines()
    assert head.split() == ["NAME", "MEMBERS", "RELEASE", "PROMOTABLE", "REASON", "READY"]
    assert row.split() == ["shop", "3", "shop-grp-2", "True", "AllMembersPromotable", "True"]
    old = get(bed, REL, namespace, "shop-grp-1")
    assert old is not None
    assert says(old) == ("NotPromotable", "MemberNotPromotable")
    assert condition(old, "Superseded")["status"] == "True"
    told = {
        e["reason"] for e in items(bed, "events", namespace)
        if e["involvedObject"]["name"] == "shop-grp-2"
    }  # fmt: skip
    assert {"Noticed", "RolledOut", "Promotable"} <= told


def test_quorum_optional_members_and_one_that_no_policy_judges(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    refs = [{"kind": "Deployment", "name": n} for n in ("cart", "stray", "web")]
    stray = refs[1:2]
    bed.apply(
        *[policy(namespace, name, None, BRIEF) for name in ("cart", "web")],
        *[member(namespace, name) for name in ("cart", "stray", "web")],
        group(namespace, "strict", targetRefs=refs),
        group(namespace, "most", targetRefs=refs, quorum="60%"),
        group(namespace, "spared", targetRefs=refs, optional=stray),
        group(namespace, "greedy", targetRefs=refs, quorum=4),
    )
    strict = verdict(bed, namespace, "strict-grp-1")
    assert says(strict) == ("Inconclusive", "MemberInconclusive")
    message = condition(strict, "Promotable")["message"]
    assert "Deployment stray (NoPolicy: no ReleasePolicy judges it" in message
    assert says(verdict(bed, namespace, "most-grp-1")) == ("Promotable", "QuorumReached")
    assert says(verdict(bed, namespace, "spared-grp-1")) == ("Promotable", "AllMembersPromotable")
    assert says(verdict(bed, namespace, "greedy-grp-1")) == ("Inconclusive", "QuorumUnreachable")
    assert not [n for n in names(bed, namespace) if n.startswith("stray")]


def test_a_newer_release_of_a_member_begins_a_newer_one_of_the_group_also_after_kills(
    bed: Testbed, namespace: str, operator: OperatorProcess
) -> None:
    slow: Document = {**BRIEF, "window": "15s"}
    bed.apply(
        policy(namespace, "cart", None, BRIEF),
        policy(namespace, "web", None, slow),
        member(namespace, "cart"),
        member(namespace, "web"),
        group(namespace),
    )
    wait(bed, REL, namespace, "shop-grp-1", lambda _: True)
    operator.kill()
    operator.start()
    verdict(bed, namespace, "cart-1")
    bed.apply(member(namespace, "web", image="app:2"))
    wait(bed, REL, namespace, "web-2", lambda _: True)
    operator.kill()
    operator.start()
    superseded = verdict(bed, namespace, "shop-grp-1")
    assert says(superseded) == ("Inconclusive", "Superseded")
    wait(bed, REL, namespace, "shop-grp-2", lambda r: bool(r.get("status")))
    operator.kill()
    operator.start()
    second = verdict(bed, namespace, "shop-grp-2")
    assert says(second) == ("Promotable", "AllMembersPromotable")
    assert members(second) == {"cart": ("cart-1", "Promotable"), "web": ("web-2", None)}
    assert names(bed, namespace) == {"cart-1", "web-1", "web-2", "shop-grp-1", "shop-grp-2"}

    bed.kubectl("delete", GROUP, "shop", "-n", namespace)
    assert says(verdict(bed, namespace, "shop-grp-2"))[0] == "Promotable"


def test_a_groups_task_is_done_once_a_release_and_a_member_is_promoted_with_its_group(
    bed: Testbed, namespace: str, operator: OperatorProcess, calls: Calls
) -> None:
    quick: Document = {"warmUp": "0s", "window": "2s", "interval": "1s"}
    calls.refused.add("/pay")
    bed.apply(
        policy(
            namespace, "cart", None, quick,
            watch={"for": "0s"},
            promotion={"withGroup": True},
            tasks=[calls.task("cart", "Promotion")],
        ),
        policy(namespace, "pay", None, quick, tasks=[calls.task("pay", "Before")]),
        group(namespace, tasks=[calls.task("shop", "Promotion")]),
        member(namespace, "cart"),
        member(namespace, "pay"),
    )  # fmt: skip
    # Which group it waits for, and why, is told as it is by then.
    why = "shop-grp-1 is not promotable (MemberNotPromotable)"
    waits = wait(
        bed, REL, namespace, "cart-1",
        lambda r: why in condition(r, "Promoted").get("message", ""),
    )  # fmt: skip
    promoted = condition(waits, "Promoted")
    assert (promoted["status"], promoted["reason"]) == ("Unknown", "AwaitingGroup")
    assert (waits["status"]["phase"], waits["status"]["verdict"]) == ("Promoting", "Promotable")
    first = verdict(bed, namespace, "shop-grp-1")
    assert says(first) == ("NotPromotable", "MemberNotPromotable")
    assert condition(first, "Promoted")["reason"] == "NotPromotable"
    operator.kill()
    operator.start()

    calls.refused.clear()
    bed.apply(member(namespace, "pay", image="app:2"))
    second = verdict(bed, namespace, "shop-grp-2")
    assert says(second) == ("Promotable", "AllMembersPromotable")
    named = {name: release for name, (release, _) in members(second).items()}
    assert named == {"cart": "cart-1", "pay": "pay-2"}
    assert condition(second, "Promoted")["status"] == "True"
    cart = verdict(bed, namespace, "cart-1")
    assert condition(cart, "Promoted")["status"] == "True"
    agreed, began = (
        datetime.fromisoformat(moment)
        for moment in (second["status"]["completedAt"], cart["status"]["promotion"]["beganAt"])
    )
    assert agreed <= began
    assert (calls.of("cart"), calls.of("shop")) == (["cart-1"], ["shop-grp-2"])

    bed.apply(member(namespace, "cart", image="app:2"))
    for name in ("shop-grp-3", "cart-2"):
        release = verdict(bed, namespace, name)
        assert says(release)[0] == "Promotable"
        assert condition(release, "Promoted")["status"] == "True"
    assert calls.of("cart") == ["cart-1", "cart-2"]
    assert calls.of("shop") == ["shop-grp-2", "shop-grp-3"]
