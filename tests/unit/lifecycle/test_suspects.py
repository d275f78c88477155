"""What changed around a failed release: which objects are suspects, in which order, and when they are sought."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.lifecycle import suspects
from pratique.lifecycle.advance import MAX_STATUS_BYTES, advance
from pratique.lifecycle.suspects import (
    Surroundings,
    Thing,
    find,
    named,
    references,
    selects,
    since,
    went_well,
)
from pratique.resources.judgement import Judgement
from pratique.resources.release import Diagnosis, ReleaseStatus, RolloutStatus, Suspect
from unit.lifecycle.builders import (
    RESTARTS,
    at,
    known,
    plan,
    pod,
    release_spec,
    rolling,
    situation,
    view,
    waiting,
)

SPEC = release_spec(plan([RESTARTS]))
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "cart", "tier": "back"}},
    "spec": {
        "imagePullSecrets": [{"name": "registry"}],
        "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "init"}}]}],
        "containers": [
            {
                "name": "c",
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "b"}}},
                    {
                        "name": "C",
                        "valueFrom": {"secretKeyRef": {"name": "db", "key": "c", "optional": True}},
                    },
                    {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
                "envFrom": [{"configMapRef": {"name": "settings"}}],
            }
        ],
        "volumes": [
            {"name": "v", "configMap": {"name": "nginx", "optional": True}},
            {"name": "t", "secret": {"secretName": "tls"}},
            {"name": "e", "emptyDir": {}},
            {
                "name": "p",
                "projected": {
                    "sources": [
                        {"configMap": {"name": "kube-root-ca.crt"}},
                        {"secret": {"name": "token"}},
                        {"downwardAPI": {}},
                    ]
                },
            },
        ],
    },
}
MINE = {"matchLabels": {"app": "cart"}}
OTHERS = {"matchLabels": {"app": "web"}}


def around(*things: Thing, **more: Any) -> Surroundings:
    return Surroundings(template=TEMPLATE, things=things, **more)


def changed(kind: str, name: str, seconds: float = -60, **more: Any) -> Thing:
    return Thing(kind, name, "kubectl", at(seconds), **more)


def test_what_a_template_refers_to_wherever_it_says_so() -> None:
    assert dict(references(TEMPLATE)) == {
        ("ConfigMap", "flags"): True,
        ("ConfigMap", "settings"): True,
        ("ConfigMap", "nginx"): False,
        ("ConfigMap", "kube-root-ca.crt"): True,
        ("Secret", "init"): True,
        ("Secret", "db"): False,
        ("Secret", "tls"): True,
        ("Secret", "token"): True,
        ("Secret", "registry"): False,
    }
    assert dict(references({})) == {}


def test_the_most_telling_come_first_then_the_newest() -> None:
    found = find(
        SPEC,
        around(
            changed("ConfigMap", "unrelated", -10),
            changed("Service", "cart", selector=MINE),
            changed("Service", "web", selector=OTHERS),
            changed("Node", "n1"),
            changed("Node", "n2"),
            changed("HorizontalPodAutoscaler", "cart", target=("Deployment", "cart")),
            changed("HorizontalPodAutoscaler", "web", target=("Deployment", "web")),
            changed("PodDisruptionBudget", "cart", -90, selector=MINE),
            changed("PodDisruptionBudget", "web", selector=OTHERS),
            changed("ConfigMap", "settings", -20),
            changed("Secret", "db", -10),
            changed("Secret", "somebody-elses"),
            changed("NetworkPolicy", "deny-all", -30, selector={}),
            nodes=frozenset({"n1"}),
        ),
    )
    assert [(s.kind, s.name) for s in found] == [
        ("Secret", "db"),
        ("ConfigMap", "settings"),
        ("NetworkPolicy", "deny-all"),
        ("HorizontalPodAutoscaler", "cart"),
        ("Service", "cart"),
        ("PodDisruptionBudget", "cart"),
        ("Node", "n1"),
        ("ConfigMap", "unrelated"),
    ]
    assert found[1] == Suspect(
        kind="ConfigMap",
        name="settings",
        manager="kubectl",
        at=at(-20),
        why="the pod template refers to it",
    )


def test_what_changes_all_the_time_or_stands_everywhere_is_no_suspect() -> None:
    assert not find(
        SPEC,
        around(changed("ConfigMap", "lock", busy=True), changed("ConfigMap", "istio-ca-root-cert")),
    )


def test_a_config_map_that_is_not_there_is_one_where_all_were_listed() -> None:
    there = [changed("ConfigMap", n, -99_999) for n in ("flags", "kube-root-ca.crt")]
    [missing] = find(SPEC, around(*there, whole=frozenset({"ConfigMap"})))
    assert (missing.name, missing.at, missing.why) == (
        "settings",
        None,
        "the pod template refers to it; not there",
    )
    assert not find(SPEC, around(*there))


@pytest.mark.parametrize(
    ("rolled_out", "begin"),
    [(None, -3600), (-50_000, -50_000), (-8 * 86_400, -7 * 86_400), (30, -3600)],
    ids=["first", "since the one before", "at most a week", "not before this one"],
)
def test_the_time_in_which_a_change_counts(rolled_out: float | None, begin: float) -> None:
    seen = around(
        changed("ConfigMap", "flags", begin),
        changed("ConfigMap", "settings", begin - 1),
        rolled_out_at=None if rolled_out is None else at(rolled_out),
    )
    assert since(SPEC, seen) == at(begin)
    assert [s.name for s in find(SPEC, seen)] == ["flags"]


def test_an_earlier_release_that_failed_does_not_clear_what_changed_before_it() -> None:
    history = [
        known(1, rolled_out_at=at(-900)),
        known(2, rolled_out_at=at(-800), verdict="NotPromotable"),
        known(3, rolled_out_at=None, verdict="Inconclusive"),
        known(5, rolled_out_at=at(-100)),
    ]
    assert went_well(history, 4) == at(-900)
    assert went_well(history[1:], 4) is None
    adopted = known(2, rolled_out_at=at(-700), verdict=None, measured=True)
    assert went_well([history[0], adopted], 4) == at(-700)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "cart"}}, True),
        ({"matchLabels": {"app": "cart", "x": "y"}}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["back"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["back"]}]}, False),
        ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["back"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "Gt", "values": ["1"]}]}, False),
    ],
)
def test_a_label_selector(selector: dict[str, Any] | None, matches: bool) -> None:
    assert selects(selector, TEMPLATE["metadata"]["labels"]) is matches


FAILED = Judgement(verdict="NotPromotable", reason="ObjectiveFailed", message="errors: 20 %")


def test_a_failed_judgement_names_a_changed_network_policy_that_selects_the_pods() -> None:
    seen = around(
        changed("NetworkPolicy", "deny-all", selector={}),
        changed("NetworkPolicy", "others", selector=OTHERS),
        changed("NetworkPolicy", "old", -99_999, selector={}),
        changed("Service", "cart", selector=MINE),
    )
    assert named(FAILED, SPEC, seen).message == (
        "errors: 20 %; NetworkPolicy deny-all, which selects its pods, was changed at "
        "2026-03-02 11:59:00 UTC by kubectl"
    )
    nothing = FAILED.model_copy(update={"verdict": "Inconclusive", "reason": "NoData"})
    assert "deny-all" in named(nothing, SPEC, seen).message
    for verdict, reason in (("Promotable", "AllObjectivesMet"), ("Inconclusive", "Superseded")):
        other = FAILED.model_copy(update={"verdict": verdict, "reason": reason})
        assert named(other, SPEC, seen) == other
    assert named(FAILED, SPEC, None) == FAILED


def stuck(cause: str | None) -> ReleaseStatus:
    diagnosis = Diagnosis(cause=cause, message="m", definite=True, since=at(0)) if cause else None
    return ReleaseStatus(rollout=RolloutStatus(diagnosis=diagnosis))


def done(verdict: str, reason: str) -> ReleaseStatus:
    judgement = FAILED.model_copy(update={"verdict": verdict, "reason": reason})
    return ReleaseStatus(completed_at=at(9), judgement=judgement)


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (stuck(None), stuck(None), False),
        (stuck(None), stuck("CrashLoop"), False),  # named first
        (stuck("CrashLoop"), stuck("CrashLoop"), True),
        (stuck("OOMKilled"), stuck("OOMKilled"), False),  # looked for that already
        (stuck("CrashLoop"), stuck("OOMKilled"), False),
        (stuck("CrashLoop"), stuck(None), False),
        (stuck("CrashLoop"), done("NotPromotable", "RolloutFailed"), True),
        (stuck(None), done("Inconclusive", "NoData"), True),
        (stuck(None), done("Promotable", "AllObjectivesMet"), False),
        (stuck(None), done("Inconclusive", "Superseded"), False),
        (done("NotPromotable", "RolloutFailed"), done("NotPromotable", "RolloutFailed"), False),
        (stuck(None), ReleaseStatus(completed_at=at(9)), False),
    ],
)
def test_they_are_sought_once_a_cause_was_named_and_when_it_fails(
    before: ReleaseStatus, after: ReleaseStatus, wanted: bool
) -> None:
    assert suspects.wanted(before, after, "OOMKilled") is wanted


def test_they_stand_in_the_status_as_long_as_their_cause_does() -> None:
    no_image = view(rolling(), [pod(containers=waiting("ErrImagePull", "not found"))])
    seen = around(changed("ConfigMap", "settings"), unread=("Secret",))
    found = advance(situation(SPEC, no_image, 10, around=seen), ReleaseStatus()).status
    assert [s.name for s in found.suspects] == ["settings"]
    assert found.unread == ["Secret"]
    kept = advance(situation(SPEC, no_image, 20), found).status
    assert kept.suspects == found.suspects
    well = advance(situation(SPEC, view(rolling(), [pod(ready=25)]), 30), kept).status
    assert (well.suspects, well.unread) == ([], [])


def test_the_verdict_and_its_suspects_are_one() -> None:
    no_image = view(rolling(), [pod(containers=waiting("ErrImagePull", "not found"))])
    status = advance(situation(SPEC, no_image, 10), ReleaseStatus()).status
    seen = around(changed("NetworkPolicy", "deny-all", selector={}))
    ended = advance(situation(SPEC, no_image, 130, around=seen), status).status
    assert ended.verdict == "NotPromotable"
    assert [s.name for s in ended.suspects] == ["deny-all"]
    assert ended.judgement is not None
    assert "deny-all" in ended.judgement.message


@given(st.lists(st.text("ab", min_size=200, max_size=253), max_size=30, unique=True))
def test_they_never_burst_the_status(names: list[str]) -> None:
    no_image = view(rolling(), [pod(containers=waiting("ErrImagePull", "not found" * 90))])
    seen = around(*(changed("NetworkPolicy", n, selector={}) for n in names))
    status = advance(situation(SPEC, no_image, 10), ReleaseStatus()).status
    for now in (10, 130):
        status = advance(situation(SPEC, no_image, now, around=seen), status).status
        assert len(status.suspects) <= suspects.MOST
        text = status.model_dump_json(by_alias=True, exclude_none=True)
        assert len(text.encode()) <= MAX_STATUS_BYTES
        ReleaseStatus.model_validate_json(text)
