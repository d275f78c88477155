"""Listing one kind and bringing the store up to it, while a watch may tell of the same objects.

A LIST is of the moment when its first page was asked for, and its last page may come many seconds later.
What it seems to add or to lack is therefore read once more before it is believed: an object that was made
or deleted meanwhile.

Not here: what is older than what is known already is left alone by the store itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..cluster.client import Cluster
from .clock import Key
from .store import Store


async def mend(cluster: Cluster, store: Store, plural: str, *, watched: bool) -> AsyncIterator[Key]:
    """The keys that must be looked at. ``watched``: whether a watch fills the store already."""
    before = store.names(plural)
    listed = set()
    async for body in cluster.list(plural):
        meta = body["metadata"]
        name = (meta.get("namespace", ""), meta["name"])
        listed.add(name)
        if watched and name not in before and plural != "namespaces":
            found = await cluster.get(plural, *name)
            if found is None:
                continue
            body = found
        elif watched and name in before and not store.knows(plural, name):
            continue  # the watch told that it was deleted
        for key in store.put(plural, body):
            yield key
    for name in before - listed:
        # There is no right to read a single namespace, and one is seldom made anew within a LIST.
        found = None if plural == "namespaces" else await cluster.get(plural, *name)
        for key in store.drop(plural, *name) if found is None else store.put(plural, found):
            yield key
