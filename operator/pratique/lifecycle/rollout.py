"""Following the rollout: to its completion, which is latched, or to its failure."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..judge.numbers import clip
from ..resources.release import Diagnosis, ReleaseStatus, RolloutStatus
from .causes import BY_NAME
from .diagnosis import Finding, diagnose, look_again
from .situation import Situation
from .view import Pod, Revision, View, Workload

LAG = timedelta(seconds=30)
"""By how much one watch may be behind another at most."""

TOLD = 1000
"""Characters of a diagnosis as told: where room is short, messages beyond 1,024 are cut at their end."""


def current(s: Situation, status: ReleaseStatus) -> Revision | None:
    """Kubernetes' own record of this release's version, once it is known beyond doubt."""
    if s.view is None:
        return None
    latched = status.rollout.revision_object
    if latched:
        found = next((r for r in s.view.revisions if r.name == latched), None)
        if found:
            return found
    workload, newest = s.view.workload, s.view.current
    if newest is None or workload.observed_generation < workload.generation:
        return None
    if overtaken(s, status):
        return None  # the newest is another version's
    if workload.paused and workload.updated == 0:
        return None
    if workload.revision_object is not None:
        return next((r for r in s.view.revisions if r.name == workload.revision_object), None)
    if newest.template_hash is not None:
        wanted = status.template_hash or s.spec.template_hash
        same = [r for r in s.view.revisions if r.template_hash == wanted]
        # The API server's new defaults change our hash of the workload, not what was recorded.
        late = s.now - s.spec.noticed_at >= LAG
        return max(same, key=lambda r: r.number, default=newest if late else None)
    if workload.revision is not None and workload.revision != str(newest.number):
        return None  # one of the two watches is behind
    return newest


def overtaken(s: Situation, status: ReleaseStatus) -> bool:
    """Whether the workload's template is another version's by now, of which no release could begin: its
    policy is gone, or makes no plan."""
    return s.template_hash not in (None, status.template_hash or s.spec.template_hash)


def own_pods(view: View, revision: Revision | None) -> list[Pod]:
    """The pods of this release's version, without those below the partition."""
    if revision is None:
        return []
    first = view.workload.partition or 0
    return [p for p in view.pods if p.revision == revision.pod_hash and p.ordinal >= first]


def rolled_out_since(view: View, now: datetime) -> datetime | None:
    """Since when the workload is rolled out as it stands, where its kind has no condition that says so.

    Known is since when at the latest: when its version was recorded, and when the last of its pods became
    Ready. A pod that was merely replaced makes it younger, and so judged as new, which does no harm.
    """
    workload = view.workload
    if workload.revision_object is not None:
        revision = next((r for r in view.revisions if r.name == workload.revision_object), None)
    else:
        revision = view.current
    pods = own_pods(view, revision)
    if revision is None or not _complete(view, revision, workload.revision, now):
        return None
    moments = [revision.created, *(p.ready_since for p in pods)]
    known = [m for m in moments if m is not None]
    whole = len(pods) >= workload.desired and len(known) == len(moments)
    return max(known) if whole and all(p.ready for p in pods) else None


def follow(s: Situation, status: ReleaseStatus) -> ReleaseStatus:
    """The rollout as seen now; completion and the diagnosis' begin are kept."""
    if s.view is None:
        return status
    workload, before = s.view.workload, status.rollout
    revision = current(s, status)
    pods = own_pods(s.view, revision)
    number = before.revision
    if revision is not None and (number is None or revision.template_hash is None):
        number = str(revision.number)
        if revision.template_hash is not None and workload.revision is not None:
            number = workload.revision
    completed_at = before.completed_at
    complete = revision is not None and _complete(s.view, revision, number, s.now)
    if completed_at is None and complete:
        completed_at = s.now
    finding = diagnose(workload, pods, s.now, s.view.notes, revision.name if revision else None)
    if completed_at is None and overtaken(s, status):
        finding = None  # what is said of the workload now is said of the other version
    if completed_at is not None and finding and not finding.runtime:
        finding = None  # want of room for a later pod does not speak against the version
    rollout = RolloutStatus(
        revision=number,
        revision_object=revision.name if revision else before.revision_object,
        desired=workload.desired,
        updated=workload.updated if revision else 0,
        ready=sum(p.ready and not p.deleting for p in pods),
        partition=_partition(workload, before),
        digests=before.digests,
        completed_at=completed_at,
        diagnosis=_diagnosis(finding, before.diagnosis, s.now),
    )
    return status.model_copy(update={"rollout": rollout})


def _complete(view: View, revision: Revision, number: str | None, now: datetime) -> bool:
    w = view.workload
    # A newer template may roll out while no newer release could begin yet.
    newest = (
        w.revision_object == revision.name
        if w.revision_object is not None
        else w.revision in (None, number)
    )
    if not newest or w.desired <= 0 or w.paused or w.observed_generation < w.generation:
        return False
    if w.partition is None:
        return w.updated == w.desired == w.total and w.available >= w.desired
    # What the workload says of availability counts the pods below the partition too.
    return w.updated >= w.desired <= sum(_available(p, w, now) for p in own_pods(view, revision))


def _available(pod: Pod, workload: Workload, now: datetime) -> bool:
    if not pod.ready or pod.deleting or pod.ready_since is None:
        return False
    return now - pod.ready_since >= timedelta(seconds=workload.min_ready)


def _partition(workload: Workload, before: RolloutStatus) -> int | None:
    """As it stands; once the rollout is complete the lowest down to which it was."""
    if before.completed_at is None:
        return workload.partition
    if before.partition is None or workload.updated < workload.desired:
        return before.partition  # lowered, and the further pods are still to come
    return min(before.partition, workload.partition or 0) or None


def _diagnosis(
    finding: Finding | None, before: Diagnosis | None, now: datetime
) -> Diagnosis | None:
    if finding is None:
        return None
    same = before is not None and before.definite == finding.definite
    if before and same and before.cause == finding.cause:
        # The first words stay: a restart count that grows is no new meaning.
        return before
    # One obstacle may be told in several ways; its time goes on.
    known = BY_NAME.get(before.cause) if before else None
    goes_on = same and known is not None and known.family == BY_NAME[finding.cause].family
    return Diagnosis(
        cause=finding.cause,
        message=finding.message[:1024],
        pod=finding.pod,
        container=finding.container,
        definite=finding.definite,
        next=finding.next[:512] if finding.next else None,
        since=before.since if before and goes_on else now,
    )


def fails_at(s: Situation, status: ReleaseStatus) -> datetime | None:
    """When the diagnosis, if it goes on, ends the release."""
    diagnosis = status.rollout.diagnosis
    if diagnosis is None:
        return None
    if given_up(s, status):
        return diagnosis.since  # Kubernetes has waited already
    if not diagnosis.definite:
        return None
    return diagnosis.since + s.spec.plan.analysis.fail_fast_after


def given_up(s: Situation, status: ReleaseStatus) -> str | None:
    """Kubernetes' words where its own progress deadline ended the rollout."""
    if s.view is None or status.rollout.completed_at is not None or overtaken(s, status):
        return None
    workload = s.view.workload
    observed = workload.observed_generation >= workload.generation
    return workload.progress_failed if observed else None


def unready_at(s: Situation, status: ReleaseStatus) -> datetime | None:
    """When a pod that runs without being ready is to be looked at again, though nothing changes."""
    if s.view is None or status.rollout.completed_at is not None:
        return None
    return look_again(own_pods(s.view, current(s, status)), s.now)


def told(s: Situation, status: ReleaseStatus) -> str:
    """The diagnosis in a sentence: cause, words, what Kubernetes made of it, what to look at next."""
    diagnosis = status.rollout.diagnosis
    assert diagnosis is not None
    text = f"{diagnosis.cause}: {diagnosis.message}"
    if diagnosis.pod:
        text += f" (pod {diagnosis.pod})"
    gave_up, more = given_up(s, status), ""
    if gave_up and diagnosis.cause != "ProgressDeadlineExceeded":
        more += f"; ProgressDeadlineExceeded: {gave_up[:200]}"
    if diagnosis.next:
        more += f"; look at: {diagnosis.next}"
    return clip(text, TOLD - len(more)) + more


def deadline(s: Situation, status: ReleaseStatus) -> datetime:
    """When a rollout that is not complete ends the release."""
    let_go = status.hold.let_go_at if status.hold else None
    return (let_go or s.spec.noticed_at) + s.spec.plan.analysis.rollout_deadline


def waiting_for(s: Situation, status: ReleaseStatus) -> tuple[str, str]:
    """(reason, sentence) while the rollout is not complete."""
    rollout = status.rollout
    if rollout.diagnosis:
        left = fails_at(s, status) or deadline(s, status)
        when = f"; ends as not promotable at {_clock(s, left)} unless it goes"
        return "RollingOut", f"{told(s, status)}{when if s.now < left else ''}"
    if overtaken(s, status):
        return (
            "RollingOut",
            "a newer version took its place, of which no release could begin: see that a policy judges "
            f"the workload; until {_clock(s, deadline(s, status))}",
        )
    if s.view and s.view.workload.paused:
        return (
            "RollingOut",
            "the workload is paused: kubectl rollout resume lets it go on; "
            f"until {_clock(s, deadline(s, status))}",
        )
    if s.view and s.view.workload.kept_back:
        return (
            "RollingOut",
            f"partition {s.view.workload.partition} keeps every pod on the version before: lower it, "
            f"until {_clock(s, deadline(s, status))}",
        )
    if s.view and s.view.workload.desired == 0 and s.view.workload.kind == "DaemonSet":
        return (
            "ScaledToZero",
            f"no node takes a pod of it: it is judged when pods come, until {_clock(s, deadline(s, status))}",
        )
    if s.view and s.view.workload.desired == 0:
        return (
            "ScaledToZero",
            "the workload is scaled to zero: it is judged when pods come, until "
            f"{_clock(s, deadline(s, status))}",
        )
    by_hand = ""
    if s.view and s.view.workload.on_delete and rollout.updated < rollout.desired:
        by_hand = "a pod takes it when the old one is deleted (OnDelete); "
    return (
        "RollingOut",
        f"{rollout.ready} of {rollout.desired} pods of this version are ready; {by_hand}"
        f"until {_clock(s, deadline(s, status))}",
    )


def waits_for_people(s: Situation, status: ReleaseStatus) -> bool:
    """Whether it is up to people that the rollout goes on: that it does not says nothing of the version."""
    if s.view is None:
        return False
    w, rollout = s.view.workload, status.rollout
    if overtaken(s, status):
        return True
    return w.paused or w.kept_back or (w.on_delete and rollout.updated < rollout.desired)


def _clock(s: Situation, moment: datetime) -> str:
    """The moment's time, with its date where that is not the release's own."""
    moment += timedelta(milliseconds=500)
    form = "%H:%M:%S UTC" if moment.date() == s.spec.noticed_at.date() else "%Y-%m-%d %H:%M:%S UTC"
    return moment.strftime(form)
