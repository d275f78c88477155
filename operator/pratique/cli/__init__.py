"""The command line: ``pratique COMMAND``.

Each command lives in a module of its own, whose top level imports nothing heavy, so that every
command pays for its own libraries only. To add one: write ``cli/NAME.py`` with a function, and
register it below.

Not here: what the commands do.
"""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from .crds import crds
from .docs import docs
from .hold_manifests import hold_manifests
from .judge import judge
from .re_evaluate import re_evaluate
from .release_holds import release_holds
from .run import run

app = typer.Typer(
    name="pratique",
    help="Tells whether a Kubernetes release is healthy enough to be promoted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pratique {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Tells whether a Kubernetes release is healthy enough to be promoted."""


app.command("crds")(crds)
app.command("docs")(docs)
app.command("hold-manifests")(hold_manifests)
app.command("judge")(judge)
app.command("release-holds")(release_holds)
app.command("re-evaluate")(re_evaluate)
app.command("run")(run)


def main() -> None:
    """The console script's entry."""
    app()
