"""The two keys of a vault: the key-encryption key, which comes from outside, and the data key, which it wraps.

Law: neither is used as it is. HKDF-SHA256 (salt: the vault's id) makes a key for each purpose, under its own label. A
key that opens a slot also matches the slot's `kcv`: that tells a wrong key from damage, and ties the file to one key,
which AES-GCM alone does not. Nothing here shows a key in its repr.
"""

from __future__ import annotations

import os
from typing import Final

from llm_sidecar.digest import are_equal, hmac_sha256
from llm_sidecar.vault.sealed_box import KEY_BYTES, bind, seal, unseal

_WRAP: Final = b"llm-sidecar-vault/v1/wrap"
_COMMIT: Final = b"llm-sidecar-vault/v1/commit"
_ENCRYPT: Final = b"llm-sidecar-vault/v1/enc"
_MAC: Final = b"llm-sidecar-vault/v1/mac"
_DATA_KEY: Final = b"llm-sidecar-vault/v1/dek"
_RECORD: Final = b"llm-sidecar-vault/v1/record"


def derive(key: bytes, salt: bytes, label: bytes, length: int = KEY_BYTES) -> bytes:
    """HKDF-SHA256."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt, label).derive(key)


class Kek:
    """A key-encryption key (32 bytes), as it is used in one vault. Keeps what was derived from it, not the key."""

    __slots__ = ("_vault_id", "_wrap", "check_value")

    def __init__(self, key: bytes, vault_id: bytes) -> None:
        self._vault_id = vault_id
        self._wrap = derive(key, vault_id, _WRAP)
        self.check_value: bytes = hmac_sha256(derive(key, vault_id, _COMMIT), vault_id)
        """The `kcv` of a slot: 32 bytes; tells nothing about the key but whether it is the same."""

    def is_of(self, check_value: bytes) -> bool:
        return are_equal(self.check_value, check_value)

    def wrap(self, dek: Dek, kek_id: str) -> bytes:
        return seal(self._wrap, dek.raw, bind(_DATA_KEY, self._vault_id, kek_id.encode()))

    def unwrap(self, box: bytes, kek_id: str) -> Dek:
        """Raises `BadSealError`."""
        return Dek(unseal(self._wrap, box, bind(_DATA_KEY, self._vault_id, kek_id.encode())), self._vault_id)


class Dek:
    """The data key of one vault: seals records, and authenticates the file."""

    __slots__ = ("_encrypt", "_mac", "_vault_id", "raw")

    def __init__(self, raw: bytes, vault_id: bytes) -> None:
        self.raw = raw
        self._vault_id = vault_id
        self._encrypt = derive(raw, vault_id, _ENCRYPT)
        self._mac = derive(raw, vault_id, _MAC)

    @classmethod
    def fresh(cls, vault_id: bytes) -> Dek:
        return cls(os.urandom(KEY_BYTES), vault_id)

    def authenticate(self, lines: bytes) -> str:
        """The HMAC-SHA256 of the file's first two lines, in lower-case hex."""
        return hmac_sha256(self._mac, lines).hex()

    def seal_record(self, plaintext: bytes, kid: str, profile_id: str, field: str, origin: str) -> bytes:
        return seal(self._encrypt, plaintext, self._purpose(kid, profile_id, field, origin))

    def unseal_record(self, box: bytes, kid: str, profile_id: str, field: str, origin: str) -> bytes:
        """Raises `BadSealError` unless all five are what they were when it was sealed."""
        return unseal(self._encrypt, box, self._purpose(kid, profile_id, field, origin))

    def _purpose(self, kid: str, profile_id: str, field: str, origin: str) -> bytes:
        return bind(_RECORD, self._vault_id, kid.encode(), profile_id.encode(), field.encode(), origin.encode())
