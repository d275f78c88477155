"""How large a status may be, and what gives way where it would be larger."""

from __future__ import annotations

from ..resources.release import ReleaseStatus
from .phase import derive
from .situation import Situation

MAX_STATUS_BYTES = 8 * 1024


def fitted(s: Situation, status: ReleaseStatus, limit: int = MAX_STATUS_BYTES) -> ReleaseStatus:
    """The derived status, with as many of its oldest looks left out as its size asks for."""
    found = derive(s, status)
    # Before the verdict looks in a row decide; after it one tells how far the record goes.
    kept = s.spec.plan.analysis.fail_after if status.completed_at is None else 1
    while size_of(found) > limit and len(found.looks) > kept:
        found = found.model_copy(update={"looks": found.looks[1:]})
    if size_of(found) > limit and any(look.values for look in found.looks):
        # Their letters decide; the values are in the record.
        bare = [look.model_copy(update={"values": []}) for look in found.looks]
        found = found.model_copy(update={"looks": bare})
    while size_of(found) > limit and found.suspects:
        found = found.model_copy(update={"suspects": found.suspects[:-1]})
    return found


def size_of(status: ReleaseStatus) -> int:
    """Its size in bytes, as it is written."""
    return len(status.model_dump_json(by_alias=True, exclude_none=True).encode())
