"""``pratique crds``: writes the CustomResourceDefinitions, or tells whether they have drifted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .generated import deliver


def crds(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write to.", file_okay=False)
    ] = Path("crds"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a file has drifted.")
    ] = False,
) -> None:
    """Write the CustomResourceDefinitions, one file a kind, from the models."""
    from ..resources.crds import HEADER, files

    deliver(files(), output, check=check, marker=HEADER, mend=f"pratique crds -o {output}")
