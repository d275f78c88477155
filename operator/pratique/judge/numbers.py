"""Numbers as people read them: few digits, but never so few that a value seems to be on the other
side of the bound it is compared with.

Not here: sentences.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

from .comparing import TOLERANCE

PERCENT_UNITS = ("ratio", "share")
"""Units of shares from 0 to 1, shown in percent."""
COUNTED = ("restarts", "OOM kills")
"""Units with a singular."""
_DIGITS = 3
_MOST_DIGITS = 17
"""So many tell any two floating-point numbers apart."""


def quantity(value: float, unit: str | None, *, beside: Iterable[float] = ()) -> str:
    """A measured value with its unit: three digits, more where needed to tell it from ``beside``.

    A share is told from none and from all, too: 99.96 % is not 100 %.
    """
    if unit in PERCENT_UNITS:
        return f"{_rounded(_scaled(value), [_scaled(b) for b in (0.0, 1.0, *beside)])} %"
    return _with_unit(_rounded(_scaled(value, 1), [_scaled(b, 1) for b in beside]), unit)


def exact(value: float, unit: str | None) -> str:
    """A bound with its unit, as it was written."""
    if unit in PERCENT_UNITS:
        return f"{_plain(_scaled(value))} %"
    return _with_unit(_plain(_scaled(value, 1)), unit)


def delta(value: float, unit: str | None, *, beside: Iterable[float] = ()) -> str:
    """A difference with its unit, signed; that of shares is in percentage points."""
    if unit in PERCENT_UNITS:
        text = _rounded(_scaled(value), [_scaled(b) for b in beside])
        return _points(text)
    return signed(quantity(value, unit, beside=beside))


def exact_delta(value: float, unit: str | None) -> str:
    """A bound on a difference, as it was written, signed."""
    if unit in PERCENT_UNITS:
        return _points(_plain(_scaled(value)))
    return signed(exact(value, unit))


def change(percent: float, *, beside: Iterable[float] = ()) -> str:
    """A finite change in percent, signed."""
    return signed(_rounded(_scaled(percent, 1), [_scaled(b, 1) for b in beside])) + " %"


def exact_change(percent: float) -> str:
    """A bound on a change in percent, as it was written, signed."""
    return signed(_plain(_scaled(percent, 1))) + " %"


def signed(text: str) -> str:
    """With a + before what is above zero, and ± before zero itself."""
    if text.startswith("-"):
        return text
    return ("+" if any(c in "123456789" for c in text.partition("e")[0]) else "±") + text


def clip(text: str, limit: int) -> str:
    """At most ``limit`` characters, cut between words where possible, with an ellipsis."""
    if len(text) <= limit:
        return text
    if limit < 1:
        return ""
    kept = text[: limit - 1]
    head, space, _ = kept.rpartition(" ")
    if space and len(head) >= limit // 2:
        kept = head
    return kept.rstrip(" ,;:") + "…"


def _points(number: str) -> str:
    return f"{signed(number)} percentage point{'' if number in ('1', '-1') else 's'}"


def _with_unit(number: str, unit: str | None) -> str:
    if unit in COUNTED and number == "1":
        unit = unit[:-1]
    return f"{number} {unit}" if unit else number


def _scaled(value: float, factor: int = 100) -> Decimal:
    return Decimal(repr(float(value))) * factor


def _rounded(value: Decimal, beside: Iterable[Decimal]) -> str:
    others = [b for b in beside if b.is_finite()]
    for other in others:
        if math.isclose(value, other, rel_tol=TOLERANCE):
            return _plain(other)
    text = ""
    for digits in range(_DIGITS, _MOST_DIGITS + 1):
        text = _digits(value, digits)
        shown = Decimal(text.replace(",", ""))
        if all((shown > o) == (value > o) and (shown < o) == (value < o) for o in others):
            break
    return text


def _digits(value: Decimal, digits: int) -> str:
    """That many significant digits; those left of the point are always all there."""
    if not value or not 1e-6 <= abs(value) < 1e15:
        return "0" if not value else f"{float(value):.{digits}g}"
    decimals = max(0, digits - 1 - value.adjusted())
    return _plain(round(value, decimals))


def _plain(value: Decimal) -> str:
    if value and not 1e-6 <= abs(value) < 1e15:
        return f"{float(value)!r}"
    return f"{value.normalize():,f}" if value else "0"
