"""Whether a version is judged again: requests on Releases, and obstacles that went by themselves.

What is kept in memory is only how long something has been seen to be gone; after a kill it is seen anew.

Not here: what may go and what is asked (lifecycle/attempts), and creating the Release.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..cluster.client import Cluster
from ..cluster.errors import Gone, Refused, Rejected
from ..lifecycle import attempts
from ..lifecycle.attempts import Again
from ..lifecycle.noticing import Known
from ..resources.base import API_VERSION
from ..resources.release import RE_EVALUATE_ANNOTATION, Release
from .asking import Asker
from .clock import Key
from .store import Record, Seen, Store

logger = logging.getLogger(__name__)


@dataclass
class _Waiting:
    """A release that ended by something that may go."""

    release: Release
    uid: str
    gone_since: datetime | None = None
    """Since when nothing is in the way any more."""
    asked: datetime | None = None
    """When providers are asked for data again."""
    lacking: set[str] = field(default_factory=set)


class Attempter:
    """Finds the workloads whose version is to be judged again."""

    def __init__(
        self, *, store: Store, cluster: Cluster, asker: Asker, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._asker = asker
        self._now = now
        self._waiting: dict[Key, _Waiting] = {}

    async def consider(
        self, key: Key, seen: Seen | None, *, judged: bool
    ) -> tuple[Again | None, datetime | None]:
        """The attempt that begins now, if one does; else when to look again."""
        history = self._store.history(key)
        asked = await self._requested(seen, history, judged=judged)
        if asked is not None:
            return asked, None
        known = [r.known for r in history]
        newest = attempts.candidate(known, seen.fingerprint) if seen and judged else None
        if newest is None or not history[-1].finished:
            self._waiting.pop(key, None)
            return None, None
        assert seen is not None
        return await self._by_itself(key, seen, newest)

    # Requests

    async def _requested(
        self, seen: Seen | None, history: Sequence[Record], *, judged: bool
    ) -> Again | None:
        answered = {
            (r.known.number, r.known.attempt_of.request) for r in history if r.known.attempt_of
        }
        begins = None
        for record in history:
            request = record.metadata.annotations.get(RE_EVALUATE_ANNOTATION)
            if request is None or (record.known.number, request[:253]) in answered:
                continue
            newest = history[-1].known
            there = judged and seen is not None
            if there and record is history[-1] and seen and _newer(seen, newest):
                continue  # a newer release is about to begin: then there is an answer
            refusal = attempts.refused(newest, record.known, judged=there)
            if refusal is not None:
                await self._refuse(record, request, refusal)
                continue
            begins = Again(
                record.known, "ReEvaluate", f"asked for by {RE_EVALUATE_ANNOTATION}", request[:253]
            )
        return begins

    async def _refuse(self, record: Record, request: str, why: str) -> None:
        """Say so as an Event, once, and take the request away: it must not come true later."""
        meta = record.metadata
        logger.info("%s/%s is not judged again: %s", meta.namespace, meta.name, why)
        digest = hashlib.sha256(f"{meta.uid}{request}".encode()).hexdigest()[:16]
        try:
            with contextlib.suppress(Refused, Rejected):  # the request goes all the same
                await self._cluster.event(
                    regarding={
                        "apiVersion": API_VERSION,
                        "kind": "Release",
                        "namespace": meta.namespace,
                        "name": meta.name,
                        "uid": meta.uid,
                    },
                    name=f"{meta.name[:200]}.{digest}",
                    type="Warning",
                    reason="ReEvaluateRefused",
                    message=why,
                    action="ReEvaluate",
                    at=self._now(),
                )
            body = await self._cluster.annotate(
                "releases", meta.namespace, meta.name, {RE_EVALUATE_ANNOTATION: None}
            )
        except Gone:
            return
        self._store.put("releases", body)

    # By itself

    async def _by_itself(
        self, key: Key, seen: Seen, newest: Known
    ) -> tuple[Again | None, datetime | None]:
        waiting = self._waiting.get(key)
        if waiting is None or waiting.uid != newest.uid:
            body = await self._cluster.get("releases", key[0], newest.name)
            if body is None:
                return None, None
            given = {k: body[k] for k in ("spec", "status") if body.get(k)}
            waiting = _Waiting(Release.model_validate(given), newest.uid)
            self._waiting[key] = waiting
        now, spec = self._now(), waiting.release.spec
        way = attempts.in_the_way(newest, spec, seen.workload, self._store.providers)
        if way is not None:
            logger.debug("%s/%s is not judged again yet: %s", key[0], newest.name, way)
            waiting.gone_since = waiting.asked = None
            return None, None  # a change of either wakes us
        due = None
        if attempts.MAY_GO[newest.reason] != "Rollout":
            due = await self._data(key, newest, waiting, now)
        if waiting.lacking:
            waiting.gone_since = None
            return None, due
        waiting.gone_since = waiting.gone_since or now
        # As long as a cause must stand to end a release, so long must it be gone.
        at = waiting.gone_since + spec.plan.analysis.fail_fast_after
        if now < at:
            return None, at
        self._waiting.pop(key, None)
        return Again(newest, "ObstacleGone", attempts.gone(newest)), None

    async def _data(
        self, key: Key, newest: Known, waiting: _Waiting, now: datetime
    ) -> datetime | None:
        """Ask for what there was no data of, if it is time; what lacks still is in ``waiting``."""
        if waiting.asked is not None and now < waiting.asked:
            return waiting.asked
        status = waiting.release.status
        assert status is not None
        wanted = attempts.probes(newest.name, key[0], waiting.release.spec, status, now)
        if not wanted:
            waiting.lacking = set()
            return None
        interval = waiting.release.spec.plan.analysis.interval
        again = attempts.asked_again(newest, interval, now)
        if again is None:
            waiting.lacking = set(wanted)
            return None
        samples = await self._asker.ask([question for question, _ in wanted.values()])
        lacking = {
            name: why
            for name, (question, least) in wanted.items()
            if (why := attempts.lacks(samples[question], least)) is not None
        }
        if lacking:
            logger.debug("%s/%s is not judged again yet: %s", key[0], newest.name, lacking)
        waiting.lacking = set(lacking)
        waiting.asked = again
        return again


def _newer(seen: Seen, newest: Known) -> bool:
    return seen.fingerprint.hash != newest.template_hash
