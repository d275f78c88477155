"""``make demo``: a real control plane, a real Prometheus, and releases with their verdicts.

Four releases of one service; a version that is held and never starts; a version that goes from staging to
production by itself.

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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from rich.console import Console

from .bed import Testbed
from .operator import OperatorProcess, install

NAMESPACE = "shop"
SERVICE = "checkout"
LIBRARY = "pratique-system"
ROOT = Path(__file__).resolve().parents[2]
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


ANALYSIS = {"warmUp": "2s", "window": "9s", "interval": "3s", "failFast": {"after": "5s"}}
FAST = {
    "name": "fast",
    "indicator": {"latency": {"histogram": "http_request_duration_seconds", "quantile": 0.95}},
    "pass": [{"value": {"lte": 0.3}}],
}
GATEKEEPER = Scene(
    "payments 2.0.0 is held; what it asks before it starts says no",
    "registry.example/payments:2.0.0",
    {"sim.pratique.sh/latency": "200ms"},
    "payments-2",
    "NotPromotable",
    "TaskFailed",
    ("schema-ready",),
)
STAGED = Scene(
    "web 1.0.0 is promotable in staging, and goes on to production by itself",
    "registry.example/web:1.0.0",
    {"sim.pratique.sh/latency": "200ms"},
    "web-1",
    "Promotable",
    "AllObjectivesMet",
)
IN_PRODUCTION = Scene(
    "the same image in production, as a release of its own",
    "",
    {},
    "web-2",
    "Promotable",
    "AllObjectivesMet",
)


def workload(
    namespace: str, name: str, image: str, speaks: dict[str, str], **metadata: Any
) -> dict[str, Any]:
    """A Deployment of three pods that speak as the annotations ``speaks`` say."""
    metadata["labels"] = {"app": name, **metadata.get("labels", {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": speaks},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
        },
    }


def policy(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    """A ReleasePolicy of one objective."""
    return {
        "apiVersion": "pratique.sh/v1alpha1",
        "kind": "ReleasePolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "targetRefs": [{"kind": "Deployment", "name": name}],
            "objectives": [FAST],
            "analysis": ANALYSIS,
            **spec,
        },
    }


class _Schema(BaseHTTPRequestHandler):
    """Somebody's own service: is the database's schema ready for this version? Only for 1.x."""

    def do_GET(self) -> None:
        ready = self.path.startswith("/schema/1.")
        self.send_response(200 if ready else 409)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the demo tells what matters."""


@contextmanager
def schema_service() -> Iterator[str]:
    """Its URL, while it runs on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Schema)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Demo:
    """The play, scene by scene."""

    def __init__(self, bed: Testbed, schema_url: str) -> None:
        self.bed = bed
        self.schema_url = schema_url
        self.begin = BEGIN
        self.failures: list[str] = []

    def say(self, text: str) -> None:
        """A line of narration with the time since the begin."""
        console.print(f"[dim]{time.monotonic() - self.begin:6.1f} s[/]  {text}")

    def prepare(self) -> None:
        """Namespaces, where Prometheus is, and the policy; and what the later scenes build on."""
        self.bed.apply(
            *(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                for name in (NAMESPACE, "staging", "production")
            ),
            {
                "apiVersion": "pratique.sh/v1alpha1",
                "kind": "MetricsProvider",
                "metadata": {"name": "default", "namespace": LIBRARY},
                "spec": {"url": self.bed.prometheus_url},
            },
        )
        self.say("applied a MetricsProvider that says where Prometheus is; waiting for its probe")
        self.bed.kubectl(
            "wait", "mp/default", "-n", LIBRARY,
            "--for=jsonpath={.status.scrapeInterval}=1s", "--timeout=60s",
        )  # fmt: skip
        self.show("mp", "-n", LIBRARY)
        self.prepare_others()
        self.bed.kubectl("apply", "-f", "-", input=POLICY)
        self.say(f"applied a ReleasePolicy of {len(POLICY.splitlines())} lines:")
        console.print(POLICY, style="cyan")

    def prepare_others(self) -> None:
        """The first versions of what the later scenes change: they are judged meanwhile."""
        self.bed.apply(ROOT / "deploy" / "hold")
        self.bed.apply(ROOT / "deploy" / "examples" / "promotion.yaml")
        quick = {"sim.pratique.sh/latency": "200ms"}
        gate = {
            "name": "schema-ready",
            "at": "Before",
            "http": {"method": "GET", "url": f"{self.schema_url}/schema/$version"},
        }
        self.bed.apply(
            policy(NAMESPACE, "payments", hold={"until": ["Tasks"]}, tasks=[gate]),
            workload(
                NAMESPACE,
                "payments",
                "registry.example/payments:1.0.0",
                quick,
                labels={"pratique.sh/hold": "true"},
            ),
            policy("production", "web"),
            workload(
                "production",
                "web",
                "registry.example/web:0.9.0",
                quick,
                annotations={"pratique.sh/accepts-promotion-from": "staging/web"},
            ),
        )

    def show(self, *what: str) -> None:
        """What ``kubectl get`` says."""
        for line in self.bed.kubectl("get", *what).stdout.splitlines():
            console.print(f"          {line}", style="green")

    def held(self, number: int, scene: Scene) -> None:
        """A version whose before-task fails: no pod of it ever exists."""
        console.rule(f"[bold]Scene {number}: {scene.title}")
        self.say(
            "the Deployment carries the label pratique.sh/hold, its policy asks the schema service first; "
            "payments-1 was asked for, and passed"
        )
        self.wait("payments-1")
        self.bed.kubectl(
            "set", "image", "deployment/payments", f"app={scene.image}", "-n", NAMESPACE
        )
        self.say("kubectl set image deployment/payments app=registry.example/payments:2.0.0")
        release = self.wait(scene.release)
        self.show("deployment,pods", "-n", NAMESPACE, "-l", "app=payments")
        self.check(scene, release)
        images = self.bed.kubectl(
            "get", "pods", "-n", NAMESPACE, "-l", "app=payments",
            "-o", "jsonpath={.items[*].spec.containers[0].image}",
        ).stdout.split()  # fmt: skip
        if len(images) != 3 or any(image == scene.image for image in images):
            self.failures.append(f"scene “{scene.title}”: pods run {images}")
        self.say(f"the old pods serve on: {len(images)} × {images[0] if images else 'none'}")

    def staged(self, number: int) -> None:
        """A version that is promoted from one namespace to the next."""
        console.rule(f"[bold]Scene {number}: {STAGED.title}")
        promote = {
            "name": "to-production",
            "at": "Promotion",
            "patch": {"namespace": "production", "name": "web", "image": {"container": "app"}},
        }
        self.wait("web-1", namespace="production")
        self.bed.apply(
            policy("staging", "web", tasks=[promote], watch={"for": "1m"}),
            workload("staging", "web", STAGED.image, STAGED.annotations),
        )
        self.say("kubectl apply: web 1.0.0 in staging, whose policy has a task at Promotion")
        self.check(STAGED, self.wait(STAGED.release, namespace="staging"))
        self.check(IN_PRODUCTION, self.wait(IN_PRODUCTION.release, namespace="production"))
        self.show("rel", "-A")
        images = self.bed.kubectl(
            "get", "deployment", "web", "-n", "production",
            "-o", "jsonpath={.spec.template.spec.containers[0].image}",
        ).stdout  # fmt: skip
        if images != STAGED.image:
            self.failures.append(f"scene “{STAGED.title}”: production runs {images}")

    def play(self, number: int, scene: Scene) -> None:
        """Ship one version and wait for its verdict."""
        console.rule(f"[bold]Scene {number}: {scene.title}")
        if scene.image:
            # An ordinary Deployment: nothing in it knows of Pratique.
            self.bed.apply(workload(NAMESPACE, SERVICE, scene.image, scene.annotations))
            self.say(f"kubectl apply: {SERVICE} with image {scene.image}")
        else:
            self.bed.kubectl(
                "rollout", "undo", f"deployment/{SERVICE}", "-n", NAMESPACE, "--to-revision=1"
            )
            self.say("kubectl rollout undo deployment/checkout --to-revision=1")
        release = self.wait(scene.release)
        self.show("rel", "-n", NAMESPACE, "--field-selector", f"spec.workload.name={SERVICE}")
        self.check(scene, release)

    def wait(self, name: str, timeout: float = 60, *, namespace: str = NAMESPACE) -> dict[str, Any]:
        """Follow a release to its verdict, saying each change."""
        limit, last = time.monotonic() + timeout, ""
        found: dict[str, Any] = {}
        while time.monotonic() < limit:
            got = self.bed.kubectl("get", "rel", name, "-n", namespace, "-o", "json", check=False)
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
    os.chdir(ROOT)
    console.rule("[bold]Pratique: is this release healthy enough to be promoted?")
    console.print("Starting etcd, kube-apiserver, controllers, scheduler, KWOK, Prometheus …")
    with _whole() as (bed, operator), schema_service() as schema_url:
        demo = Demo(bed, schema_url)
        demo.say(f"a real control plane at {bed.api_url}, Prometheus at {bed.prometheus_url}")
        demo.say("the operator runs with its own ServiceAccount's rights")
        demo.prepare()
        for number, scene in enumerate(SCENES, 1):
            demo.play(number, scene)
        demo.held(len(SCENES) + 1, GATEKEEPER)
        demo.staged(len(SCENES) + 2)
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
        f"  kubectl label deployment payments -n {NAMESPACE} pratique.sh/hold=false --overwrite\n"
        "  kubectl get rel web-1 -n staging -o jsonpath='{.status.promotion}'\n"
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
