"""Which policy judges a workload."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from pratique.lifecycle.policies import (
    Policy,
    choose,
    matches,
    misplaced,
    required,
    selects,
)
from pratique.resources.policy import LabelSelector
from unit.lifecycle.builders import LIBRARY, NAMESPACE, policy, workload

BY_LABEL = {"matchLabels": {"app": "cart"}}


def test_target_refs_beat_an_older_selector() -> None:
    named = policy(name="named", created=100)
    selecting = policy(name="selecting", created=0, selector=BY_LABEL)
    for order in permutations([named, selecting]):
        assert choose(workload(), order, {}) is named


def test_the_older_beats_the_newer_whatever_the_names() -> None:
    older, newer = policy(name="z", created=0), policy(name="a", created=1)
    for order in permutations([older, newer]):
        assert choose(workload(), order, {}) is older


def test_of_the_same_age_the_name_decides() -> None:
    a, b = policy(name="a"), policy(name="b")
    for order in permutations([a, b]):
        assert choose(workload(), order, {}) is a


@pytest.mark.parametrize(
    "other",
    [
        policy(namespace="elsewhere"),
        policy(targetRefs=[{"kind": "Deployment", "name": "other"}]),
        policy(selector={"matchLabels": {"app": "other"}}),
    ],
)
def test_a_policy_that_speaks_of_others_judges_nothing_here(other: Any) -> None:
    assert not matches(other, workload(), {})
    assert choose(workload(), [other], {}) is None


def test_without_policies_nobody_judges() -> None:
    assert choose(workload(), [], {}) is None


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
    assert choose(workload(labels={"app": "cart"}), [of], {}) is None
    assert choose(workload(labels={"app": "cart", "tier": "x"}), [of], {}) is of


# The library's policies

NAMESPACES = {NAMESPACE: {"team": "shop"}, LIBRARY: {"team": "platform"}}
SHOPS = {"matchLabels": {"team": "shop"}}


def wide(
    name: str = "wide", *, namespace: str = LIBRARY, created: float = -100, **more: Any
) -> Policy:
    given: dict[str, Any] = {"selector": BY_LABEL, "namespaceSelector": SHOPS, **more}
    made = policy(name=name, namespace=namespace, created=created, **given)
    return replace(made, library=namespace == LIBRARY)


def test_the_librarys_policy_judges_where_nobody_else_does() -> None:
    assert choose(workload(), [wide()], NAMESPACES) == wide()
    assert choose(workload(namespace=LIBRARY), [wide()], NAMESPACES) is None
    assert choose(workload(namespace="unseen"), [wide()], NAMESPACES) is None


def test_a_policy_of_the_namespace_beats_the_librarys_whatever_else_speaks_for_that() -> None:
    own = policy(name="z", created=100, selector=BY_LABEL)
    named = wide(selector=None, targetRefs=[{"kind": "Deployment", "name": "cart"}])
    for order in permutations([own, named, wide("a", created=-200)]):
        assert choose(workload(), order, NAMESPACES) is own


def test_of_the_librarys_the_same_order_holds() -> None:
    older, newer = wide("z", created=-200), wide("a", created=-100)
    named = wide("named", selector=None, targetRefs=[{"kind": "Deployment", "name": "cart"}])
    for order in permutations([older, newer]):
        assert choose(workload(), order, NAMESPACES) is older
    assert choose(workload(), [older, newer, named], NAMESPACES) is named


def test_elsewhere_a_namespace_selector_speaks_of_nothing_and_says_the_mend() -> None:
    lost = wide(namespace=NAMESPACE)
    assert choose(workload(), [lost], NAMESPACES) is None
    problem = misplaced(lost, LIBRARY)
    assert problem is not None
    assert problem.startswith("spec.namespaceSelector: ")
    assert "move it there" in problem
    assert misplaced(wide(), LIBRARY) is None
    assert misplaced(policy(), LIBRARY) is None


def test_what_is_required_is_added_to_whoever_judges() -> None:
    own, must, may = policy(), wide("must", require=True), wide("may")
    everyone = [own, must, may, wide("another", require=True)]
    assert [p.name for p in required(workload(), own, everyone, NAMESPACES)] == ["another", "must"]
    assert [p.name for p in required(workload(), must, everyone, NAMESPACES)] == ["another"]
    of_another = workload(labels={"app": "other"})
    assert required(of_another, own, everyone, NAMESPACES) == []
