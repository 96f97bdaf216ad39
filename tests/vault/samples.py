"""Vaults for tests: keys, names of records, and files forged by somebody who knows the format.

Law: whoever forges here may know the data key, or only the checksum: each test says which.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from llm_sidecar.vault.key_sources import RawKey
from llm_sidecar.vault.key_wrap import Dek, Kek
from llm_sidecar.vault.vault import Vault
from llm_sidecar.vault.vault_file import parse

KEY = RawKey("host", bytes(range(32)))
OTHER_KEY = RawKey("host", bytes(range(1, 33)))
ANN = "11111111-1111-4111-8111-111111111111"
BEN = "22222222-2222-4222-8222-222222222222"
CLEO = "33333333-3333-4333-8333-333333333333"
OPENAI = "https://api.openai.com:443"
LOCAL = "http://127.0.0.1:8080"


class Row(NamedTuple):
    profile_id: str
    field: str
    origin: str
    secret: str


ROWS = (
    Row(ANN, "apiKey", OPENAI, "sk-CANARY/+ann==0123456789abcdef"),
    Row(BEN, "apiKey", OPENAI, "sk-CANARY/+ben==0123456789abcdef"),
    Row(CLEO, "apiKey", LOCAL, "clé à molette ✓ CANARY/+cleo"),
)


def filled(folder: Path, rows: tuple[Row, ...] = ROWS, key: RawKey = KEY) -> Vault:
    """A vault on the disk that holds these rows."""
    vault = Vault(str(folder))
    assert vault.open(key) == "absent"
    for row in rows:
        vault.put(*row)
    return vault


def opened(folder: Path, key: Any = KEY, *, expected_generation: int | None = None) -> Vault:
    vault = Vault(str(folder))
    vault.open(key, expected_generation=expected_generation)
    return vault


def contents(vault: Vault, rows: tuple[Row, ...] = ROWS) -> dict[str, str]:
    """The secrets of these rows that are there, by `<profile>/<field>`."""
    return {
        f"{row.profile_id}/{row.field}": vault.get(row.profile_id, row.field, row.origin)
        for row in rows
        if vault.has(row.profile_id, row.field)
    }


def vault_path(folder: Path) -> Path:
    return folder / "keys.vault"


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file of the folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def data_key(data: bytes, key: RawKey = KEY) -> Dek:
    """The data key of a vault, as a holder of its key finds it."""
    header = parse(data, "vault").header
    (slot,) = header.slots
    found = key.existing("vault", header.vault_id, slot)
    assert found is not None
    return Kek(found, header.vault_id).unwrap(slot.wrapped_dek, slot.kek_id)


Change = Callable[[dict[str, Any], dict[str, Any]], None]


def forged(data: bytes, change: Change, *, dek: Dek | None = None) -> bytes:
    """The vault with its header and body changed in place, and a right SHA-256; with `dek`, a right HMAC, too."""
    first, second, third, _ = data.split(b"\n")
    header, body = json.loads(first), json.loads(second)
    change(header, body)
    lines = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in (header, body))
    mac = dek.authenticate(lines).encode() if dek else third.split(b" ")[1]
    return lines + hashlib.sha256(lines).hexdigest().encode() + b" " + mac + b"\n"


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
