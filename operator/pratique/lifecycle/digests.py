"""What caused a release, as far as only its running pods can tell, and what becomes of it by its cause.

A tag may be another image than it was: the template does not show it, the digests that runtimes tell do.
Only digests in a registry's words (``name@sha256:…``) are compared; an identifier that a node made itself
differs from node to node.

Not here: the cause that the template shows (noticing).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..judge.fit import fit
from ..resources.judgement import Judgement, ObjectiveResult
from ..resources.release import ContainerDigest, ObservedCause, ReleaseSpec, ReleaseStatus
from .rollout import current, own_pods
from .situation import Situation
from .view import Pod

MAX_DIGESTS = 16
"""As many as the status holds."""
RECORDED_BYTES = 4 * 1024
"""How much room the figures of a release that is only recorded have in a status."""


def observe(s: Situation, status: ReleaseStatus) -> ReleaseStatus:
    """Add the digests that the release's own pods tell; none is taken away again."""
    if s.view is None:
        return status
    known = [(d.container, d.digest) for d in status.rollout.digests]
    pods = own_pods(s.view, current(s, status))
    found = sorted(set(_told(pods)) - set(known))[: max(0, MAX_DIGESTS - len(known))]
    if found:
        digests = [
            *status.rollout.digests,
            *(ContainerDigest(container=c, digest=d) for c, d in found),
        ]
        rollout = status.rollout.model_copy(update={"digests": digests})
        status = status.model_copy(update={"rollout": rollout})
    if status.cause is None and (message := _moved(s.spec, status)) is not None:
        cause = ObservedCause(cause="Image", message=message[:1024], since=s.now)
        status = status.model_copy(update={"cause": cause})
    return status


def judged(spec: ReleaseSpec, status: ReleaseStatus) -> bool:
    """Whether the release gets a verdict: what was to be recorded does, where it turns out to be other code."""
    moved = status.cause is not None and spec.plan.moved_tag == "Judge"
    return spec.purpose == "Judge" or (spec.purpose == "Record" and moved)


def recorded(judgement: Judgement) -> list[ObjectiveResult]:
    """The figures alone of a release that is not judged, as many as there is room for."""
    results = [
        r.model_copy(update={"result": "NotJudged", "reason": "Measured"})
        if r.value is not None
        else r
        for r in judgement.results
    ]
    return fit(judgement.model_copy(update={"results": results}), RECORDED_BYTES).results


def _told(pods: Iterable[Pod]) -> Iterator[tuple[str, str]]:
    for pod in pods:
        for container in pod.containers:
            _, at, digest = container.image_id.rpartition("@")
            if at and ":" in digest and len(digest) <= 140:
                yield container.name, digest


def _moved(spec: ReleaseSpec, status: ReleaseStatus) -> str | None:
    """Which of the tags are other digests than they were."""
    images = {i.container: i.image for i in spec.images}
    before: dict[str, set[str]] = {}
    for d in spec.digests_before:
        before.setdefault(d.container, set()).add(d.digest)
    moved = []
    for d in status.rollout.digests:
        were = before.get(d.container)
        if were and d.digest not in were:
            moved.append(
                f"container {d.container} runs {images.get(d.container, '')} as {d.digest[:19]}…, "
                f"which was {', '.join(sorted(w[:19] for w in were))}…"
            )
    if not moved:
        return None
    than = f"release {spec.rollback_to}" if spec.rollback_to else spec.previous
    return f"same tag, another digest than with {than}: {'; '.join(moved)}"
