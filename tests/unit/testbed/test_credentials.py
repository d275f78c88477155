"""Keys and kubeconfigs: well formed, and readable by their owner alone."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from pratique_testbed import credentials


def test_secrets_are_their_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("CERT")
    credentials.signing_key(tmp_path / "sa.key")
    token = credentials.token_file(tmp_path / "tokens.csv")
    path = credentials.kubeconfig(
        tmp_path / "deep" / "config", server="https://x", ca=tmp_path / "ca", token=token
    )
    for secret in (tmp_path / "sa.key", tmp_path / "tokens.csv", path):
        assert secret.stat().st_mode & 0o777 == 0o600
    config = yaml.safe_load(path.read_text())
    assert config["users"][0]["user"]["token"] == token
    data = config["clusters"][0]["cluster"]["certificate-authority-data"]
    assert base64.b64decode(data) == b"CERT"


def test_no_two_beds_share_a_key_or_token(tmp_path: Path) -> None:
    keys = {credentials.signing_key(tmp_path / str(n)).read_text() for n in range(3)}
    tokens = {credentials.token_file(tmp_path / f"t{n}") for n in range(3)}
    assert len(keys) == len(tokens) == 3


def test_the_authority_is_the_last_of_the_chain(tmp_path: Path) -> None:
    one, two = (
        f"-----BEGIN CERTIFICATE-----\n{n}\n-----END CERTIFICATE-----\n" for n in ("LEAF", "CA")
    )
    (tmp_path / "chain").write_text(one + two)
    assert credentials.authority(tmp_path / "chain", tmp_path / "ca").read_text() == two
