"""What may go wrong with a provider. Messages are for people and hold no secret and no query."""

from __future__ import annotations


class SourceError(Exception):
    """The provider gave no usable answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unavailable(SourceError):  # noqa: N818 — its base says Error
    """Unreachable, slow, overloaded or closed to us: the same query may be answered later."""


class NoToken(Unavailable):
    """We have no token to show: its Secret or key is missing, or what it holds is none."""


class Rejected(SourceError):  # noqa: N818 — its base says Error
    """The provider says that the query is wrong: asking it again is of no use."""


class TooLarge(Rejected):
    """The query or its answer is larger than is taken: its parts may be answered."""


class Malformed(SourceError):  # noqa: N818 — its base says Error
    """What answered does not speak Prometheus' query API: a login page, a redirect, a proxy."""
