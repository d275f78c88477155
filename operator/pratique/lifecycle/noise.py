"""How much the old version's figures wander by themselves: read once a release from its past.

What came is kept in the status, so that all looks, and all after a kill, reckon with the same.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ..judge.objectives import tested
from ..judge.samples import History
from ..judge.wandering import noise_of
from ..resources.release import NoiseEntry, PlannedObjective, ReleaseStatus
from . import grid
from .situation import Situation

if TYPE_CHECKING:
    from ..judge.statistics.laws import Noise
    from .looks import Looking

MAX_STEPS = 1440
"""Looks of the past that are read at most: a day of minutes."""


def known(s: Situation, found: Looking) -> bool:
    """Read what is missing; whether all is there. A provider that fails leaves it unknown."""
    entries = {e.name: e for e in found.status.noise}
    wanted = [o for o in s.spec.plan.objectives if _wants(s, o)]
    for objective in wanted:
        if objective.name not in entries and (entry := _read(s, found, objective)) is not None:
            entries[objective.name] = entry
    noise = [entries[o.name] for o in wanted if o.name in entries]
    if noise != found.status.noise:
        found.status = found.status.model_copy(update={"noise": noise})
    return len(noise) == len(wanted)


def of(status: ReleaseStatus, objective: PlannedObjective) -> Noise | None:
    """The noise to be reckoned with; none where nothing is known of it."""
    entry = next((e for e in status.noise if e.name == objective.name), None)
    if entry is None or not entry.known:
        return None
    from ..judge.statistics.laws import Noise

    return Noise(entry.sd, entry.rho, known=True)


def _wants(s: Situation, objective: PlannedObjective) -> bool:
    plan = s.spec.plan
    return bool(
        plan.analysis.noise_history
        and plan.old_pods
        and objective.provider is not None
        and tested(objective)
    )


def _read(s: Situation, found: Looking, objective: PlannedObjective) -> NoiseEntry | None:
    analysis = s.spec.plan.analysis
    assert analysis.noise_history is not None
    span = min(analysis.noise_history, MAX_STEPS * analysis.interval)
    # On the grid, and before the rollout: releases noticed together ask together.
    end = grid.ceil(s.spec.noticed_at, analysis.interval) - analysis.interval
    since = s.spec.plan.old_pods_since
    if since is not None:
        span = min(span, end - grid.ceil(since, analysis.interval))
    if span < 2 * analysis.interval:
        return NoiseEntry(name=objective.name, sd=0.0, rho=0.0, known=False)
    question = s.question(
        objective,
        end,
        span - timedelta(microseconds=span.microseconds),
        pod_pattern=s.spec.plan.old_pods,
        step=analysis.interval,
    )
    answer = found.want(s, question, end + s.delay(objective))
    if answer is None:
        return None
    past = answer.sample.counts if isinstance(answer.sample, History) else ()
    noise = noise_of(objective, past)
    return NoiseEntry(
        name=objective.name,
        sd=float(f"{noise.sd:.4g}"),
        rho=noise.rho,
        known=noise.known,
    )
