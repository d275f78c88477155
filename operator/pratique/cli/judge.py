"""``pratique judge``: the engine on given samples. No cluster is asked, and nothing is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from ..replay.recorded import Recorded
    from ..replay.run import Judged

OK, NOT_PROMOTABLE, BAD_INPUT, INCONCLUSIVE = 0, 1, 2, 3


def judge(
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--file", "-f", help="Cases as JSON, JSON lines or YAML; - is standard input."
        ),
    ] = None,
    release: Annotated[
        str | None, typer.Option("--release", help="Judge this recorded release again.")
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="The release's namespace.")
    ] = "default",
    record: Annotated[
        Path | None,
        typer.Option(
            "--record",
            help="Release and ReleaseRecord as kubectl get -o yaml wrote them, instead of a cluster.",
        ),
    ] = None,
    with_policy: Annotated[
        Path | None,
        typer.Option(
            "--with-policy",
            help="A ReleasePolicy, with the ServiceLevelObjectives that it refers to where these "
            "changed: judge by it instead of the one of then.",
        ),
    ] = None,
    kubeconfig: Annotated[
        str | None, typer.Option(envvar="KUBECONFIG", help="Which cluster the release is in.")
    ] = None,
    output: Annotated[
        Literal["text", "json", "jsonl", "yaml"], typer.Option("--output", "-o", help="The form.")
    ] = "text",
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 whatever the verdicts are.")
    ] = False,
) -> None:
    """Judge samples that are given, or those of a recorded release: what would the verdict be?

    Exit code: 0 all promotable, 1 some are not, 2 bad input, 3 some are inconclusive.
    """
    from ..replay.reading import BadInput, printable

    try:
        if (files is None) == (release is None and record is None):
            raise BadInput("say either --file CASES, or --release NAME (or --record FILE)")
        if files is not None:
            if with_policy is not None:
                raise BadInput("--with-policy belongs to --release or --record")
            found = list(_judged(files))
        else:
            found = [_again(release, namespace, record, with_policy, kubeconfig)]
    except BadInput as problem:
        typer.echo(f"pratique judge: {problem}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except Exception as error:  # a fault of ours is no verdict, and must not exit as one
        told = printable(f"{type(error).__name__}: {error}"[:500])
        typer.echo(
            f"pratique judge: this is a fault of pratique, please report it: {told}", err=True
        )
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


def _again(
    release: str | None,
    namespace: str,
    record: Path | None,
    with_policy: Path | None,
    kubeconfig: str | None,
) -> Judged:
    from ..replay.again import again
    from ..replay.reading import printable
    from ..replay.recorded import policy_in, recorded_in

    if record is not None:
        what = str(record)
        found = recorded_in(_text(what), what, release)
    else:
        assert release is not None
        found = _fetched(release, namespace, kubeconfig)
    if with_policy is None:
        done = again(found)
    else:
        changed = policy_in(_text(str(with_policy)), str(with_policy))
        done = again(found, changed.spec, changed.objectives)
    for note in done.notes:
        typer.echo(f"note: {printable(note)}", err=True)
    return done.judged


def _fetched(release: str, namespace: str, kubeconfig: str | None) -> Recorded:
    """Release and record from the cluster; read only."""
    import asyncio

    from ..cluster.client import Cluster
    from ..cluster.errors import ClusterError
    from ..replay.reading import BadInput
    from ..replay.recorded import of

    async def get() -> list[dict[str, Any] | None]:
        cluster = Cluster.connect(kubeconfig)
        try:
            kinds = ("releases", "releaserecords")
            return [await cluster.get(kind, namespace, release) for kind in kinds]
        finally:
            await cluster.close()

    try:
        body, record = asyncio.run(get())
    except ClusterError as error:
        raise BadInput(str(error)) from None
    if body is None:
        raise BadInput(
            f"there is no Release {namespace}/{release}: see kubectl get rel -n {namespace}"
        )
    if record is None:
        raise BadInput(
            f"{namespace}/{release} has no ReleaseRecord: it is written with the verdict, and only "
            "where a look was due"
        )
    return of(body, record, f"{namespace}/{release}")


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

        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        typer.echo(
            yaml.dump_all(shown, Dumper=dumper, sort_keys=False, allow_unicode=True), nl=False
        )
        return
    import json

    if output == "jsonl":
        for one in shown:
            typer.echo(json.dumps(one, ensure_ascii=False))
    else:
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))


def _lines(judged: Judged) -> str:
    from ..replay.reading import printable

    judgement = judged.judgement
    early = f", called at look {judged.called_at}" if judged.called_at is not None else ""
    was = f", was {judged.was}" if judged.was is not None else ""
    lines = [f"{judged.name}: {judgement.verdict} ({judgement.reason}{early}{was})"]
    lines += [f"  {r.result:<13} {r.name}: {r.message}" for r in judgement.results]
    return "\n".join(map(printable, lines))
