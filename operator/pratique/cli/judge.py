"""``pratique judge``: the engine on given samples. No cluster is asked, and nothing is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ..replay.run import Judged

OK, NOT_PROMOTABLE, BAD_INPUT, INCONCLUSIVE = 0, 1, 2, 3


def judge(
    files: Annotated[
        list[str],
        typer.Option(
            "--file", "-f", help="Cases as JSON, JSON lines or YAML; - is standard input."
        ),
    ],
    output: Annotated[
        Literal["text", "json", "jsonl", "yaml"], typer.Option("--output", "-o", help="The form.")
    ] = "text",
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 whatever the verdicts are.")
    ] = False,
) -> None:
    """Judge samples that are given: what would the verdict be?

    Exit code: 0 all promotable, 1 some are not, 2 bad input, 3 some are inconclusive.
    """
    from ..replay.reading import BadInput

    try:
        found = list(_judged(files))
    except BadInput as problem:
        typer.echo(f"pratique judge: {problem}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    _print(found, output)
    verdicts = {j.judgement.verdict for j in found}
    if not exit_zero:
        code = OK
        if "NotPromotable" in verdicts:
            code = NOT_PROMOTABLE
        elif "Inconclusive" in verdicts:
            code = INCONCLUSIVE
        raise typer.Exit(code)


def _judged(files: list[str]) -> Iterator[Judged]:
    from ..replay.reading import read
    from ..replay.run import run

    for name in files:
        yield from (
            run(case) for case in read(_text(name), "standard input" if name == "-" else name)
        )


def _text(name: str) -> str:
    from ..replay.reading import BadInput

    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise BadInput(
            f"{name}: {error.strerror}: name a file of cases, or - for standard input"
        ) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: byte {error.start} is no UTF-8") from None


def _print(found: list[Judged], output: str) -> None:
    if output == "text":
        for judged in found:
            typer.echo(_lines(judged))
        return
    shown = [j.dump() for j in found]
    if output == "yaml":
        import yaml

        typer.echo(yaml.safe_dump_all(shown, sort_keys=False, allow_unicode=True), nl=False)
        return
    import json

    if output == "jsonl":
        for one in shown:
            typer.echo(json.dumps(one, ensure_ascii=False))
    else:
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))


def _lines(judged: Judged) -> str:
    judgement = judged.judgement
    early = f", called at look {judged.called_at}" if judged.called_at is not None else ""
    lines = [f"{judged.name}: {judgement.verdict} ({judgement.reason}{early})"]
    lines += [f"  {r.result:<13} {r.name}: {r.message}" for r in judgement.results]
    return "\n".join(lines)
