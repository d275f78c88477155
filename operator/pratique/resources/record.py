"""ReleaseRecord: a finished release's samples, kept beside it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from .base import Model, Name, Text, cel, rules
from .judgement import Verdict
from .release import SubjectKind


class RecordedWorkload(Model):
    """Whose release it was."""

    kind: SubjectKind
    """The workload's kind, or ReleaseGroup."""
    name: Name
    """The workload's name."""


class ReleaseRecordSpec(Model):
    """What was measured of one release, look by look; written once, then immutable."""

    model_config = rules(
        cel("self == oldSelf", "a ReleaseRecord is a record and cannot be changed"),
    )

    release: Name
    """The Release, of the same name and in the same namespace."""
    workload: RecordedWorkload
    """Whose release it was."""
    verdict: Verdict
    """Its verdict."""
    format: Annotated[int, Field(strict=True, ge=1)] = 1
    """Of what the data hold."""
    looks: Annotated[int, Field(strict=True, ge=0)]
    """How many looks the data hold."""
    data: Annotated[str, StringConstraints(max_length=88_000)]
    """Samples and baselines as JSON, compressed by zlib, in base64: what pratique judge --release reads."""
    note: Text | None = None
    """What was left out for its size."""


class ReleaseRecord(Model):
    """A finished release's samples, for judging it again; written by the operator, goes with its Release."""

    plural: ClassVar[str] = "releaserecords"
    short_names: ClassVar[list[str]] = ["relrec"]
    watched: ClassVar[bool] = False
    columns: ClassVar[list[tuple[str, str, str]]] = [
        ("WORKLOAD", "string", ".spec.workload.name"),
        ("VERDICT", "string", ".spec.verdict"),
        ("LOOKS", "integer", ".spec.looks"),
        ("AGE", "date", ".metadata.creationTimestamp"),
    ]

    spec: ReleaseRecordSpec
    """What was measured."""
