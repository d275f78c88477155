"""What a judgement's spans say: OpenTelemetry's names where there are any, else ``pratique.``.

The names are written out, as OpenTelemetry's Python constants for ``test.*`` may move; they follow its
semantic conventions 1.44. Nothing here reads a Secret, and nothing that could carry one is copied.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..resources.base import ObjectMeta
from ..resources.judgement import ObjectiveResult
from ..resources.release import Diagnosis, Image, Look, Release, ReleaseStatus, RolloutStatus
from .spans import SpanEvent, Value, said

RESULTS = {"P": "Pass", "W": "Warn", "F": "Fail", "U": "Unknown"}
"""A look's letters."""
TEST_RESULTS = {"Pass": "pass", "Warn": "pass", "Fail": "fail"}
"""What test.case.result.status knows; an objective that was not judged has none."""


def identity(metadata: ObjectMeta, release: Release) -> dict[str, Value]:
    """Whose span it is: on each of them, so that one alone can be searched for."""
    workload = release.spec.workload
    return {
        "k8s.namespace.name": metadata.namespace,
        f"{_space(workload.kind)}.name": workload.name,
        "pratique.release.name": metadata.name,
    }


def of_release(metadata: ObjectMeta, release: Release, reason: str | None) -> dict[str, Value]:
    """The root's: the workload, the version, the plan, the verdict."""
    spec, status = release.spec, release.status or ReleaseStatus()
    return said(
        {
            f"{_space(spec.workload.kind)}.uid": spec.workload.uid,
            **_revision(spec.workload.kind, status.rollout),
            "service.name": spec.workload.name,
            "service.namespace": metadata.namespace,
            "service.version": spec.version,
            **_images(spec.images),
            "pratique.release.uid": metadata.uid,
            "pratique.release.number": spec.number,
            "pratique.release.generation": spec.generation,
            "pratique.release.template_hash": spec.template_hash,
            "pratique.release.cause": spec.cause,
            "pratique.release.rollback_to": spec.rollback_to,
            "pratique.release.previous": spec.previous,
            "pratique.release.members": tuple(m.release for m in spec.members if m.release) or None,
            "pratique.policy.name": spec.plan.policy,
            "pratique.policy.generation": spec.plan.policy_generation,
            "pratique.verdict": status.verdict,
            "pratique.reason": reason,
            "pratique.message": status.judgement.message if status.judgement else None,
            "pratique.basis": spec.plan.basis,
        }
    )


def _space(kind: str) -> str:
    """How the attributes of a kind begin: OpenTelemetry knows the workloads, not our groups."""
    return "pratique.group" if kind == "ReleaseGroup" else f"k8s.{kind.lower()}"


def _revision(kind: str, rollout: RolloutStatus) -> dict[str, str | None]:
    """Kubernetes' object of the version; only a ReplicaSet has an attribute by convention."""
    name = "k8s.replicaset.name" if kind == "Deployment" else "pratique.rollout.revision_object"
    return {name: rollout.revision_object}


def of_rollout(kind: str, rollout: RolloutStatus) -> dict[str, Value]:
    """The rollout's, as last seen."""
    return said(
        {
            **_revision(kind, rollout),
            "pratique.rollout.partition": rollout.partition,
            "pratique.rollout.revision": rollout.revision,
            "pratique.rollout.desired": rollout.desired,
            "pratique.rollout.updated": rollout.updated,
            "pratique.rollout.ready": rollout.ready,
            "pratique.rollout.completed": rollout.completed_at is not None,
        }
    )


def of_diagnosis(diagnosis: Diagnosis) -> SpanEvent:
    """Why the rollout does not go on, at the moment since when it stands."""
    return SpanEvent(
        name="diagnosis",
        at=diagnosis.since,
        attributes=said(
            {
                "pratique.diagnosis.cause": diagnosis.cause,
                "pratique.diagnosis.message": diagnosis.message,
                "pratique.diagnosis.definite": diagnosis.definite,
                "k8s.pod.name": diagnosis.pod,
                "k8s.container.name": diagnosis.container,
            }
        ),
    )


def of_look(look: Look, names: Sequence[str]) -> tuple[SpanEvent, ...]:
    """A look's objectives, each an event at its end."""
    return tuple(
        SpanEvent(
            name="objective",
            at=look.at,
            attributes=said(
                {
                    "pratique.objective.name": name,
                    "pratique.objective.result": RESULTS.get(letter.upper(), "Unknown"),
                    "pratique.objective.value": value,
                }
            ),
        )
        for name, letter, value in zip(names, look.results, look.values, strict=False)
    )


def of_objective(result: ObjectiveResult, source: str | None) -> dict[str, Value]:
    """One objective's result with all that explains it."""
    baseline, statistic = result.baseline, result.statistic
    return said(
        {
            "test.case.name": result.name,
            "test.case.result.status": TEST_RESULTS.get(result.result),
            "pratique.objective.name": result.name,
            "pratique.objective.source": source,
            "pratique.objective.result": result.result,
            "pratique.objective.reason": result.reason,
            "pratique.objective.message": result.message,
            "pratique.objective.value": result.value,
            "pratique.objective.unit": result.unit,
            "pratique.objective.bound": result.bound,
            "pratique.objective.samples": result.samples,
            "pratique.objective.change_percent": result.change_percent,
            "pratique.objective.baseline.source": baseline.source if baseline else None,
            "pratique.objective.baseline.release": baseline.release if baseline else None,
            "pratique.objective.baseline.value": baseline.value if baseline else None,
            "pratique.objective.baseline.samples": baseline.samples if baseline else None,
            "pratique.objective.statistic.method": statistic.method if statistic else None,
            "pratique.objective.statistic.p_value": statistic.p_value if statistic else None,
            "pratique.objective.statistic.p_harm": statistic.p_harm if statistic else None,
            "pratique.objective.statistic.needed": statistic.needed if statistic else None,
            "pratique.objective.dry_run": result.dry_run,
            "pratique.objective.provider": result.provider,
            "pratique.objective.query": result.query,
        }
    )


def _images(images: Sequence[Image]) -> dict[str, Value | None]:
    """container.image.* speaks of one image: with several, only our own list says them."""
    named: dict[str, Value | None] = {
        "pratique.release.images": tuple(f"{i.container}={i.image}" for i in images) or None
    }
    if len(images) == 1:
        whole, at, digest = images[0].image.partition("@")
        folder, slash, last = whole.rpartition("/")
        name, _, tag = last.partition(":")
        repository = f"{folder}{slash}{name}"
        named["container.name"] = images[0].container
        named["container.image.name"] = repository
        named["container.image.tags"] = (tag,) if tag else None
        named["container.image.repo_digests"] = (f"{repository}@{digest}",) if at else None
    return named
