"""``pratique re-evaluate``: ask for a further attempt to judge a version, by the policy as it stands now.

Only an annotation is set, as anybody with rights on Releases could by ``kubectl annotate``; the operator
does the rest, and refuses by an Event what this command could not see.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

REFUSED, BAD_INPUT, UNREACHABLE = 1, 2, 5


class _Refused(Exception):  # noqa: N818 - an answer, not a fault
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def re_evaluate(
    release: Annotated[str, typer.Argument(help="The Release, such as cart-7.")],
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="The release's namespace.")
    ] = "default",
    kubeconfig: Annotated[
        str | None, typer.Option(envvar="KUBECONFIG", help="Which cluster the release is in.")
    ] = None,
) -> None:
    """Judge a workload's newest version again: a new attempt, by the policy as it stands now.

    Exit code: 0 asked for, 1 refused, 2 there is no such release, 5 the cluster did not answer.
    """
    import asyncio

    from ..cluster.errors import ClusterError, Unreachable

    try:
        name = asyncio.run(_ask(release, namespace, kubeconfig))
    except _Refused as problem:
        typer.echo(f"pratique re-evaluate: {problem}", err=True)
        raise typer.Exit(problem.code) from None
    except ClusterError as error:
        typer.echo(f"pratique re-evaluate: {error}", err=True)
        raise typer.Exit(UNREACHABLE if isinstance(error, Unreachable) else REFUSED) from None
    typer.echo(
        f"{namespace}/{release}: asked for; watch {name} with kubectl get rel -n {namespace} -w"
    )


async def _ask(release: str, namespace: str, kubeconfig: str | None) -> str:
    """The name of the attempt to come."""
    from datetime import UTC, datetime

    from ..cluster.client import Cluster
    from ..lifecycle.attempts import of_group
    from ..lifecycle.noticing import release_name
    from ..resources.release import RE_EVALUATE_ANNOTATION

    cluster = Cluster.connect(kubeconfig)
    try:
        body = await cluster.get("releases", namespace, release)
        if body is None:
            raise _Refused(
                f"there is no Release {namespace}/{release}: see kubectl get rel -n {namespace}",
                BAD_INPUT,
            )
        if _of(body)[0] == "ReleaseGroup":
            raise _Refused(of_group(release), REFUSED)
        mine = [b async for b in cluster.list("releases", namespace) if _of(b) == _of(body)]
        newest = max(mine, key=_order, default=body)
        if _order(newest) > _order(body):
            raise _Refused(
                f"{release} is not the newest release of its workload: ask for "
                f"{newest['metadata']['name']}",
                REFUSED,
            )
        if not (body.get("status") or {}).get("completedAt"):
            raise _Refused(
                f"{release} is still being judged: ask again once it has its verdict", REFUSED
            )
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        await cluster.annotate("releases", namespace, release, {RE_EVALUATE_ANNOTATION: now})
    finally:
        await cluster.close()
    number, attempt = _order(body)
    return release_name(body["spec"]["workload"]["kind"], _of(body)[1], number, attempt + 1)


def _of(body: dict[str, Any]) -> tuple[str, str]:
    return body["spec"]["workload"]["kind"], body["spec"]["workload"]["name"]


def _order(body: dict[str, Any]) -> tuple[int, int]:
    return body["spec"]["number"], body["spec"].get("attempt") or 1
