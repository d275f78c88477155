"""Stepping budgets each minute and agreements every five: ask what is not recorded yet, write how they stand."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ..cluster.client import Cluster
from ..cluster.errors import Gone
from ..judge.samples import Missing
from ..judge.slices import Slice
from ..lifecycle import accounts, ledgers, standing
from ..lifecycle.accounts import Account
from ..lifecycle.ledgers import Book, Chunk
from ..lifecycle.planning import Unresolved
from ..lifecycle.policies import Policy
from ..lifecycle.standing import Trouble
from ..queries import slices
from ..queries.errors import Unasked
from ..resources import conditions
from ..resources.agreement import AgreedFigures, AgreedObjective, ServiceLevelAgreementStatus
from ..resources.budget import ServiceLevelObjectiveStatus, Span
from ..resources.budget_policy import ErrorBudgetPolicy
from ..resources.conditions import Condition, Status
from ..sources.errors import Rejected, SourceError
from ..telemetry.metrics import Metrics
from .asking import Sources
from .clock import Key
from .store import Store

logger = logging.getLogger(__name__)

PLURALS = {
    "servicelevelobjectives": "ServiceLevelObjective",
    "servicelevelagreements": "ServiceLevelAgreement",
}
EVERY = timedelta(minutes=1)
AGREEMENTS_EVERY = timedelta(minutes=5)
GATHERING = timedelta(seconds=2)
"""While a long window is asked for the first time, a few days at a time."""
WAITING = timedelta(seconds=5)
WRITE_AT_LEAST = timedelta(minutes=5)
"""Figures that hardly changed are written this often, so that they are seen to be fresh."""


class BudgetKeeper:
    """Reckons objectives with a target, and agreements. One instance an operator."""

    def __init__(
        self,
        *,
        store: Store,
        cluster: Cluster,
        sources: Sources,
        metrics: Metrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._sources = sources
        self._metrics = metrics
        self._now = now
        self._due: dict[Key, tuple[int, datetime]] = {}
        self._written: dict[Key, ServiceLevelObjectiveStatus | ServiceLevelAgreementStatus] = {}

    async def step(self, key: Key) -> datetime | None:
        """Reckon one, unless that was done moments ago; returns when it is due again."""
        namespace, kind, name = key
        at = (namespace, name)
        named = (
            self._store.objectives.get(at)
            if kind == "ServiceLevelObjective"
            else self._store.agreements.get(at)
        )
        if named is None or (kind == "ServiceLevelObjective" and not _has_target(self._store, at)):
            self._due.pop(key, None)
            self._written.pop(key, None)
            await self._refused(key)
            return None
        known = self._due.get(key)
        if known and known[0] == named.generation and self._now() < known[1]:
            return known[1]
        wait = (
            await self._budget(key)
            if kind == "ServiceLevelObjective"
            else await self._agreement(key)
        )
        if wait is None:
            return None
        due = self._now() + wait * random.uniform(0.9, 1.1)  # noqa: S311
        self._due[key] = (named.generation, due)
        return due

    async def _refused(self, key: Key) -> None:
        """A document that the models do not take, though the API server did: say so in its status."""
        problem = self._store.refused_accounts.get(key)
        if problem is None:
            return
        plural = next(p for p, kind in PLURALS.items() if kind == key[1])
        body = await self._cluster.get(plural, key[0], key[2])
        if body is None:
            return
        generation = body["metadata"].get("generation", 0)
        old = (body.get("status") or {}).get("conditions", [])
        wanted: list[tuple[str, Status, str, str]] = [
            ("Ready", "Unknown", "Invalid", problem),
            ("Stalled", "True", "Invalid", problem),
        ]
        if [(c["type"], c.get("message")) for c in old] == [(t, m) for t, _, _, m in wanted]:
            return
        merged = conditions.merge([], wanted, generation=generation, now=_whole(self._now()))
        status = {"observedGeneration": generation, "conditions": [c.dump() for c in merged]}
        self._metrics.api_writes.labels(kind=key[1], verb="status").inc()
        with contextlib.suppress(Gone):
            await self._cluster.patch_status(plural, key[0], key[2], status, None)

    # Budgets

    async def _budget(self, key: Key) -> timedelta | None:
        at = (key[0], key[2])
        objective, now = self._store.objectives[at], self._now()
        before = self._store.budget_status.get(at)
        account, book, recorded, trouble = None, None, None, None
        try:
            account = accounts.of_objective(self._store.library, objective, now)
        except Unresolved as problem:
            trouble = _unresolved(problem)
        else:
            book, recorded, trouble = await self._open(
                account, before.recorded if before else None, now
            )
        if account is None or book is None:
            if trouble is None:
                return WAITING
            status = standing.troubled(
                before, trouble, generation=objective.generation, now=_whole(now), recorded=recorded
            )
        else:
            status = standing.budget(
                account,
                book,
                before,
                policies=self._policies(at),
                generation=objective.generation,
                now=_whole(now),
                recorded=recorded,
            )
        self._store.budget_status[at] = status
        if not await self._write("servicelevelobjectives", key, status):
            return None
        if trouble is None:
            return EVERY
        return GATHERING if trouble.reason == "Gathering" else WAITING if trouble.waiting else EVERY

    def _policies(self, at: tuple[str, str]) -> list[tuple[str, ErrorBudgetPolicy]]:
        """The policies of the namespace for whose releases this budget counts."""
        namespace, name = at
        workload = self._store.objectives[at].spec.workload
        found = []
        for policy in self._store.policies.values():
            budget = policy.spec.error_budget_policy
            if policy.namespace != namespace or budget is None:
                continue
            if budget.objectives is not None:
                counts = name in budget.objectives
            else:
                counts = any(o.ref == name for o in policy.spec.objectives) or (
                    workload is not None and self._judges(policy, workload)
                )
            if counts:
                found.append((policy.name, budget))
        return found

    def _judges(self, policy: Policy, workload: str) -> bool:
        return any(
            w.name == workload and w.namespace == policy.namespace
            for w in self._store.speaks_of(policy)
        )

    # Agreements

    async def _agreement(self, key: Key) -> timedelta | None:
        at = (key[0], key[2])
        agreement, now = self._store.agreements[at], self._now()
        before = self._store.agreement_status.get(at)
        old = {f.name: f for f in before.objectives} if before else {}
        figures: list[AgreedFigures] = []
        troubles: list[Trouble] = []
        period = None
        for agreed in agreement.spec.objectives:
            got, trouble, span = await self._agreed(at, agreed, old.get(agreed.name), now)
            figures.append(got)
            period = span or period
            if trouble is not None:
                troubles.append(trouble)
        worst = next((t for t in troubles if not t.waiting), troubles[0] if troubles else None)
        status = standing.agreement(
            figures,
            before,
            trouble=worst,
            period=period,
            generation=agreement.generation,
            now=_whole(now),
        )
        self._store.agreement_status[at] = status
        if not await self._write("servicelevelagreements", key, status):
            return None
        if worst is None:
            return AGREEMENTS_EVERY
        return GATHERING if worst.reason == "Gathering" else WAITING if worst.waiting else EVERY

    async def _agreed(
        self,
        at: tuple[str, str],
        agreed: AgreedObjective,
        old: AgreedFigures | None,
        now: datetime,
    ) -> tuple[AgreedFigures, Trouble | None, Span | None]:
        agreement = self._store.agreements[at]
        bare = AgreedFigures(
            name=agreed.name, target=agreed.target, recorded=old.recorded if old else None
        )
        try:
            account = accounts.of_agreement(self._store.library, agreement, agreed, now)
        except Unresolved as problem:
            trouble = _unresolved(problem)
            return bare.model_copy(update={"message": trouble.message[:1024]}), trouble, None
        span = Span(from_=account.frame.period.begin, to=account.frame.period.end)
        book, recorded, failed = await self._open(account, bare.recorded, now)
        if book is None:
            said = {"message": failed.message[:1024] if failed else None, "recorded": recorded}
            return bare.model_copy(update=said), failed, span
        return standing.agreed(account, book, agreement.spec, agreed.name, recorded), None, span

    # Asking and writing

    async def _open(
        self, account: Account, kept: str | None, now: datetime
    ) -> tuple[Book | None, str | None, Trouble | None]:
        """The book up to now, what to keep of it, and what went wrong or is still to be asked."""
        frame = account.frame
        ledger = ledgers.opened(frame, kept)
        until = now - account.delay
        try:
            for chunk in ledgers.missing(frame, ledger, until):
                ledger = ledgers.record(frame, ledger, chunk, await self._ask(account, chunk))
            behind = ledgers.missing(frame, ledger, until, most=1)
            if behind:
                said = (
                    f"counted from {ledger.begin:%Y-%m-%d %H:%M} to {behind[0].begin:%Y-%m-%d %H:%M} "
                    "UTC so far"
                )
                return None, ledgers.packed(ledger), Trouble("Gathering", said, waiting=True)
            tail = ledgers.trailing(frame, ledger, until)
            counted = await self._ask(account, tail) if tail else []
        except _AskingFailed as failed:
            return None, ledgers.packed(ledger), failed.trouble
        return Book(frame, ledger, tail, counted), ledgers.packed(ledger), None

    async def _ask(self, account: Account, chunk: Chunk) -> list[Slice]:
        try:
            query = slices.query(account.source, chunk.begin, chunk.end, chunk.step)
            vector = await self._sources.ask(query)
        except Unasked as problem:
            raise _AskingFailed(Trouble("QueryRejected", problem.missing.message)) from None
        except SourceError as error:
            reason = "QueryRejected" if isinstance(error, Rejected) else "ProviderError"
            name = account.source.provider.name
            raise _AskingFailed(
                Trouble(reason, f"metrics provider {name}: {error.message}")
            ) from None
        found = slices.read(account.source, chunk.begin, chunk.end, chunk.step, vector)
        if isinstance(found, Missing):
            raise _AskingFailed(Trouble(found.reason, found.message))
        return found

    async def _write(
        self,
        plural: str,
        key: Key,
        status: ServiceLevelObjectiveStatus | ServiceLevelAgreementStatus,
    ) -> bool:
        """Write it where that says something new; False where the object is gone."""
        before = self._written.get(key)
        if before is not None and not _news(before, status):
            return True
        self._metrics.api_writes.labels(kind=key[1], verb="status").inc()
        try:
            await self._cluster.patch_status(plural, key[0], key[2], status.dump(), None)
        except Gone:
            self._store.drop(plural, key[0], key[2])
            return False
        self._written[key] = status
        return True


class _AskingFailed(Exception):  # noqa: N818 - carries what is told of it
    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


def _has_target(store: Store, at: tuple[str, str]) -> bool:
    return store.objectives[at].spec.target is not None


def _unresolved(problem: Unresolved) -> Trouble:
    reason = "Waiting" if problem.waiting else "Unresolved"
    return Trouble(reason, str(problem), waiting=problem.waiting)


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _news(
    before: ServiceLevelObjectiveStatus | ServiceLevelAgreementStatus,
    after: ServiceLevelObjectiveStatus | ServiceLevelAgreementStatus,
) -> bool:
    """Whether anybody would want to read it: another condition, figures that moved, or long ago."""
    if before.evaluated_at is None or after.evaluated_at is None:
        return before != after
    if after.evaluated_at - before.evaluated_at >= WRITE_AT_LEAST:
        return True
    return _meaning(before) != _meaning(after)


def _meaning(
    status: ServiceLevelObjectiveStatus | ServiceLevelAgreementStatus,
) -> tuple[object, ...]:
    shared = (status.observed_generation, [_told(c) for c in status.conditions])
    if isinstance(status, ServiceLevelAgreementStatus):
        figures = [
            (f.name, f.target, _coarse(f.attained), _coarse(f.budget_remaining), f.credit_tier,
             _coarse(f.projected_end_of_period), f.recorded)
            for f in status.objectives
        ]  # fmt: skip
        return (*shared, figures)
    burns = [(b.window, _coarse(b.rate)) for b in status.burn_rates]
    return (*shared, _coarse(status.remaining), burns, status.gates, status.recorded)


def _told(condition: Condition) -> tuple[str, str, str]:
    return (condition.type, condition.status, condition.reason)


def _coarse(figure: float | None) -> str | None:
    return None if figure is None else f"{figure:.2g}"
