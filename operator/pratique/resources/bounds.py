"""Bounds that could never be met, never fail or never warn: refused where they are written.

Each check stands here twice, in Python and in CEL, and a table of bad documents holds both to it.

Not here: judging values by bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .base import cel

if TYPE_CHECKING:
    from .indicator import ServiceLevelIndicatorSpec
    from .objective import Bound, ChangeComparison, Comparison

_SHARE = (
    "the value is a share from 0 to 1, so this bound could never be met or never fail: "
    "write 5 % as 0.05"
)
_COUNT = (
    "the value is never below zero, so this bound could never be met or never fail: "
    "bound it by more than zero"
)
_FLOOR = "the value is a share from 0 to 1, and so is its floor: write 0.1 % as 0.001"
_TIGHTER = (
    "a warn bound tighter than pass never warns, as every value that keeps it passes: "
    "make warn the wider of the two"
)


def check_bounds(
    indicator: ServiceLevelIndicatorSpec, pass_: Sequence[Bound], warn: Sequence[Bound]
) -> None:
    """Raise ValueError, naming the mend, for bounds that make no sense for this indicator.

    A reference tells nothing of what is measured, so only the resolved indicator is checked wholly.
    """
    for bound in (*pass_, *warn):
        if _measures_share(indicator):
            if bound.value and not _fits_share(bound.value):
                raise ValueError(_SHARE)
            floor = bound.change.floor if bound.change else None
            if floor is not None and not 0 <= floor <= 1:
                raise ValueError(_FLOOR)
        elif _measures_count(indicator) and bound.value and not _fits_count(bound.value):
            raise ValueError(_COUNT)
    for wider in warn:
        for narrower in pass_:
            if _tighter(wider, narrower):
                raise ValueError(_TIGHTER)


def _measures_share(indicator: ServiceLevelIndicatorSpec) -> bool:
    return bool(
        indicator.ratio
        or (indicator.latency and indicator.latency.threshold is not None)
        or (indicator.kubernetes and indicator.kubernetes.signal == "UnreadyShare")
    )


def _measures_count(indicator: ServiceLevelIndicatorSpec) -> bool:
    """A time, or how often something happened; of a raw query nothing is known."""
    return bool(indicator.latency or indicator.kubernetes)


def _fits_share(c: Comparison) -> bool:
    return (
        (c.lt is None or 0 < c.lt <= 1)
        and (c.gt is None or 0 <= c.gt < 1)
        and all(0 <= v <= 1 for v in (c.lte, c.gte, c.eq, *(c.between or ())) if v is not None)
    )


def _fits_count(c: Comparison) -> bool:
    return (
        (c.lt is None or c.lt > 0)
        and (c.gte is None or c.gte > 0)
        and all(v >= 0 for v in (c.lte, c.gt, c.eq, *(c.between or ())) if v is not None)
    )


def _tighter(warn: Bound, passes: Bound) -> bool:
    """Whether keeping ``warn`` means keeping ``passes``: then it can never come to a warning."""
    if passes.change is not None and passes.value is not None:
        return False
    if passes.value is not None:
        return warn.value is not None and _inside(warn.value, passes.value)
    p, w = passes.change, warn.change
    if p is None or w is None or w.floor != p.floor:
        return False
    if p.delta is not None:
        return w.delta is not None and _inside(w.delta, p.delta)
    return _inside(w, p)


def _inside(warn: Comparison | ChangeComparison, passes: Comparison | ChangeComparison) -> bool:
    """Whether ``warn`` is the tighter one; the same comparator on both sides."""
    w, p = getattr(warn, "between", None), getattr(passes, "between", None)
    if w and p:
        return bool(w != p and w[0] >= p[0] and w[1] <= p[1])
    pairs = [(getattr(warn, c), getattr(passes, c)) for c in ("lte", "lt", "gte", "gt")]
    signs = (1, 1, -1, -1)
    return any(
        a is not None and b is not None and s * a < s * b
        for (a, b), s in zip(pairs, signs, strict=True)
    )


_IS_SHARE = (
    "has(self.indicator) && (has(self.indicator.ratio) "
    "|| (has(self.indicator.latency) && has(self.indicator.latency.threshold)) "
    "|| (has(self.indicator.kubernetes) && self.indicator.kubernetes.signal == 'UnreadyShare'))"
)
_IS_COUNT = (
    "has(self.indicator) && ((has(self.indicator.latency) && !has(self.indicator.latency.threshold)) "
    "|| (has(self.indicator.kubernetes) && self.indicator.kubernetes.signal != 'UnreadyShare'))"
)
_FITS = (
    "!has(b.value) || ("
    "(!has(b.value.lt) || (b.value.lt > 0.0 && b.value.lt <= 1.0))"
    " && (!has(b.value.gt) || (b.value.gt >= 0.0 && b.value.gt < 1.0))"
    + "".join(
        f" && (!has(b.value.{c}) || (b.value.{c} >= 0.0 && b.value.{c} <= 1.0))"
        for c in ("lte", "gte", "eq")
    )
    + " && (!has(b.value.between) || b.value.between.all(v, v >= 0.0 && v <= 1.0)))"
)
_FITS_COUNT = (
    "!has(b.value) || ("
    + " && ".join(
        f"(!has(b.value.{c}) || b.value.{c} {sign} 0.0)"
        for c, sign in (("lt", ">"), ("gte", ">"), ("lte", ">="), ("gt", ">="), ("eq", ">="))
    )
    + " && (!has(b.value.between) || b.value.between.all(v, v >= 0.0)))"
)
_FITS_FLOOR = (
    "!has(b.change) || !has(b.change.floor) || (b.change.floor >= 0.0 && b.change.floor <= 1.0)"
)
_SIGNS = (("lte", "<"), ("lt", "<"), ("gte", ">"), ("gt", ">"))


def _cel_inside(w: str, p: str, *, percent: bool = False) -> str:
    def number(field: str) -> str:
        return f"double(string({field}).replace('%', ''))" if percent else field

    tighter = [
        f"(has({p}.{c}) && has({w}.{c}) && {number(f'{w}.{c}')} {sign} {number(f'{p}.{c}')})"
        for c, sign in _SIGNS
    ]
    if not percent:
        tighter.append(
            f"(has({p}.between) && has({w}.between) && {w}.between != {p}.between"
            f" && {w}.between[0] >= {p}.between[0] && {w}.between[1] <= {p}.between[1])"
        )
    return " || ".join(tighter)


_SAME_FLOOR = (
    "(has(w.change.floor) ? (has(p.change.floor) && w.change.floor == p.change.floor)"
    " : !has(p.change.floor))"
)
_CEL_VALUE = (
    f"!has(p.change) && has(p.value) && has(w.value) && ({_cel_inside('w.value', 'p.value')})"
)
_CEL_DELTA = (
    "!has(p.value) && has(p.change) && has(w.change) && has(p.change.delta) && has(w.change.delta)"
    f" && {_SAME_FLOOR} && ({_cel_inside('w.change.delta', 'p.change.delta')})"
)
_CEL_PERCENT = (
    f"!has(p.value) && has(p.change) && has(w.change) && {_SAME_FLOOR}"
    f" && ({_cel_inside('w.change', 'p.change', percent=True)})"
)


def _all(kind: str, fits: str) -> str:
    """CEL: all bounds fit what is measured."""
    return (
        f"!({kind}) || ((!has(self.pass) || self.pass.all(b, {fits}))"
        f" && (!has(self.warn) || self.warn.all(b, {fits})))"
    )


def _wider(tighter: str) -> str:
    """CEL: no ``w`` of warn is tighter than a ``p`` of pass."""
    return f"!has(self.pass) || !has(self.warn) || self.warn.all(w, self.pass.all(p, !({tighter})))"


BOUND_RULES = (
    cel(_all(_IS_SHARE, _FITS), _SHARE),
    cel(_all(_IS_COUNT, _FITS_COUNT), _COUNT),
    cel(_all(_IS_SHARE, _FITS_FLOOR), _FLOOR),
    *(cel(_wider(tighter), _TIGHTER) for tighter in (_CEL_VALUE, _CEL_DELTA, _CEL_PERCENT)),
)
"""The same for a CRD, where ``self`` has indicator, pass and warn."""
