"""The real API server takes the CRDs, fills in their defaults, and refuses bad documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pratique.resources import kinds
from pratique.resources.crds import files
from unit.resources.documents import documents
from unit.resources.refusals import Refusal, refusals

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "slo_examples").rglob("*.yaml"))


@pytest.fixture(scope="module", autouse=True)
def _served(bed: Any) -> None:
    """The CRDs as they stand in ``crds/``, established."""
    applied = bed.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    assert "Warning" not in applied.stderr
    names = [f"crd/{kinds.kind_of(model).crd_name}" for model in kinds.KINDS]
    bed.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)


def _conditions(bed: Any) -> dict[str, dict[str, str]]:
    given = json.loads(bed.kubectl("get", "crd", "-o", "json").stdout)["items"]
    return {
        item["metadata"]["name"]: {c["type"]: c["status"] for c in item["status"]["conditions"]}
        for item in given
        if item["spec"]["group"] == "pratique.sh"
    }


def test_every_kind_is_established_and_structural(bed: Any) -> None:
    conditions = _conditions(bed)
    assert sorted(conditions) == sorted(kinds.kind_of(m).crd_name for m in kinds.KINDS)
    assert len(conditions) == len(files())
    for name, found in conditions.items():
        assert found == {"NamesAccepted": "True", "Established": "True"}, name


@pytest.mark.parametrize("row", refusals(), ids=lambda row: row.name)
def test_the_api_server_refuses_and_says_the_mend(
    bed: Any, shared_namespace: str, row: Refusal
) -> None:
    tried = bed.kubectl(
        "create", "--dry-run=server", "-n", shared_namespace, "-f", "-",
        input=yaml.safe_dump(row.document), check=False,
    )  # fmt: skip
    assert tried.returncode != 0, f"accepted: {tried.stdout}"
    assert row.server in tried.stderr
    assert row.at in tried.stderr


@pytest.fixture(scope="module")
def shared_namespace(bed: Any) -> str:
    """One namespace for all that only asks and never stores."""
    name = f"refusals-{uuid4().hex[:8]}"
    bed.kubectl("create", "namespace", name)
    return name


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_api_server_takes_the_examples(bed: Any, shared_namespace: str, path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        document["metadata"]["namespace"] = shared_namespace
        tried = bed.kubectl(
            "create", "--dry-run=server", "-f", "-", "-o", "json", input=yaml.safe_dump(document)
        )
        assert "Warning" not in tried.stderr
        # The defaults that the API server fills in are those of the models.
        assert kinds.read(json.loads(tried.stdout)) == kinds.read(document)


# Not shrunk: each try is a call to the API server.
@settings(max_examples=4, derandomize=True, deadline=None, phases=[Phase.generate])
@given(given_documents=st.lists(documents, min_size=25, max_size=25))
def test_the_api_server_takes_what_the_models_take(
    bed: Any, shared_namespace: str, given_documents: list[dict[str, Any]]
) -> None:
    named = [{**d, "metadata": {"name": f"d{n}"}} for n, d in enumerate(given_documents)]
    tried = bed.kubectl(
        "create", "--dry-run=server", "-n", shared_namespace, "-o", "yaml", "-f", "-",
        input="\n".join(map(json.dumps, named)),
    )  # fmt: skip
    taken = list(yaml.safe_load_all(tried.stdout))
    assert [kinds.read(t) for t in taken] == [kinds.read(d) for d in named]


def test_defaults_can_be_seen_on_the_stored_object(bed: Any, namespace: str) -> None:
    bed.kubectl("apply", "-n", namespace, "-f", str(ROOT / "slo_examples" / "smallest.yaml"))
    shown = json.loads(bed.kubectl("get", "relpol", "-n", namespace, "-o", "json").stdout)
    analysis = shown["items"][0]["spec"]["analysis"]
    assert analysis == {
        "warmUp": "1m",
        "window": "10m",
        "interval": "1m",
        "failAfter": 3,
        "failFast": {"after": "2m"},
        "onLittleTraffic": "Extend",
        "noiseHistory": "1d",
        "baseline": {
            "order": [{"source": "LastPromotable"}, {"source": "BeforeRollout"}],
            "maxTrafficRatio": 3,
            "onNoBaseline": "AbsoluteOnly",
        },
    }


def test_a_reference_gets_no_defaults_beside_it(bed: Any, namespace: str) -> None:
    document = {
        "apiVersion": "pratique.sh/v1alpha1",
        "kind": "ServiceLevelObjective",
        "metadata": {"name": "fast", "namespace": namespace},
        "spec": {"indicator": {"ref": "latency"}, "pass": [{"value": {"lte": 0.3}}]},
    }
    bed.kubectl("apply", "-f", "-", input=yaml.safe_dump(document))
    shown = json.loads(bed.kubectl("get", "slobj", "fast", "-n", namespace, "-o", "json").stdout)
    assert shown["spec"]["indicator"] == {"ref": "latency"}


def test_explain_tells_each_field(bed: Any) -> None:
    told = bed.kubectl("explain", "relpol.spec.analysis.warmUp").stdout
    assert "Each pod's first time after Ready, left out." in told


def _release(namespace: str, *, workload: str, number: int) -> dict[str, Any]:
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    release = kinds.Release.model_validate(
        {
            "spec": {
                "workload": {"kind": "Deployment", "name": workload, "uid": "0"},
                "number": number,
                "templateHash": "abc",
                "generation": 1,
                "cause": "First",
                "parts": {"resources": "a", "restart": "b", "rest": "c"},
                "noticedAt": begun,
                "plan": {
                    "policy": f"{namespace}/all",
                    "policyGeneration": 1,
                    "analysis": {
                        "warmUp": timedelta(minutes=1),
                        "window": timedelta(minutes=10),
                        "interval": timedelta(minutes=1),
                        "failAfter": 3,
                        "rolloutDeadline": timedelta(minutes=11),
                        "deadline": timedelta(minutes=26),
                        "failFastAfter": timedelta(minutes=2),
                    },
                    "objectives": [],
                },
            }
        }
    )
    return kinds.write(release, name=f"{workload}-{number}", namespace=namespace)


def _set_status(bed: Any, namespace: str, name: str, status: dict[str, Any]) -> None:
    bed.kubectl(
        "patch", "releases.pratique.sh", name, "-n", namespace, "--subresource=status",
        "--type=merge", "-p", json.dumps({"status": status}),
    )  # fmt: skip


def test_a_release_is_a_record(bed: Any, namespace: str) -> None:
    """Its spec cannot be changed, by whom ever; its status can."""
    bed.kubectl(
        "create", "-f", "-", input=yaml.safe_dump(_release(namespace, workload="cart", number=7))
    )
    changed = bed.kubectl(
        "patch", "rel", "cart-7", "-n", namespace, "--type=merge",
        "-p", '{"spec": {"cause": "Image"}}', check=False,
    )  # fmt: skip
    assert changed.returncode != 0
    assert "a Release's spec is a record and cannot be changed" in changed.stderr
    _set_status(bed, namespace, "cart-7", {"verdict": "Promotable"})
    shown = json.loads(bed.kubectl("get", "rel", "cart-7", "-n", namespace, "-o", "json").stdout)
    assert shown["status"] == {"verdict": "Promotable"}
    assert shown["spec"]["cause"] == "First"


def test_releases_are_listed_and_chosen(bed: Any, namespace: str) -> None:
    for workload, number in (("cart", 1), ("cart", 2), ("shop", 1)):
        document = _release(namespace, workload=workload, number=number)
        bed.kubectl("create", "-f", "-", input=yaml.safe_dump(document))
    condition = {
        "type": "Promotable",
        "status": "False",
        "reason": "ObjectiveFailed",
        "message": "fast: 0.6 s is above 0.3 s",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {
        "phase": "Completed",
        "verdict": "NotPromotable",
        "rollout": {"revision": "2"},
        "conditions": [condition],
    }
    _set_status(bed, namespace, "cart-2", status)
    head, row = bed.kubectl(
        "get", "rel", "-n", namespace, "--field-selector",
        "spec.workload.name=cart,status.verdict=NotPromotable",
    ).stdout.splitlines()  # fmt: skip
    assert head.split() == [
        "NAME", "WORKLOAD", "RELEASE", "REVISION", "PHASE", "VERDICT", "REASON", "AGE",
    ]  # fmt: skip
    assert row.split()[:-1] == [
        "cart-2", "cart", "2", "2", "Completed", "NotPromotable", "ObjectiveFailed",
    ]  # fmt: skip
    wide = bed.kubectl("get", "rel", "cart-2", "-n", namespace, "-o", "wide").stdout
    assert "fast: 0.6 s is above 0.3 s" in wide
    assert "cart-2" in bed.kubectl("get", "pratique", "-n", namespace).stdout
