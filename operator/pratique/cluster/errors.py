"""What can go wrong with the API server, told apart by what the caller can do about it.

::

    ClusterError
    ├── Conflict      409: the object changed meanwhile; look again
    ├── Gone          404, or its namespace is terminating; forget it
    ├── Expired       410: the resourceVersion is too old; list again
    ├── Refused       401, 403: a rule of RBAC or admission is missing
    ├── Rejected      400, 413, 422: the API server does not take the document
    └── Unreachable   no answer, 429, 5xx; try again later

No message ever carries a request's or an answer's body: only what was asked and the API server's sentence.
"""

# ruff: noqa: N818  (their names say what the caller meets, as HTTP does)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import msgspec
from lightkube.core.exceptions import ApiError, ConfigError


class ClusterError(Exception):
    """The API server did not do what was asked.

    ``code`` is the HTTP status, or 0 where there was no answer; ``retry_after`` is in seconds.
    """

    def __init__(
        self,
        what: str,
        message: str,
        *,
        code: int = 0,
        reason: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{what}: {message}")
        self.code = code
        self.reason = reason
        self.retry_after = retry_after


class Conflict(ClusterError):
    """The object changed since it was read, or exists already (``reason`` AlreadyExists)."""


class Gone(ClusterError):
    """The object, its kind or its namespace is not there, or is about to go."""


class Expired(ClusterError):
    """The resourceVersion or the page token is too old to go on from."""


class Refused(ClusterError):
    """The API server does not allow it."""


class Rejected(ClusterError):
    """The API server does not take the document."""


class Unreachable(ClusterError):
    """No answer, or one that says to come back later."""


_BY_CODE: dict[int, type[ClusterError]] = {
    400: Rejected,
    401: Refused,
    403: Refused,
    404: Gone,
    409: Conflict,
    410: Expired,
    413: Rejected,
    422: Rejected,
    429: Unreachable,
}


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn the client library's errors into ours; ``what`` is a sentence's begin: "reading pods"."""
    try:
        yield
    except ApiError as error:
        raise _answered(what, error) from error
    except httpx2.HTTPStatusError as error:
        # An answer that is no Status document: a proxy, or an API server that is starting.
        code = error.response.status_code
        raise _kind(code)(what, f"HTTP {code} {error.response.reason_phrase}", code=code) from error
    except httpx2.HTTPError as error:
        raise Unreachable(what, f"no answer ({type(error).__name__}: {error})") from error
    except (msgspec.MsgspecError, KeyError) as error:
        # The library takes it for granted that an answer is the API server's and names its type.
        if isinstance(error, KeyError) and error.args != ("Content-Type",):
            raise
        raise Unreachable(what, "the answer is not an API server's") from error
    except OSError as error:
        raise Unreachable(what, f"no answer ({error})") from error
    except ConfigError as error:
        raise Refused(what, f"no credentials ({error})") from error


def _kind(code: int) -> type[ClusterError]:
    return _BY_CODE.get(code, Unreachable if code >= 500 else ClusterError)


def _answered(what: str, error: ApiError) -> ClusterError:
    status = error.status
    code, reason = int(status.code or 0), str(status.reason or "")
    if not code and error.response is not None:
        code = error.response.status_code  # JSON, but no Status: a proxy's
    details = status.details
    causes = {cause.reason for cause in (details.causes or [])} if details else set()
    kind = Gone if "NamespaceTerminating" in causes else _kind(code)
    return kind(
        what,
        str(status.message or f"HTTP {code}"),
        code=code,
        reason=reason,
        retry_after=float(details.retryAfterSeconds)
        if details and details.retryAfterSeconds
        else None,
    )
