"""The pods as the API server tells them: a list, then a watch, over again when it breaks.

Plain HTTP on purpose: one kind, read only, in a thread of its own.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

log = logging.getLogger(__name__)

Pod = dict[str, Any]


class Gone(Exception):  # noqa: N818 (the server's own word)
    """The resource version is too old to watch from: list again."""


def follow(
    kubeconfig: Path, listed: Callable[[Sequence[Pod]], None], changed: Callable[[str, Pod], None]
) -> threading.Thread:
    """Follow all pods for ever in a daemon thread.

    `listed` gets all pods at the begin and after each break; `changed` gets ADDED, MODIFIED or
    DELETED with the pod. Both are called from that thread.
    """
    thread = threading.Thread(
        target=_follow, args=(kubeconfig, listed, changed), name="pods", daemon=True
    )
    thread.start()
    return thread


def _follow(
    kubeconfig: Path, listed: Callable[[Sequence[Pod]], None], changed: Callable[[str, Pod], None]
) -> None:
    while True:
        try:
            version, pods = _list(kubeconfig)
            listed(pods)
            while True:
                for kind, pod in _watch(kubeconfig, version):
                    version = pod["metadata"]["resourceVersion"]
                    if kind != "BOOKMARK":
                        changed(kind, pod)
        except Gone:
            continue
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            log.warning("pods are read again in 0.5 s: %s: %s", type(error).__name__, error)
            time.sleep(0.5)


def _list(kubeconfig: Path) -> tuple[str, list[Pod]]:
    answer = _get(kubeconfig, "/api/v1/pods?resourceVersion=0", timeout=30)
    body = json.load(answer)
    return body["metadata"]["resourceVersion"], body["items"]


def _watch(kubeconfig: Path, version: str) -> Iterator[tuple[str, Pod]]:
    query = urllib.parse.urlencode(
        {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": 300,
            "resourceVersion": version,
        }
    )
    # The server ends the watch before our own time-out would.
    with _get(kubeconfig, f"/api/v1/pods?{query}", timeout=330) as answer:
        for line in answer:
            event = json.loads(line)
            if event["type"] == "ERROR":
                if event["object"].get("code") == 410:
                    raise Gone
                raise ValueError(event["object"].get("message", "the watch failed"))
            yield event["type"], event["object"]


def _get(kubeconfig: Path, path: str, *, timeout: float) -> http.client.HTTPResponse:
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    connection = http.client.HTTPSConnection(
        urllib.parse.urlsplit(cluster["server"]).netloc,
        timeout=timeout,
        context=ssl.create_default_context(cadata=authority),
    )
    connection.request("GET", path, headers={"Authorization": f"Bearer {user['token']}"})
    answer = connection.getresponse()
    if answer.status == 410:
        raise Gone
    if answer.status != 200:
        raise ValueError(f"GET {path}: {answer.status} {answer.read(300)!r}")
    return answer
