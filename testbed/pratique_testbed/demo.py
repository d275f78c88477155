"""``make demo``: a real control plane, a real Prometheus, four releases of one service, four verdicts.

Narrated step by step; exits 0 only if each verdict was as expected. KEEP=1 leaves everything running.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from .bed import Testbed
from .operator import OperatorProcess, install

NAMESPACE = "shop"
SERVICE = "checkout"
BEGIN = time.monotonic()
console = Console(highlight=False, soft_wrap=True)

POLICY = """\
apiVersion: pratique.sh/v1alpha1
kind: ReleasePolicy
metadata: {name: checkout, namespace: shop}
spec:
  targetRefs: [{kind: Deployment, name: checkout}]
  objectives:
  - name: errors
    indicator: {ratio: {bad: {metric: http_requests_total, where: [{label: code, matches: '5..'}]}, total: {metric: http_requests_total}}}
    pass: [{value: {lte: 0.01}}]
  - name: fast
    indicator: {latency: {histogram: http_request_duration_seconds, quantile: 0.95}}
    pass: [{value: {lte: 0.3}, change: {lte: 10%}}]
    warn: [{value: {lte: 0.35}, change: {lte: 20%}}]
  analysis: {warmUp: 2s, window: 12s, interval: 3s, failFast: {after: 5s}}
"""


@dataclass(frozen=True)
class Scene:
    """One release and what must become of it."""

    title: str
    image: str
    annotations: dict[str, str]
    release: str
    verdict: str
    reason: str
    sentence: tuple[str, ...] = ()
    """Words that the message must hold."""


SCENES = (
    Scene(
        "checkout 1.0.0 answers in 200 ms",
        "registry.example/checkout:1.0.0",
        {"sim.pratique.sh/latency": "200ms"},
        "checkout-1",
        "Promotable",
        "AllObjectivesMet",
    ),
    Scene(
        "checkout 1.1.0 answers in 600 ms: every pod is Ready, every probe says 200 OK",
        "registry.example/checkout:1.1.0",
        {"sim.pratique.sh/latency": "600ms"},
        "checkout-2",
        "NotPromotable",
        "ObjectiveFailed",
        ("p95 of http_request_duration_seconds", "checkout-1", "requests"),
    ),
    Scene(
        "checkout 1.2.0 names an image that does not exist",
        "registry.example/checkout:1.2.0-typo",
        {"sim.pratique.sh/latency": "200ms", "testbed.pratique.sh/fail": "ImagePullBackOff"},
        "checkout-3",
        "NotPromotable",
        "RolloutFailed",
        ("ImageMissing", "registry.example/checkout:1.2.0-typo"),
    ),
    Scene(
        "roll back to checkout 1.0.0 (kubectl rollout undo --to-revision=1)",
        "",
        {},
        "checkout-4",
        "Promotable",
        "AllObjectivesMet",
    ),
)


def deployment(scene: Scene) -> dict[str, Any]:
    """An ordinary Deployment: nothing in it knows of Pratique."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE, "labels": {"app": SERVICE}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": SERVICE}},
            "template": {
                "metadata": {"labels": {"app": SERVICE}, "annotations": scene.annotations},
                "spec": {"containers": [{"name": "app", "image": scene.image}]},
            },
        },
    }


class Demo:
    """The play, scene by scene."""

    def __init__(self, bed: Testbed) -> None:
        self.bed = bed
        self.begin = BEGIN
        self.failures: list[str] = []

    def say(self, text: str) -> None:
        """A line of narration with the time since the begin."""
        console.print(f"[dim]{time.monotonic() - self.begin:6.1f} s[/]  {text}")

    def prepare(self) -> None:
        """A namespace, where Prometheus is, and the policy."""
        self.bed.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {
                "apiVersion": "pratique.sh/v1alpha1",
                "kind": "MetricsProvider",
                "metadata": {"name": "default", "namespace": NAMESPACE},
                "spec": {"url": self.bed.prometheus_url},
            },
        )
        self.say("applied a MetricsProvider that says where Prometheus is; waiting for its probe")
        self.bed.kubectl(
            "wait", "mp/default", "-n", NAMESPACE,
            "--for=jsonpath={.status.scrapeInterval}=1s", "--timeout=60s",
        )  # fmt: skip
        for line in self.bed.kubectl("get", "mp", "-n", NAMESPACE).stdout.splitlines():
            console.print(f"          {line}", style="green")
        self.bed.kubectl("apply", "-f", "-", input=POLICY)
        self.say(f"applied a ReleasePolicy of {len(POLICY.splitlines())} lines:")
        console.print(POLICY, style="cyan")

    def play(self, number: int, scene: Scene) -> None:
        """Ship one version and wait for its verdict."""
        console.rule(f"[bold]Scene {number}: {scene.title}")
        if scene.image:
            self.bed.apply(deployment(scene))
            self.say(f"kubectl apply: {SERVICE} with image {scene.image}")
        else:
            self.bed.kubectl(
                "rollout", "undo", f"deployment/{SERVICE}", "-n", NAMESPACE, "--to-revision=1"
            )
            self.say("kubectl rollout undo deployment/checkout --to-revision=1")
        release = self.wait(scene.release)
        for line in self.bed.kubectl("get", "rel", "-n", NAMESPACE).stdout.splitlines():
            console.print(f"          {line}", style="green")
        self.check(scene, release)

    def wait(self, name: str, timeout: float = 60) -> dict[str, Any]:
        """Follow a release to its verdict, saying each change."""
        limit, last = time.monotonic() + timeout, ""
        found: dict[str, Any] = {}
        while time.monotonic() < limit:
            got = self.bed.kubectl("get", "rel", name, "-n", NAMESPACE, "-o", "json", check=False)
            if got.returncode == 0:
                found = json.loads(got.stdout)
                condition = promotable(found)
                line = f"{name}: {found.get('status', {}).get('phase', 'Noticed')}"
                if found.get("status", {}).get("verdict"):
                    return found
                if condition and condition["reason"] not in line:
                    line += f" ({condition['reason']})"
                if condition and ":" in condition["message"][:24]:
                    line += f": {condition['message']}"
                if line != last:
                    self.say(line)
                    last = line
            time.sleep(0.25)
        return found

    def check(self, scene: Scene, release: dict[str, Any]) -> None:
        """Whether the verdict is the expected one, and says why."""
        verdict = release.get("status", {}).get("verdict")
        condition = promotable(release) or {"reason": "", "message": "no Release was found"}
        as_expected = (verdict, condition["reason"]) == (scene.verdict, scene.reason)
        missing = [w for w in scene.sentence if w not in condition["message"]]
        good = as_expected and not missing
        colour = "green" if verdict == "Promotable" else "red"
        self.say(f"[bold {colour}]{scene.release}: {verdict} ({condition['reason']})[/]")
        console.print(f"          {condition['message']}")
        if not good:
            wanted = f"{scene.verdict} ({scene.reason})" + (f" naming {missing}" if missing else "")
            self.failures.append(f"scene “{scene.title}”: wanted {wanted}")
            self.say(f"[bold red]not as expected: wanted {wanted}")


def promotable(release: dict[str, Any]) -> dict[str, str] | None:
    """The condition Promotable of a Release."""
    conditions = release.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Promotable"), None)


@contextmanager
def _whole() -> Iterator[tuple[Testbed, OperatorProcess]]:
    with Testbed() as bed:
        install(bed)
        with OperatorProcess(bed) as operator:
            yield bed, operator


def main() -> int:
    """Play all scenes; the exit code tells whether each verdict was as expected."""
    root = Path(__file__).resolve().parents[2]
    os.chdir(root)
    console.rule("[bold]Pratique: is this release healthy enough to be promoted?")
    console.print("Starting etcd, kube-apiserver, controllers, scheduler, KWOK, Prometheus …")
    with _whole() as (bed, operator):
        demo = Demo(bed)
        demo.say(f"a real control plane at {bed.api_url}, Prometheus at {bed.prometheus_url}")
        demo.say("the operator runs with its own ServiceAccount's rights")
        demo.prepare()
        for number, scene in enumerate(SCENES, 1):
            demo.play(number, scene)
        console.rule()
        if demo.failures:
            console.print("\n".join(demo.failures), style="bold red")
            console.print(f"the operator's log: {operator.log}")
        else:
            demo.say("[bold green]every verdict was as expected[/]")
        if os.environ.get("KEEP") == "1":
            _keep(bed)
    return 1 if demo.failures else 0


def _keep(bed: Testbed) -> None:
    console.print(
        f"\nEverything goes on running. In another terminal:\n"
        f"  export KUBECONFIG={bed.kubeconfig}\n"
        f"  kubectl get rel -n {NAMESPACE} -o wide\n"
        f"  kubectl describe rel checkout-2 -n {NAMESPACE}\n"
        f"  kubectl get relpol -n {NAMESPACE} -o yaml\n"
        f"  kubectl -n {NAMESPACE} set image deployment/checkout app=registry.example/checkout:2.0.0\n"
        f"  Prometheus: {bed.prometheus_url}\n"
        "Ctrl-C ends it all."
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("ending")


if __name__ == "__main__":
    sys.exit(main())
