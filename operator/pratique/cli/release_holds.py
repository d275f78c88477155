"""``pratique release-holds``: lets go of everything that is held, with its caller's own rights.

For uninstalling, and for the day when the operator does not run. Doing it twice does no harm.

Not here: what a hold looks like (cluster/holding).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..cluster.client import Cluster

SOME_REMAIN, BAD_USE, UNREACHABLE = 1, 2, 5
TRIES = 8
"""How often a workload that changes meanwhile is looked at again."""


def release_holds(
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Only in this namespace.")
    ] = None,
    everywhere: Annotated[bool, typer.Option("--all", help="In all namespaces.")] = False,
    kubeconfig: Annotated[
        str | None, typer.Option(envvar="KUBECONFIG", help="Which cluster.")
    ] = None,
) -> None:
    """Let every held Deployment and StatefulSet go: pauses and marks of hold are taken away.

    It needs no operator, only the right to list and patch them. Exit code: 0 nothing is held any more,
    1 some still are, 2 bad use, 5 the cluster was not reached.
    """
    import asyncio

    from ..cluster.errors import ClusterError

    if (namespace is None) == (not everywhere):
        typer.echo("pratique release-holds: say either --namespace NAME or --all", err=True)
        raise typer.Exit(BAD_USE)
    try:
        released, failed = asyncio.run(_release(kubeconfig, namespace))
    except (ClusterError, ValueError) as error:
        typer.echo(f"pratique release-holds: {error}", err=True)
        raise typer.Exit(UNREACHABLE) from None
    if released or failed:
        typer.echo(f"{released} let go" + (f", {failed} not" if failed else ""))
    else:
        typer.echo("nothing is held")
    if failed:
        raise typer.Exit(SOME_REMAIN)


async def _release(kubeconfig: str | None, namespace: str | None) -> tuple[int, int]:
    from ..cluster import holding
    from ..cluster.client import Cluster
    from ..cluster.errors import ClusterError
    from ..cluster.workloads import ADAPTERS

    cluster = Cluster.connect(kubeconfig)
    released = failed = 0
    try:
        for kind in ("Deployment", "StatefulSet"):
            if kind not in ADAPTERS:
                continue
            plural = ADAPTERS[kind].plural
            marked = [
                body
                async for body in cluster.list(plural, namespace)
                if holding.mark(body) is not None
            ]
            for body in marked:
                meta = body["metadata"]
                what = f"{kind.lower()}/{meta['name']} in namespace {meta['namespace']}"
                try:
                    await _let_go(cluster, plural, body)
                except ClusterError as error:
                    failed += 1
                    typer.echo(f"{what} is still held: {error}", err=True)
                else:
                    released += 1
                    typer.echo(f"{what}: let go")
    finally:
        await cluster.close()
    return released, failed


async def _let_go(cluster: Cluster, plural: str, found: dict[str, Any]) -> None:
    """Two patches: the first says to the admission policy that this is meant, the second takes the mark."""
    import asyncio

    from ..cluster import holding
    from ..cluster.errors import Conflict, Gone

    namespace, name = found["metadata"]["namespace"], found["metadata"]["name"]
    body = found
    for left in reversed(range(TRIES)):
        try:
            while (patch := holding.let_go(body, by_others=True)) is not None:
                body = await cluster.patch_workload(plural, namespace, name, patch)
        except Gone:
            return
        except Conflict:
            # Its controller writes too, most of all once it may go on.
            if not left:
                raise
            await asyncio.sleep(0.1 * 2 ** (TRIES - left - 1))
        else:
            return
        fresh = await cluster.get(plural, namespace, name)
        if fresh is None:
            return
        body = fresh
