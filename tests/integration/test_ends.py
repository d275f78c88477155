"""What comes after a verdict, or instead of one, on a real control plane and a real Prometheus.

Further attempts, the watch and revocation, deletions, retention. The scenarios run side by side, each in
a namespace of its own; the kills come last, as they concern them all.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pratique_testbed.bed import Testbed
from pratique_testbed.operator import OperatorProcess
from support.documents import (
    ERRORS,
    Document,
    completed,
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
from support.eventually import eventually
from support.scenarios import Played, Scenarios

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500)]

GOOD = {"latency": "100ms", "error-ratio": "0", "rps": "40"}
SHORT = {"warmUp": "0s", "window": "4s", "interval": "1s"}
"""Without a provider, by Kubernetes' own signals."""
AT_ONCE = {"window": "12s", "failFast": {"after": "1s"}}
scenario = Scenarios()


@pytest.fixture(scope="module")
def operator(bed: Testbed) -> Iterator[OperatorProcess]:
    with OperatorProcess(bed) as process:
        yield process


@pytest.fixture(scope="module")
def played(bed: Testbed, operator: OperatorProcess) -> Iterator[Played]:
    with scenario.played(bed, scrapeInterval="1s") as played:
        yield played


def quota(namespace: str, pods: int) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "room", "namespace": namespace},
        "spec": {"hard": {"pods": str(pods)}},
    }


def behave(bed: Testbed, namespace: str, **how: str) -> None:
    """What the simulator does for all pods of the namespace, from now on."""
    said = [f"sim.pratique.sh/{k.replace('_', '-')}={v}" for k, v in how.items()]
    bed.kubectl("annotate", "pods", "--all", "-n", namespace, "--overwrite", *said)


def re_evaluate(bed: Testbed, namespace: str, name: str) -> subprocess.CompletedProcess[str]:
    """As a person with kubectl's rights would call it."""
    return subprocess.run(
        [sys.executable, "-m", "pratique", "re-evaluate", name, "-n", namespace],
        env={**os.environ, "KUBECONFIG": str(bed.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
    )


# A further attempt by itself


@scenario
def provider_away(bed: Testbed, ns: str) -> dict[str, Document]:
    bed.apply(
        policy(ns, "web", [ERRORS], {**AT_ONCE, "deadline": "20s"}),
        deployment(ns, "web", sim=GOOD),
    )
    wait(bed, "rel", ns, "web-1", lambda r: r.get("status", {}).get("phase") == "Evaluating")
    nowhere = provider(ns, "http://127.0.0.1:9", scrapeInterval="1s")
    bed.apply(nowhere)
    first = verdict(bed, ns, "web-1")
    time.sleep(3)
    too_soon = get(bed, "rel", ns, "web-1-a2")
    bed.apply(provider(ns, bed.prometheus_url, scrapeInterval="1s"))
    second = verdict(bed, ns, "web-1-a2")
    return {
        "first": first,
        "too soon": too_soon or {},
        "second": second,
        "after": wait(bed, "rel", ns, "web-1", lambda r: bool(condition(r, "Superseded"))),
        "policy": wait(
            bed, "relpol", ns, "web", lambda p: condition(p, "Promotable")["status"] == "True"
        ),
    }


def test_a_provider_that_came_back_begins_one_attempt(played: Played) -> None:
    found = played(provider_away)
    assert says(found["first"]) == ("Inconclusive", "ProviderError")
    assert not found["too soon"], "nothing has gone yet"
    assert says(found["second"]) == ("Promotable", "AllObjectivesMet")
    spec = found["second"]["spec"]
    assert (spec["number"], spec["attempt"]) == (1, 2)
    assert spec["attemptOf"]["because"] == "ObstacleGone"
    assert "ProviderError" in spec["attemptOf"]["message"]


def test_the_attempt_before_is_kept_as_it_was(played: Played) -> None:
    found = played(provider_away)
    assert condition(found["after"], "Superseded")["reason"] == "NewAttempt"
    for field in ("verdict", "completedAt", "judgement", "looks"):
        assert found["after"]["status"].get(field) == found["first"]["status"].get(field)


def test_the_policy_speaks_of_the_newest_attempt(played: Played) -> None:
    [row] = played(provider_away)["policy"]["status"]["workloads"]
    assert (row["release"], row["verdict"]) == ("web-1-a2", "Promotable")


@scenario
def series_that_came_later(bed: Testbed, ns: str) -> dict[str, Document]:
    bed.apply(
        policy(ns, "web", [ERRORS], AT_ONCE),
        deployment(ns, "web", sim={**GOOD, "silent": "true"}),
    )
    first = verdict(bed, ns, "web-1", timeout=120)
    behave(bed, ns, silent="false")
    return {"first": first, "second": verdict(bed, ns, "web-1-a2", timeout=120)}


def test_series_that_came_later_begin_one_attempt(played: Played) -> None:
    found = played(series_that_came_later)
    assert says(found["first"])[0] == "Inconclusive"
    assert says(found["second"]) == ("Promotable", "AllObjectivesMet")
    assert "there is data now" in found["second"]["spec"]["attemptOf"]["message"]


# By request


@scenario
def asked_for(bed: Testbed, ns: str) -> dict[str, Any]:
    strict = {**ERRORS, "evidence": "Point", "pass": [{"value": {"gte": 0.5}}]}
    bed.apply(
        policy(ns, "web", [strict], AT_ONCE), deployment(ns, "web", sim=GOOD),
        policy(ns, "long", [ERRORS], {**AT_ONCE, "window": "10m"}), deployment(ns, "long", sim=GOOD),
    )  # fmt: skip
    wait(bed, "rel", ns, "long-1", lambda r: bool(r.get("status", {}).get("phase")))
    found: dict[str, Any] = {"early": re_evaluate(bed, ns, "long-1")}
    found["first"] = verdict(bed, ns, "web-1")
    bed.apply(policy(ns, "web", [ERRORS], AT_ONCE))
    time.sleep(4)
    found["by the edit alone"] = get(bed, "rel", ns, "web-1-a2")
    found["asked"] = re_evaluate(bed, ns, "web-1")
    found["second"] = verdict(bed, ns, "web-1-a2")
    found["old"] = re_evaluate(bed, ns, "web-1")
    bed.kubectl("annotate", "rel", "web-1", "-n", ns, "pratique.sh/re-evaluate=please",
                "--overwrite")  # fmt: skip
    wait(bed, "rel", ns, "web-1",
         lambda r: "pratique.sh/re-evaluate" not in r["metadata"].get("annotations", {}))  # fmt: skip
    found["events"] = [e for e in items(bed, "events", ns) if e["reason"] == "ReEvaluateRefused"]
    found["missing"] = re_evaluate(bed, ns, "web-9")
    found["names"] = sorted(r["metadata"]["name"] for r in items(bed, "rel", ns))
    return found


def test_an_edited_policy_alone_starts_nothing(played: Played) -> None:
    assert played(asked_for)["by the edit alone"] is None


def test_asked_for_a_version_is_judged_by_the_policy_as_it_stands(played: Played) -> None:
    found = played(asked_for)
    assert says(found["first"])[0] == "NotPromotable"
    assert found["asked"].returncode == 0, found["asked"].stderr
    assert "web-1-a2" in found["asked"].stdout
    assert says(found["second"]) == ("Promotable", "AllObjectivesMet")
    first, second = found["first"]["spec"], found["second"]["spec"]
    assert second["plan"]["policyGeneration"] > first["plan"]["policyGeneration"]
    assert second["attemptOf"]["because"] == "ReEvaluate"
    assert found["names"] == ["long-1", "web-1", "web-1-a2"]


def test_it_is_refused_in_a_sentence(played: Played) -> None:
    found = played(asked_for)
    assert (found["early"].returncode, found["old"].returncode) == (1, 1)
    assert "is still being judged" in found["early"].stderr
    assert "ask for web-1-a2" in found["old"].stderr
    assert (found["missing"].returncode, "there is no Release" in found["missing"].stderr) == (
        2,
        True,
    )
    [event] = found["events"]
    assert "ask for web-1-a2" in event["message"]


# The watch


@scenario
def turned_bad(bed: Testbed, ns: str) -> dict[str, Any]:
    bed.apply(
        policy(ns, "web", [ERRORS], AT_ONCE, watch={"for": "10m"}),
        deployment(ns, "web", sim=GOOD),
    )
    found: dict[str, Any] = {
        "promotable": wait(bed, "rel", ns, "web-1",
                           lambda r: r.get("status", {}).get("phase") == "Watching")
    }  # fmt: skip
    time.sleep(4)
    behave(bed, ns, error_ratio="0.5")
    found["revoked"] = verdict(bed, ns, "web-1")
    found["policy"] = wait(
        bed, "relpol", ns, "web", lambda p: condition(p, "Promotable")["status"] == "False"
    )
    found["events"] = [e for e in items(bed, "events", ns) if e["reason"] == "Revoked"]
    bed.apply(deployment(ns, "web", image="registry.example/app:2", sim=GOOD))
    found["next"] = wait(bed, "rel", ns, "web-2", lambda r: bool(r.get("status", {}).get("phase")))
    return found


def test_what_turns_bad_after_its_verdict_is_revoked(played: Played) -> None:
    found = played(turned_bad)
    assert says(found["promotable"]) == ("Promotable", "AllObjectivesMet")
    status = found["revoked"]["status"]
    assert says(found["revoked"]) == ("Promotable", "Revoked")
    assert condition(found["revoked"], "Promotable")["status"] == "False"
    assert status["revoked"]["reason"] == "ObjectiveFailed"
    assert "errors" in status["revoked"]["message"]
    assert status["judgement"] == found["promotable"]["status"]["judgement"]
    assert status["completedAt"] == found["promotable"]["status"]["completedAt"]
    assert len(found["events"]) == 1


def test_a_revoked_release_is_not_promotable_and_no_baseline(played: Played) -> None:
    found = played(turned_bad)
    [row] = found["policy"]["status"]["workloads"]
    assert (row["verdict"], row["reason"]) == ("NotPromotable", "Revoked")
    assert found["policy"]["status"]["notPromotable"] == 1
    baselines = found["next"]["spec"]["plan"].get("baselines", [])
    assert not [b for b in baselines if b["source"] == "LastPromotable"]


@scenario
def stayed_well(bed: Testbed, ns: str) -> dict[str, Document]:
    bed.apply(
        policy(ns, "web", [ERRORS], AT_ONCE, watch={"for": "15s"}),
        deployment(ns, "web", sim=GOOD),
        policy(ns, "two", [ERRORS], AT_ONCE, watch={"for": "10m"}),
        deployment(ns, "two", sim=GOOD),
    )
    wait(bed, "rel", ns, "two-1", lambda r: r.get("status", {}).get("phase") == "Watching")
    bed.apply(deployment(ns, "two", image="registry.example/app:2", sim=GOOD))
    return {
        "well": verdict(bed, ns, "web-1"),
        "superseded": verdict(bed, ns, "two-1"),
    }


def test_what_stays_well_is_backed_until_the_watch_ends(played: Played) -> None:
    release = played(stayed_well)["well"]
    assert says(release) == ("Promotable", "AllObjectivesMet")
    status = release["status"]
    assert status["phase"] == "Completed"
    assert status["evaluatedThrough"] > status["judgement"]["window"]["to"]
    assert "revoked" not in status


def test_superseded_while_watched_the_verdict_stays(played: Played) -> None:
    release = played(stayed_well)["superseded"]
    assert says(release) == ("Promotable", "AllObjectivesMet")
    assert condition(release, "Superseded")["reason"] == "NewerRelease"
    assert release["status"]["watch"]["endedAt"]


# Deletions


@scenario
def deleted_mid_way(bed: Testbed, ns: str) -> dict[str, Any]:
    bed.apply(policy(ns, "web", [ERRORS], AT_ONCE), deployment(ns, "web", sim=GOOD))
    wait(bed, "rel", ns, "web-1", lambda r: r.get("status", {}).get("phase") == "Evaluating")
    bed.kubectl("delete", "relpol", "web", "-n", ns)
    found = {"policy": verdict(bed, ns, "web-1")}
    bed.apply(policy(ns, "web", [ERRORS], AT_ONCE))
    bed.apply(deployment(ns, "web", image="registry.example/app:2", sim=GOOD))
    wait(bed, "rel", ns, "web-2", lambda r: bool(r.get("status", {}).get("phase")))
    bed.kubectl("delete", "deployment", "web", "-n", ns)
    found["workload"] = verdict(bed, ns, "web-2")
    found["gone"] = wait(bed, "rel", ns, "web-2", lambda r: bool(condition(r, "WorkloadGone")))
    bed.apply(deployment(ns, "web", image="registry.example/app:2", sim=GOOD))
    found["back"] = wait(bed, "rel", ns, "web-2", lambda r: not condition(r, "WorkloadGone"))
    return found


def test_without_its_policy_a_release_is_judged_to_its_end(played: Played) -> None:
    assert says(played(deleted_mid_way)["policy"]) == ("Promotable", "AllObjectivesMet")


def test_a_deleted_workloads_release_ends(played: Played) -> None:
    found = played(deleted_mid_way)
    assert says(found["workload"]) == ("Inconclusive", "WorkloadDeleted")
    assert found["gone"]["status"]["verdict"] == "Inconclusive"
    assert "web is gone" in condition(found["gone"], "WorkloadGone")["message"]


@scenario
def namespace_deleted(bed: Testbed, ns: str) -> str:
    bed.apply(policy(ns, "web", [ERRORS], AT_ONCE), deployment(ns, "web", sim=GOOD))
    wait(bed, "rel", ns, "web-1", lambda r: r.get("status", {}).get("phase") == "Evaluating")
    bed.kubectl("delete", "namespace", ns, "--wait=false")
    eventually(
        lambda: bed.kubectl("get", "namespace", ns, check=False).returncode != 0,
        within=90, what="the namespace's end",
    )  # fmt: skip
    time.sleep(5)
    return ns


def test_a_deleted_namespace_makes_no_errors_and_leaves_nothing(
    played: Played, operator: OperatorProcess
) -> None:
    gone = played(namespace_deleted)
    complaints = [
        line for line in operator.log.read_text().splitlines()
        if gone in line and re.search(r"WARNING|ERROR", line)
    ]  # fmt: skip
    # A look in the very moment may meet the end; a loop would meet it again and again.
    assert len(complaints) <= 3, complaints
    assert all("again in" not in line for line in complaints[-1:]), complaints


# Retention


@scenario
def kept(bed: Testbed, ns: str) -> dict[str, Any]:
    keep = {"count": 1, "afterDeletion": "4s", "lastBaseline": "Delete"}
    bed.apply(
        policy(ns, "web", None, {**SHORT, "failFast": {"after": "1s"}}, retention=keep),
        deployment(ns, "web"),
    )
    found: dict[str, Any] = {}
    for number in (1, 2):
        bed.apply(deployment(ns, "web", image=f"registry.example/app:{number}"))
        found[f"web-{number}"] = verdict(bed, ns, f"web-{number}")
    bed.apply(deployment(ns, "web", image="registry.example/app:3", fail="ImagePullBackOff"))
    third = wait(bed, "rel", ns, "web-3", completed)
    bed.apply(deployment(ns, "web", image="registry.example/app:4", fail="ImagePullBackOff"))
    found["third"], found["fourth"] = third, wait(bed, "rel", ns, "web-4", completed)

    def names(kind: str) -> list[str]:
        return sorted(r["metadata"]["name"] for r in items(bed, kind, ns))

    eventually(lambda: names("rel") == ["web-2", "web-4"], within=30, what="retention")
    found["records"] = eventually(
        lambda: (now := names("relrec")) and "web-1" not in now and now, within=30, what="records"
    )
    time.sleep(3)
    found["left"] = names("rel")
    bed.kubectl("delete", "deployment", "web", "-n", ns)
    eventually(lambda: not names("rel"), within=40, what="the end of what a gone workload left")
    return found


def test_beyond_the_count_releases_and_their_records_go(played: Played) -> None:
    found = played(kept)
    assert says(found["web-2"])[0] == "Promotable"
    assert says(found["third"])[0] == says(found["fourth"])[0] == "NotPromotable"
    assert found["left"] == ["web-2", "web-4"], "the last baseline and the newest stay"
    assert "web-2" in found["records"]


# Kills


def test_killed_around_its_begin_there_is_one_attempt(
    bed: Testbed, played: Played, operator: OperatorProcess, namespace: str
) -> None:
    for play in (provider_away, series_that_came_later, asked_for, turned_bad, stayed_well,
                 deleted_mid_way, namespace_deleted, kept):  # fmt: skip
        played(play)  # none of them is killed
    bed.apply(
        quota(namespace, 0),
        policy(namespace, "web", None, {**SHORT, "failFast": {"after": "2s"}}),
        deployment(namespace, "web"),
    )
    first = verdict(bed, namespace, "web-1", timeout=90)
    assert says(first) == ("NotPromotable", "RolloutFailed")
    bed.kubectl("delete", "resourcequota", "room", "-n", namespace)
    # Its ReplicaSet tries again ever more seldom: a new try is made at once by scaling.
    bed.kubectl("scale", "deployment", "web", "-n", namespace, "--replicas=3")

    def complete() -> bool:
        found = get(bed, "deployment", namespace, "web") or {}
        return bool(found.get("status", {}).get("availableReplicas") == 3)

    eventually(complete, within=90, what="the rollout")
    limit, kills = time.monotonic() + 60, 0
    while time.monotonic() < limit and kills < 6:
        if get(bed, "rel", namespace, "web-1-a2") is not None:
            break
        time.sleep(0.4)
        operator.kill()
        kills += 1
        operator.start()
        time.sleep(0.9 * kills)
    operator.kill()
    operator.start()
    second = verdict(bed, namespace, "web-1-a2", timeout=90)
    assert says(second) == ("Promotable", "AllObjectivesMet")
    names = sorted(r["metadata"]["name"] for r in items(bed, "rel", namespace))
    assert names == ["web-1", "web-1-a2"]
    again = get(bed, "rel", namespace, "web-1")
    assert again is not None
    assert again["status"]["verdict"] == "NotPromotable"
    assert json.dumps(again["status"]["judgement"]) == json.dumps(first["status"]["judgement"])
