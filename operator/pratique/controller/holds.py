"""Holding workloads and letting them go: one patch, made from what the API server says at that moment.

Not here: who decides it (lifecycle/hold), and what the patch says (cluster/holding).
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from ..cluster import holding
from ..cluster.client import Cluster
from ..cluster.errors import ClusterError, Conflict, Gone, Refused
from ..cluster.workloads import ADAPTERS
from ..lifecycle.actions import Outcome
from ..lifecycle.letting_go import Hold, LetGo
from ..lifecycle.noticing import fingerprint

logger = logging.getLogger(__name__)

RIGHTS = "kubectl apply -f deploy/hold/rbac.yaml grants it"


async def hold_or_let_go(cluster: Cluster, action: LetGo) -> Outcome:
    """Carry it out, unless the workload changed since it was decided."""
    plural = ADAPTERS[action.kind].plural
    what = f"{action.kind} {action.namespace}/{action.name}"
    try:
        body = await cluster.get(plural, action.namespace, action.name)
        if body is None or body["metadata"]["uid"] != action.uid:
            return _outcome(True, f"{what} is gone")
        if fingerprint(body["spec"]["template"]).hash != action.template_hash:
            return _outcome(False, f"{what} has another version by now", "Conflict")
        pausing = isinstance(action, Hold)
        patch = holding.hold(body) if pausing else holding.let_go(body)
        if patch is None:
            return _outcome(True, f"{what} is so already")
        await cluster.patch_workload(plural, action.namespace, action.name, patch)
    except Conflict:
        return _outcome(False, f"{what} changed meanwhile", "Conflict")
    except Gone:
        return _outcome(True, f"{what} is gone")
    except Refused as error:
        return _outcome(False, f"{error}; {RIGHTS}", "Refused")
    except ClusterError as error:
        return _outcome(False, str(error), type(error).__name__)
    done = "paused" if pausing else "let go"
    logger.info("%s: %s", what, done)
    return _outcome(True, f"{what} was {done}")


def _outcome(ok: bool, message: str, error: str = "") -> Outcome:
    facts = (("error", error),) if error else ()
    return Outcome(ok=ok, message=message[:1024], at=datetime.now(UTC), facts=facts)
