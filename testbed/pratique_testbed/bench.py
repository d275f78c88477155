"""``make bench``: figures of the operator on the test bed, printed; nothing here passes or fails.

Noticing: from the API server's answer to a Deployment's update to the Release's creation being seen by a
watch. Rest: 100 Deployments under one policy, all judged. Writes: by the operator's own counter. Naming:
from a pod's failure to its cause in the Release and to the Event, each as seen by a watch.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from .bed import Testbed
from .operator import OperatorProcess, install

NAMESPACE = "bench"
DEPLOYMENTS = 100
UPDATES = 100
FAILURES = 100
REST_SECONDS = 30.0
console = Console(highlight=False)


def deployment(name: str, image: str, *, annotated: bool = False) -> dict[str, Any]:
    """A Deployment of one pod."""
    annotations = {"sim.pratique.sh/latency": "100ms"} if annotated else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"bench": "yes"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": annotations},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
        },
    }


def policy(name: str, objectives: list[dict[str, Any]], **target: Any) -> dict[str, Any]:
    """A policy with a short window."""
    return {
        "apiVersion": "pratique.sh/v1alpha1",
        "kind": "ReleasePolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            **target,
            "objectives": objectives,
            "analysis": {"warmUp": "1s", "window": "10s", "interval": "2s"},
        },
    }


LATENCY = {
    "name": "fast",
    "indicator": {"latency": {"histogram": "http_request_duration_seconds", "quantile": 0.95}},
    "pass": [{"value": {"lte": 0.3}}],
}


class Seen:
    """When each object was first seen by a watch of its own, with something in ``field`` other than ``but``."""

    def __init__(
        self,
        bed: Testbed,
        kind: str = "rel",
        name: str = ".metadata.name",
        field: str = "",
        but: tuple[str, ...] = (),
    ) -> None:
        self._no = {"", "<none>", *but}
        self.at: dict[str, float] = {}
        kubectl = [
            "get", kind, "-n", NAMESPACE, "--watch", "--no-headers",
            "-o", f"custom-columns=NAME:{name},FIELD:{field or name}",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            [bed.kubectl_path, "--kubeconfig", str(bed.kubeconfig), *kubectl],
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            name, _, value = line.strip().partition(" ")
            if value.strip() not in self._no:
                self.at.setdefault(name, time.monotonic())

    def wait(self, name: str, timeout: float = 10) -> float:
        """When the Release was seen."""
        limit = time.monotonic() + timeout
        while name not in self.at:
            if time.monotonic() > limit:
                raise TimeoutError(f"no Release {name} within {timeout} s")
            time.sleep(0.002)
        return self.at[name]

    def stop(self) -> None:
        """End the watch."""
        self._process.terminate()
        self._process.wait()


def counter(text: str, series: str) -> float:
    """The sum of the series that match, in /metrics."""
    found = re.finditer(rf"^{series} (?P<value>[0-9.e+]+)$", text, re.MULTILINE)
    return sum(float(m["value"]) for m in found)


def until_done(bed: Testbed, count: int, timeout: float = 180) -> None:
    """Wait until so many Releases are done."""
    limit = time.monotonic() + timeout
    while time.monotonic() < limit:
        got = bed.kubectl("get", "rel", "-n", NAMESPACE, "-o", "json")
        found = json.loads(got.stdout)["items"]
        done = sum(bool(r.get("status", {}).get("completedAt")) for r in found)
        if done >= count:
            return
        time.sleep(1)
    raise TimeoutError(f"not {count} Releases were done within {timeout} s")


def main() -> int:
    """Print the table."""
    os.chdir(Path(__file__).resolve().parents[2])
    table = Table(title="Pratique on the test bed")
    for column in ("figure", "value", "common sense"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    console.print("starting the test bed …")
    with Testbed() as bed:
        install(bed)
        with OperatorProcess(bed) as operator:
            assert operator.process is not None
            process = psutil.Process(operator.process.pid)
            bed.apply(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
                {
                    "apiVersion": "pratique.sh/v1alpha1",
                    "kind": "MetricsProvider",
                    "metadata": {"name": "default", "namespace": NAMESPACE},
                    "spec": {"url": bed.prometheus_url},
                },
            )
            one_release(bed, operator, table)
            console.print(f"{DEPLOYMENTS} Deployments under one policy …")
            bed.apply(
                policy("all", [], selector={"matchLabels": {"bench": "yes"}}),
                *(deployment(f"d{n}", "registry.example/app:1") for n in range(DEPLOYMENTS)),
            )
            until_done(bed, DEPLOYMENTS + 2)
            at_rest(process, table)
            noticing(bed, table)
            naming(bed, table)
    console.print(table)
    return 0


def one_release(bed: Testbed, operator: OperatorProcess, table: Table) -> None:
    """Reads, writes and queries of a release with one objective from Prometheus, its whole life long.

    Of the second release of two: from its being noticed, with the first's being superseded, to its end.
    """
    console.print("two releases, one objective from Prometheus …")
    bed.apply(
        policy("solo", [LATENCY], targetRefs=[{"kind": "Deployment", "name": "solo"}]),
        deployment("solo", "registry.example/app:1", annotated=True),
    )
    until_done(bed, 1)
    time.sleep(3)
    before = operator.metrics()
    bed.apply(deployment("solo", "registry.example/app:2", annotated=True))
    until_done(bed, 2)
    time.sleep(3)
    after = operator.metrics()
    for what, verbs, resources, sense in (
        ("writes of Releases and records", "create|patch", "release(s|s/status|records)", "≤ 8"),
        ("writes of Events", "create", "events", ""),
        ("writes of the policy's status", "patch", "releasepolicies/status", ""),
        ("reads (get, list)", "get|list", '[^"]*', ""),
        ("watches begun", "watch", '[^"]*', ""),
    ):
        one = rf'pratique_api_requests_total{{resource="(?:{resources})",verb="(?:{verbs})"}}'
        table.add_row(f"API, one release: {what}", grown(before, after, one), sense)
    queries = r"pratique_queries_total{[^}]*}"
    table.add_row(
        "queries to Prometheus per look", f"{float(grown(before, after, queries)) / 5:g}", ""
    )


def grown(before: str, after: str, series: str) -> str:
    """By how much a counter grew between two scrapes."""
    return f"{counter(after, series) - counter(before, series):.0f}"


def at_rest(process: psutil.Process, table: Table) -> None:
    """Memory and CPU while nothing happens."""
    console.print(f"{REST_SECONDS:.0f} s at rest …")
    time.sleep(5)
    begin = sum(process.cpu_times()[:2])
    time.sleep(REST_SECONDS)
    cpu = (sum(process.cpu_times()[:2]) - begin) / REST_SECONDS
    table.add_row(
        f"RSS with {DEPLOYMENTS} Deployments",
        f"{process.memory_info().rss / 2**20:.0f} MiB",
        "≤ 120 MiB",
    )
    table.add_row(f"CPU at rest with {DEPLOYMENTS} Deployments", f"{cpu:.2%} of a core", "")


def noticing(bed: Testbed, table: Table) -> None:
    """From a Deployment's update to its Release."""
    console.print(f"{UPDATES} updates, one after the other …")
    seen = Seen(bed)
    time.sleep(1)
    took = []
    for n in range(UPDATES):
        name = f"d{n % DEPLOYMENTS}"
        bed.kubectl(
            "set", "image", f"deployment/{name}", "app=registry.example/app:2", "-n", NAMESPACE
        )
        answered = time.monotonic()
        took.append(max(0.0, seen.wait(f"{name}-2") - answered))
    seen.stop()
    took.sort()
    table.add_row("noticed after the update, p50", f"{statistics.median(took) * 1000:.0f} ms", "")
    table.add_row(
        "noticed after the update, p99",
        f"{took[int(len(took) * 0.99) - 1] * 1000:.0f} ms",
        "≤ 1,000 ms",
    )


def naming(bed: Testbed, table: Table) -> None:
    """From a pod's failure to its cause in the Release, and to the Event that tells it.

    One after the other: Kubernetes' own controllers write 20 times a second, and in a burst of a hundred
    rollouts their queue, in which a Deployment's status waits for ten seconds, is what would be measured.
    """
    until_done(bed, DEPLOYMENTS + UPDATES + 2)
    console.print(f"{FAILURES} rollouts that fail, one after the other …")
    waiting = ".status.containerStatuses[*].state.waiting.reason"
    pods = Seen(bed, "pods", field=waiting)
    named = Seen(bed, field=".status.rollout.diagnosis.cause")
    told = Seen(bed, "events", ".involvedObject.name", ".reason", ("Noticed",))
    time.sleep(1)
    for n in range(FAILURES):
        failure = ("ImagePullBackOff", "CreateContainerConfigError", "CrashLoopBackOff")[n % 3]
        annotations = {"testbed.pratique.sh/fail": failure}
        patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        bed.kubectl("patch", f"deployment/d{n}", "-n", NAMESPACE, "-p", json.dumps(patch))
        named.wait(f"d{n}-3", timeout=60)
        told.wait(f"d{n}-3", timeout=60)
    for watch in (pods, named, told):
        watch.stop()
    causes = {
        n: min(at for name, at in pods.at.items() if name.startswith(f"d{n}-"))
        for n in range(FAILURES)
    }
    for what, seen in (("cause named in the Release", named), ("cause told as Event", told)):
        took = sorted(max(0.0, seen.at[f"d{n}-3"] - at) for n, at in causes.items())
        table.add_row(f"{what}, p50", f"{statistics.median(took) * 1000:.0f} ms", "")
        table.add_row(
            f"{what}, p99", f"{took[int(len(took) * 0.99) - 1] * 1000:.0f} ms", "≤ 5,000 ms"
        )


if __name__ == "__main__":
    sys.exit(main())
