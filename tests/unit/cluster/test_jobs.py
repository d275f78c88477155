"""A task's Job as it is made, and what grants a change of a workload."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pratique.cluster.jobs import job_body, read_job
from pratique.cluster.targets import NotGranted, check_grant, with_repository
from pratique.resources.task import JobTask

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"team": "shop"}},
    "spec": {
        "containers": [
            {"name": "a", "image": "i", "env": [{"name": "PRATIQUE_RELEASE", "value": "mine"}]}
        ],
        "initContainers": [{"name": "b", "image": "i"}],
        "volumes": [{"name": "data", "emptyDir": {}}],
    },
}


def made(template: dict[str, Any] = TEMPLATE) -> dict[str, Any]:
    return job_body(
        namespace="shop",
        name="cart-7-smoke-12345678",
        release="cart-7",
        uid="uid-r",
        task="smoke",
        job=JobTask(template=template, backoff_limit=2),
        environment=[("PRATIQUE_RELEASE", "cart-7"), ("PRATIQUE_IMAGE", "a$(HOME)")],
        context='{"release": "cart-7"}',
        deadline=59.2,
    )


def test_a_job_belongs_to_its_release_and_has_no_time_to_live() -> None:
    before = copy.deepcopy(TEMPLATE)
    body = made()
    assert before == TEMPLATE
    [owner] = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Release", "uid-r")
    assert "ttlSecondsAfterFinished" not in body["spec"]
    assert (body["spec"]["backoffLimit"], body["spec"]["activeDeadlineSeconds"]) == (2, 60)


def test_its_pods_find_the_context() -> None:
    template = made()["spec"]["template"]
    spec = template["spec"]
    assert spec["restartPolicy"] == "Never"
    assert template["metadata"]["annotations"]["pratique.sh/context"] == '{"release": "cart-7"}'
    assert template["metadata"]["labels"]["team"] == "shop"
    assert [v["name"] for v in spec["volumes"]] == ["data", "pratique-context"]
    own, init = spec["containers"][0], spec["initContainers"][0]
    # Their own value stays, and Kubernetes expands nothing in ours.
    assert [e["value"] for e in own["env"]] == ["a$$(HOME)", "mine"]
    assert [e["name"] for e in init["env"]] == ["PRATIQUE_RELEASE", "PRATIQUE_IMAGE"]
    assert own["volumeMounts"][0]["mountPath"] == "/etc/pratique"


def test_the_end_of_a_job_is_read() -> None:
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}
    owner = {"uid": "uid-r"}
    state = read_job(
        {
            "metadata": {"uid": "u", "ownerReferences": [owner]},
            "status": {"conditions": [{"type": "FailureTarget", "status": "True"}, failed]},
        }
    )
    assert (state.failed, state.succeeded, state.reason) == (True, False, "BackoffLimitExceeded")
    assert not read_job({"metadata": {"uid": "u"}}).over


@pytest.mark.parametrize(
    ("said", "granted"),
    [
        (None, False),
        ("", False),
        ("staging", True),
        ("other, staging", True),
        ("staging/cart", True),
        ("staging/other", False),
        ("stag", False),
        ("*", False),
    ],
)
def test_only_who_is_named_may_change_a_workload(said: str | None, granted: bool) -> None:
    annotations = {} if said is None else {"pratique.sh/accepts-promotion-from": said}
    body = {"metadata": {"namespace": "prod", "name": "cart", "annotations": annotations}}
    if granted:
        check_grant(body, "Deployment", "staging", "cart")
    else:
        with pytest.raises(NotGranted, match="accepts-promotion-from=staging"):
            check_grant(body, "Deployment", "staging", "cart")


@pytest.mark.parametrize(
    ("before", "image", "after"),
    [
        ("prod.example:5000/app:1", "stage.example/app:2", "prod.example:5000/app:2"),
        ("prod.example/app", "stage.example:5000/app:2@sha256:ab", "prod.example/app:2@sha256:ab"),
        ("prod.example/app@sha256:cd", "app:2", "prod.example/app:2"),
    ],
)
def test_a_stage_may_keep_its_registry(before: str, image: str, after: str) -> None:
    assert with_repository(before, image) == after
