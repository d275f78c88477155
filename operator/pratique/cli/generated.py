"""Generated files: written to a folder, or compared with what lies there.

Not here: what the files say.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer


def drift(files: Mapping[str, str], folder: Path, *, marker: str) -> dict[str, str]:
    """File name → what is wrong with it: missing, differs, or not generated any more.

    A file that begins with ``marker`` was generated; others in the folder are not ours.
    """
    found: dict[str, str] = {}
    for name, text in files.items():
        path = folder / name
        if not path.is_file():
            found[name] = "is missing"
        elif path.read_text(encoding="utf-8") != text:
            found[name] = "differs from the models"
    for path in sorted(folder.glob("*")):
        if path.name not in files and path.is_file() and _begins_with(path, marker):
            found[path.name] = "is not generated any more"
    return found


def deliver(files: Mapping[str, str], folder: Path, *, check: bool, marker: str, mend: str) -> None:
    """Write what has drifted and say so; with ``check`` write nothing and exit 1 instead."""
    drifted = drift(files, folder, marker=marker)
    if check and drifted:
        for name, what in drifted.items():
            typer.echo(f"{folder / name} {what}", err=True)
        typer.echo(f"To mend it: {mend}", err=True)
        raise typer.Exit(1)
    if not drifted:
        typer.echo(f"{folder}: {len(files)} generated, all up to date")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in drifted:
        path = folder / name
        if name in files:
            path.write_text(files[name], encoding="utf-8")
            typer.echo(f"wrote {path}")
        else:
            path.unlink()
            typer.echo(f"removed {path}")


def _begins_with(path: Path, marker: str) -> bool:
    with path.open("rb") as file:
        return file.read(len(marker.encode())) == marker.encode()
