"""What KWOK does to nodes and pods: its own stages for the usual, ours for failures on demand.

A pod's annotation ``testbed.pratique.sh/fail`` chooses a failure: ``ImagePullBackOff``,
``CreateContainerConfigError``, ``CrashLoopBackOff``, ``OOMLoop``, ``OOMKilled`` (once), ``NeverReady``
(an Event tells of its probe), ``NeverReadyQuietly``; a Job's pod ends by ``Exit1``, or ``Lasts``. Put on a Deployment's template it concerns each
new pod; put on a living pod by ``kubectl annotate`` it concerns that pod from then on. Taken away, the
pod becomes ready.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pratique_testbed import binaries

FAIL = "testbed.pratique.sh/fail"

_OURS = Path(__file__).with_name("stages")
_STOCK = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat/node-heartbeat.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)
# Pods with these never become ready by KWOK's own stage. (OOMKilled strikes a ready pod.)
_NEVER_READY = [
    "ImagePullBackOff",
    "CreateContainerConfigError",
    "CrashLoopBackOff",
    "OOMLoop",
    "NeverReady",
    "NeverReadyQuietly",
]
# Pods of Jobs with these run until they fail, or until the annotation is taken away.
_NEVER_COMPLETE = ["Exit1", "Lasts"]


def write(path: Path) -> Path:
    """All stages in one file, KWOK's own from the cache."""
    stock = binaries.kwok_stages()
    documents = [
        document
        for file in [*(stock / name for name in _STOCK), *sorted(_OURS.glob("*.yaml"))]
        for document in yaml.safe_load_all(file.read_text())
        if document
    ]
    for document in documents:
        if document["metadata"]["name"] == "pod-ready":
            _leave_alone(document, _NEVER_READY)
        if document["metadata"]["name"] == "pod-complete":
            _leave_alone(document, _NEVER_COMPLETE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return path


def _leave_alone(stage: dict[str, Any], failing: list[str]) -> None:
    stage["spec"]["selector"]["matchExpressions"].append(
        {"key": f'.metadata.annotations["{FAIL}"]', "operator": "NotIn", "values": failing}
    )
