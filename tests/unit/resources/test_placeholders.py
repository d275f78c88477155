"""Placeholders are strict, and cycles of needs are named."""

from __future__ import annotations

from typing import Any

import pytest

from pratique.resources import placeholders
from pratique.resources.policy import ReleasePolicySpec

KNOWN = {"release": "cart-7", "image": "a:1"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$release is ${image}", "cart-7 is a:1"),
        ("costs $$5, $$release", "costs $5, $release"),
        ("nothing", "nothing"),
        ("${release}s", "cart-7s"),
    ],
)
def test_what_is_known_is_filled_in(text: str, said: str) -> None:
    assert placeholders.render(text, KNOWN) == said


@pytest.mark.parametrize("text", ["$nothing", "${nothing}", "5$", "${", "$ {release}", "$1"])
def test_all_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write \$\$ for a dollar"):
        placeholders.check(text, KNOWN)


def spec(*tasks: dict[str, Any]) -> ReleasePolicySpec:
    http = {"url": "https://x.example"}
    return ReleasePolicySpec.model_validate(
        {
            "targetRefs": [{"kind": "Deployment", "name": "cart"}],
            "tasks": [{"at": "Before", "http": http, **t} for t in tasks],
        }
    )


def test_a_circle_of_needs_is_named() -> None:
    with pytest.raises(ValueError, match="a → b → c → a"):
        spec(
            {"name": "a", "needs": ["b"]},
            {"name": "b", "needs": ["c"]},
            {"name": "c", "needs": ["a"]},
        )
    spec({"name": "a", "needs": ["b", "c"]}, {"name": "b", "needs": ["c"]}, {"name": "c"})


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([{"name": "a", "needs": ["b"]}], "is not in the list"),
        ([{"name": "a", "needs": ["a"]}], "cannot need itself"),
        ([{"name": "a", "needs": ["b"]}, {"name": "b", "at": "After"}], "of a later time"),
        ([{"name": "a"}, {"name": "a"}], "two tasks are called 'a'"),
        ([{"name": "a", "when": ["Promotable"]}], "when is for tasks after the verdict"),
        ([{"name": "a", "ownsWindow": True}], "only a task at: During owns the window"),
        ([{"name": "a", "at": "During", "ownsWindow": True}], "runs for a time"),
        ([{"name": "a", "args": {"x": "y"}}], "write ref, or leave them out"),
        ([{"name": "a", "http": {"url": "https://x.example/$nothing"}}], r"\$nothing is unknown"),
        ([{"name": "a", "http": {"url": "https://me@x.example"}}], "user name or password"),
        ([{"name": "a", "http": {"url": "http://x.example", "headers": [{"name": "A", "secretRef": {"name": "s"}}]}}], "over plain http"),
        ([{"name": "a", "http": {"url": "https://x.example", "headers": [{"name": "Host", "value": "h"}]}}], "leave it out"),
        ([{"name": "a", "http": None, "job": {"template": {"spec": {}}}}], "template.spec.containers is missing"),
        ([{"name": "a", "http": None, "patch": {"namespace": "p", "name": "n"}}], "at least one of image, labels and annotations"),
        ([{"name": "a", "http": None, "patch": {"namespace": "p", "name": "n", "annotations": {"pratique.sh/approval": "x"}}}], "not for tasks to write"),
        ([{"name": "a", "http": None}], "say exactly one of job, http, github, patch and ref"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(tasks: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spec(*tasks)
