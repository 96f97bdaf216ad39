"""Where the key of the vault comes from, in order: host, descriptor, OS keyring, passphrase, environment.

Law: never the command line, never a file beside the vault. The first source that is given decides: a wrong key is
told, not worked around with the next. No key is ever in a repr, a message or a log line.
"""

from __future__ import annotations

import base64
import binascii
import os
import select
from collections.abc import MutableMapping
from typing import Final, Protocol

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.redaction import hide
from llm_sidecar.vault.os_keyring import Keyring
from llm_sidecar.vault.passphrase import Passphrase
from llm_sidecar.vault.sealed_box import KEY_BYTES
from llm_sidecar.vault.vault_file import Kdf, Slot

__all__ = [
    "KeySource",
    "Keyring",
    "Passphrase",
    "RawKey",
    "first_of",
    "host_key",
    "key_from_descriptor",
    "key_from_environment",
    "passphrase_from_descriptor",
]

ENVIRONMENT_VARIABLE: Final = "LLM_SIDECAR_VAULT_KEY"
_DESCRIPTOR_PATIENCE_MS: Final = 2_000
_MOST_BYTES: Final = 256
"""More than 32 bytes in any notation."""
MOST_PASSPHRASE_BYTES: Final = 4_096


class KeySource(Protocol):
    """Gives key-encryption keys of 32 bytes."""

    @property
    def name(self) -> str:
        """`host`, `key-fd`, `keyring`, `passphrase` or `environment`."""

    def existing(self, path: str, vault_id: bytes, slot: Slot) -> bytes | None:
        """The key for this slot; None where this source has none for it. May be slow. Raises VAULT_LOCKED."""

    def fresh(self, path: str, vault_id: bytes, kek_id: str) -> tuple[bytes, Kdf | None]:
        """A key for a new slot, safe in its store already, and how to get it again. May be slow. Raises
        VAULT_LOCKED."""


class RawKey:
    """A key that was handed over; who did so keeps it."""

    __slots__ = ("_key", "name")

    def __init__(self, name: str, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise InvalidParams([FieldProblem("key", f"must be {KEY_BYTES} bytes")])
        self.name = name
        self._key = key

    def existing(self, path: str, vault_id: bytes, slot: Slot) -> bytes | None:
        return self._key if slot.kdf is None else None

    def fresh(self, path: str, vault_id: bytes, kek_id: str) -> tuple[bytes, Kdf | None]:
        return self._key, None


def first_of(*sources: KeySource | None) -> KeySource | None:
    """The first source that is given."""
    return next((source for source in sources if source is not None), None)


def host_key(text: str, where: str = "vaultKey") -> RawKey:
    """The key a host hands over: base64 of 32 bytes. Raises `InvalidParams` that names `where`, never the value."""
    key = _from_base64(text.encode("utf-8", "replace"))
    if key is None:
        raise InvalidParams([FieldProblem(where, f"must be {KEY_BYTES} bytes in base64")])
    return RawKey("host", key)


def key_from_environment(environment: MutableMapping[str, str], *, allowed: bool) -> RawKey | None:
    """The key in `LLM_SIDECAR_VAULT_KEY`, only where that is allowed. In any case the variable is taken out of the
    mapping, so that no child inherits it (the process's own first environment stays readable to its user). Raises
    `InvalidParams`."""
    text = environment.pop(ENVIRONMENT_VARIABLE, None)
    if text is None or not allowed:
        return None
    key = _from_base64(text.strip().encode("utf-8", "replace"))
    if key is None:
        raise InvalidParams([FieldProblem(ENVIRONMENT_VARIABLE, f"must be {KEY_BYTES} bytes in base64")])
    return RawKey("environment", key)


def key_from_descriptor(descriptor: int) -> RawKey:
    """The key behind `--key-fd N`: 32 raw bytes, or base64 of them and perhaps a line end, then the end of the file.
    The descriptor is closed in any case. Waits for two seconds at most. Raises `InvalidParams`."""
    if descriptor <= 2:
        raise InvalidParams([FieldProblem("--key-fd", "must be 3 or more: the first three are not for keys")])
    data = _read(descriptor, _MOST_BYTES)
    if data is None:
        raise InvalidParams([FieldProblem("--key-fd", f"descriptor {descriptor} cannot be read to its end within 2 s")])
    key = data if len(data) == KEY_BYTES else _from_base64(data.strip())
    if key is None:
        raise InvalidParams([FieldProblem("--key-fd", f"must give {KEY_BYTES} bytes, raw or in base64")])
    return RawKey("key-fd", key)


def passphrase_from_descriptor(descriptor: int) -> Passphrase:
    """The passphrase behind `--passphrase-fd N`: its first line. The descriptor is closed in any case. Waits for two
    seconds at most. Raises `InvalidParams`."""
    data = _read(descriptor, MOST_PASSPHRASE_BYTES + 2, end=b"\n")
    if data is None:
        raise InvalidParams([FieldProblem("--passphrase-fd", f"descriptor {descriptor} gives no line within 2 s")])
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or len(line) > MOST_PASSPHRASE_BYTES:
        rule = f"must give a passphrase of 1 to {MOST_PASSPHRASE_BYTES} bytes of UTF-8"
        raise InvalidParams([FieldProblem("--passphrase-fd", rule)])
    hide(text)
    return Passphrase(text)


def _read(descriptor: int, most: int, end: bytes | None = None) -> bytes | None:
    """What is there, up to its end (or to `end`, which comes with it), one piece above `most` at most; None where it
    cannot be read, or nothing comes for two seconds. It is closed."""
    data = b""
    try:
        try:
            while len(data) <= most and (end is None or end not in data):
                if hasattr(select, "poll"):
                    poll = select.poll()
                    poll.register(descriptor, select.POLLIN)
                    if not poll.poll(_DESCRIPTOR_PATIENCE_MS):
                        return None
                piece = os.read(descriptor, most)
                if not piece:
                    break
                data += piece
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return None
    return data


def _from_base64(text: bytes) -> bytes | None:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None
