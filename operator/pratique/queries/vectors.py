"""What a provider answers, as plain values: series with their samples. Not how it is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One series of an answer."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]
    """(Unix seconds, value), ascending; exactly one where a vector was asked."""
    ranged: bool = False
    """Whether it came as a range of samples."""

    @property
    def value(self) -> float:
        """The last sample's value; NaN without samples."""
        return self.samples[-1][1] if self.samples else math.nan


@dataclass(frozen=True)
class Vector:
    """An answer: no rows means that there is no data. A scalar is one row without labels."""

    rows: tuple[Row, ...] = field(default=())

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, *pairs: tuple[Mapping[str, str], float], time: float = 0.0) -> Vector:
        """An instant vector of (labels, value) pairs."""
        return cls(tuple(Row(labels, ((time, value),)) for labels, value in pairs))
