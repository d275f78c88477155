"""Every objective of slo_examples/library, referred to from another namespace and judged.

An exporter of the test's own speaks the five projects' metrics for the pods that really run.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pratique_testbed.bed import Testbed
from pratique_testbed.operator import OperatorProcess
from pratique_testbed.prometheus import PrometheusServer
from support.documents import condition, deployment, policy, provider, says, verdict, wait

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

LIBRARY = Path(__file__).resolve().parents[2] / "slo_examples" / "library"
RATE = 800
EDGES = (0.05, 0.1, 0.25, 0.5, 1.0)


def exposition(namespace: str, pods: dict[str, float], now: float) -> str:
    """Counters since each pod's begin: RATE requests a second, one in 400 failing, 0.1 to 0.25 s."""
    lines = []

    def counter(metric: str, count: float, **labels: str) -> None:
        inside = ",".join(f'{k}="{v}"' for k, v in labels.items())
        lines.append(f"{metric}{{{inside}}} {int(count)}")

    def histogram(metric: str, count: float, scale: float = 1, **labels: str) -> None:
        for edge in EDGES:
            share = 0.0 if edge < 0.25 else 1.0
            counter(f"{metric}_bucket", count * share, le=f"{edge * scale:g}", **labels)
        counter(f"{metric}_bucket", count, le="+Inf", **labels)

    total = 0.0
    for pod, begin in pods.items():
        n = (now - begin) * RATE
        total += n
        mine = {"namespace": namespace, "pod": pod}
        good = n * 399 / 400
        name = "http_server_request_duration_seconds"
        counter(f"{name}_count", good, http_response_status_code="200", **mine)
        counter(f"{name}_count", n - good, http_response_status_code="503", **mine)
        histogram(name, n, **mine)
        counter("grpc_server_handled_total", good, grpc_code="OK", grpc_type="unary", **mine)
        counter("grpc_server_handled_total", n - good, grpc_code="Internal", **mine)
        histogram("grpc_server_handling_seconds", n, grpc_type="unary", **mine)
        name = "http_server_requests_seconds"
        counter(f"{name}_count", good, outcome="SUCCESS", uri="/pay", **mine)
        counter(f"{name}_count", n - good, outcome="SERVER_ERROR", uri="/pay", **mine)
        histogram(name, n, uri="/pay", **mine)
    good = total * 399 / 400
    mesh = {
        "reporter": "destination",
        "destination_workload": "web",
        "destination_workload_namespace": namespace,
    }
    counter("istio_requests_total", good, response_code="200", **mesh)
    counter("istio_requests_total", total - good, response_code="503", **mesh)
    histogram("istio_request_duration_milliseconds", total, 1000, **mesh)
    edge = {"exported_namespace": namespace, "exported_service": "web"}
    counter("nginx_ingress_controller_requests", good, status="200", **edge)
    counter("nginx_ingress_controller_requests", total - good, status="502", **edge)
    histogram("nginx_ingress_controller_request_duration_seconds", total, **edge)
    return "\n".join(lines) + "\n"


@pytest.fixture
def dialects(bed: Testbed, namespace: str) -> Iterator[str]:
    """The address of the exporter."""
    pods: dict[str, float] = {}
    done = threading.Event()

    def follow() -> None:
        while not done.wait(0.5):
            got = bed.kubectl("get", "pods", "-n", namespace, "-o", "json", check=False)
            for pod in json.loads(got.stdout)["items"] if got.returncode == 0 else []:
                if pod["status"].get("phase") == "Running":
                    pods.setdefault(pod["metadata"]["name"], time.time())

    class Exporter(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition(namespace, dict(pods), time.time()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threads = [threading.Thread(target=t, daemon=True) for t in (follow, server.serve_forever)]
    for thread in threads:
        thread.start()
    yield f"127.0.0.1:{server.server_port}"
    done.set()
    server.shutdown()
    server.server_close()
    for thread in threads:
        thread.join(10)


def test_every_objective_of_the_library_is_judged(
    bed: Testbed, namespace: str, dialects: str
) -> None:
    names = []
    for path in sorted(LIBRARY.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            document["metadata"]["namespace"] = "pratique-system"
            bed.apply(document)
            if document["kind"] == "ServiceLevelObjective":
                names.append(document["metadata"]["name"])
    assert len(names) == 10
    honest = {"job_name": "dialects", "honor_labels": True}
    job = {**honest, "static_configs": [{"targets": [dialects]}]}
    with PrometheusServer([job]) as prometheus, OperatorProcess(bed):
        bed.apply(provider(namespace, prometheus.url))
        wait(
            bed,
            "metricsproviders",
            namespace,
            "default",
            lambda p: p.get("status", {}).get("scrapeInterval") == "1s",
        )
        bed.apply(policy(namespace, "web", [{"ref": name} for name in names]))
        bed.apply(deployment(namespace, "web"))
        release = verdict(bed, namespace, "web-1")
    assert says(release) == ("Promotable", "AllObjectivesMet")
    results = {r["name"]: r for r in release["status"]["judgement"]["results"]}
    assert sorted(results) == sorted(names)
    for name, result in results.items():
        if name.endswith("errors"):
            assert result["value"] == pytest.approx(1 / 400, rel=0.5), name
        else:
            assert 0.1 < result["value"] <= 0.25, name
        assert result["samples"] > 300, name
    assert condition(release, "Promotable")["message"]
