"""``pratique docs``: writes the reference of kinds and causes, or tells whether it has drifted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .generated import deliver


def docs(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write to.", file_okay=False)
    ] = Path("docs/reference"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a file has drifted.")
    ] = False,
) -> None:
    """Write the reference of kinds and of causes from the code."""
    from ..lifecycle import causes
    from ..resources.reference import HEADER, files

    made = {**files(), "causes.md": causes.page(HEADER)}
    deliver(made, output, check=check, marker=HEADER, mend=f"pratique docs -o {output}")
