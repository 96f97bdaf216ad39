"""Keys without encryption: where there is no vault key, and nobody wants to type one.

Law: one file of the user's own (0600), replaced whole or not at all; each key with the origin it is for, so that an
endpoint edited by hand gets none. Whoever uses it says so to the user. Without a folder it keeps nothing on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

import msgspec

from llm_sidecar.errors import SidecarError
from llm_sidecar.redaction import hide
from llm_sidecar.storage.profiles import KeyName

FILE_NAME: Final = "keys.plaintext.json"
_MOST_BYTES: Final = 16 * 1024 * 1024


class _Key(msgspec.Struct):
    origin: str
    key: str


class PlaintextKeys:
    """The keys of one folder; None: of this process only."""

    def __init__(self, folder: str | None) -> None:
        self._path = None if folder is None else os.path.join(folder, FILE_NAME)
        self._keys: dict[str, _Key] | None = {} if folder is None else None

    @property
    def is_there(self) -> bool:
        """Whether there is such a file, or what a crash left of one."""
        return self._path is not None and (os.path.exists(self._path) or os.path.exists(f"{self._path}.new"))

    def all(self) -> dict[KeyName, tuple[str, str]]:
        """Every key with its origin: (origin, key). Raises `VAULT_READ_ERROR`."""
        return {_name(text): (kept.origin, kept.key) for text, kept in self._read().items()}

    def open(self, name: KeyName, origin: str) -> str:
        """The key. Raises `VAULT_READ_ERROR`, `API_KEY_MISSING`, or `VAULT_TAMPERED` where it is for another origin."""
        kept = self._read().get(_text(name))
        if kept is None:
            raise SidecarError("API_KEY_MISSING", "The profile's key is gone: give it again.")
        if kept.origin != origin:
            raise SidecarError("VAULT_TAMPERED", "The profile's key was stored for another address: give it again.")
        return kept.key

    def put(self, name: KeyName, origin: str, key: str) -> None:
        """Keep a key. Raises `VAULT_READ_ERROR` or `VAULT_WRITE_ERROR`."""
        self._replace({**self._read(), _text(name): _Key(origin, key)})

    def remove(self, names: Iterable[KeyName]) -> None:
        """Forget keys. Raises as `put`."""
        gone = {_text(name) for name in names}
        before = self._read()
        after = {text: kept for text, kept in before.items() if text not in gone}
        if len(after) < len(before):
            self._replace(after)

    def delete(self) -> None:
        """Forget all. Raises `VAULT_WRITE_ERROR`."""
        self._replace({})

    def _read(self) -> dict[str, _Key]:
        if self._keys is None:
            self._keys = self._load()
        return self._keys

    def _load(self) -> dict[str, _Key]:
        assert self._path is not None
        try:
            with open(self._path, "rb") as file:
                keys = msgspec.json.decode(file.read(_MOST_BYTES), type=dict[str, _Key])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            details = {"reason": type(error).__name__}
            message = f"`{FILE_NAME}` in the data folder cannot be read; it was not changed."
            raise SidecarError("VAULT_READ_ERROR", message, details=details) from None
        for kept in keys.values():
            hide(kept.key)
        return keys

    def _replace(self, keys: dict[str, _Key]) -> None:
        if self._path is not None:
            try:
                self._write(self._path, keys)
            except OSError as error:
                details = {"reason": type(error).__name__}
                message = f"`{FILE_NAME}` in the data folder cannot be written; it was not changed."
                raise SidecarError("VAULT_WRITE_ERROR", message, details=details) from None
        self._keys = keys

    def _write(self, path: str, keys: dict[str, _Key]) -> None:
        if keys:
            temporary = f"{path}.new"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(msgspec.json.encode(keys))
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, path)
        else:
            for name in (path, f"{path}.new"):
                if os.path.exists(name):
                    os.remove(name)
        _sync_folder(os.path.dirname(path))


def _sync_folder(folder: str) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _text(name: KeyName) -> str:
    return f"{name.profile_id}/{name.key_id}"


def _name(text: str) -> KeyName:
    profile_id, _, key_id = text.partition("/")
    return KeyName(profile_id, key_id)
