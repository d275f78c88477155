"""How a call can go wrong, told apart by whether it may have been done. Messages hold no secret and no body."""

# ruff: noqa: N818  (their names say what is known of the call)

from __future__ import annotations


class CallError(Exception):
    """The call did not come to a good end."""

    def __init__(self, message: str, reason: str = "CallFailed") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        """In one word."""


class NotSent(CallError):
    """It did not reach the other side: it was not done."""


class Lost(CallError):
    """It was sent, and no answer came: nobody knows whether it was done."""


class Forbidden(CallError):
    """An address that is not called for anybody."""
