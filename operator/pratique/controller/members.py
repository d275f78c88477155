"""Groups and their members as the store knows them: who belongs, and how their releases stand."""

from __future__ import annotations

from collections.abc import Mapping

from ..lifecycle.groups import KIND, Group, Member, belongs, ends_by, names
from ..lifecycle.groups import disagreement as disagreeing
from ..lifecycle.situation import Joined
from .clock import Key
from .store import Record, Store


def members_of(store: Store, group: Group) -> list[Member]:
    """The group's members with their newest releases, in order."""
    return [
        _member(store, (group.namespace, kind, name), there)
        for kind, name, there in names(group, store.workloads_in(group.namespace))
    ]


def joined(store: Store, record: Record) -> Mapping[tuple[str, str], Joined] | None:
    """The members of a group's release as they stand; None where the group is gone, or there is none."""
    release, namespace = record.release, record.metadata.namespace
    if release is None or (namespace, release.spec.workload.name) not in store.groups:
        return None
    found: dict[tuple[str, str], Joined] = {}
    for member in release.spec.members:
        history = store.history((namespace, member.kind, member.name))
        known = {r.metadata.name: r.known for r in history}
        judged = [r for r in history if not r.known.passed_over]
        found[(member.kind, member.name)] = Joined(
            release=known.get(member.release) if member.release else None,
            newest=judged[-1].metadata.name if judged else None,
            recorded=tuple(
                r.known for r in history if judged and r.known.number > judged[-1].known.number
            ),
        )
    return found


def groups_of(store: Store, key: Key) -> list[Key]:
    """The groups that the workload is a member of, or whose newest release names it."""
    namespace, kind, name = key
    if kind == KIND:
        return []
    seen = store.workloads.get(key)
    found = []
    for group in store.groups.values():
        if group.namespace != namespace:
            continue
        history = store.history(group.key)
        named = history and any(m[:2] == (kind, name) for m in history[-1].known.members)
        if named or (seen is not None and belongs(group, seen.workload)):
            found.append(group.key)
    return found


def disagreement(store: Store, record: Record) -> str | None:
    """Why the workload's groups do not agree to its release's promotion; None once they do."""
    assert record.release is not None
    workload = record.release.spec.workload
    key = (record.metadata.namespace, workload.kind, workload.name)
    histories = [(g[2], [r.known for r in store.history(g)]) for g in groups_of(store, key)]
    return disagreeing((workload.kind, workload.name, record.metadata.name), histories)


def _member(store: Store, key: Key, there: bool) -> Member:
    _, kind, name = key
    if not there:
        return Member(kind, name, missing="NoWorkload")
    history = [r for r in store.history(key) if not r.known.passed_over]
    if not history:
        policy = store.policy_of(store.workloads[key].workload)
        return Member(kind, name, missing="NoRelease" if policy else "NoPolicy")
    newest = history[-1]
    waits = newest.release is not None and newest.known.verdict is None
    return Member(
        kind,
        name,
        newest.known,
        ends_by=ends_by(newest.release.spec) if newest.release and waits else None,
    )
