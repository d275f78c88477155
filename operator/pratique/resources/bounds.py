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
    from .objective import Bound, Comparison

_SHARE = (
    "the value is a share from 0 to 1, so this bound could never be met or never fail: "
    "write 5 % as 0.05"
)
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
    if _measures_share(indicator):
        for bound in (*pass_, *warn):
            if bound.value and not _fits_share(bound.value):
                raise ValueError(_SHARE)
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


def _fits_share(c: Comparison) -> bool:
    return (
        (c.lt is None or 0 < c.lt <= 1)
        and (c.gt is None or 0 <= c.gt < 1)
        and all(0 <= v <= 1 for v in (c.lte, c.gte, c.eq, *(c.between or ())) if v is not None)
    )


def _tighter(warn: Bound, passes: Bound) -> bool:
    """Whether keeping ``warn`` means keeping ``passes``: then it can never come to a warning."""
    if passes.change is not None or passes.value is None or warn.value is None:
        return False
    p, w = passes.value, warn.value
    return (
        (p.lte is not None and w.lte is not None and w.lte < p.lte)
        or (p.lt is not None and w.lt is not None and w.lt < p.lt)
        or (p.gte is not None and w.gte is not None and w.gte > p.gte)
        or (p.gt is not None and w.gt is not None and w.gt > p.gt)
    )


_IS_SHARE = (
    "has(self.indicator) && (has(self.indicator.ratio) "
    "|| (has(self.indicator.latency) && has(self.indicator.latency.threshold)) "
    "|| (has(self.indicator.kubernetes) && self.indicator.kubernetes.signal == 'UnreadyShare'))"
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
_CEL_TIGHTER = " || ".join(
    f"(has(p.value.{c}) && has(w.value.{c}) && w.value.{c} {sign} p.value.{c})"
    for c, sign in (("lte", "<"), ("lt", "<"), ("gte", ">"), ("gt", ">"))
)
BOUND_RULES = (
    cel(
        f"!({_IS_SHARE}) || ((!has(self.pass) || self.pass.all(b, {_FITS}))"
        f" && (!has(self.warn) || self.warn.all(b, {_FITS})))",
        _SHARE,
    ),
    cel(
        "!has(self.pass) || !has(self.warn) || self.warn.all(w, self.pass.all(p, has(p.change)"
        f" || !has(p.value) || !has(w.value) || !({_CEL_TIGHTER})))",
        _TIGHTER,
    ),
)
"""The same for a CRD, where ``self`` has indicator, pass and warn."""
