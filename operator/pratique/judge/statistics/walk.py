"""A walk of sums: how the harmful events on the release add up over the looks if there is no harm.

f is the law of their sum among the paths not yet called; each look convolves it with that look's law,
cuts off the tail that may be spent, and says where the cut is.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .laws import QUIET, Array, Law, Noise, moves, states

_DROP = 1e-15
_SHORT = 64
"""So short a law is not worth trimming."""
_FEW = 6
"""So few terms are added one by one, for all states at once."""
_BLOCK = 512
"""Columns that are moved at once: more would make BLAS start threads, which cost more than they bring."""


class Walk:
    """The law of a sum over looks, with or without cuts. Mutable: one walk, one pass."""

    def __init__(self, noise: Noise = QUIET) -> None:
        self._noise = noise
        self._low = 0
        self.spent = 0.0
        if noise.sd > 0:
            self._f: Array = states()[1][:, None].copy()
        else:
            self._f = np.ones((1, 1))
        self._moved = False

    def add(self, law: Law) -> None:
        """One look more; its law has one row, or one for each state of the noise."""
        low, rows = law
        if not self._f.shape[1]:
            return  # every path was called
        if self._noise.sd > 0:
            if self._moved:
                self._f = _moved(self._f, self._noise.rho)
            self._moved = True
        if rows.shape[1] == 1 and rows.shape[0] == 1:
            self._low += low
            return
        if self._f.shape[0] == 1:
            self._f = np.convolve(self._f[0], rows[0])[None, :]
        else:
            self._f = _convolved(self._f, rows)
        self._low += low
        self._trim()

    def cut(self, allowance: float) -> int:
        """Cut off the tail that fits into ``allowance`` (in all); returns the least sum called."""
        law = self._f[0] if len(self._f) == 1 else self._f.sum(axis=0)
        tails = law[::-1].cumsum()
        # Ascending from the far end: as many as still fit.
        fits = int(tails.searchsorted(allowance - self.spent, side="right"))
        index = len(tails) - fits
        tails = tails[::-1]
        if index < len(tails):
            self.spent += float(tails[index])
            self._f = self._f[:, :index] if index else self._f[:, :0]
        return self._low + index

    def tail(self, seen: int) -> float:
        """P(sum ≥ seen, and not called before)."""
        index = max(0, seen - self._low)
        return float(self._f[:, index:].sum())

    def head(self, seen: int) -> float:
        """P(sum ≤ seen, and not called before)."""
        index = seen - self._low + 1
        return float(self._f[:, :index].sum()) if index > 0 else 0.0

    @property
    def mean(self) -> float:
        """The expected sum among the paths not yet called."""
        law = self._f.sum(axis=0)
        total = float(law.sum())
        return self._low + float((law * np.arange(len(law))).sum()) / total if total > 0 else 0.0

    def _trim(self) -> None:
        if self._f.shape[1] < _SHORT:
            return
        law = self._f.sum(axis=0)
        kept = np.flatnonzero(law > _DROP)
        if len(kept) and (kept[0] > 0 or kept[-1] < len(law) - 1):
            self._f = self._f[:, kept[0] : kept[-1] + 1]
            self._low += int(kept[0])


def _moved(f: Array, rho: float) -> Array:
    """The states one look later."""
    steps = moves(rho).T
    width = f.shape[1]
    if width <= _BLOCK:
        return np.asarray(steps @ f)
    moved = np.empty((len(steps), width))
    for begin in range(0, width, _BLOCK):
        np.matmul(steps, f[:, begin : begin + _BLOCK], out=moved[:, begin : begin + _BLOCK])
    return moved


def _convolved(f: Array, rows: Array) -> Array:
    """Each row of f with its row of the law, or with the only one."""
    short, long = (rows, f) if rows.shape[1] <= f.shape[1] else (f, rows)
    terms, width = short.shape[1], f.shape[1] + rows.shape[1] - 1
    if terms <= _FEW:
        sums = np.zeros((len(f), width))
        for j in range(terms):
            sums[:, j : j + long.shape[1]] += long * short[:, j : j + 1]
        return sums
    if width < _SHORT:
        return np.vstack([np.convolve(row, rows[i % len(rows)]) for i, row in enumerate(f)])
    # By Fourier transforms: exact to some 1e-17, well below what is dropped of a law so wide.
    size = _fast(width)
    waves = np.fft.rfft(f, size)
    waves *= np.fft.rfft(rows, size)
    return np.asarray(np.maximum(np.fft.irfft(waves, size)[:, :width], 0.0))


@lru_cache(maxsize=4096)
def _fast(least: int) -> int:
    """The least 2^a·3^b·5^c that is not below: a length that is transformed fast."""
    best = 1 << (least - 1).bit_length()
    fives = 1
    while fives < best:
        size = fives
        while size < best:
            rest = -(-least // size)
            best = min(best, size << (rest - 1).bit_length())
            size *= 3
        fives *= 5
    return best
