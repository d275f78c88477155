"""The manifests of hold: generated, up to date, and for whichever account the operator has."""

from __future__ import annotations

from pathlib import Path

import yaml

from pratique.cli.generated import drift
from pratique.resources.hold_manifests import HEADER, files

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "hold"


def test_the_shipped_manifests_are_those_that_are_generated() -> None:
    found = drift(files(), FOLDER, marker=HEADER)
    assert not found, "pratique hold-manifests writes them"


def test_another_account_stands_wherever_the_operator_is_named() -> None:
    made = files("elsewhere", "other", ["system:serviceaccount:velero:velero"])
    text = "".join(made.values())
    assert "pratique-system" not in text
    assert text.count("system:serviceaccount:elsewhere:other") >= 4
    assert "system:serviceaccount:velero:velero" in made["releases.yaml"]


def test_every_policy_fails_closed_and_is_bound() -> None:
    for text in files().values():
        documents = list(yaml.safe_load_all(text))
        policies = {d["metadata"]["name"]: d for d in documents if d["kind"].endswith("Policy")}
        bound = {d["spec"]["policyName"] for d in documents if d["kind"].endswith("PolicyBinding")}
        assert set(policies) == bound
        assert all(p["spec"]["failurePolicy"] == "Fail" for p in policies.values())
