"""Where the bytes of a vault are kept: a file with three backups; or nowhere, for a sidecar that keeps nothing on disk.

Law: a save replaces exactly the file that was read, or makes one where neither a vault nor a backup is. It never mends,
never starts anew over something, and a save that fails leaves what was there. What was thrown away is in no backup
either: such a save makes a backup of the new state first, and removes the older ones.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final, Protocol

from llm_sidecar.digest import sha256
from llm_sidecar.vault import faults, private_file
from llm_sidecar.vault.vault_file import MAX_BYTES

FILE_NAME: Final = "keys.vault"
BACKUPS: Final = 3


class VaultStore(Protocol):
    path: str
    """For messages."""

    def read(self) -> bytes | None:
        """The vault (cut off one byte above the limit), or None where neither it nor a backup is. Raises
        VAULT_READ_ERROR."""

    def backups(self) -> int:
        """How many there are."""

    def save(self, data: bytes, *, instead_of: frozenset[bytes | None], forgets: bool = False) -> None:
        """Replace the vault, if its SHA-256 is one of these (None: there is neither a vault nor a backup). What it was
        becomes a backup; with `forgets` there is one backup afterwards, of `data`. Slow. Raises VAULT_WRITE_ERROR; in
        rare cases (the disk failed at the very end) `data` may be what is there all the same."""


class FileStore:
    """`keys.vault` in a folder of its own, `keys.vault.1` (the newest) to `.3` beside it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.path = os.path.join(folder, FILE_NAME)

    def read(self) -> bytes | None:
        try:
            data = private_file.read(self.path, MAX_BYTES)
        except private_file.NotAFileError:
            raise faults.unreadable(self.path, "it is not a regular file", reason="NOT_A_FILE") from None
        except OSError as error:
            name = faults.errno_name(error)
            raise faults.unreadable(self.path, f"the system says {name}", reason=name) from None
        if data is None and self.backups():
            why = f"it is gone, but a backup is there: copy `{FILE_NAME}.1` to `{FILE_NAME}` and "
            why += "unlock it with `acceptOlder`, or move the backups away"
            raise faults.unreadable(self.path, why, reason="ONLY_BACKUPS")
        return data

    def backups(self) -> int:
        return sum(os.path.lexists(self._backup(number)) for number in range(1, BACKUPS + 1))

    def save(self, data: bytes, *, instead_of: frozenset[bytes | None], forgets: bool = False) -> None:
        if len(data) > MAX_BYTES:
            raise faults.unwritable(self.path, f"it would be larger than {MAX_BYTES} bytes", reason="EFBIG")
        try:
            before = private_file.read(self.path, MAX_BYTES)
            self._check_unchanged(before, instead_of)
            private_file.make_folder(self._folder)
            if before is not None and forgets:
                self._back_up_anew(data)
            staged = private_file.stage(self.path, data)
            if before is not None and not forgets:
                self._back_up(before, staged)
            private_file.publish(staged, self.path)
        except OSError as error:
            name = faults.errno_name(error)
            raise faults.unwritable(self.path, f"the system says {name}", reason=name) from None

    def _check_unchanged(self, before: bytes | None, expected: frozenset[bytes | None]) -> None:
        digest = None if before is None else sha256(before)
        if digest not in expected or (digest is None and self.backups()):
            why = "somebody made, changed or removed it while it was in use; restart the sidecar"
            raise faults.unwritable(self.path, why, reason="CHANGED")

    def _back_up(self, before: bytes, staged: str) -> None:
        """Every backup one number up, the vault as number 1. The vault stays where it is all the while."""
        try:
            for number in range(BACKUPS, 1, -1):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(self._backup(number - 1), self._backup(number))
            try:
                os.link(self.path, self._backup(1))
            except (OSError, NotImplementedError):  # a file system without hard links
                private_file.replace(self._backup(1), before)
        except BaseException:
            private_file.discard(staged)
            raise

    def _back_up_anew(self, data: bytes) -> None:
        """`data` as number 1, and no other. (A file of its own: damage to the vault's does not reach it. Nothing is
        overwritten here: after a crash the vault may be the same file as a backup.)"""
        private_file.publish(private_file.stage(self.path, data), self._backup(1))
        for number in range(2, BACKUPS + 1):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._backup(number))

    def _backup(self, number: int) -> str:
        return f"{self.path}.{number}"


class MemoryStore:
    """For `--data-dir :memory:`: nothing outlives the process."""

    def __init__(self) -> None:
        self.path = "The vault in memory"
        self._data: bytes | None = None

    def read(self) -> bytes | None:
        return self._data

    def backups(self) -> int:
        return 0

    def save(self, data: bytes, *, instead_of: frozenset[bytes | None], forgets: bool = False) -> None:
        self._data = data


def open_store(folder: str) -> VaultStore:
    """The store of a folder; an empty name: in memory."""
    return FileStore(folder) if folder else MemoryStore()
