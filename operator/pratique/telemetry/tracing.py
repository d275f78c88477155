"""The trace of one judgement, derived from the Release alone once its verdict is given.

    release Deployment/checkout #8          noticed → verdict
    ├── rollout                             noticed → complete
    ├── warm-up                             complete → window
    └── window                              its begin → its end
        ├── look …                          one interval each; those of the rollout hang on the root
        └── objective errors …              the time judged; on the root where it began earlier

Pure: the same Release gives the same spans with the same ids, so they can be sent again after a kill.
Not here: sending them (``export``).
"""

from __future__ import annotations

from datetime import datetime

from ..resources.base import ObjectMeta
from ..resources.conditions import find
from ..resources.judgement import ObjectiveResult
from ..resources.release import Look, Release, ReleaseStatus
from . import attributes
from .spans import Attributes, SpanEvent, SpanRecord, span_id, trace_id


def spans(metadata: ObjectMeta, release: Release) -> list[SpanRecord]:
    """Parents before their children; nothing before the verdict, or for what is only measured."""
    status = release.status
    if status is None or status.verdict is None:
        return []
    trace = _Trace(metadata, release, status)
    trace.judgement()
    return trace.records


class _Trace:
    """The spans so far, and what all of them need."""

    def __init__(self, metadata: ObjectMeta, release: Release, status: ReleaseStatus) -> None:
        self.metadata = metadata
        self.release = release
        self.status = status
        self.identity = attributes.identity(metadata, release)
        self.records: list[SpanRecord] = []

    def judgement(self) -> None:
        status = self.status
        reason = _reason(status)
        root = self._add(
            "release",
            f"release {self.release.spec.workload.kind}/{self.release.spec.workload.name}"
            f" #{self.release.spec.number}",
            None,
            self.release.spec.noticed_at,
            status.completed_at or self.release.spec.noticed_at,
            attributes.of_release(self.metadata, self.release, reason),
            error_type=reason,
            error=status.judgement.message if status.judgement else reason or "",
        )
        self._rollout(root)
        window = self._window(root)
        for look in {look.at: look for look in status.looks}.values():
            self._look(look, root, window)
        results = status.judgement.results if status.judgement else []
        for result in {result.name: result for result in results}.values():
            self._objective(result, root, window)

    def _rollout(self, root: SpanRecord) -> None:
        rollout, held = self.status.rollout, self.status.hold
        begin = root.start
        if held is not None and held.seen:
            begin = held.let_go_at or root.end
            self._add("hold", "hold", root, held.since, begin)
        stuck = rollout.diagnosis if rollout.completed_at is None else None
        self._add(
            "rollout",
            "rollout",
            root,
            begin,
            rollout.completed_at or root.end,
            attributes.of_rollout(self.release.spec.workload.kind, rollout),
            error_type=stuck.cause if stuck else None,
            error=stuck.message if stuck else "",
            events=(attributes.of_diagnosis(rollout.diagnosis),) if rollout.diagnosis else (),
        )
        if rollout.completed_at is not None:
            warm = self.status.window_from or root.end
            if warm > rollout.completed_at:
                self._add("warm-up", "warm-up", root, rollout.completed_at, warm)

    def _window(self, root: SpanRecord) -> SpanRecord | None:
        begin = self.status.window_from
        if begin is None or begin >= root.end:
            return None
        judged = self.status.judgement.window if self.status.judgement else None
        end = judged.to if judged and judged.to > begin else root.end
        return self._add("window", "window", root, begin, end)

    def _look(self, look: Look, root: SpanRecord, window: SpanRecord | None) -> None:
        plan = self.release.spec.plan
        self._add(
            f"look/{look.at.timestamp()}",
            "look",
            window if window and look.at > window.start else root,
            look.at - plan.analysis.interval,
            look.at,
            events=attributes.of_look(look, [o.name for o in plan.objectives]),
        )

    def _objective(
        self, result: ObjectiveResult, root: SpanRecord, window: SpanRecord | None
    ) -> None:
        judged = self.status.judgement.window if self.status.judgement else None
        parent = window if window and (not judged or judged.from_ >= window.start) else root
        planned = {o.name: o.source for o in self.release.spec.plan.objectives}
        failed = result.result == "Fail"
        self._add(
            f"objective/{result.name}",
            f"objective {result.name}",
            parent,
            judged.from_ if judged else parent.start,
            judged.to if judged else parent.end,
            attributes.of_objective(result, planned.get(result.name)),
            error_type=result.reason if failed else None,
            error=result.message,
        )

    def _add(
        self,
        path: str,
        name: str,
        parent: SpanRecord | None,
        start: datetime,
        end: datetime,
        more: Attributes | None = None,
        *,
        error_type: str | None = None,
        error: str = "",
        events: tuple[SpanEvent, ...] = (),
    ) -> SpanRecord:
        """A child stays within its parent; an error is one only where the verdict is."""
        if parent is not None:
            start = min(max(start, parent.start), parent.end)
            end = min(end, parent.end)
        failed = error_type is not None and self.status.verdict == "NotPromotable"
        record = SpanRecord(
            name=name,
            trace_id=trace_id(self.metadata.uid),
            span_id=span_id(self.metadata.uid, path),
            parent_id=parent.span_id if parent else None,
            start=start,
            end=max(start, end),
            attributes={
                **self.identity,
                **(more or {}),
                **({"error.type": error_type} if failed and error_type else {}),
            },
            error=error if failed else None,
            events=events,
        )
        self.records.append(record)
        return record


def _reason(status: ReleaseStatus) -> str | None:
    if status.judgement is not None:
        return status.judgement.reason
    promotable = find(status.conditions, "Promotable")
    return promotable.reason if promotable else None
