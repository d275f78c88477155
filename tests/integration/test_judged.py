"""What the judge's terms come to on a real control plane and a real Prometheus."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pratique.lifecycle.records import decode
from pratique_testbed.bed import Testbed
from pratique_testbed.operator import OperatorProcess
from support.documents import (
    ERRORS,
    FAST,
    Document,
    condition,
    deployment,
    get,
    policy,
    says,
    verdict,
)
from support.scenarios import Played, Scenarios

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

# Five looks: one may be missed by pods whose scraping begins late on a busy machine.
FIVE = {"window": "15s"}
GOOD = {"latency": "100ms", "error-ratio": "0", "rps": "40"}
scenario = Scenarios()


@pytest.fixture(scope="module")
def played(bed: Testbed) -> Iterator[Played]:
    with OperatorProcess(bed), scenario.played(bed) as played:
        yield played


# Records, and judging them again


@scenario
def recorded(bed: Testbed, ns: str) -> dict[str, Any]:
    bed.apply(policy(ns, "web", [ERRORS, FAST], FIVE), deployment(ns, "web", sim=GOOD))
    release = verdict(bed, ns, "web-1")
    record = get(bed, "relrec", ns, "web-1")
    again = judge(bed, "--release", "web-1", "-n", ns)
    stricter = {**FAST, "pass": [{"value": {"lte": 0.01}}]}
    document = yaml.safe_dump(policy(ns, "web", [ERRORS, stricter]))
    return {
        "release": release,
        "record": record,
        "again": again,
        "stricter": judge(bed, "--release", "web-1", "-n", ns, policy_text=document),
        "missing": judge(bed, "--release", "web-99", "-n", ns),
    }


def judge(
    bed: Testbed, *args: str, policy_text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """`pratique judge`, as a person with kubectl's rights would call it."""
    more: list[str] = []
    if policy_text is not None:
        path = bed.state / f"policy-{uuid.uuid4().hex[:6]}.yaml"
        path.write_text(policy_text)
        more = ["--with-policy", str(path)]
    return subprocess.run(
        [sys.executable, "-m", "pratique", "judge", *args, *more, "-o", "json"],
        env={**os.environ, "KUBECONFIG": str(bed.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_finished_release_keeps_its_samples_and_owns_them(played: Played) -> None:
    found = played(recorded)
    release, record = found["release"], found["record"]
    assert record is not None
    [owner] = record["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Release", release["metadata"]["uid"])
    assert len(record["spec"]["data"]) <= 64 * 1024
    samples = decode(record["spec"]["data"])
    results = {r["name"]: r for r in release["status"]["judgement"]["results"]}
    counted = [x for x in samples.looks["errors"] if hasattr(x, "total")]
    assert sum(x.total for x in counted[-5:]) == results["errors"]["samples"]  # type: ignore[union-attr]


def test_a_recorded_release_is_judged_again_to_the_same(played: Played) -> None:
    found = played(recorded)
    assert found["again"].returncode == 0, found["again"].stderr
    [again] = json.loads(found["again"].stdout)
    then = found["release"]["status"]["judgement"]
    assert again["judgement"]["verdict"] == then["verdict"] == "Promotable"
    figures = ("name", "result", "value", "samples")
    assert [[r.get(k) for k in figures] for r in again["judgement"]["results"]] == [
        [r.get(k) for k in figures] for r in then["results"]
    ]


def test_under_a_changed_policy_it_would_have_been_caught(played: Played) -> None:
    found = played(recorded)["stricter"]
    assert found.returncode == 1, found.stderr
    [judged] = json.loads(found.stdout)
    assert judged["judgement"]["verdict"] == "NotPromotable"
    assert "above the bound of 0.01 s" in judged["judgement"]["message"]


def test_a_release_that_is_not_there_is_said_to_be_none(played: Played) -> None:
    found = played(recorded)["missing"]
    assert found.returncode == 2
    assert "there is no Release" in found.stderr


# Little traffic


@scenario
def little_traffic(bed: Testbed, ns: str) -> Document:
    few = {**GOOD, "rps": "0.4"}  # twelve requests in the window: too few whatever chance does
    strict = {**ERRORS, "minRequests": 5, "pass": [{"value": {"lte": 0.05}}]}
    bed.apply(
        policy(ns, "web", [strict], {**FIVE, "maxWindow": "60s"}), deployment(ns, "web", sim=few)
    )
    return verdict(bed, ns, "web-1", timeout=150)


def test_little_traffic_extends_the_window(played: Played) -> None:
    release = played(little_traffic)
    window = release["status"]["judgement"]["window"]
    assert release["status"]["extendedTo"] == window["to"]
    assert says(release) in [
        ("Promotable", "AllObjectivesMet"),
        ("Inconclusive", "InsufficientTraffic"),
    ]
    [result] = release["status"]["judgement"]["results"]
    assert result["samples"] > 20, "more than the window alone would have had"


# Another workload over the same minutes


@scenario
def beside_a_stable_one(bed: Testbed, ns: str) -> dict[str, Document]:
    sick = {**GOOD, "error-ratio": "0.1"}
    worse = {**GOOD, "error-ratio": "0.5"}
    compared = {**ERRORS, "pass": [{"change": {"lte": "20%"}}]}
    beside = {**FIVE, "baseline": {"order": [{"source": "Workload", "name": "stable"}]}}
    bed.apply(
        deployment(ns, "stable", sim=sick),
        policy(ns, "same", [compared], beside),
        deployment(ns, "same", sim=sick),
        policy(ns, "worse", [compared], beside),
        deployment(ns, "worse", sim=worse),
    )
    return {name: verdict(bed, ns, f"{name}-1") for name in ("same", "worse")}


def test_a_bad_hour_for_both_is_no_fault_of_the_release(played: Played) -> None:
    release = played(beside_a_stable_one)["same"]
    assert says(release) == ("Promotable", "AllObjectivesMet")
    [result] = release["status"]["judgement"]["results"]
    assert result["baseline"]["source"] == "Workload"
    assert result["value"] > 0.05


def test_what_is_worse_than_the_stable_one_is_called_early(played: Played) -> None:
    release = played(beside_a_stable_one)["worse"]
    assert says(release) == ("NotPromotable", "ObjectiveFailed")
    assert "against stable" in condition(release, "Promotable")["message"]
    assert len(release["status"]["looks"]) < 4


# From objectives to a verdict


@scenario
def by_score(bed: Testbed, ns: str) -> Document:
    slow = {**FAST, "pass": [{"value": {"lte": 0.01}}]}
    bed.apply(
        policy(
            ns, "web", [{**ERRORS, "weight": 3}, slow], FIVE, score={"pass": "75%", "warn": "50%"}
        ),
        deployment(ns, "web", sim=GOOD),
    )
    return verdict(bed, ns, "web-1")


def test_three_of_four_points_are_seventy_five_percent(played: Played) -> None:
    release = played(by_score)
    assert says(release) == ("Promotable", "ScoreReached")
    score = release["status"]["judgement"]["score"]
    assert (score["achieved"], score["possible"], score["percent"]) == (3, 4, 75)
    assert "fast: p95" in condition(release, "Promotable")["message"], "what failed is listed"


@scenario
def dry_run(bed: Testbed, ns: str) -> dict[str, Document]:
    bad = {**GOOD, "error-ratio": "0.5"}
    bed.apply(
        policy(ns, "web", [ERRORS], FIVE, mode="DryRun"),
        deployment(ns, "web", sim=bad),
        policy(ns, "one", [{**ERRORS, "dryRun": True}, FAST], FIVE),
        deployment(ns, "one", sim=bad),
    )
    found = {name: verdict(bed, ns, f"{name}-1") for name in ("web", "one")}
    time.sleep(1)
    found["policy"] = get(bed, "relpol", ns, "web") or {}
    return found


def test_a_dry_run_records_and_enforces_nothing(played: Played) -> None:
    found = played(dry_run)
    judgement = found["web"]["status"]["judgement"]
    assert (judgement["verdict"], judgement["enforced"]) == ("NotPromotable", False)
    assert "dry run: nothing is enforced" in judgement["message"]
    summary = condition(found["policy"], "Promotable")
    assert (summary["status"], summary["reason"]) == ("Unknown", "DryRun")


def test_one_objective_as_a_dry_run_holds_nothing_back(played: Played) -> None:
    release = played(dry_run)["one"]
    assert says(release) == ("Promotable", "AllObjectivesMet")
    message = condition(release, "Promotable")["message"]
    assert "Not enforced (dry run): errors:" in message
