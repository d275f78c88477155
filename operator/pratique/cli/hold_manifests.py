"""``pratique hold-manifests``: writes the admission policies and rights of hold, or tells of their drift."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .generated import deliver


def hold_manifests(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write to.", file_okay=False)
    ] = Path("deploy/hold"),
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="The operator's namespace.")
    ] = "pratique-system",
    account: Annotated[
        str, typer.Option("--service-account", help="The operator's ServiceAccount.")
    ] = "pratique",
    exempt: Annotated[
        list[str] | None,
        typer.Option(
            "--exempt",
            help="A user who may write Releases beside the operator, such as a backup tool's account.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a file has drifted.")
    ] = False,
) -> None:
    """Write the manifests of hold: admission policies, and the rights that the operator needs for it."""
    from ..resources.hold_manifests import HEADER, files

    deliver(
        files(namespace, account, exempt or ()),
        output,
        check=check,
        marker=HEADER,
        mend=f"pratique hold-manifests -o {output}",
    )
