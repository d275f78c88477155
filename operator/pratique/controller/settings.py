"""What the operator is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Settings:
    """From the command line and the environment; see ``pratique run --help``."""

    kubeconfig: str | None = None
    library_namespace: str = "pratique-system"
    host: str = "0.0.0.0"  # noqa: S104 - the kubelet and Prometheus ask from outside
    port: int = 8080
    log_format: Literal["json", "text"] = "json"
    log_level: str = "INFO"
    workers: int = 16
