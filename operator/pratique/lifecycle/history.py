"""What later releases need of an earlier one."""

from __future__ import annotations

from ..judge.spreads import spread
from ..resources import conditions
from ..resources.base import ObjectMeta
from ..resources.release import BaselineObjective, ReleaseSpec, ReleaseStatus
from .hold import kept
from .noticing import Known
from .planning import indicator_hash


def remember(metadata: ObjectMeta, spec: ReleaseSpec, status: ReleaseStatus) -> Known:
    """The slim record of a Release."""
    results = []
    if status.verdict == "Promotable" and status.judgement and status.revoked is None:
        results = status.judgement.results
    elif status.measured:
        results = status.measured
    window = status.judgement.window if status.judgement else None
    seconds = ((window.to - window.from_) if window else spec.plan.analysis.window).total_seconds()
    indicators = {o.name: o.indicator for o in spec.plan.objectives}
    ignored = status.ignored
    promotable = conditions.find(status.conditions, "Promotable")
    gone = conditions.find(status.conditions, "WorkloadGone")
    return Known(
        name=metadata.name,
        number=spec.number,
        uid=metadata.uid,
        template_hash=status.template_hash or spec.template_hash,
        parts=ignored.parts if ignored else spec.parts,
        images=tuple(spec.images),
        workload_uid=spec.workload.uid,
        revision=status.rollout.revision,
        revision_object=status.rollout.revision_object,
        noticed_at=spec.noticed_at,
        completed=status.completed_at is not None,
        verdict=status.verdict,
        reason=promotable.reason if promotable else "Noticed",
        # What was only recorded is no baseline: nobody vouched for it.
        measured=bool(status.measured) and spec.purpose == "Measure",
        rolled_out_at=status.rollout.completed_at,
        values=tuple(
            BaselineObjective(
                name=r.name,
                value=r.value,
                samples=r.samples,
                seconds=seconds,
                spread=spread(numbers := _numbers(spec, status, r.name)),
                looks=numbers,
                indicator_hash=indicator_hash(indicators[r.name]),
            )
            for r in results
            if r.value is not None and r.name in indicators
        ),
        version=spec.version,
        attempt=spec.attempt or 1,
        members=tuple((m.kind, m.name, m.release) for m in spec.members),
        kind=spec.workload.kind,
        workload=spec.workload.name,
        partition=status.rollout.partition,
        purpose=spec.purpose,
        digests=tuple(status.rollout.digests),
        renewed=ignored is not None,
        kept_held=kept(status),
        cause=spec.cause,
        rollback_to=spec.rollback_to,
        previous=spec.previous,
        ended_at=status.completed_at,
        revoked=status.revoked is not None,
        attempt_of=spec.attempt_of,
        retention=spec.plan.retention,
        gone_since=gone.last_transition_time if gone else None,
    )


def _numbers(spec: ReleaseSpec, status: ReleaseStatus, name: str) -> list[float | None]:
    """An objective's values look by look, over the window as far as the status still holds it."""
    names = [o.name for o in spec.plan.objectives]
    if name not in names or status.window_from is None:
        return []
    index = names.index(name)
    return [
        x.values[index] for x in status.looks if x.at > status.window_from and index < len(x.values)
    ]
