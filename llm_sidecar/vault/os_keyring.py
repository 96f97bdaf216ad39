"""The operating system's keyring as the place of the key: optional, and not to be waited for.

Law: a keyring may ask its user, hang or be absent. Each question to it runs in a thread that is left behind after two
seconds, and then the vault is locked. A keyring that keeps its secrets in a plain file is none. A new key is used only
after it was read back.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable
from typing import Any, Final

from llm_sidecar.digest import are_equal
from llm_sidecar.vault import faults
from llm_sidecar.vault.sealed_box import KEY_BYTES
from llm_sidecar.vault.vault_file import Kdf, Slot

PATIENCE_SECONDS: Final = 2.0
_SERVICE: Final = "llm-sidecar vault"
_RECOMMENDED: Final = 1
"""`keyring` gives backends that are no safe place a priority below 1."""


class Keyring:
    """The key lies in the OS keyring, under the ids of its vault and slot. Slow: at most 2 s for each question."""

    name = "keyring"
    __slots__ = ("_patience",)

    def __init__(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience = patience_seconds

    def existing(self, path: str, vault_id: bytes, slot: Slot) -> bytes | None:
        """The key of this slot, if the keyring holds one. Raises VAULT_LOCKED."""
        return self._fetch(path, _entry(vault_id, slot.kek_id)) if slot.source == self.name else None

    def fresh(self, path: str, vault_id: bytes, kek_id: str) -> tuple[bytes, Kdf | None]:
        """A new random key, put into the keyring and read back. Raises VAULT_LOCKED."""
        key = os.urandom(KEY_BYTES)
        text = base64.b64encode(key).decode()
        entry = _entry(vault_id, kek_id)
        self._ask(path, lambda keyring: keyring.set_password(_SERVICE, entry, text))
        if not are_equal(self._fetch(path, entry) or b"", key):
            raise faults.locked(path, "the OS keyring did not give back the key that was put into it")
        return key, None

    def check(self, path: str) -> None:
        """Ask it for something that is not there: is it usable at all? Raises VAULT_LOCKED."""
        self._ask(path, lambda keyring: keyring.get_password(_SERVICE, "none"))

    def _fetch(self, path: str, entry: str) -> bytes | None:
        text = self._ask(path, lambda keyring: keyring.get_password(_SERVICE, entry))
        if text is None:
            return None
        try:
            key = base64.b64decode(text, validate=True)
        except (ValueError, TypeError):
            key = b""
        if len(key) != KEY_BYTES:
            raise faults.locked(path, "what the OS keyring holds for it is no key")
        return key

    def _ask(self, path: str, question: Callable[[Any], Any]) -> Any:
        answers: list[Any] = []
        problems: list[str] = []

        def ask() -> None:
            try:
                import keyring  # type: ignore[import-not-found,unused-ignore]

                if keyring.get_keyring().priority < _RECOMMENDED:
                    problems.append("this system offers no keyring that is a safe place")
                else:
                    answers.append(question(keyring))
            except ImportError:
                problems.append("the OS keyring needs the package: install `llm-sidecar[keyring]`")
            except Exception as error:  # whatever a backend raises
                problems.append(f"the OS keyring failed ({type(error).__name__})")

        thread = threading.Thread(target=ask, name="keyring", daemon=True)
        thread.start()
        thread.join(self._patience)
        if answers:
            return answers[0]
        raise faults.locked(path, problems[0] if problems else "the OS keyring does not answer")


def _entry(vault_id: bytes, kek_id: str) -> str:
    """A name of its own for each key: one that a rotation brings never overwrites the one it takes the place of."""
    return f"{vault_id.hex()}/{kek_id}"
