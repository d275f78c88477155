"""A requests session that trusts no answer: one attempt, bounded size and time, no redirects.

It types what is wrong while the response is at hand; ``PrometheusConnect`` would keep only a string
of it, and drop the warnings that say that an answer is not whole.
"""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import requests
import urllib3

from .errors import Malformed, Rejected, SourceError, TooLarge, Unavailable

MAX_BODY = 32 * 1024 * 1024
"""Bytes of an answer that are read at most."""
MAX_URL = 7000
"""Characters of a URL's query; what is longer is posted, which some servers and proxies refuse."""
_MAX_ERROR = 64 * 1024
_MAX_SAID = 300
_TOO_MUCH = ("too many samples", "exceed", "cannot select more than")
"""What Prometheus, Thanos, Mimir and VictoriaMetrics say of queries beyond their limits."""
_LATER = {"timeout", "canceled", "internal", "unavailable", "too_many_requests", "not_found"}
"""Prometheus' errorType where the query itself is not to blame."""


class GuardedSession(requests.Session):
    """Gives only whole JSON answers with status 200; raises SourceError for all others."""

    def request(self, method: Any, url: Any, **more: Any) -> requests.Response:  # type: ignore[override]
        """As requests does, but bounded: ``timeout`` (seconds) is for the whole answer.

        Parameters too long for a URL go in the body (prometheus-api-client's own POST would leave
        them in the URL).
        """
        params = more.get("params") or {}
        posted = len(urlencode(params)) > MAX_URL
        if posted:
            method, more["params"], more["data"] = "POST", None, params
        more |= {"allow_redirects": False, "stream": True}
        limit = more.get("timeout") or 10.0
        deadline = time.monotonic() + limit
        with super().request(method, url, **more) as response:
            good = response.status_code == 200
            body = _read(response, MAX_BODY if good else _MAX_ERROR, deadline, limit, good)
        if not good:
            raise refusal(response.status_code, body, posted=posted)
        if body.lstrip()[:1] != b"{":
            kind = response.headers.get("Content-Type", "no content type")[:80]
            raise Malformed(
                f"answered with {kind} instead of JSON: is the url a Prometheus, or a login page?"
            )
        if partial := _partial(body):
            raise Unavailable(f"answers only in part: {partial}")
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
                raise TooLarge(
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


def refusal(status: int, body: bytes, *, posted: bool = False) -> SourceError:
    """The error that a status other than 200 stands for; ``posted``: to a query in the body."""
    kind, said = _told(body)
    tail = f": {said}" if said else ""
    if status in (413, 414, 431) or (posted and status in (403, 404, 405, 411, 501)):
        how = "by POST" if posted else "in the URL"
        return TooLarge(f"takes no query so long {how} (HTTP {status}{tail}): allow it there")
    if 300 <= status < 400:
        return Malformed(
            f"redirects (HTTP {status}), which is not followed: write the final address as the url"
        )
    if status in (401, 403):
        return Unavailable(f"refuses us (HTTP {status}): check auth and its Secret{tail}")
    if status == 404 and not kind:
        return Malformed("has no query API at this url (HTTP 404): check the url's path")
    if status in (408, 429) or status >= 500 or kind in _LATER:
        return Unavailable(f"cannot answer now (HTTP {status}{tail})")
    if any(words in said for words in _TOO_MUCH):
        return TooLarge(f"rejects the query (HTTP {status}{tail})")
    return Rejected(f"rejects the query (HTTP {status}{tail})")


def _partial(body: bytes) -> str:
    """Why an answer is not whole; empty where it is.

    Some databases answer with what those of their parts had that could be reached, and say so in
    ``warnings`` or ``isPartial``. PromQL's own annotations are no such warnings.
    """
    # Inside a string the quotes would be escaped: these are keys, looked for before parsing again.
    if b'"warnings"' not in body and b'"isPartial"' not in body:
        return ""
    try:
        document = json.loads(body)
        warnings = [str(w) for w in document.get("warnings") or ()]
        partial = document.get("isPartial") is True
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ""  # its reader will say what it is
    told = [" ".join(w.split()) for w in warnings if not w.startswith("PromQL ")]
    return told[0][:_MAX_SAID] if told else ("some of its storage is away" if partial else "")


def _told(body: bytes) -> tuple[str, str]:
    """(errorType, error) of Prometheus' own error document; empty for anything else."""
    try:
        document = json.loads(body)
        said = " ".join(str(document["error"]).split())
        kind = str(document["errorType"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""
    return kind, said if len(said) <= _MAX_SAID else said[:_MAX_SAID] + "…"
