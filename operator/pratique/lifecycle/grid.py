"""The grid of look ends: multiples of the interval since the epoch.

Looks of all releases with one interval fall on the same moments, so their questions can be merged,
and after a restart the same moments are asked again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta


def ceil(moment: datetime, interval: timedelta) -> datetime:
    """The first grid point at or after the moment."""
    step = interval.total_seconds()
    return datetime.fromtimestamp(math.ceil(round(moment.timestamp() / step, 6)) * step, UTC)


def ends(after: datetime, until: datetime, interval: timedelta) -> Iterator[datetime]:
    """The grid points in (after, until], where ``after`` is itself on the grid."""
    end = after + interval
    while end <= until:
        yield end
        end += interval
