"""Keys, tokens and kubeconfigs of one test bed. Worth nothing outside it.

The serving certificate is the API server's own (it signs one into its --cert-dir); this module
only takes the authority out of it, so that clients verify as they do in life.
"""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Any

import yaml

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def private(path: Path, text: str) -> Path:
    """Write a file that only its owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def signing_key(path: Path) -> Path:
    """A new P-256 key for service account tokens, as PEM (RFC 5915 without the optional point)."""
    secret = (1 + secrets.randbelow(_P256_ORDER - 1)).to_bytes(32, "big")
    prime256v1 = bytes.fromhex("06082a8648ce3d030107")
    body = b"\x02\x01\x01" + b"\x04\x20" + secret + b"\xa0\x0a" + prime256v1
    der = bytes([0x30, len(body)]) + body
    lines = base64.encodebytes(der).decode()
    return private(path, f"-----BEGIN EC PRIVATE KEY-----\n{lines}-----END EC PRIVATE KEY-----\n")


def token_file(path: Path) -> str:
    """Write the API server's static token file; returns the administrator's token."""
    token = secrets.token_urlsafe(24)
    private(path, f'{token},admin,admin,"system:masters"\n')
    return token


def authority(served: Path, path: Path) -> Path:
    """The authority's certificate: the last one in the chain the API server wrote."""
    begin = "-----BEGIN CERTIFICATE-----"
    path.write_text(begin + served.read_text().split(begin)[-1])
    return path


def kubeconfig(
    path: Path, *, server: str, ca: Path, token: str, namespace: str = "default"
) -> Path:
    """A kubeconfig that carries all it needs, so it can be copied away."""
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testbed",
        "clusters": [
            {
                "name": "testbed",
                "cluster": {
                    "server": server,
                    "certificate-authority-data": base64.b64encode(ca.read_bytes()).decode(),
                },
            }
        ],
        "users": [{"name": "testbed", "user": {"token": token}}],
        "contexts": [
            {
                "name": "testbed",
                "context": {"cluster": "testbed", "user": "testbed", "namespace": namespace},
            }
        ],
    }
    return private(path, yaml.safe_dump(document, sort_keys=False))
