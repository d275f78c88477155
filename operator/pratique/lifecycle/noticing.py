"""Noticing: is what the workload runs now a new release, and what caused it?

Identity is our own: a hash of the defaulted pod template and a number counted per workload. It does
not ask Kubernetes' hashes, which a rollback reuses and a held rollout lacks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..resources.judgement import Verdict
from ..resources.policy import Causes, Retention, Treated
from ..resources.release import (
    AttemptOf,
    BaselineObjective,
    Cause,
    ContainerDigest,
    Image,
    Purpose,
    TemplateParts,
)
from .view import Workload

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
VERSION_LABEL = "app.kubernetes.io/version"
MAX_IMAGES = 32
"""As many as a Release names; of containers beyond it a change is noticed all the same."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A pod template, told apart from others without keeping it."""

    hash: str
    parts: TemplateParts
    images: tuple[Image, ...]
    version: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """What noticing and baselines need of an earlier Release."""

    name: str
    number: int
    uid: str
    template_hash: str
    parts: TemplateParts
    images: tuple[Image, ...]
    workload_uid: str
    revision: str | None
    revision_object: str | None
    noticed_at: datetime
    completed: bool
    verdict: Verdict | None
    reason: str
    measured: bool
    rolled_out_at: datetime | None
    values: tuple[BaselineObjective, ...]
    version: str | None = None
    attempt: int = 1
    members: tuple[tuple[str, str, str | None], ...] = ()
    """A group's: (kind, name, release) of each member."""
    kind: str = "Deployment"
    workload: str = ""
    """The workload's name."""
    partition: int | None = None
    """A StatefulSet's: only its pods at or above were of this release."""
    purpose: Purpose = "Judge"
    digests: tuple[ContainerDigest, ...] = ()
    """What its images were."""
    renewed: bool = False
    """Whether its pods were replaced since by a change that was ignored."""
    kept_held: bool = False
    """Whether it ended while its workload was held, and is to stay so."""
    cause: Cause = "First"
    rollback_to: int | None = None
    previous: str | None = None
    """The release before."""
    ended_at: datetime | None = None
    """When its verdict was given, or it was measured."""
    revoked: bool = False
    """Whether its verdict does not hold any more."""
    attempt_of: AttemptOf | None = None
    """Why it judges a version again, if it does."""
    retention: Retention | None = None
    """How long it is kept where no policy says so any more."""
    gone_since: datetime | None = None
    """Since when its workload is known to be gone."""

    @property
    def stands(self) -> Verdict | None:
        """What those go by who ask now: a verdict that was revoked lets nothing pass."""
        return "NotPromotable" if self.revoked else self.verdict

    @property
    def adopted(self) -> bool:
        """Whether it ran before a policy spoke of it: measured, not judged."""
        return self.purpose == "Measure"

    @property
    def passed_over(self) -> bool:
        """Whether it is only recorded, so that the verdict of the release before stands."""
        return self.purpose == "Record" and self.verdict is None


@dataclass(frozen=True, slots=True)
class Begin:
    """A new release begins."""

    number: int
    cause: Cause
    rollback_to: int | None
    previous: str | None
    purpose: Purpose
    digests_before: tuple[ContainerDigest, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """The version changed in a way that the policy ignores: the newest release speaks for it too."""

    release: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Rebase:
    """The template's hash changed, the version did not: the API server fills in new defaults."""

    release: str


def _digest(value: object, length: int = 16) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def fingerprint(template: Mapping[str, Any]) -> Fingerprint:
    """Hash a pod template as the API server gives it, whole and in parts."""
    metadata = dict(template.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    restart = annotations.pop(RESTARTED_AT, "")
    metadata["annotations"] = annotations
    metadata.pop("creationTimestamp", None)
    spec = dict(template.get("spec") or {})
    main = next((c.get("image", "") for c in spec.get("containers") or []), "")
    images: list[Image] = []
    resources: list[Any] = []
    for field in ("initContainers", "containers"):
        bare = []
        for container in spec.get(field) or []:
            images.append(
                Image(container=container.get("name", ""), image=container.get("image", ""))
            )
            resources.append([container.get("name"), container.get("resources")])
            bare.append({k: v for k, v in container.items() if k not in ("image", "resources")})
        spec[field] = bare
    version = (metadata.get("labels") or {}).get(VERSION_LABEL) or _tag(main)
    return Fingerprint(
        hash=_digest({k: v for k, v in template.items() if k != "status"}, 40),
        parts=TemplateParts(
            resources=_digest(resources), restart=_digest(restart), rest=_digest([metadata, spec])
        ),
        images=tuple(images[:MAX_IMAGES]),
        version=version[:63] if version else None,
    )


def _tag(image: str) -> str | None:
    """The tag of an image reference, if it has one: host:5000/app:1.2@sha256:… → 1.2."""
    last = image.partition("@")[0].rpartition("/")[2]
    return last.partition(":")[2] or None


def notice(
    workload: Workload,
    found: Fingerprint,
    known: Sequence[Known],
    *,
    window: timedelta,
    now: datetime,
    causes: Causes | None = None,
) -> Begin | Ignored | Rebase | None:
    """Decide whether a release begins. ``known`` are this workload's Releases by ascending number."""
    causes = causes or Causes()
    if workload.deleting:
        return None
    if not known:
        since = workload.rolled_out_since
        # Without a pod there is nothing to measure: it is judged when pods come.
        settled = workload.desired > 0 and not workload.held
        adopted = since is not None and now - since > window and settled
        return Begin(1, "First", None, None, "Measure" if adopted else causes.first)
    newest = known[-1]
    if found.hash == newest.template_hash:
        return None
    if _same_version(workload, newest):
        return Rebase(newest.name)
    cause, rollback_to = _cause(found, known)
    treated = _treated(cause, causes, newest)
    if treated == "Ignore":
        return Ignored(newest.name, cause)
    reference = next((k for k in known if k.number == rollback_to), newest)
    before = _digests_before(found, reference)
    return Begin(newest.number + 1, cause, rollback_to, newest.name, treated, before)


def _treated(cause: Cause, causes: Causes, newest: Known) -> Treated:
    """What becomes of the change: at least what the release before still waits for."""
    treated: Treated = getattr(causes, cause.lower())
    if newest.completed or newest.purpose == "Measure":
        return treated
    # Else a restart in the middle would let the version before escape its judge.
    return "Judge" if newest.purpose == "Judge" or treated == "Judge" else "Record"


def _digests_before(found: Fingerprint, reference: Known) -> tuple[ContainerDigest, ...]:
    """What the reference's images were that have the same tag now; one named by digest cannot move."""
    same = {i.container for i in found.images if i in reference.images and "@" not in i.image}
    return tuple(d for d in reference.digests if d.container in same)


def _same_version(workload: Workload, newest: Known) -> bool:
    """Whether Kubernetes knows no newer version, though our hash is another."""
    if workload.observed_generation < workload.generation or workload.paused or workload.held:
        return False
    if workload.uid != newest.workload_uid:
        return False
    if workload.revision_object is not None:
        return workload.revision_object == newest.revision_object
    return newest.revision is not None and workload.revision == newest.revision


def _cause(found: Fingerprint, known: Sequence[Known]) -> tuple[Cause, int | None]:
    newest = known[-1]
    for earlier in reversed(known[:-1]):
        if earlier.template_hash == found.hash and earlier.number != newest.number:
            return "Rollback", earlier.number
    if found.images != newest.images:
        return "Image", None
    if found.parts.rest != newest.parts.rest:
        return "Config", None
    if found.parts.resources != newest.parts.resources:
        return "Resources", None
    return "Restart", None


_MIDDLES = {"Deployment": "", "StatefulSet": "-sts", "DaemonSet": "-ds", "ReleaseGroup": "-grp"}


def promoted_from(workload: Workload, images: Sequence[Image]) -> str | None:
    """The release, namespace/name, whose promotion brought this version: only while its image is there."""
    release, _, image = (workload.promoted_from or "").partition("=")
    return release[:512] if release and any(i.image == image for i in images) else None


def release_name(kind: str, name: str, number: int, attempt: int = 1) -> str:
    """``cart-7``, ``cart-sts-7``, ``cart-ds-7``, ``shop-grp-7``, a second attempt ``cart-7-a2``.

    Too long a name is cut and carries a short hash.
    """
    middle = _MIDDLES[kind]
    end = f"{middle}-{number}" + (f"-a{attempt}" if attempt > 1 else "")
    full = f"{name}{end}"
    if len(full) <= 63:
        return full
    tail = f"-{_digest([kind, name], 8)}{end}"
    return name[: 63 - len(tail)].rstrip("-.") + tail
