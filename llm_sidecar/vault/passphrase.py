"""A passphrase as the key: Argon2id, with its parameters stored beside the slot it made.

Law: the parameters of a file are believed only as far as they can do no harm: what asks for more memory or more rounds
than this program would ever write is refused before a byte is allocated.
"""

from __future__ import annotations

import os
from typing import Final

from llm_sidecar.vault import faults
from llm_sidecar.vault.sealed_box import KEY_BYTES
from llm_sidecar.vault.vault_file import Kdf, Slot

MEMORY_KIB: Final = 64 * 1024
ITERATIONS: Final = 3
LANES: Final = 4
MOST_MEMORY_KIB: Final = 256 * 1024
MOST_ITERATIONS: Final = 10
_MOST_LANES: Final = 16
_SALT_BYTES: Final = 16


class Passphrase:
    """A passphrase that a person typed. Slow: 64 MiB and about 0.15 s for each key made from it."""

    name = "passphrase"
    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def existing(self, path: str, vault_id: bytes, slot: Slot) -> bytes | None:
        """The key of a slot; None for a slot that no passphrase opens. Raises VAULT_TAMPERED, VAULT_LOCKED."""
        return None if slot.kdf is None else derive(self._text, slot.kdf, path)

    def fresh(self, path: str, vault_id: bytes, kek_id: str) -> tuple[bytes, Kdf | None]:
        """A key for a new slot, under a new salt. Raises VAULT_LOCKED."""
        kdf = Kdf("argon2id", MEMORY_KIB, ITERATIONS, LANES, os.urandom(_SALT_BYTES))
        return derive(self._text, kdf, path), kdf


def derive(text: str, kdf: Kdf, path: str) -> bytes:
    """32 bytes. Slow. Raises VAULT_TAMPERED for parameters that nobody writes, VAULT_LOCKED where it cannot be."""
    _check(kdf, path)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        algorithm = Argon2id(
            salt=kdf.salt, length=KEY_BYTES, iterations=kdf.iterations, lanes=kdf.lanes, memory_cost=kdf.memory_kib
        )
        return algorithm.derive(text.encode("utf-8", "surrogatepass"))
    except (UnsupportedAlgorithm, MemoryError, ValueError):
        raise faults.locked(
            path, "this machine cannot compute Argon2id with the parameters of its passphrase"
        ) from None


def _check(kdf: Kdf, path: str) -> None:
    if kdf.memory_kib > MOST_MEMORY_KIB or kdf.iterations > MOST_ITERATIONS or kdf.lanes > _MOST_LANES:
        why = (
            f"its passphrase asks for {kdf.memory_kib} KiB, {kdf.iterations} rounds and {kdf.lanes} lanes, where at "
            f"most {MOST_MEMORY_KIB}, {MOST_ITERATIONS} and {_MOST_LANES} are taken"
        )
        raise faults.tampered(path, why)
    if kdf.lanes < 1 or kdf.iterations < 1 or kdf.memory_kib < 8 * kdf.lanes or not 8 <= len(kdf.salt) <= 64:
        raise faults.tampered(path, "the parameters of its passphrase are none of Argon2id")
