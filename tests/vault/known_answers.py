"""Makes `protocol/vault/vectors.json`: vaults with everything that is random in them fixed.

    python -m tests.vault.known_answers > protocol/vault/vectors.json

Law: the randomness is put in at `os.urandom`, for this process only: no function of the vault takes a nonce, or a key
that it would make itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

from llm_sidecar.vault import key_wrap
from llm_sidecar.vault.key_sources import KeySource, Passphrase, RawKey
from llm_sidecar.vault.key_wrap import derive
from llm_sidecar.vault.sealed_box import NONCE_BYTES, bind
from llm_sidecar.vault.vault import Vault
from llm_sidecar.vault.vault_file import Kdf, parse
from tests.vault.samples import ROWS, forged, opened, vault_path

KEK: Final = hashlib.sha256(b"llm-sidecar vault vectors: key").digest()
NEW_KEK: Final = hashlib.sha256(b"llm-sidecar vault vectors: new key").digest()
WRONG_KEK: Final = hashlib.sha256(b"llm-sidecar vault vectors: wrong key").digest()
PASSPHRASE: Final = "correct horse ✓ battery"

HOST: Final = RawKey("host", KEK)
NEW_HOST: Final = RawKey("host", NEW_KEK)


@contextmanager
def fixed_randomness(seed: str) -> Iterator[None]:
    """`os.urandom` gives SHA-256(seed ‖ 0) ‖ SHA-256(seed ‖ 1) ‖ …, cut to the length asked for, per call."""
    calls = iter(range(10_000))

    def stream(length: int) -> bytes:
        assert length <= 32
        return hashlib.sha256(f"{seed} {next(calls)}".encode()).digest()[:length]

    with mock.patch.object(os, "urandom", stream):
        yield


def _one(vault: Vault) -> None:
    vault.put(*ROWS[0])


def _three(vault: Vault) -> None:
    for row in ROWS:
        vault.put(*row)


def _rotating(vault: Vault) -> None:
    _three(vault)
    vault.rotate_begin(NEW_HOST)


def _rotated(vault: Vault) -> None:
    _three(vault)
    vault.rotate_commit(vault.rotate_begin(NEW_HOST))


def _deleted(vault: Vault) -> None:
    _one(vault)
    vault.delete(ROWS[0].profile_id)


CASES: Final[list[tuple[str, KeySource, Callable[[Vault], None]]]] = [
    ("one key", HOST, _one),
    ("three keys", HOST, _three),
    ("no key left", HOST, _deleted),
    ("a rotation under way: either key opens it", HOST, _rotating),
    ("after a rotation: another data key", HOST, _rotated),
    ("a passphrase", Passphrase(PASSPHRASE), _one),
]


def _made(name: str, source: KeySource, make: Callable[[Vault], None]) -> tuple[bytes, list[dict[str, Any]]]:
    """The file, and what is in its records."""
    with tempfile.TemporaryDirectory() as folder, fixed_randomness(name):
        path = Path(folder) / "vault"
        make(opened(path, source))
        data = vault_path(path).read_bytes()
    body = json.loads(data.split(b"\n")[1])
    return data, [
        {"profileId": row.profile_id, "field": row.field, "origin": row.origin, "plaintext": row.secret}
        for row in ROWS
        if f"{row.profile_id}/{row.field}" in body["records"]
    ]


def _keys(data: bytes) -> tuple[list[dict[str, str]], bytes]:
    """The key of each slot, and the data key."""
    header, keys, dek = parse(data, "vector").header, [], b""
    for slot in header.slots:
        if isinstance(slot.kdf, Kdf):
            kek = Passphrase(PASSPHRASE).existing("vector", header.vault_id, slot) or b""
        else:
            kek = next(key for key in (KEK, NEW_KEK) if key_wrap.Kek(key, header.vault_id).is_of(slot.kcv))
        dek = key_wrap.Kek(kek, header.vault_id).unwrap(slot.wrapped_dek, slot.kek_id).raw
        entry = {"kek_id": slot.kek_id, "kek": kek.hex()}
        keys.append({**entry, "passphrase": PASSPHRASE} if slot.kdf else entry)
    return keys, dek


def _vault(name: str, source: KeySource, make: Callable[[Vault], None]) -> dict[str, Any]:
    data, records = _made(name, source, make)
    keys, dek = _keys(data)
    return {"name": name, "file": data.decode(), "keys": keys, "dek": dek.hex(), "records": records}


def _steps() -> dict[str, str]:
    """Every value on the way to the first record of the first vault."""
    data, (record,) = _made(*CASES[0])
    header, body = (json.loads(line) for line in data.split(b"\n")[:2])
    vault_id = parse(data, "vector").header.vault_id
    dek = _keys(data)[1]
    kek_id, kid = header["slots"][0]["kek_id"], body["kid"]
    names = (record["profileId"], record["field"], record["origin"])
    box = base64.b64decode(next(iter(body["records"].values()))["box"])
    return {
        "vault_id": vault_id.hex(),
        "kek": KEK.hex(),
        "wrap": derive(KEK, vault_id, key_wrap._WRAP).hex(),
        "commit": derive(KEK, vault_id, key_wrap._COMMIT).hex(),
        "kcv": key_wrap.Kek(KEK, vault_id).check_value.hex(),
        "wrapped_dek.aad": bind(key_wrap._DATA_KEY, vault_id, kek_id.encode()).hex(),
        "dek": dek.hex(),
        "enc": derive(dek, vault_id, key_wrap._ENCRYPT).hex(),
        "mac": derive(dek, vault_id, key_wrap._MAC).hex(),
        "record.aad": bind(key_wrap._RECORD, vault_id, kid.encode(), *(name.encode() for name in names)).hex(),
        "record.nonce": box[:NONCE_BYTES].hex(),
        "record.box": box.hex(),
    }


def _refused() -> list[dict[str, str]]:
    data, _ = _made(*CASES[1])
    name = f"{ROWS[0].profile_id}/{ROWS[0].field}"
    cases = [
        ("VAULT_CORRUPT", "the last byte is missing", data[:-1], KEK),
        ("VAULT_CORRUPT", "one bit is another", data.replace(b'"generation":3', b'"generation":2'), KEK),
        ("VAULT_CORRUPT", "nothing", b"", KEK),
        ("VAULT_NEWER", "version 2", forged(data, lambda header, body: header.update(version=2)), KEK),
        ("VAULT_WRONG_KEY", "another key", data, WRONG_KEK),
        (
            "VAULT_TAMPERED",
            "an edited endpoint, with a right checksum",
            forged(data, lambda header, body: body["records"][name].update(origin="https://evil.example:443")),
            KEK,
        ),
        (
            "VAULT_TAMPERED",
            "an older generation, with a right checksum",
            forged(data, lambda header, body: body.update(generation=2)),
            KEK,
        ),
    ]
    return [{"name": title, "error": code, "kek": kek.hex(), "file": file.decode()} for code, title, file, kek in cases]


def vectors() -> str:
    """The text of the file."""
    document = {"version": 1, "steps": _steps(), "vaults": [_vault(*case) for case in CASES], "refused": _refused()}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    print(vectors(), end="")
