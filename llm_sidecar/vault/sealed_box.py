"""AES-256-GCM, used one way: `nonce (12) ‖ ciphertext ‖ tag (16)`.

Law: one function encrypts. It makes its nonce of 12 random bytes itself and takes none, so that no caller, no test and
no mistake can use one twice. What a box belongs to is bound to it as associated data, each part behind its length.
"""

from __future__ import annotations

import os
from typing import Final

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16


class BadSealError(Exception):
    """The box was not made with this key and for this purpose, or was altered since. Never leaves the vault."""


def seal(key: bytes, plaintext: bytes, bound_to: bytes) -> bytes:
    """Encrypt under a fresh random nonce. `key` is 32 bytes."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, bound_to)


def unseal(key: bytes, box: bytes, bound_to: bytes) -> bytes:
    """What was sealed. Raises `BadSealError`."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(box) < NONCE_BYTES + TAG_BYTES:
        raise BadSealError
    try:
        return AESGCM(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], bound_to)
    except InvalidTag:
        raise BadSealError from None


def bind(*parts: bytes) -> bytes:
    """The associated data of a box: each part behind its length (4 bytes, big-endian), so that no two lists of parts
    come to the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
