"""Which policy judges a workload."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from pratique.lifecycle.policies import choose, matches, selects
from pratique.resources.policy import LabelSelector
from unit.lifecycle.builders import policy, workload

BY_LABEL = {"matchLabels": {"app": "cart"}}


def test_target_refs_beat_an_older_selector() -> None:
    named = policy(name="named", created=100)
    selecting = policy(name="selecting", created=0, selector=BY_LABEL)
    for order in permutations([named, selecting]):
        assert choose(workload(), order) is named


def test_the_older_beats_the_newer_whatever_the_names() -> None:
    older, newer = policy(name="z", created=0), policy(name="a", created=1)
    for order in permutations([older, newer]):
        assert choose(workload(), order) is older


def test_of_the_same_age_the_name_decides() -> None:
    a, b = policy(name="a"), policy(name="b")
    for order in permutations([a, b]):
        assert choose(workload(), order) is a


@pytest.mark.parametrize(
    "other",
    [
        policy(namespace="elsewhere"),
        policy(targetRefs=[{"kind": "Deployment", "name": "other"}]),
        policy(selector={"matchLabels": {"app": "other"}}),
    ],
)
def test_a_policy_that_speaks_of_others_judges_nothing_here(other: Any) -> None:
    assert not matches(other, workload())
    assert choose(workload(), [other]) is None


def test_without_policies_nobody_judges() -> None:
    assert choose(workload(), []) is None


@pytest.mark.parametrize(
    ("selector", "labels", "holds"),
    [
        ({"matchLabels": {"app": "cart"}}, {"app": "cart", "tier": "web"}, True),
        ({"matchLabels": {"app": "cart", "tier": "web"}}, {"app": "cart"}, False),
        ({"matchLabels": {"app": ""}}, {}, False),
        ([("app", "In", ["cart", "shop"])], {"app": "shop"}, True),
        ([("app", "In", ["cart"])], {}, False),
        ([("app", "NotIn", ["cart"])], {"app": "cart"}, False),
        ([("app", "NotIn", ["cart"])], {}, True),
        ([("app", "Exists", [])], {"app": ""}, True),
        ([("app", "Exists", [])], {}, False),
        ([("app", "DoesNotExist", [])], {}, True),
        ([("app", "DoesNotExist", [])], {"app": ""}, False),
        ([("app", "Exists", []), ("tier", "In", ["web"])], {"app": "x", "tier": "db"}, False),
    ],
)
def test_selectors_read_labels_as_kubernetes_does(
    selector: Any, labels: dict[str, str], holds: bool
) -> None:
    if isinstance(selector, list):
        selector = {
            "matchExpressions": [
                {"key": k, "operator": o, **({"values": v} if v else {})} for k, o, v in selector
            ]
        }
    assert selects(LabelSelector.model_validate(selector), labels) is holds


def test_labels_and_expressions_must_both_hold() -> None:
    selector = {
        "matchLabels": {"app": "cart"},
        "matchExpressions": [{"key": "tier", "operator": "Exists"}],
    }
    of = policy(selector=selector)
    assert choose(workload(labels={"app": "cart"}), [of]) is None
    assert choose(workload(labels={"app": "cart", "tier": "x"}), [of]) is of
