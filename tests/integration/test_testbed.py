"""The test bed behaves as a cluster and its monitoring do: what every other test stands on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from pratique_testbed import background, cli
from pratique_testbed.bed import Testbed
from pratique_testbed.errors import BedError, ComponentCrashed
from pratique_testbed.prometheus import PrometheusServer
from support.eventually import eventually

pytestmark = pytest.mark.integration

SIM = "sim.pratique.sh/"
FAIL = "testbed.pratique.sh/fail"


def deployment(
    name: str, annotations: Mapping[str, str], *, replicas: int = 1, image: str = "shop/cart:1"
) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": dict(annotations)},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
        },
    }


class Space:
    """One namespace of the shared bed, with short words for what these tests ask."""

    def __init__(self, bed: Testbed, namespace: str) -> None:
        self.bed = bed
        self.namespace = namespace

    def kubectl(self, *args: str, input: str | None = None) -> str:
        return self.bed.kubectl("-n", self.namespace, *args, input=input).stdout

    def deploy(self, name: str, annotations: Mapping[str, str], **more: Any) -> None:
        document = json.dumps(deployment(name, annotations, **more))
        self.kubectl("apply", "-f", "-", input=document)

    def rolled_out(self, name: str) -> None:
        self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")

    def pods(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def names(self) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.pods()}

    def ask(self, query: str) -> dict[str, float]:
        """Value by pod ("" where the answer has none); $ is this namespace's selector."""
        text = query.replace("$", f'namespace="{self.namespace}"')
        answer = requests.get(
            f"{self.bed.prometheus_url}/api/v1/query", params={"query": text}, timeout=10
        ).json()
        assert answer["status"] == "success", answer
        result = answer["data"]["result"]
        return {r["metric"].get("pod", ""): float(r["value"][1]) for r in result}


@pytest.fixture
def space(bed: Testbed, namespace: str) -> Space:
    return Space(bed, namespace)


# --- pods that speak -----------------------------------------------------------------------


P95 = (
    "histogram_quantile(0.95, sum by (le, pod) (rate(http_request_duration_seconds_bucket{$}[5s])))"
)


def test_a_rollout_changes_the_series(space: Space) -> None:
    space.deploy("cart", {SIM + "latency": "200ms", SIM + "rps": "100"}, replicas=2)
    space.rolled_out("cart")
    old = space.names()
    before = eventually(lambda: p if (p := space.ask(P95)).keys() == old else None)
    assert all(0.17 < value < 0.24 for value in before.values())

    space.deploy(
        "cart",
        {SIM + "latency": "600ms", SIM + "rps": "100"},
        replicas=2,
        image="shop/cart:2",
    )
    space.rolled_out("cart")
    new = eventually(lambda: n if not (n := space.names()) & old and len(n) == 2 else None)

    eventually(
        lambda: space.ask("up{$}").keys() == new,
        what="the old pods' series going and the new ones' coming",
    )
    assert space.ask("http_requests_total{$}").keys() == new
    # Gone from now on, but not from the past.
    assert space.ask("count_over_time(http_requests_total{$}[1m])").keys() == old | new
    after = eventually(
        lambda: (
            p if (p := space.ask(P95)).keys() == new and not any(map(is_nan, p.values())) else None
        )
    )
    assert all(0.5 < value < 0.75 for value in after.values())


def is_nan(value: float) -> bool:
    return value != value


def test_each_pod_has_the_labels_that_a_pod_monitor_gives(space: Space) -> None:
    space.deploy("cart", {SIM + "rps": "20"})
    (pod,) = eventually(lambda: space.ask("http_requests_total{$}"))
    (seen,) = space.pods()
    address = seen["status"]["podIP"]
    labels = f'$, container="app", instance="{address}:8080", code="200", pod="{pod}"'
    assert pod == seen["metadata"]["name"]
    assert space.ask(f"http_requests_total{{{labels}}}").keys() == {pod}
    edges = 'http_request_duration_seconds_bucket{$, le="0.3"}'
    assert space.ask(edges).keys() == {pod}


def test_an_error_codes_series_is_born_with_its_first_error(space: Space) -> None:
    space.deploy("cart", {SIM + "rps": "50"})
    (pod,) = eventually(lambda: space.ask('http_requests_total{$,code="200"}'))
    assert space.ask('http_requests_total{$,code="500"}') == {}
    space.kubectl("annotate", "pod", pod, SIM + "error-ratio=0.2")
    errors = eventually(lambda: space.ask('http_requests_total{$,code="500"}'))
    assert errors[pod] >= 1
    assert (
        space.ask('count_over_time(http_requests_total{$,code="200"}[1m])')[pod]
        > (space.ask('count_over_time(http_requests_total{$,code="500"}[1m])')[pod])
    )


def test_a_silent_pods_scrape_fails(space: Space) -> None:
    space.deploy("cart", {SIM + "silent": "true"})
    space.deploy("plain", {})
    space.rolled_out("plain")
    up = eventually(lambda: space.ask("up{$}"))
    assert list(up.values()) == [0], "the silent one is down, the plain one has no exporter"
    assert space.ask("http_requests_total{$}") == {}


def test_a_restarted_container_counts_anew(space: Space) -> None:
    space.deploy("cart", {SIM + "rps": "50"})
    (name,) = eventually(lambda: space.ask("http_requests_total{$} > 200"))
    space.kubectl("annotate", "pod", name, f"{FAIL}=OOMKilled", "testbed.pratique.sh/after=100ms")
    eventually(lambda: space.ask("resets(http_requests_total{$}[1m]) > 0"))
    (pod,) = space.pods()
    (container,) = pod["status"]["containerStatuses"]
    assert container["restartCount"] == 1
    assert container["ready"] is True
    assert container["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert container["lastState"]["terminated"]["exitCode"] == 137


def test_a_vanished_pods_series_goes_stale(space: Space) -> None:
    space.deploy("cart", {SIM + "rps": "20"})
    (pod,) = eventually(lambda: space.ask("http_requests_total{$}"))
    space.kubectl("delete", "deployment", "cart")
    begun = time.monotonic()
    eventually(lambda: not space.ask("http_requests_total{$}"), within=15)
    assert time.monotonic() - begun < 15, "long before the five minutes of the look-back"
    assert space.ask("max_over_time(http_requests_total{$}[1m])").keys() == {pod}


# --- failures on demand --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "phase", "message"),
    [
        (
            "ImagePullBackOff",
            "Pending",
            'Back-off pulling image "shop/cart:none": ErrImagePull: rpc error: code = NotFound '
            'desc = failed to pull and unpack image "shop/cart:none": shop/cart:none: not found',
        ),
        ("CreateContainerConfigError", "Pending", 'configmap "cart-settings" not found'),
        ("CrashLoopBackOff", "Running", "back-off 10s restarting failed container=app pod=cart-"),
    ],
)
def test_a_waiting_container_says_why(space: Space, failure: str, phase: str, message: str) -> None:
    missing = {"testbed.pratique.sh/missing": "cart-settings"}
    space.deploy("cart", {FAIL: failure, **missing}, image="shop/cart:none")

    def waiting() -> dict[str, Any] | None:
        for pod in space.pods():
            for status in pod["status"].get("containerStatuses", []):
                return pod if "waiting" in status["state"] else None
        return None

    pod = eventually(waiting)
    (status,) = pod["status"]["containerStatuses"]
    assert pod["status"]["phase"] == phase
    assert status["state"]["waiting"]["reason"] == failure
    assert status["state"]["waiting"]["message"].startswith(message)
    assert ready(pod)["status"] == "False"
    assert ready(pod)["message"] == "containers with unready status: [app]"
    # It stays so: no other stage makes it ready after all.
    time.sleep(1.5)
    assert (
        json.loads(space.kubectl("get", "deployment", "cart", "-o", "json"))["status"].get(
            "availableReplicas", 0
        )
        == 0
    )


def ready(pod: dict[str, Any]) -> dict[str, Any]:
    (condition,) = (c for c in pod["status"]["conditions"] if c["type"] == "Ready")
    found: dict[str, Any] = condition
    return found


def test_a_crash_loop_goes_on(space: Space) -> None:
    space.deploy("cart", {FAIL: "CrashLoopBackOff", "testbed.pratique.sh/every": "500ms"})

    def restarts() -> int:
        statuses = [s for p in space.pods() for s in p["status"].get("containerStatuses", [])]
        return max((s["restartCount"] for s in statuses), default=0)

    eventually(lambda: restarts() >= 3)
    (pod,) = space.pods()
    (status,) = pod["status"]["containerStatuses"]
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert status["lastState"]["terminated"]["reason"] == "Error"


def test_a_pod_that_is_never_ready_runs(space: Space) -> None:
    space.deploy("cart", {FAIL: "NeverReady"})
    pod = eventually(
        lambda: next((p for p in space.pods() if p["status"]["phase"] == "Running"), None)
    )
    (status,) = pod["status"]["containerStatuses"]
    assert "running" in status["state"]
    assert status["ready"] is False
    assert ready(pod)["reason"] == "ContainersNotReady"


@pytest.mark.parametrize(
    "failure", ["ImagePullBackOff", "CreateContainerConfigError", "CrashLoopBackOff", "NeverReady"]
)
def test_an_obstacle_that_goes_lets_the_pod_be_ready(space: Space, failure: str) -> None:
    space.deploy("cart", {FAIL: failure})
    (name,) = eventually(space.names)
    eventually(lambda: "ContainersNotReady" in json.dumps(space.pods()))
    space.kubectl("annotate", "pod", name, f"{FAIL}-")
    space.rolled_out("cart")


def test_what_the_scheduler_cannot_place_it_says(space: Space) -> None:
    document = deployment("cart", {})
    container = document["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": "100k"}}
    space.kubectl("apply", "-f", "-", input=json.dumps(document))
    events = eventually(
        lambda: space.kubectl("get", "events", "--field-selector=reason=FailedScheduling")
    )
    assert "3 Insufficient cpu" in events


def test_a_job_completes(space: Space) -> None:
    space.kubectl("create", "job", "check", "--image=shop/check:1")
    space.kubectl("wait", "--for=condition=Complete", "job/check", "--timeout=20s")


# --- the control plane ---------------------------------------------------------------------


def test_a_service_account_has_its_own_rights_and_no_others(bed: Testbed, space: Space) -> None:
    space.kubectl("create", "serviceaccount", "reader")
    space.kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    space.kubectl(
        "create",
        "rolebinding",
        "reader",
        "--role=reader",
        f"--serviceaccount={space.namespace}:reader",
    )
    config = bed.service_account_kubeconfig(space.namespace, "reader")
    assert config.stat().st_mode & 0o077 == 0

    def tried(*args: str) -> subprocess.CompletedProcess[str]:
        return bed.kubectl(f"--kubeconfig={config}", "-n", space.namespace, *args, check=False)

    eventually(lambda: tried("get", "pods").returncode == 0)
    assert "Forbidden" in tried("get", "secrets").stderr
    assert "Forbidden" in tried("get", "pods", "-n", "default").stderr


def test_a_client_that_does_not_know_the_authority_refuses_the_server(bed: Testbed) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(bed.api_url, timeout=5)
    known = requests.get(f"{bed.api_url}/readyz", verify=str(bed.state / "ca.crt"), timeout=5)
    assert known.status_code == 200


def test_rollouts_can_be_held_at_admission(bed: Testbed) -> None:
    told = bed.kubectl("api-resources", "--api-group=admissionregistration.k8s.io").stdout
    assert [
        line.split()[1]
        for line in told.splitlines()
        if line.startswith("mutatingadmissionpolicies")
    ] == ["admissionregistration.k8s.io/v1"]


def test_a_refusal_of_kubectl_carries_its_words(bed: Testbed) -> None:
    with pytest.raises(BedError, match=r'deployments\.apps "none" not found'):
        bed.kubectl("get", "deployment", "none")


# --- life and death ------------------------------------------------------------------------


def processes_of(state: Path) -> list[psutil.Process]:
    """All processes whose command line names the state folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if process.pid != os.getpid() and str(state) in " ".join(process.info["cmdline"] or []):
            found.append(process)
    return found


@pytest.fixture(scope="module")
def second(bed: Testbed) -> Iterator[Testbed]:
    """Another one, beside the shared one."""
    with Testbed() as other:
        yield other


def test_two_run_side_by_side(bed: Testbed, second: Testbed) -> None:
    assert bed.state != second.state
    bed.kubectl("create", "namespace", "only-here")
    assert second.kubectl("get", "namespace", "only-here", check=False).returncode == 1
    bed.kubectl("delete", "namespace", "only-here", "--wait=false")
    assert len(processes_of(bed.state)) == len(bed.children)
    assert len(processes_of(second.state)) == len(second.children)


def test_prometheus_remembers_over_a_restart(second: Testbed) -> None:
    space = Space(second, "default")
    space.deploy("cart", {SIM + "rps": "20"})
    eventually(lambda: space.ask("http_requests_total{$}"))
    second.kill("prometheus")
    second.check()  # what was wanted is no crash
    with pytest.raises(requests.exceptions.ConnectionError):
        space.ask("up{$}")
    second.restart("prometheus")
    assert space.ask("count_over_time(http_requests_total{$}[1m])")


def test_the_simulator_goes_on_after_the_api_servers_restart(second: Testbed) -> None:
    second.restart("kube-apiserver")
    space = Space(second, "default")
    space.deploy("late", {SIM + "rps": "20"})
    space.rolled_out("late")
    eventually(lambda: any(pod.startswith("late") for pod in space.ask("http_requests_total{$}")))


def test_an_unknown_component_is_named_with_those_there_are(second: Testbed) -> None:
    with pytest.raises(BedError, match="no component 'redis' here; there are: etcd, "):
        second.kill("redis")


def test_a_crash_is_told_with_the_logs_end_and_an_exception_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    def crash() -> None:
        with Testbed(tmp_path, simulator=False) as bed:
            assert processes_of(tmp_path)
            scheduler = bed.children["kube-scheduler"]
            assert scheduler.pid is not None
            with scheduler.log.open("a") as log:
                log.write("the last words\n")
            os.kill(scheduler.pid, signal.SIGKILL)
            eventually(lambda: not scheduler.running)
            bed.check()

    with pytest.raises(ComponentCrashed) as crashed:
        crash()
    assert crashed.value.component == "kube-scheduler"
    assert str(crashed.value).startswith("kube-scheduler was ended by signal 9")
    assert str(crashed.value).endswith("the last words")
    assert processes_of(tmp_path) == []


def test_one_in_the_background_is_told_about_and_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = f"--state={tmp_path}"
    assert cli.main([state, "status"]) == 1
    assert cli.main([state, "up"]) == 0
    assert cli.main([state, "up"]) == 1
    assert "runs in" in capsys.readouterr().err
    assert cli.main([state, "status"]) == 0
    shown = capsys.readouterr().out
    for name in ("etcd", "kube-apiserver", "kwok", "prometheus", "simulator", "kubeconfig"):
        assert name in shown
    told = background.read(tmp_path)

    os.kill(told["components"]["prometheus"], signal.SIGKILL)
    eventually(lambda: background.read(tmp_path)["crashed"])
    assert cli.main([state, "status"]) == 1
    assert "prometheus was ended by signal 9" in capsys.readouterr().err

    assert cli.main([state, "down"]) == 0
    assert processes_of(tmp_path) == []
    assert cli.main([state, "status"]) == 1


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    told = background.up(tmp_path)
    os.kill(told["pid"], signal.SIGKILL)
    eventually(lambda: not processes_of(tmp_path), within=5)
    assert background.read(tmp_path)["alive"] is False


# --- a Prometheus alone --------------------------------------------------------------------


def test_a_prometheus_alone_has_the_history_it_was_given() -> None:
    end = int(time.time()) - 60
    samples = "".join(f"orders_total {n} {end - 600 + n}\n" for n in range(0, 601, 15))
    history = f"# TYPE orders counter\n{samples}# EOF\n"
    with PrometheusServer(blocks_from_openmetrics=history) as server:
        answer = requests.get(
            f"{server.url}/api/v1/query",
            params={"query": "max_over_time(orders_total[10m])", "time": str(end)},
            timeout=10,
        ).json()
    assert [r["value"][1] for r in answer["data"]["result"]] == ["600"]


def test_a_prometheus_alone_scrapes_what_it_is_told(bed: Testbed) -> None:
    target = bed.prometheus_url.removeprefix("http://")
    with PrometheusServer([target, f"{target}/federate"]) as server:
        eventually(
            lambda: (
                requests.get(
                    f"{server.url}/api/v1/query", params={"query": "sum(up)"}, timeout=10
                ).json()["data"]["result"][:1]
                and requests.get(
                    f"{server.url}/api/v1/query", params={"query": "sum(up) == 2"}, timeout=10
                ).json()["data"]["result"]
            )
        )
