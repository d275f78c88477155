"""Every request to the API server, told by verb and resource as it is sent.

The names are Kubernetes' own: get, list, watch, create, update, patch, delete; pods, releases/status. Not
here: Kopf's requests, which has a client of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx2

OnRequest = Callable[[str, str], None]
"""(verb, resource)."""
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Counting(httpx2.AsyncBaseTransport):
    """Hands requests on to another transport, and tells of each."""

    def __init__(self, to: httpx2.AsyncBaseTransport, on_request: OnRequest) -> None:
        self._to = to
        self._on_request = on_request

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The other transport's answer."""
        self._on_request(*asked(request.method, request.url))
        return await self._to.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the other transport."""
        await self._to.aclose()


def asked(method: str, url: httpx2.URL) -> tuple[str, str]:
    """(verb, resource) of a request: /api/v1/… and /apis/GROUP/VERSION/…, in a namespace or not."""
    parts = [p for p in url.path.split("/") if p]
    rest = parts[3:] if parts[:1] == ["apis"] else parts[2:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    resource = "/".join([*rest[:1], *rest[2:3]]) or "none"
    if method not in ("GET", "HEAD"):
        return _VERBS.get(method, method.lower()), resource
    if url.params.get("watch") == "true":
        return "watch", resource
    return ("get" if len(rest) > 1 else "list"), resource
