"""What pods are called, by the kind of their workload, as RE2 expressions.

A Deployment's pods carry their version in the name: its ReplicaSet's. Those of a StatefulSet keep their
names from version to version, and those of a DaemonSet are drawn anew without saying theirs: of these
only the time tells the version, so whoever uses an expression must know from when to when it holds.

Not here: which pods are a release's (lifecycle.pods), which are known by their exact names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import promql

HASHED = "-[a-z0-9]+"
"""Behind a ReplicaSet's name."""
ORDINAL = "-[0-9]+"
"""Behind a StatefulSet's name."""
DRAWN = "-[a-z0-9]{5}"
"""Behind a DaemonSet's name."""

_DRAWN_LETTERS = "[bcdfghjklmnpqrstvwxz2456789]"
_OF_ANY_KIND = f"-({_DRAWN_LETTERS}{{1,10}}-)?{_DRAWN_LETTERS}{{5}}|{ORDINAL}"
"""Behind a workload's name: the letters that Kubernetes draws its names from, or an ordinal."""

_SUFFIXES = {"Deployment": HASHED, "StatefulSet": ORDINAL, "DaemonSet": DRAWN}


def stem(kind: str, workload: str, revision_object: str | None) -> str:
    """What the names of a version's pods begin with, up to and with the dash."""
    return f"{revision_object if kind == 'Deployment' else workload}-"


def tells_version(kind: str) -> bool:
    """Whether a pod's name says which version it is of."""
    return kind == "Deployment"


def of_version(
    kind: str, workload: str, revision_object: str | None, partition: int | None = None
) -> str:
    """A version's pods; of a StatefulSet those whose ordinal is at least the partition."""
    name = revision_object if kind == "Deployment" and revision_object else workload
    if kind == "StatefulSet" and partition:
        return f"{promql.re2(name)}-({at_least(partition)})"
    return promql.re2(name) + _SUFFIXES[kind]


def of_any_version(kind: str, workload: str) -> str:
    """All pods of a workload."""
    middle = HASHED if kind == "Deployment" else ""
    return promql.re2(workload) + middle + _SUFFIXES[kind]


def of_any_kind(workload: str) -> str:
    """All pods of the workloads of that name."""
    return f"{promql.re2(workload)}({_OF_ANY_KIND})"


def below(workload: str, partition: int) -> str:
    """A StatefulSet's pods that its partition keeps on the version before."""
    return f"{promql.re2(workload)}-({less_than(partition)})"


def split(pattern: str) -> tuple[str, str] | None:
    """(the name that the pods share, the suffix's expression) of an expression made here."""
    for suffix in _SUFFIXES.values():
        if pattern.endswith(suffix):
            return pattern.removesuffix(suffix).replace("\\", ""), suffix
    name, dash, numbers = pattern.rpartition("-(")
    if dash and numbers.endswith(")"):
        return name.replace("\\", ""), f"-({numbers}"
    return None


def at_least(number: int) -> str:
    """Whole numbers from there on, as alternatives: 2 → ``[3-9]|2|[1-9][0-9]{1,}``."""
    digits = str(number)
    return "|".join(
        [
            *_beside(digits, lambda d: (d + 1, 9)),
            digits,
            f"[1-9][0-9]{{{len(digits)},}}",
        ]
    )


def less_than(number: int) -> str:
    """Whole numbers from 0 up to there, without it; ``[^0-9]`` for none, which no ordinal is."""
    digits = str(number)
    shorter = ["[0-9]"] if len(digits) > 1 else []
    shorter += [f"[1-9][0-9]{{{n}}}" for n in range(1, len(digits) - 1)]
    first = 1 if len(digits) > 1 else 0
    found = [*shorter, *_beside(digits, lambda d: (0, d - 1), first=first)]
    return "|".join(found) or "[^0-9]"


def _beside(
    digits: str, between: Callable[[int], tuple[int, int]], *, first: int = 0
) -> Iterator[str]:
    """Numbers of as many digits that differ at one place by a digit from the range, and after it freely."""
    for place, digit in enumerate(digits):
        low, high = between(int(digit))
        low = max(low, first) if place == 0 else low
        if low <= high:
            left = len(digits) - place - 1
            free = f"[0-9]{{{left}}}" if left else ""
            yield f"{digits[:place]}[{low}-{high}]{free}"
