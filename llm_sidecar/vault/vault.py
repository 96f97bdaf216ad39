"""The vault as the services use it: keys of profiles in, keys of profiles out.

Law: a secret is decrypted when it is asked for and kept nowhere. What is in memory is what is on the disk: a change is
saved, or it did not happen. Whatever is wrong with the file or the key, the file stays as it is: the reason is kept,
told by `status`, and raised by use. Synchronous; one writer at a time, reading never waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct

from llm_sidecar.digest import sha256
from llm_sidecar.errors import FieldProblem, InvalidParams, SidecarError
from llm_sidecar.vault import faults, record_names
from llm_sidecar.vault.key_sources import KeySource
from llm_sidecar.vault.open_vault import OpenVault, Secret, find_slot
from llm_sidecar.vault.os_keyring import Keyring
from llm_sidecar.vault.plain_keys import PlainKeys
from llm_sidecar.vault.sealed_box import BadSealError
from llm_sidecar.vault.vault_file import parse
from llm_sidecar.vault.vault_store import open_store

VaultState = Literal["absent", "locked", "open", "wrong-key", "corrupt", "tampered", "newer", "unreadable"]

_STATES: Final[dict[str, VaultState]] = {
    "VAULT_LOCKED": "locked",
    "VAULT_WRONG_KEY": "wrong-key",
    "VAULT_CORRUPT": "corrupt",
    "VAULT_TAMPERED": "tampered",
    "VAULT_NEWER": "newer",
    "VAULT_READ_ERROR": "unreadable",
}


class SlotStatus(Struct, frozen=True):
    kek_id: str
    source: str
    kdf: str | None
    is_open: bool
    """Whether the key of this slot is held."""


class VaultStatus(Struct, frozen=True):
    """`available`: a key put now would be encrypted. `code`: why the vault is not open. `slots`, `records` and
    `generation` are known of an open vault only."""

    available: bool
    source: str | None
    state: VaultState
    code: str | None
    generation: int
    records: int
    backups: int
    slots: list[SlotStatus]


class Vault:
    """The vault of a folder, which is the vault's own; an empty name: in memory."""

    def __init__(self, folder: str) -> None:
        self._store = open_store(folder)
        self._writing = threading.Lock()
        self._opened: OpenVault | None = None
        self._source: KeySource | None = None
        """What a vault would be made with; given up once there is one."""
        self._source_name: str | None = None
        self._on_disk: frozenset[bytes | None] = frozenset()
        """SHA-256 of the file that was opened or written last (None: there was none), and of a write that failed."""
        self._expected: int | None = None
        self.state: VaultState = "locked"
        self.error: SidecarError | None = faults.locked(self._store.path, "it was not opened yet")

    def open(self, source: KeySource | None, *, expected_generation: int | None = None) -> VaultState:
        """Read the file and try the key. Raises nothing: what is wrong is the `state`, and raised by use. Slow with a
        passphrase or the OS keyring. A file older than `expected_generation` is `tampered`; None: any age will do."""
        with self._writing:
            self._expected = expected_generation
            try:
                self._load(source)
            except SidecarError as error:
                self._fail(error)
            return self.state

    def unlock(
        self, source: KeySource, *, expected_generation: int | None = None, accept_older: bool = False
    ) -> VaultState:
        """Give the key after the start. An open vault takes one more of its keys (the new one of a rotation that was
        begun). With `accept_older` any age will do: a person put a backup back. Slow with a passphrase or the OS
        keyring. Raises VAULT_*; an open vault stays open then."""
        with self._writing:
            if accept_older:
                self._expected = None
            elif expected_generation is not None:
                self._expected = expected_generation
            if self._opened is not None:
                slot, kek = find_slot(self._opened.header, source, self._store.path)
                self._opened = self._opened.with_key(slot.kek_id, kek)
                return self.state
            try:
                self._load(source)
            except SidecarError as error:
                self._fail(error)
                raise
            return self.state

    def lock(self) -> None:
        """Forget the keys."""
        with self._writing:
            if self._opened is not None or self._source is not None:
                self._fail(faults.locked(self._store.path, "its keys were put away"))

    def status(self) -> VaultStatus:
        opened = self._opened
        is_available = opened is not None or self._source is not None
        slots = opened.header.slots if opened else ()
        return VaultStatus(
            available=is_available,
            source=self._source_name,
            state=self.state,
            code=self.error.code if self.error and not is_available else None,
            generation=opened.body.generation if opened else 0,
            records=len(opened.body.records) if opened else 0,
            backups=self._store.backups(),
            slots=[
                SlotStatus(slot.kek_id, slot.source, slot.kdf.name if slot.kdf else None, slot.kek_id in opened.keys)
                for slot in slots
                if opened
            ],
        )

    def has(self, profile_id: str, field: str) -> bool:
        """Whether a secret is stored; False where the vault is not open."""
        return self._opened is not None and self._opened.record(profile_id, field) is not None

    def get(self, profile_id: str, field: str, origin: str) -> str:
        """Decrypt one secret; microseconds. Raises API_KEY_MISSING, VAULT_TAMPERED where it does not belong to exactly
        this profile, field and origin, and the vault's own error where it is not open."""
        opened = self._opened
        record = opened.record(profile_id, field) if opened else None
        if opened is None and self._source is None:
            raise self._refusal()
        if opened is None or record is None:
            raise faults.missing(profile_id)
        try:
            return opened.unseal(record, profile_id, field, origin).decode()
        except BadSealError:
            raise faults.misplaced(self._store.path, profile_id) from None

    def put(self, profile_id: str, field: str, origin: str, secret: str) -> None:
        """Seal one secret and save. Slow: several fsyncs. Raises VAULT_WRITE_ERROR, `InvalidParams`, or the vault's own
        error."""
        plaintext = record_names.check(profile_id, field, origin, secret)
        with self._writing:
            self._save(self._current().with_secrets([Secret(profile_id, field, origin, plaintext)]))

    def delete(self, profile_id: str, field: str | None = None) -> bool:
        """One secret of a profile (None: every one), gone from the vault and from its backups. Slow. True if there was
        one. Raises VAULT_WRITE_ERROR or the vault's own error."""
        with self._writing:
            current = self._current()
            names = record_names.of_profile(current.body.records, profile_id, field)
            if names:
                self._save(current.without(names), forgets=True)
            return bool(names)

    def rotate_begin(self, source: KeySource) -> str:
        """First phase of a new key: a second slot, so that both keys open the file; returns its `kek_id`. The host
        makes the new key safe, then says `rotate_commit`. After a crash it may begin again with the same key. Slow.
        Raises `InvalidParams` for the key it has, VAULT_*."""
        with self._writing:
            current = self._current()
            changed, kek_id = current.with_slot(source, self._store.path)
            if changed.header is current.header:
                self._opened = changed
            else:
                self._save(changed)
            return kek_id

    def rotate_commit(self, kek_id: str) -> None:
        """Second phase: only this slot stays, and everything is sealed again under a new data key, in one replace; no
        backup opens with another key. (With the old slot's `kek_id`: the rotation is taken back.) Slow. Raises
        `InvalidParams` for an unknown slot, VAULT_LOCKED where its key is not held, VAULT_*."""
        with self._writing:
            current = self._current()
            slot = next((slot for slot in current.header.slots if slot.kek_id == kek_id), None)
            if slot is None:
                raise InvalidParams([FieldProblem("kekId", "is no slot of the vault")])
            if kek_id not in current.keys:
                raise faults.locked(
                    self._store.path, "the key that shall stay was not given yet: unlock it with that one"
                )
            self._save(self._resealed(lambda: current.with_only_slot(kek_id)), forgets=True)
            self._source_name = slot.source

    def rotate_dek(self) -> None:
        """Everything sealed again under a new data key, the old one forgotten (after 2^20 encryptions a new one comes
        by itself). Slow. Raises VAULT_LOCKED while a rotation is under way of which only one key is held, VAULT_*."""
        with self._writing:
            current = self._current()
            if not current.can_rewrap:
                raise faults.locked(self._store.path, "its key is being rotated: commit that first")
            self._save(self._resealed(current.with_fresh_dek), forgets=True)

    def absorb(self, plain: PlainKeys) -> int:
        """Take over what was stored without encryption, in one save, then overwrite and remove that file; returns how
        many. What the vault holds already stays. Slow. Raises VAULT_*, `InvalidParams`."""
        with self._writing:
            current = self._current()
            secrets = []
            for name, record in plain.records().items():
                profile_id, _, field = name.partition("/")
                plaintext = record_names.check(profile_id, field, record.origin, record.secret)
                if name not in current.body.records:
                    secrets.append(Secret(profile_id, field, record.origin, plaintext))
            if secrets:
                self._save(current.with_secrets(secrets))
            plain.destroy()
            return len(secrets)

    def _load(self, source: KeySource | None) -> None:
        path = self._store.path
        data = self._store.read()
        if data is None:
            if isinstance(source, Keyring):
                source.check(path)
            self._opened, self._source, self._on_disk, self.state = None, source, frozenset([None]), "absent"
            self._source_name = source.name if source else None
            self.error = None if source else faults.locked(path, "no key was given to make it with; unlock it with one")
            return
        file = parse(data, path)
        if source is None:
            raise faults.locked(path, "no key was given; unlock it with the one that wrote it")
        opened = OpenVault.unlock(file, source, path)
        if self._expected is not None and opened.body.generation < self._expected:
            raise faults.set_back(path, opened.body.generation, self._expected)
        self._opened, self._source, self._on_disk = opened, None, frozenset([file.digest])
        self._source_name = source.name
        self.state, self.error = "open", None

    def _fail(self, error: SidecarError) -> None:
        self._opened = self._source = self._source_name = None
        self.state, self.error = _STATES[error.code], error

    def _current(self) -> OpenVault:
        """The open vault, or a new one where there is none and a key is at hand. Raises why not."""
        if self._opened is not None:
            return self._opened
        if self.state == "absent" and self._source is not None:
            return OpenVault.create(self._source, self._store.path, self._expected or 0)
        raise self._refusal()

    def _resealed(self, change: Callable[[], OpenVault]) -> OpenVault:
        try:
            return change()
        except BadSealError:
            why = "one of its records does not belong where it is; delete that profile's key and enter it again"
            raise faults.tampered(self._store.path, why) from None

    def _save(self, changed: OpenVault, *, forgets: bool = False) -> None:
        data = changed.to_bytes()
        digest = sha256(data)
        try:
            self._store.save(data, instead_of=self._on_disk, forgets=forgets)
        except SidecarError:
            self._on_disk |= {digest}
            raise
        self._opened, self._source, self._on_disk = changed, None, frozenset([digest])
        self.state, self.error = "open", None

    def _refusal(self) -> SidecarError:
        error = self.error or faults.locked(self._store.path, "no key was given; unlock it with the one that wrote it")
        return SidecarError(error.code, error.message, details=error.details)
