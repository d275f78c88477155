"""Releases judged on a real control plane and a real Prometheus, the operator with its own rights.

The scenarios take their time in real seconds, so all run side by side, each in a namespace of its own;
each test then reads what became of its scenario.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pratique_testbed.bed import Testbed
from pratique_testbed.operator import OperatorProcess
from pratique_testbed.prometheus import PrometheusServer
from support.documents import (
    ERRORS,
    FAST,
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
from support.scenarios import Played, Scenarios

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500)]

ROOT = Path(__file__).resolve().parents[2]
scenario = Scenarios()


@pytest.fixture(scope="module")
def operator(bed: Testbed) -> Iterator[OperatorProcess]:
    with OperatorProcess(bed) as process:
        yield process


@pytest.fixture(scope="module")
def played(bed: Testbed, operator: OperatorProcess) -> Iterator[Played]:
    with scenario.played(bed, first=every_fifteen_seconds) as played:
        yield played


GOOD = {"latency": "200ms", "rps": "30"}
SLOW = {"latency": "600ms", "rps": "30"}


@scenario
def good_slow_undone(bed: Testbed, ns: str) -> list[Document]:
    bed.apply(policy(ns, "web", [FAST, ERRORS]), deployment(ns, "web", sim=GOOD))
    first = verdict(bed, ns, "web-1")
    bed.apply(deployment(ns, "web", image="registry.example/app:2", sim=SLOW))
    second = verdict(bed, ns, "web-2")
    bed.kubectl("rollout", "undo", "deployment/web", "-n", ns)
    third = verdict(bed, ns, "web-3")
    relpol = wait(
        bed, "relpol", ns, "web", lambda p: condition(p, "Promotable").get("status") == "True"
    )
    return [first, second, third, relpol]


def test_the_slow_version_is_not_promotable_and_the_rollback_is(played: Played) -> None:
    first, second, third, relpol = played(good_slow_undone)
    assert says(first) == ("Promotable", "AllObjectivesMet")
    assert first["spec"]["cause"] == "First"
    assert says(second) == ("NotPromotable", "ObjectiveFailed")
    assert second["spec"]["cause"] == "Image"
    assert says(third) == ("Promotable", "AllObjectivesMet")
    assert (third["spec"]["cause"], third["spec"]["rollbackTo"]) == ("Rollback", 1)
    assert relpol["status"]["workloads"][0]["release"] == "web-3"


def test_the_sentence_names_value_bound_baseline_window_and_samples(played: Played) -> None:
    second = played(good_slow_undone)[1]
    fast = next(r for r in second["status"]["judgement"]["results"] if r["name"] == "fast")
    assert fast["result"] == "Fail"
    assert fast["value"] == pytest.approx(0.6, rel=0.15)
    assert fast["unit"] == "s"
    assert fast["samples"] > 100
    assert fast["baseline"]["release"] == "web-1"
    assert fast["baseline"]["value"] == pytest.approx(0.2, rel=0.15)
    assert 150 < fast["changePercent"] < 260
    assert "http_request_duration_seconds" in fast["query"]
    message = condition(second, "Promotable")["message"]
    for words in ("fast", "0.3 s", "web-1", "requests"):
        assert words in message


def test_verdict_completion_and_condition_are_one_write(played: Played) -> None:
    for release in played(good_slow_undone)[:3]:
        status = release["status"]
        assert status["phase"] == "Completed"
        assert status["judgement"]["verdict"] == status["verdict"]
        assert condition(release, "Promotable")["observedGeneration"] == 1
        assert not condition(release, "Reconciling")
        assert len(json.dumps(status)) <= 8192


@scenario
def errors_from_the_first_look(bed: Testbed, ns: str) -> Document:
    # The policy comes after the Deployment, as in `kubectl apply -f folder/`: it is judged all the same.
    bed.apply(deployment(ns, "web", sim={**GOOD, "error-ratio": "0.2"}))
    bed.apply(policy(ns, "web", [ERRORS], {"window": "60s"}))
    return verdict(bed, ns, "web-1")


def test_a_bad_version_fails_long_before_the_window_ends(played: Played) -> None:
    release = played(errors_from_the_first_look)
    assert says(release) == ("NotPromotable", "ObjectiveFailed")
    judged = release["status"]["judgement"]["window"]
    # Gross harm needs no three looks: its test calls it at the first.
    assert len(release["status"]["looks"]) == 1
    assert judged["from"] < judged["to"]


@scenario
def silent(bed: Testbed, ns: str) -> Document:
    bed.apply(policy(ns, "web", [FAST]), deployment(ns, "web", sim={"silent": "true"}))
    return verdict(bed, ns, "web-1")


def test_without_data_nothing_is_promotable(played: Played) -> None:
    assert says(played(silent)) == ("Inconclusive", "NoData")


@scenario
def prometheus_unreachable(bed: Testbed, ns: str) -> Document:
    bed.apply(
        provider(ns, "http://127.0.0.1:9", scrapeInterval="1s"),
        policy(ns, "web", [FAST], {"deadline": "15s"}),
        deployment(ns, "web", sim=GOOD),
    )
    return verdict(bed, ns, "web-1")


def test_an_unreachable_prometheus_is_inconclusive(played: Played) -> None:
    assert says(played(prometheus_unreachable)) == ("Inconclusive", "ProviderError")


@scenario
def image_missing(bed: Testbed, ns: str) -> list[Document]:
    bed.apply(policy(ns, "web", [FAST]), deployment(ns, "web", sim=GOOD))
    first = verdict(bed, ns, "web-1")
    image = "registry.example/app:typo"
    bed.apply(deployment(ns, "web", image=image, sim=GOOD, fail="ImagePullBackOff"))
    return [first, verdict(bed, ns, "web-2"), {"events": items(bed, "events", ns)}]


def test_a_missing_image_is_named(played: Played) -> None:
    _, release, events = played(image_missing)
    assert says(release) == ("NotPromotable", "RolloutFailed")
    message = condition(release, "Promotable")["message"]
    assert "ImageMissing" in message
    assert "registry.example/app:typo" in message
    reasons = [e["reason"] for e in events["events"] if e["involvedObject"]["name"] == "web-2"]
    assert sorted(reasons) == ["ImageMissing", "NotPromotable", "Noticed"]


@scenario
def crash_loop(bed: Testbed, ns: str) -> Document:
    bed.apply(policy(ns, "web"), deployment(ns, "web", fail="CrashLoopBackOff"))
    return verdict(bed, ns, "web-1")


def test_a_crash_loop_is_named(played: Played) -> None:
    release = played(crash_loop)
    assert says(release) == ("NotPromotable", "RolloutFailed")
    assert "CrashLoop" in condition(release, "Promotable")["message"]


@scenario
def unschedulable(bed: Testbed, ns: str) -> Document:
    bed.apply(policy(ns, "web"), deployment(ns, "web", cpu="4000"))
    return verdict(bed, ns, "web-1")


def test_a_pod_that_fits_no_node_is_named_in_the_schedulers_words(played: Played) -> None:
    release = played(unschedulable)
    assert says(release) == ("NotPromotable", "RolloutFailed")
    assert "Insufficient cpu" in condition(release, "Promotable")["message"]


@scenario
def never_ready(bed: Testbed, ns: str) -> Document:
    bed.apply(
        policy(ns, "web", None, {"failFast": {"after": "5m"}}),
        deployment(ns, "web", fail="NeverReady", progressDeadlineSeconds=4),
    )
    return verdict(bed, ns, "web-1")


def test_the_progress_deadline_ends_a_rollout_that_never_gets_ready(played: Played) -> None:
    release = played(never_ready)
    assert says(release) == ("NotPromotable", "RolloutFailed")
    assert "ProgressDeadlineExceeded" in condition(release, "Promotable")["message"]


@scenario
def smallest(bed: Testbed, ns: str) -> Document:
    text = (ROOT / "slo_examples" / "smallest.yaml").read_text()
    document = yaml.safe_load(text)
    name = document["spec"]["targetRefs"][0]["name"]
    document["metadata"]["namespace"] = ns
    document["spec"]["analysis"] = {"warmUp": "1s", "window": "4s", "interval": "1s"}
    bed.apply(document, deployment(ns, name))
    return verdict(bed, ns, f"{name}-1")


def test_the_smallest_policy_judges_by_kubernetes_own_signals(played: Played) -> None:
    release = played(smallest)
    assert says(release) == ("Promotable", "AllObjectivesMet")
    assert "Kubernetes' own signals only" in condition(release, "Promotable")["message"]


@scenario
def one_service(bed: Testbed, ns: str) -> Document:
    document = yaml.safe_load((ROOT / "slo_examples" / "one-service.yaml").read_text())
    name = document["spec"]["targetRefs"][0]["name"]
    document["metadata"]["namespace"] = ns
    document["spec"]["analysis"] = {"warmUp": "3s", "window": "12s", "interval": "3s"}
    bed.apply(document, deployment(ns, name, sim={"latency": "100ms", "rps": "30"}))
    return verdict(bed, ns, f"{name}-1")


def test_the_example_of_one_service_is_judged(played: Played) -> None:
    assert says(played(one_service)) == ("Promotable", "AllObjectivesMet")


@scenario
def adopted(bed: Testbed, ns: str) -> list[Document]:
    bed.apply(deployment(ns, "web", sim=GOOD))
    bed.kubectl("rollout", "status", "deployment/web", "-n", ns, "--timeout=30s")
    time.sleep(16)
    bed.apply(policy(ns, "web", [FAST]))
    first = verdict(bed, ns, "web-1")
    bed.apply(deployment(ns, "web", image="registry.example/app:2", sim=SLOW))
    return [first, verdict(bed, ns, "web-2")]


def test_what_ran_before_is_measured_and_serves_as_baseline(played: Played) -> None:
    first, second = played(adopted)
    assert says(first) == (None, "Adopted")
    assert first["spec"]["purpose"] == "Measure"
    assert first["status"]["measured"][0]["value"] == pytest.approx(0.2, rel=0.2)
    assert says(second) == ("NotPromotable", "ObjectiveFailed")
    assert second["status"]["judgement"]["results"][0]["baseline"]["release"] == "web-1"


@scenario
def changes(bed: Testbed, ns: str) -> list[Document]:
    """Scale, restart, configuration, recreation, two quick edits."""
    quick = {"warmUp": "0s", "window": "2s", "interval": "1s"}
    bed.apply(deployment(ns, "web"), policy(ns, "web", None, quick))
    verdict(bed, ns, "web-1")
    bed.kubectl("scale", "deployment/web", "--replicas=4", "-n", ns)
    time.sleep(2)
    scaled = items(bed, "rel", ns)
    bed.kubectl("rollout", "restart", "deployment/web", "-n", ns)
    verdict(bed, ns, "web-2")
    live = get(bed, "deployment", ns, "web") or {}
    live["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    bed.apply(live)
    verdict(bed, ns, "web-3")
    live = get(bed, "deployment", ns, "web") or {}
    for gone in ("status", "managedFields"):
        live.pop(gone, None)
    for gone in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        live["metadata"].pop(gone, None)
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/app:9"
    bed.kubectl("replace", "--force", "-f", "-", input=json.dumps(live))
    verdict(bed, ns, "web-4")
    for tag in ("10", "11"):
        bed.kubectl("set", "image", "deployment/web", f"app=registry.example/app:{tag}", "-n", ns)
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        found = sorted(items(bed, "rel", ns), key=lambda r: r["spec"]["number"])
        if found[-1]["spec"]["images"][0]["image"].endswith(":11") and found[-1].get(
            "status", {}
        ).get("verdict"):
            break
        time.sleep(0.3)
    return [{"items": scaled}, {"items": found}]


def test_every_change_of_the_template_and_nothing_else_is_a_release(played: Played) -> None:
    scaled, all_ = played(changes)
    assert [r["metadata"]["name"] for r in scaled["items"]] == ["web-1"]
    releases = all_["items"]
    assert [r["spec"]["cause"] for r in releases[:4]] == ["First", "Restart", "Config", "Image"]
    assert [r["spec"]["number"] for r in releases] == list(range(1, len(releases) + 1))
    assert releases[2]["spec"]["workload"]["uid"] != releases[3]["spec"]["workload"]["uid"]
    assert not any(r["metadata"].get("ownerReferences") for r in releases)
    assert says(releases[-1])[0] == "Promotable"
    for superseded in releases[4:-1]:
        assert says(superseded) == ("Inconclusive", "Superseded")


def test_an_older_release_keeps_its_verdict_and_says_that_it_is_superseded(played: Played) -> None:
    releases = played(changes)[1]["items"]
    assert says(releases[0]) == ("Promotable", "AllObjectivesMet")
    assert condition(releases[0], "Superseded")["status"] == "True"


@scenario
def bad_while_rolling_out(bed: Testbed, ns: str) -> Document:
    bed.apply(
        policy(ns, "web", [ERRORS]),
        deployment(ns, "web", sim={**GOOD, "error-ratio": "0.3"}, minReadySeconds=120),
    )
    return verdict(bed, ns, "web-1")


def test_looks_during_the_rollout_may_fail_it(played: Played) -> None:
    release = played(bad_while_rolling_out)
    assert says(release) == ("NotPromotable", "ObjectiveFailed")
    assert "completedAt" not in release["status"]["rollout"]
    assert "windowFrom" not in release["status"]


@scenario
def good_while_rolling_out(bed: Testbed, ns: str) -> Document:
    bed.apply(
        policy(ns, "web", [ERRORS], {"rolloutDeadline": "14s"}),
        deployment(ns, "web", sim=GOOD, minReadySeconds=120),
    )
    return verdict(bed, ns, "web-1")


def test_looks_during_the_rollout_never_pass_it(played: Played) -> None:
    release = played(good_while_rolling_out)
    assert says(release) == ("NotPromotable", "RolloutFailed")


class Door(http.server.BaseHTTPRequestHandler):
    """Lets pass to Prometheus who brings the token."""

    token = "s3cr3t-canary"
    behind = ""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.token}":
            self.send_response(401)
            self.end_headers()
            return
        with urllib.request.urlopen(self.behind + self.path) as answer:
            body = answer.read()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@scenario
def behind_a_token(bed: Testbed, ns: str) -> list[Document]:
    Door.behind = bed.prometheus_url
    door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=door.serve_forever, daemon=True).start()
    bed.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "prometheus-token", "namespace": ns},
            "stringData": {"token": Door.token},
        },
        provider(
            ns,
            f"http://127.0.0.1:{door.server_port}",
            auth={"bearer": {"secretRef": {"name": "prometheus-token"}}},
        ),
    )

    def stalled(found: Document) -> bool:
        return "secret" in condition(found, "Ready").get("message", "").lower()

    refused = wait(bed, "metricsproviders", ns, "default", stalled)
    role = (ROOT / "deploy" / "examples" / "secret-reader.yaml").read_text()
    for document in yaml.safe_load_all(role):
        document["metadata"]["namespace"] = ns
        bed.apply(document)
    wait(
        bed,
        "metricsproviders",
        ns,
        "default",
        lambda p: condition(p, "Ready").get("status") == "True",
    )
    bed.apply(policy(ns, "web", [FAST]), deployment(ns, "web", sim=GOOD))
    release = verdict(bed, ns, "web-1")
    everything = bed.kubectl("get", "rel,relpol,mp,events", "-n", ns, "-o", "yaml").stdout
    door.shutdown()
    door.server_close()
    return [refused, release, {"text": everything}]


def test_a_token_needs_a_role_that_names_its_secret_and_is_shown_nowhere(
    operator: OperatorProcess, played: Played
) -> None:
    refused, release, everything = played(behind_a_token)
    assert condition(refused, "Ready")["status"] != "True"
    assert says(release)[0] == "Promotable"
    assert Door.token not in everything["text"]
    assert Door.token not in operator.log.read_text()


@scenario
def every_fifteen_seconds(bed: Testbed, ns: str) -> list[Document]:
    """As most clusters scrape: nothing is tuned for the test but the lengths."""
    with PrometheusServer([bed.pods_job], scrape_interval="15s", scrape_itself=True) as prometheus:
        bed.apply(provider(ns, prometheus.url))
        bed.apply(deployment(ns, "web", sim=GOOD))
        rhythm = {"warmUp": "20s", "window": "1m", "interval": "30s"}
        wait(
            bed,
            "metricsproviders",
            ns,
            "default",
            lambda p: p.get("status", {}).get("scrapeInterval") == "15s",
            timeout=150,
        )
        bed.apply(policy(ns, "web", [FAST, ERRORS], {**rhythm, "interval": "10s"}))
        too_short = wait(bed, "relpol", ns, "web", lambda p: bool(condition(p, "Stalled")))
        bed.apply(policy(ns, "web", [FAST, ERRORS], rhythm))
        verdict(bed, ns, "web-1", timeout=150)
        bed.apply(deployment(ns, "web", image="registry.example/app:2", sim=SLOW))
        return [too_short, verdict(bed, ns, "web-2", timeout=240)]


def test_at_a_usual_scrape_interval_the_slow_version_fails_too(played: Played) -> None:
    too_short, release = played(every_fifteen_seconds)
    message = condition(too_short, "Stalled")["message"]
    assert "spec.analysis.interval" in message
    assert "30s" in message
    assert says(release) == ("NotPromotable", "ObjectiveFailed")


@scenario
def deleted_midway(bed: Testbed, ns: str) -> Document:
    bed.apply(policy(ns, "web", [FAST], {"window": "5m"}), deployment(ns, "web", sim=GOOD))
    wait(bed, "rel", ns, "web-1", lambda r: r.get("status", {}).get("phase") == "Evaluating")
    bed.kubectl("delete", "deployment", "web", "-n", ns)
    return verdict(bed, ns, "web-1")


def test_a_workload_deleted_midway_is_inconclusive(played: Played) -> None:
    assert says(played(deleted_midway)) == ("Inconclusive", "WorkloadDeleted")


@scenario
def unresolved(bed: Testbed, ns: str) -> list[Document]:
    bed.apply(policy(ns, "web", [{"ref": "nowhere"}]), deployment(ns, "web", sim=GOOD))
    stalled = wait(bed, "relpol", ns, "web", lambda p: bool(condition(p, "Stalled")))
    objective = {k: v for k, v in FAST.items() if k != "name"}
    bed.apply(
        {
            "apiVersion": "pratique.sh/v1alpha1",
            "kind": "ServiceLevelObjective",
            "metadata": {"name": "nowhere", "namespace": ns},
            "spec": objective,
        }
    )
    release = verdict(bed, ns, "web-1")
    lost = {"objectives": ["lost"]}
    bed.apply(policy(ns, "web", [{"ref": "nowhere"}], errorBudgetPolicy=lost))
    edited = wait(bed, "relpol", ns, "web", lambda p: bool(condition(p, "Stalled")))
    bed.apply(policy(ns, "web", [{"ref": "nowhere"}], errorBudgetPolicy={}))
    wait(bed, "relpol", ns, "web", lambda p: not condition(p, "Stalled"))
    return [stalled, release, edited]


def test_an_edited_policy_that_cannot_be_applied_says_so_before_the_next_release(
    played: Played,
) -> None:
    _, _, edited = played(unresolved)
    assert condition(edited, "Ready")["status"] != "True"
    message = condition(edited, "Stalled")["message"]
    assert message.startswith("spec.errorBudgetPolicy.objectives[0]: ")
    assert "'lost'" in message


def test_a_missing_reference_stalls_with_the_field_and_goes_on_once_it_is_there(
    played: Played,
) -> None:
    stalled, release, _ = played(unresolved)
    message = condition(stalled, "Stalled")["message"]
    assert "spec.objectives[0].ref" in message
    assert "'nowhere'" in message
    assert says(release)[0] == "Promotable"


@scenario
def shadowed(bed: Testbed, ns: str) -> list[Document]:
    wide = {
        "apiVersion": "pratique.sh/v1alpha1",
        "kind": "ReleasePolicy",
        "metadata": {"name": "all", "namespace": ns},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
    }
    bed.apply(wide, policy(ns, "web"), deployment(ns, "web"))
    return [
        wait(bed, "relpol", ns, "all", lambda p: bool(condition(p, "Shadowed"))),
        verdict(bed, ns, "web-1"),
    ]


def test_the_policy_that_names_the_workload_wins_and_the_other_says_so(played: Played) -> None:
    loser, release = played(shadowed)
    assert "Deployment web" in condition(loser, "Shadowed")["message"]
    assert release["spec"]["plan"]["policy"].endswith("/web")


def test_the_provider_says_what_it_found(bed: Testbed, played: Played) -> None:
    release = played(good_slow_undone)[0]
    found = get(bed, "metricsproviders", release["metadata"]["namespace"], "default")
    assert found is not None
    assert condition(found, "Ready")["status"] == "True"
    assert found["status"]["scrapeInterval"] == "1s"


def test_events_tell_each_transition_once(bed: Testbed, played: Played) -> None:
    release = played(good_slow_undone)[0]
    ns, name = release["metadata"]["namespace"], release["metadata"]["name"]
    events = [e for e in items(bed, "events", ns) if e["involvedObject"]["name"] == name]
    reasons = sorted(e["reason"] for e in events)
    assert reasons == ["Noticed", "Promotable", "RolledOut"]
    described = bed.kubectl("describe", "rel", name, "-n", ns).stdout
    assert "RolledOut" in described


def test_the_status_port_answers(operator: OperatorProcess, played: Played) -> None:
    played(good_slow_undone)
    text = operator.metrics()
    assert 'pratique_releases_total{verdict="NotPromotable"}' in text
    assert operator.ready()
