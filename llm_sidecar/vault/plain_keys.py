"""Keys without encryption, for a machine that has no key for a vault. The service decides when, and says so each time.

Law: a file of its own that says in its first field what it is; private, replaced as a whole, bound to profile and
origin as in the vault. Once there is a key, `Vault.absorb` takes it over, and the file is overwritten and removed.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Final, Literal

import msgspec
from msgspec import Struct

from llm_sidecar.errors import SidecarError
from llm_sidecar.vault import faults, private_file, record_names
from llm_sidecar.vault.vault_file import MAX_BYTES

FILE_NAME: Final = "keys.plain.json"
_NOTICE: Final = "NOT ENCRYPTED: whoever reads this file has these keys. llm-sidecar had no key for its vault."


class PlainRecord(Struct, frozen=True, forbid_unknown_fields=True):
    origin: str
    secret: str

    def __repr__(self) -> str:
        return f"PlainRecord({self.origin!r})"


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    notice: str
    version: Literal[1]
    records: dict[str, PlainRecord]


class PlainKeys:
    """`keys.plain.json` in the vault's folder; with an empty name for the folder: in memory. Read at each use: it is
    small, and rarely there."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, FILE_NAME)
        self._files = (self._path, f"{self._path}.new", f"{self._path}.leaving")
        self._writing = threading.Lock()
        self._in_memory: dict[str, PlainRecord] = {}

    @property
    def exists(self) -> bool:
        """Whether there is anything to take over or to remove; a crash may have left a part."""
        return any(map(os.path.lexists, self._files)) if self._folder else bool(self._in_memory)

    def has(self, profile_id: str, field: str) -> bool:
        """Raises VAULT_READ_ERROR, VAULT_CORRUPT."""
        return f"{profile_id}/{field}" in self.records()

    def get(self, profile_id: str, field: str, origin: str) -> str:
        """Raises API_KEY_MISSING, VAULT_TAMPERED for another origin, VAULT_READ_ERROR, VAULT_CORRUPT."""
        record = self.records().get(f"{profile_id}/{field}")
        if record is None:
            raise faults.missing(profile_id)
        if record.origin != origin:
            raise faults.misplaced(self._path, profile_id)
        return record.secret

    def put(self, profile_id: str, field: str, origin: str, secret: str) -> None:
        """Slow. Raises `InvalidParams`, VAULT_WRITE_ERROR, VAULT_READ_ERROR, VAULT_CORRUPT."""
        record_names.check(profile_id, field, origin, secret)
        with self._writing:
            self._write({**self.records(), f"{profile_id}/{field}": PlainRecord(origin, secret)})

    def delete(self, profile_id: str, field: str | None = None) -> bool:
        """One key of the profile (None: every one); the last takes the file with it. Slow. True if there was one."""
        with self._writing:
            records = self.records()
            gone = record_names.of_profile(records, profile_id, field)
            kept = {name: record for name, record in records.items() if name not in gone}
            if len(kept) == len(records):
                return False
            if kept:
                self._write(kept)
            else:
                self.destroy()
            return True

    def records(self) -> dict[str, PlainRecord]:
        """All of them, by `<profile>/<field>`. Raises VAULT_READ_ERROR, VAULT_CORRUPT."""
        if not self._folder:
            return self._in_memory
        try:
            data = private_file.read(self._path, MAX_BYTES)
        except OSError as error:
            name = faults.errno_name(error)
            raise faults.unreadable(self._path, f"the system says {name}", reason=name) from None
        if data is None:
            return {}
        try:
            return msgspec.json.decode(data, type=_File).records
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        raise SidecarError(
            "VAULT_CORRUPT",
            f"{self._path} is damaged; nothing was changed. Mend it, or move it away and enter the keys again.",
            details={"file": self._path},
        )

    def destroy(self) -> None:
        """Overwrite the file, then remove it, and what a crash left of it. Slow. Raises VAULT_WRITE_ERROR."""
        self._in_memory = {}
        if not self._folder:
            return
        leaving = self._files[-1]
        try:
            private_file.erase(leaving)
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._path, leaving)  # half overwritten, it must not be taken for a damaged one
            for path in self._files[1:]:
                private_file.erase(path)
        except OSError as error:
            name = faults.errno_name(error)
            raise faults.unwritable(self._path, f"the system says {name}", reason=name) from None

    def _write(self, records: dict[str, PlainRecord]) -> None:
        if not self._folder:
            self._in_memory = records
            return
        data = msgspec.json.format(msgspec.json.encode(_File(_NOTICE, 1, records)), indent=2) + b"\n"
        if len(data) > MAX_BYTES:
            raise faults.unwritable(self._path, f"it would be larger than {MAX_BYTES} bytes", reason="EFBIG")
        try:
            private_file.make_folder(self._folder)
            private_file.replace(self._path, data)
        except OSError as error:
            name = faults.errno_name(error)
            raise faults.unwritable(self._path, f"the system says {name}", reason=name) from None
