"""SHA-256, HMAC with it, and comparing such values.

Law: `hashlib` and `hmac` bring OpenSSL's digests along (0.7 MB), which a sidecar that has no vault and caches no answer
never needs: they are loaded with the first digest.
"""

from __future__ import annotations


def sha256(data: bytes) -> bytes:
    """The 32 bytes of the digest."""
    import hashlib

    return hashlib.sha256(data).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """The 32 bytes of the authentication code (RFC 2104)."""
    import hmac

    return hmac.digest(key, data, "sha256")


def are_equal(one: bytes, other: bytes) -> bool:
    """Compared in a time that does not tell where they differ."""
    import hmac

    return hmac.compare_digest(one, other)
