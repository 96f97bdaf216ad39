"""The known answers of `protocol/vault/`: this program writes and reads them, and so does another language."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from llm_sidecar.errors import SidecarError
from llm_sidecar.vault.key_sources import Passphrase, RawKey
from tests.vault import known_answers
from tests.vault.samples import opened, vault_path

FILE = Path(__file__).parents[2] / "protocol" / "vault" / "vectors.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text("utf-8"))


def put(folder: Path, text: str) -> Path:
    folder.mkdir()
    vault_path(folder).write_bytes(text.encode())
    return folder


def test_the_vectors_are_what_this_program_writes() -> None:
    """Else the format changed: that needs another version (`python -m tests.vault.known_answers`)."""
    assert known_answers.vectors() == FILE.read_text("utf-8")


@pytest.mark.parametrize("case", VECTORS["vaults"], ids=lambda case: case["name"])
def test_each_vault_opens_with_each_of_its_keys(tmp_path: Path, case: dict[str, Any]) -> None:
    for number, key in enumerate(case["keys"]):
        source = Passphrase(key["passphrase"]) if "passphrase" in key else RawKey("host", bytes.fromhex(key["kek"]))
        vault = opened(put(tmp_path / str(number), case["file"]), source)
        assert vault.state == "open"
        assert vault.status().records == len(case["records"])
        for record in case["records"]:
            assert vault.get(record["profileId"], record["field"], record["origin"]) == record["plaintext"]


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["name"])
def test_what_is_to_be_refused_is(tmp_path: Path, case: dict[str, Any]) -> None:
    vault = opened(put(tmp_path / "vault", case["file"]), RawKey("host", bytes.fromhex(case["kek"])))
    assert isinstance(vault.error, SidecarError)
    assert vault.error.code == case["error"]


def test_every_step_is_what_the_page_says_with_nothing_of_this_program() -> None:
    """HKDF from the standard library, by RFC 5869."""
    step = {name: bytes.fromhex(value) for name, value in VECTORS["steps"].items()}
    label = b"llm-sidecar-vault/v1/"

    def hkdf(key: bytes, name: bytes) -> bytes:
        return hmac.digest(hmac.digest(step["vault_id"], key, "sha256"), label + name + b"\1", "sha256")

    assert hkdf(step["kek"], b"wrap") == step["wrap"]
    assert hkdf(step["kek"], b"commit") == step["commit"]
    assert hkdf(step["dek"], b"enc") == step["enc"]
    assert hkdf(step["dek"], b"mac") == step["mac"]
    assert hmac.digest(step["commit"], step["vault_id"], "sha256") == step["kcv"]
    vault = VECTORS["vaults"][0]
    (record,) = vault["records"]
    box, aad = step["record.box"], step["record.aad"]
    assert AESGCM(step["enc"]).decrypt(box[:12], box[12:], aad).decode() == record["plaintext"]
    first, second, last = vault["file"].encode().splitlines(keepends=True)
    assert last.split()[0].decode() == hashlib.sha256(first + second).hexdigest()
    assert last.split()[1].decode() == hmac.digest(step["mac"], first + second, "sha256").hex()


def test_another_language_reads_them() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node: the vault's vectors in another language")
    reader = Path(__file__).with_name("reader.mjs")
    done = subprocess.run([node, str(reader), str(FILE)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"read": 14, "refused": 7}
