"""A requests session that trusts no answer: one attempt, bounded size and time, no redirects.

It types what is wrong while the response is at hand; ``PrometheusConnect`` would keep only a string.
"""

from __future__ import annotations

import json
import time
from typing import Any

import requests
import urllib3

from .errors import Malformed, Rejected, SourceError, Unavailable

MAX_BODY = 32 * 1024 * 1024
"""Bytes of an answer that are read at most."""
_MAX_ERROR = 64 * 1024
_MAX_SAID = 300
_LATER = {"timeout", "canceled", "internal", "unavailable", "too_many_requests", "not_found"}
"""Prometheus' errorType where the query itself is not to blame."""


class GuardedSession(requests.Session):
    """Gives only whole JSON answers with status 200; raises SourceError for all others."""

    def request(self, method: Any, url: Any, **more: Any) -> requests.Response:  # type: ignore[override]
        """As requests does, but bounded: ``timeout`` (seconds) is for the whole answer."""
        more |= {"allow_redirects": False, "stream": True}
        limit = more.get("timeout") or 10.0
        deadline = time.monotonic() + limit
        with super().request(method, url, **more) as response:
            good = response.status_code == 200
            body = _read(response, MAX_BODY if good else _MAX_ERROR, deadline, limit, good)
        if not good:
            raise refusal(response.status_code, body)
        if body.lstrip()[:1] != b"{":
            kind = response.headers.get("Content-Type", "no content type")[:80]
            raise Malformed(
                f"answered with {kind} instead of JSON: is the url a Prometheus, or a login page?"
            )
        # What requests itself sets once a body is read: .json() works on it.
        response._content = body
        return response


def _read(
    response: requests.Response, most: int, deadline: float, limit: float, good: bool
) -> bytes:
    """The body as it comes; requests' own reading would wait for whole blocks of a slow one."""
    body = bytearray()
    while chunk := _part(response, limit):
        body += chunk
        if len(body) > most:
            if good:
                raise Rejected(
                    f"the answer is larger than {most // 2**20} MiB: the query matches too much"
                )
            break
        if time.monotonic() > deadline:
            raise Unavailable(f"the answer did not end within {limit:g} s")
    return bytes(body)


def _part(response: requests.Response, limit: float) -> bytes:
    try:
        return bytes(response.raw.read1(64 * 1024, decode_content=True))
    except urllib3.exceptions.ReadTimeoutError:
        raise Unavailable(f"the answer did not end within {limit:g} s") from None
    except urllib3.exceptions.HTTPError:
        raise Unavailable("broke off in the middle of its answer") from None


def refusal(status: int, body: bytes) -> SourceError:
    """The error that a status other than 200 stands for."""
    kind, said = _told(body)
    tail = f": {said}" if said else ""
    if 300 <= status < 400:
        return Malformed(
            f"redirects (HTTP {status}), which is not followed: write the final address as the url"
        )
    if status in (401, 403):
        return Unavailable(f"refuses us (HTTP {status}): check auth and its Secret{tail}")
    if status == 404 and not kind:
        return Malformed("has no query API at this url (HTTP 404): check the url's path")
    if status in (414, 431):
        return Rejected(f"refuses so long a query (HTTP {status}): raise the server's URL limit")
    if status in (408, 429) or status >= 500 or kind in _LATER:
        return Unavailable(f"cannot answer now (HTTP {status}{tail})")
    return Rejected(f"rejects the query (HTTP {status}{tail})")


def _told(body: bytes) -> tuple[str, str]:
    """(errorType, error) of Prometheus' own error document; empty for anything else."""
    try:
        document = json.loads(body)
        said = " ".join(str(document["error"]).split())
        kind = str(document["errorType"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""
    return kind, said if len(said) <= _MAX_SAID else said[:_MAX_SAID] + "…"
