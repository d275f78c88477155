"""``make bench-cases``: how long ``pratique judge`` takes for many small cases; nothing here fails.

The command itself is timed, from its start to its end, as users run it: CPU time of one process. Two mixes
are told: small cases (one objective, five looks), and cases with two objectives and a baseline, most of
which fail, which is what costs most.

Not here: whether its verdicts are right (``make bench-judge``).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from rich.console import Console
from rich.table import Table

PROMISED = 20.0
"""Seconds on one core for 10,000 small cases."""
CASES = 10_000
Case = dict[str, Any]


def small(chance: random.Random, number: int) -> Case:
    """One objective, five looks of some hundred requests; one in ten is bad."""
    rate = 0.05 if number % 10 == 0 else 0.004
    totals = [chance.randint(200, 1000) for _ in range(5)]
    return {
        "name": f"case {number}",
        "objectives": [{"name": "errors", "kind": "bad", "pass": [{"value": {"lte": 0.01}}]}],
        "samples": {"errors": [[sum(chance.random() < rate for _ in range(n)), n] for n in totals]},
    }


def compared(chance: random.Random, number: int) -> Case:
    """Two objectives, one with a bound and a change against a baseline; most are bad."""
    return {
        "name": f"case {number}",
        "objectives": [
            {
                "name": "errors",
                "kind": "bad",
                "pass": [{"value": {"lte": 0.05}, "change": {"lte": "10%"}}],
            },
            {"name": "fast", "kind": "value", "unit": "s", "pass": [{"value": {"lte": 0.3}}]},
        ],
        "samples": {
            "errors": [[chance.randint(0, 30), chance.randint(200, 1000)] for _ in range(5)],
            "fast": [round(chance.uniform(0.1, 0.32), 3) for _ in range(5)],
        },
        "baseline": {"errors": {"release": "cart-6", "bad": 40, "total": 5000}},
    }


MIXES: dict[str, Callable[[random.Random, int], Case]] = {"small": small, "compared": compared}


class Took(NamedTuple):
    """One run of the command."""

    cpu: float
    """Seconds of CPU time."""
    wall: float
    """Seconds from start to end."""
    memory: float
    """MiB at most."""
    judged: int
    """How many judgements came out."""


def cases(mix: str, count: int) -> list[Case]:
    """So many of them, always the same."""
    chance = random.Random(f"{mix} {count}")
    return [MIXES[mix](chance, number) for number in range(count)]


def written(given: list[Case], form: str, folder: Path) -> Path:
    """The cases as a file."""
    path = folder / f"cases.{form}"
    if form == "yaml":
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        path.write_text(yaml.dump(given, Dumper=dumper))
    else:
        path.write_text("\n".join(json.dumps(c) for c in given))
    return path


def timed(path: Path) -> Took:
    """The command over this file, with one thread."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [
        sys.executable,
        "-m",
        "pratique",
        "judge",
        "-f",
        str(path),
        "-o",
        "jsonl",
        "--exit-zero",
    ]
    out = path.with_suffix(".out")
    begun = time.monotonic()
    with out.open("wb") as file:
        made = subprocess.Popen(command, stdout=file, env={**os.environ, **threads})
        _, status, used = os.wait4(made.pid, 0)
    made.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - begun
    if made.returncode:
        raise SystemExit(f"pratique judge ended with {made.returncode}")
    return Took(
        used.ru_utime + used.ru_stime,
        wall,
        used.ru_maxrss / 1024,
        out.read_bytes().count(b"\n"),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES, help="how many of each mix")
    count = parser.parse_args().cases
    table = Table(title=f"{count:,} cases, one process")
    for title in ("mix", "form", "CPU s", "s", "ms a case", "MiB", "promised"):
        table.add_column(title, justify="left" if title in ("mix", "form") else "right")
    with tempfile.TemporaryDirectory() as folder:
        for mix in MIXES:
            given = cases(mix, count)
            for form in ("jsonl", "yaml"):
                took = timed(written(given, form, Path(folder)))
                if took.judged != count:
                    raise SystemExit(f"{took.judged:,} of {count:,} cases came out")
                within = PROMISED * count / CASES
                said = f"< {within:g} s: {'held' if took.cpu < within else 'missed'}"
                table.add_row(
                    mix, form, f"{took.cpu:.1f}", f"{took.wall:.1f}",
                    f"{1000 * took.cpu / count:.2f}", f"{took.memory:.0f}", said,
                )  # fmt: skip
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
