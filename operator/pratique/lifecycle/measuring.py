"""Measuring a workload that ran before a policy spoke of it: no verdict, but a baseline for the next."""

from __future__ import annotations

from datetime import datetime

from ..judge.fit import fit
from ..judge.objectives import Evidence, judge_objective
from ..judge.samples import Missing, Sample
from ..queries import podnames
from ..queries.describe import describe
from ..resources.judgement import Judgement, ObjectiveResult, Window
from ..resources.release import PlannedObjective, ReleaseStatus
from .looks import Looking
from .rollout import current
from .situation import Situation

MEASURED_BYTES = 6 * 1024
"""How much room the figures have in a status."""


def measure_adopted(s: Situation, status: ReleaseStatus) -> Looking:
    """Ask each objective once over the window before the release was noticed."""
    found = Looking(status)
    revision = current(s, status)
    limit = deadline(s)
    found.due.append(limit)
    if revision is None:
        if s.now >= limit:
            found.status = _finished(s, status, [])
        return found
    workload = s.spec.workload
    pattern = podnames.of_version(
        workload.kind, workload.name, revision.name, status.rollout.partition
    )
    results: list[ObjectiveResult] = []
    for objective in s.spec.plan.objectives:
        result = _measure(s, found, objective, pattern)
        if result is not None:
            results.append(result)
    if len(results) == len(s.spec.plan.objectives) or s.now >= limit:
        found.status = _finished(s, status, results)
        found.ask.clear()
        found.due.clear()
    return found


def deadline(s: Situation) -> datetime:
    """When measuring gives up."""
    return s.spec.noticed_at + s.spec.plan.analysis.deadline


def _finished(s: Situation, status: ReleaseStatus, results: list[ObjectiveResult]) -> ReleaseStatus:
    figures = Judgement(
        verdict="Inconclusive", reason="Measured", message="not judged", results=results
    )
    measured = fit(figures, MEASURED_BYTES).results
    return status.model_copy(update={"measured": measured, "completed_at": s.now})


def _measure(
    s: Situation, found: Looking, objective: PlannedObjective, pattern: str
) -> ObjectiveResult | None:
    window = s.spec.plan.analysis.window
    begin, end = s.spec.noticed_at - window, s.spec.noticed_at
    sample: Sample
    if objective.provider is None:
        sample = Missing("NoData", "Kubernetes' signals cannot be measured for the past")
        query, provider = None, "kubernetes"
    else:
        question = s.question(objective, end, window, pod_pattern=pattern)
        answer = found.want(s, question, end + s.delay(objective))
        if answer is None or (answer.trouble and s.now < deadline(s)):
            return None
        sample, query = answer.sample, describe(question)
        planned = s.spec.plan.providers[objective.provider]
        provider = f"{planned.namespace}/{planned.name}"
    evidence = Evidence(
        looks=(sample,),
        planned=1,
        window=Window(from_=begin, to=end),
        release=s.name,
        provider=provider,
        query=query,
        final=True,
    )
    result = judge_objective(objective, evidence)
    if result.result in ("Pass", "Warn", "Fail", "NotJudged") and result.value is not None:
        result = result.model_copy(update={"result": "NotJudged", "reason": "Measured"})
    return result
