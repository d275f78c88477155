"""One connection pool to the API server, and a watch that ends instead of pretending.

``lightkube`` opens the connection (in-cluster, kubeconfig; tokens read anew when they rotate). Its own
``watch`` reconnects by itself: at once, without bookmarks and without a limit on silence; so the one
here is a single stream, and ``watching`` decides what its end means.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import httpx2
from lightkube import AsyncClient, KubeConfig
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import GenericGlobalResource
from lightkube.models.meta_v1 import Status

from .counting import Counting, OnRequest
from .kinds import Kind

FIELD_MANAGER = "pratique"
TIMEOUT = 10.0
"""Seconds for a connection or an answer."""
SILENCE = 150.0
"""Seconds without a byte after which a watch is taken for dead; bookmarks come each minute."""


METADATA = {
    "get": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    "list": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
}
"""What asks for metadata alone; an API server that cannot answers 406, and never with more."""


class Connection(AsyncClient):
    """The library's client, with a stream of one watch."""

    async def stream(
        self,
        kind: Kind,
        *,
        namespace: str,
        resource_version: str,
        seconds: int,
        fields: str | None = None,
    ) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """(ADDED, MODIFIED, DELETED or BOOKMARK, body) until the API server ends it after ``seconds``.

        Raises the library's errors: ApiError with code 410 where the version is too old.
        """
        core: Any = self._client
        asked = core.prepare_request(
            "list",
            res=kind,
            namespace=namespace,
            watch=True,
            params={
                "resourceVersion": resource_version,
                "timeoutSeconds": seconds,
                "allowWatchBookmarks": "true",
                "fieldSelector": fields,
            },
        )
        asked.timeout = httpx2.Timeout(TIMEOUT, read=SILENCE)
        response = await core.send(core.build_adapter_request(asked), stream=True)
        try:
            if response.is_error:
                await response.aread()
                core.raise_for_status(response)
            async for line in response.aiter_lines():
                if not line:
                    continue
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(status=cast(Status, Status.from_dict(event["object"])))
                yield event["type"], event["object"]
        finally:
            await response.aclose()

    async def metadata(
        self,
        method: str,
        kind: Kind | type[GenericGlobalResource],
        *,
        namespace: str | None,
        name: str | None = None,
        params: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """``list`` or ``get``, of which the API server sends the metadata only."""
        core: Any = self._client
        asked = core.prepare_request(
            method,
            res=kind,
            namespace=namespace,
            name=name,
            params=params,
            headers={"Accept": METADATA[method]},
        )
        response = await core.send(core.build_adapter_request(asked))
        core.raise_for_status(response)
        return dict(response.json())

    async def remove(
        self, kind: Kind, name: str, *, namespace: str, uid: str, propagation: str | None = None
    ) -> None:
        """Delete the object if it is still that one: the library's own ``delete`` knows no preconditions."""
        core: Any = self._client
        asked = core.prepare_request("delete", res=kind, name=name, namespace=namespace)
        asked.data = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            **({"propagationPolicy": propagation} if propagation else {}),
        }
        core.raise_for_status(await core.send(core.build_adapter_request(asked)))


def connect(
    kubeconfig: str | Path | None,
    transport: httpx2.AsyncBaseTransport | None,
    on_request: OnRequest = lambda verb, resource: None,
) -> Connection:
    """In-cluster, else ``$KUBECONFIG``, else ``~/.kube/config``; or the file given."""
    loaded = KubeConfig.from_file(str(kubeconfig)) if kubeconfig else KubeConfig.from_env()
    config = loaded.get()
    if config is None:
        raise ValueError("the kubeconfig names no current-context: kubectl config use-context NAME")
    return Connection(
        config=config,
        timeout=httpx2.Timeout(TIMEOUT),
        field_manager=FIELD_MANAGER,
        transport=Counting(transport or _transport(config), on_request),
    )


def _transport(config: SingleConfig) -> httpx2.AsyncHTTPTransport:
    # Each watched namespace holds some connections open for as long as a release runs in it: the usual
    # limit of 100 would let the 51st namespace starve every other call.
    return httpx2.AsyncHTTPTransport(
        verify=verify_cluster(config.cluster, config.user, config.abs_file),  # type: ignore[arg-type]
        limits=httpx2.Limits(
            max_connections=None, max_keepalive_connections=20, keepalive_expiry=60
        ),
        retries=1,  # of connecting only
    )
