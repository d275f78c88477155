"""The trace of a judgement: its shape, its ids, what its spans say."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.resources.base import ObjectMeta
from pratique.resources.release import Release
from pratique.telemetry.spans import SpanRecord
from pratique.telemetry.tracing import spans
from unit.telemetry import releases
from unit.telemetry.releases import METADATA, NOTICED, after


def seconds(moment: datetime) -> float:
    return (moment - NOTICED).total_seconds()


def tree(records: list[SpanRecord]) -> list[tuple[str, str | None, float, float]]:
    """(name, the parent's name, begin, end) of each, in seconds since the release was noticed."""
    names = {r.span_id: r.name for r in records}
    return [
        (r.name, names[r.parent_id] if r.parent_id else None, seconds(r.start), seconds(r.end))
        for r in records
    ]


def one(records: list[SpanRecord], name: str) -> SpanRecord:
    (found,) = [r for r in records if r.name == name]
    return found


def test_a_judged_release_is_one_tree() -> None:
    root = "release Deployment/checkout #8"
    assert tree(spans(METADATA, releases.failed())) == [
        (root, None, 0, 40),
        ("rollout", root, 0, 6),
        ("warm-up", root, 6, 11),
        ("window", root, 11, 31),
        ("look", root, 6, 11),
        ("look", "window", 11, 16),
        ("look", "window", 16, 21),
        ("objective fast", "window", 11, 31),
        ("objective errors", "window", 11, 31),
    ]


def test_a_held_release_has_its_hold_before_its_rollout() -> None:
    body = releases.failed().model_dump(by_alias=True, exclude_none=True)
    hold = {"since": after(0), "seen": True, "decidedAt": after(2), "letGoAt": after(3)}
    body["status"]["hold"] = hold
    found = tree(spans(METADATA, Release.model_validate(body)))
    root = "release Deployment/checkout #8"
    assert found[1:3] == [("hold", root, 0, 3), ("rollout", root, 3, 6)]
    del hold["decidedAt"], hold["letGoAt"]
    found = tree(spans(METADATA, Release.model_validate(body)))
    assert found[1] == ("hold", root, 0, 40)


def test_a_rollout_that_failed_has_no_window_and_says_the_pods_own_words() -> None:
    records = spans(METADATA, releases.stuck())
    root = "release Deployment/checkout #8"
    assert tree(records) == [(root, None, 0, 130), ("rollout", root, 0, 130)]
    rollout = one(records, "rollout")
    assert rollout.error is not None
    assert "not found" in rollout.error
    assert rollout.attributes["error.type"] == "ImageMissing"
    (event,) = rollout.events
    assert (event.name, seconds(event.at)) == ("diagnosis", 8)
    assert event.attributes["k8s.pod.name"] == "checkout-6d5f7c-x2x4z"


def test_a_failure_during_the_rollout_is_judged_outside_the_window() -> None:
    release = releases.failed().dump()
    release["status"].pop("windowFrom")
    release["status"]["rollout"].pop("completedAt")
    release["status"]["judgement"]["window"] = {"from": after(6), "to": after(16)}
    root = "release Deployment/checkout #8"
    assert tree(spans(METADATA, Release.model_validate(release))) == [
        (root, None, 0, 40),
        ("rollout", root, 0, 40),
        ("look", root, 6, 11),
        ("look", root, 11, 16),
        ("look", root, 16, 21),
        ("objective fast", root, 6, 16),
        ("objective errors", root, 6, 16),
    ]


def test_looks_that_failed_across_the_windows_begin_are_judged_outside_it() -> None:
    release = releases.failed().dump()
    release["status"]["judgement"]["window"] = {"from": after(6), "to": after(16)}
    root = "release Deployment/checkout #8"
    assert tree(spans(METADATA, Release.model_validate(release)))[3:] == [
        ("window", root, 11, 16),
        ("look", root, 6, 11),
        ("look", "window", 11, 16),
        ("look", "window", 16, 16),
        ("objective fast", root, 6, 16),
        ("objective errors", root, 6, 16),
    ]


def test_a_release_that_ended_while_warming_up_has_no_window() -> None:
    release = releases.failed().dump()
    release["status"] |= {"verdict": "Inconclusive", "completedAt": after(9), "looks": []}
    release["status"].pop("judgement")
    root = "release Deployment/checkout #8"
    assert tree(spans(METADATA, Release.model_validate(release))) == [
        (root, None, 0, 9),
        ("rollout", root, 0, 6),
        ("warm-up", root, 6, 9),
    ]


def test_the_root_says_whose_release_it_was_and_what_became_of_it() -> None:
    root = spans(METADATA, releases.failed())[0]
    assert root.error == "fast: 0.6 s is over 0.3 s"
    expected = {
        "k8s.namespace.name": "shop",
        "k8s.deployment.name": "checkout",
        "k8s.deployment.uid": "a2b7",
        "k8s.replicaset.name": "checkout-6d5f7c",
        "service.name": "checkout",
        "service.namespace": "shop",
        "service.version": "1.4.2",
        "container.name": "app",
        "container.image.name": "registry.example:5000/shop/checkout",
        "container.image.tags": ("1.4.2",),
        "pratique.release.name": "checkout-8",
        "pratique.release.number": 8,
        "pratique.release.previous": "checkout-7",
        "pratique.policy.name": "shop/checkout",
        "pratique.verdict": "NotPromotable",
        "pratique.reason": "ObjectiveFailed",
        "error.type": "ObjectiveFailed",
    }
    assert {k: root.attributes.get(k) for k in expected} == expected


def test_an_objective_explains_itself() -> None:
    record = one(spans(METADATA, releases.failed()), "objective fast")
    assert record.error == "0.6 s is over 0.3 s, +200 % against checkout-7"
    expected = {
        "test.case.result.status": "fail",
        "pratique.objective.value": 0.6,
        "pratique.objective.unit": "s",
        "pratique.objective.bound": "≤ 0.3 s",
        "pratique.objective.samples": 1200,
        "pratique.objective.baseline.release": "checkout-7",
        "pratique.objective.baseline.value": 0.2,
        "pratique.objective.change_percent": 200.0,
        "pratique.objective.provider": "monitoring/prometheus",
        "pratique.objective.query": "histogram_quantile(0.95, …)",
        "error.type": "OverBound",
    }
    assert {k: record.attributes.get(k) for k in expected} == expected


def test_a_look_tells_each_objective_and_leaves_out_what_it_has_not() -> None:
    first = next(r for r in spans(METADATA, releases.failed()) if r.name == "look")
    assert [dict(e.attributes) for e in first.events] == [
        {"pratique.objective.name": "fast", "pratique.objective.result": "Unknown"},
        {
            "pratique.objective.name": "errors",
            "pratique.objective.result": "Pass",
            "pratique.objective.value": 0.0,
        },
    ]


def test_errors_are_marked_only_where_the_verdict_is_not_promotable() -> None:
    records = spans(METADATA, releases.promotable())
    assert records
    for record in records:
        assert record.error is None
        assert "error.type" not in record.attributes
    release = releases.failed().dump()
    release["status"]["verdict"] = "Inconclusive"
    assert all(r.error is None for r in spans(METADATA, Release.model_validate(release)))


def test_labels_and_annotations_which_may_hold_anything_are_not_told() -> None:
    metadata = METADATA.model_copy(
        update={"labels": {"a": "s3cret"}, "annotations": {"token": "s3cret"}}
    )
    assert spans(metadata, releases.failed()) == spans(METADATA, releases.failed())


def test_without_a_verdict_there_is_no_trace() -> None:
    release = releases.failed().dump()
    release["status"].pop("verdict")
    assert spans(METADATA, Release.model_validate(release)) == []
    release.pop("status")
    assert spans(METADATA, Release.model_validate(release)) == []


def test_ids_come_from_the_uid_alone() -> None:
    first, again = spans(METADATA, releases.failed()), spans(METADATA, releases.failed())
    assert first == again
    other = spans(METADATA.model_copy(update={"uid": "another"}), releases.failed())
    assert {r.trace_id for r in first}.isdisjoint(r.trace_id for r in other)
    assert {r.span_id for r in first}.isdisjoint(r.span_id for r in other)
    # Written out: were they to change, an upgrade of the operator would double every trace.
    assert f"{first[0].trace_id:032x} {first[0].span_id:016x}" == (
        "c261758f43d72250ae73b9e52d66329a 3109c5d482d07796"
    )


@pytest.mark.parametrize(
    ("image", "name", "tags", "digests"),
    [
        ("nginx", "nginx", None, None),
        ("host:5000/nginx", "host:5000/nginx", None, None),
        ("a/b:1@sha256:0f", "a/b", ("1",), ("a/b@sha256:0f",)),
        ("a/b@sha256:0f", "a/b", None, ("a/b@sha256:0f",)),
    ],
)
def test_an_image_is_told_by_its_parts(
    image: str, name: str, tags: object, digests: object
) -> None:
    release = releases.failed().dump()
    release["spec"]["images"] = [{"container": "app", "image": image}]
    root = spans(METADATA, Release.model_validate(release))[0]
    assert root.attributes["container.image.name"] == name
    assert root.attributes.get("container.image.tags") == tags
    assert root.attributes.get("container.image.repo_digests") == digests


def test_several_images_are_not_told_as_one() -> None:
    release = releases.failed().dump()
    release["spec"]["images"] = [
        {"container": "app", "image": "a:1"},
        {"container": "proxy", "image": "b:2"},
    ]
    root = spans(METADATA, Release.model_validate(release))[0]
    assert "container.image.name" not in root.attributes
    assert root.attributes["pratique.release.images"] == ("app=a:1", "proxy=b:2")


# Few and near, so that equal ones and ones in the wrong order are common.
moments = st.integers(-2, 4).map(lambda step: after(20 * step))
results = st.sampled_from(["Pass", "Warn", "Fail", "NotJudged", "NoData", "Error"])
verdicts = st.sampled_from(["Promotable", "NotPromotable", "Inconclusive"])
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
judgements = st.fixed_dictionaries(
    {"verdict": verdicts, "reason": st.just("Whatever"), "message": st.text(max_size=20)},
    optional={
        "window": st.fixed_dictionaries({"from": moments, "to": moments}),
        "results": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["fast", "errors", "gone"]),
                    "result": results,
                    "reason": st.just("Whatever"),
                    "message": st.text(max_size=20),
                },
                optional={"value": numbers},
            ),
            max_size=4,
        ),
    },
)
statuses = st.fixed_dictionaries(
    {},
    optional={
        "verdict": verdicts,
        "completedAt": moments,
        "windowFrom": moments,
        "rollout": st.fixed_dictionaries({}, optional={"completedAt": moments}),
        "looks": st.lists(
            st.fixed_dictionaries(
                {
                    "at": moments,
                    "values": st.lists(numbers, max_size=4),
                    "results": st.text("PWFUX", max_size=4),
                }
            ),
            max_size=5,
        ),
        "judgement": judgements,
    },
)


@given(status=statuses, uid=st.text(max_size=40))
def test_whatever_the_status_the_trace_is_whole(status: dict[str, Any], uid: str) -> None:
    release = Release.model_validate({"spec": releases.spec(), "status": status})
    metadata = ObjectMeta(name="checkout-8", namespace="shop", uid=uid)
    records = spans(metadata, release)
    assert bool(records) == ("verdict" in status)
    assert records == spans(metadata, release)
    seen: dict[int, SpanRecord] = {}
    for record in records:
        assert record.span_id not in seen
        assert timedelta(0) <= record.end - record.start
        if record.parent_id is None:
            assert not seen, "only the first span is a root"
        else:
            parent = seen[record.parent_id]
            assert record.trace_id == parent.trace_id
            assert parent.start <= record.start
            assert record.end <= parent.end
        for value in record.attributes.values():
            assert isinstance(value, str | bool | int | float | tuple)
        seen[record.span_id] = record
