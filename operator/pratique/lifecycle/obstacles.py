"""Whether what kept a rollout from going on is gone: by what its pods show, never by silence alone.

That nobody complains any more may only mean that nobody tries: a pod that waits for its next attempt, a
workload scaled to zero. So the version's pods must have come further than the obstacle. Not here: what
becomes of a release whose obstacle went.
"""

from __future__ import annotations

from datetime import datetime

from ..resources.release import Diagnosis
from .causes import BY_NAME, Stage
from .diagnosis import diagnose, ended
from .rollout import own_pods
from .view import Pod, Revision, View


def obstacle_gone(
    diagnosis: Diagnosis, view: View, revision: Revision | None, now: datetime
) -> bool:
    """Whether the recorded cause is behind the pods of ``revision``, the release's own version.

    Another cause may stand in its place. A cause that this operator does not know is never gone, nor is
    one whose version the workload does not run any more.
    """
    cause, workload = BY_NAME.get(diagnosis.cause), view.workload
    if cause is None or revision is None or workload.deleting or workload.desired == 0:
        return False
    if workload.observed_generation < workload.generation or not _runs(view, revision):
        return False
    pods = [p for p in own_pods(view, revision) if not p.deleting]
    own = [p for p in pods if not ended(p)]
    found = diagnose(workload, pods, now, view.notes, revision.name)
    if found is not None and BY_NAME[found.cause].family == cause.family:
        return False
    if diagnosis.cause == "ProgressDeadlineExceeded" and workload.progress_failed:
        return False
    if cause.past == "Made":
        anew = any(p.created >= diagnosis.since for p in own)
        return workload.replica_failure is None and (anew or len(own) >= workload.desired)
    return bool(own) and all(_past(p, cause.past) for p in own)


def _runs(view: View, revision: Revision) -> bool:
    """Whether this is still the version that the workload asks for."""
    workload, newest = view.workload, view.current
    if workload.revision_object is not None:
        return workload.revision_object == revision.name
    if newest is None or newest.name != revision.name:
        return False
    # A DaemonSet counts its template's generations, not its revisions.
    return revision.template_hash is not None or workload.revision in (None, str(revision.number))


def _past(pod: Pod, stage: Stage) -> bool:
    match stage:
        case "Ready":
            return pod.ready
        case "Started":
            return all(
                c.running_since is not None or c.terminated is not None for c in pod.containers
            )
        case _:
            return pod.node is not None
