"""A vault that was opened: its header, its body and the keys, as one value.

Law: never changed; every change makes a new value, one generation on, that can be written as a whole, so that
what is in use is always what is on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.vault import faults
from llm_sidecar.vault.key_sources import KeySource
from llm_sidecar.vault.key_wrap import Dek, Kek
from llm_sidecar.vault.sealed_box import BadSealError
from llm_sidecar.vault.vault_file import (
    MAGIC,
    MAX_SLOTS,
    VERSION,
    Body,
    Header,
    Record,
    SealedFile,
    Slot,
    body_of,
    to_bytes,
)

MOST_ENCRYPTIONS: Final = 2**20
"""Under one data key. With random nonces of 96 bits, two are the same with a chance of 2^-57 by then."""


class Secret(NamedTuple):
    """What `with_secrets` seals."""

    profile_id: str
    field: str
    origin: str
    plaintext: bytes

    def __repr__(self) -> str:
        return f"Secret({self.profile_id!r}, {self.field!r})"


class OpenVault:
    """`keys` are those of the slots that were opened, by `kek_id`: one at least."""

    __slots__ = ("_dek", "body", "header", "keys")

    def __init__(self, header: Header, body: Body, dek: Dek, keys: dict[str, Kek]) -> None:
        self.header = header
        self.body = body
        self._dek = dek
        self.keys = keys

    @classmethod
    def create(cls, source: KeySource, path: str, generation: int) -> OpenVault:
        """A vault without records, not saved yet. `generation` is that before its first save. Slow where the source
        is. Raises VAULT_LOCKED."""
        vault_id = os.urandom(16)
        dek = Dek.fresh(vault_id)
        slot, kek = _new_slot(source, path, vault_id, dek)
        header = Header(MAGIC, VERSION, vault_id, (slot,))
        return cls(header, Body(generation, _new_name(), 0, {}), dek, {slot.kek_id: kek})

    @classmethod
    def unlock(cls, file: SealedFile, source: KeySource, path: str) -> OpenVault:
        """Slow where the source is. Raises VAULT_WRONG_KEY, VAULT_TAMPERED, VAULT_CORRUPT, VAULT_LOCKED."""
        slot, kek = find_slot(file.header, source, path)
        try:
            dek = kek.unwrap(slot.wrapped_dek, slot.kek_id)
        except BadSealError:
            raise faults.tampered(path, "its key does not fit what it should open") from None
        return cls(file.header, body_of(file, dek, path), dek, {slot.kek_id: kek})

    def to_bytes(self) -> bytes:
        return to_bytes(self.header, self.body, self._dek)

    def record(self, profile_id: str, field: str) -> Record | None:
        return self.body.records.get(f"{profile_id}/{field}")

    def unseal(self, record: Record, profile_id: str, field: str, origin: str) -> bytes:
        """Raises `BadSealError`."""
        return self._dek.unseal_record(record.box, record.kid, profile_id, field, origin)

    def with_key(self, kek_id: str, kek: Kek) -> OpenVault:
        """The same, holding one more of its keys. (Nothing to save.)"""
        return OpenVault(self.header, self.body, self._dek, {**self.keys, kek_id: kek})

    def with_secrets(self, secrets: Iterable[Secret]) -> OpenVault:
        """These sealed, under a new data key if it is time."""
        secrets = list(secrets)
        vault = self
        if self.body.encryptions + len(secrets) > MOST_ENCRYPTIONS and self.can_rewrap:
            vault = self.with_fresh_dek()
        return vault._next(records={**vault.body.records, **vault._sealed(secrets)}, sealed=len(secrets), since=self)

    def without(self, names: Iterable[str]) -> OpenVault:
        """These records (`<profile>/<field>`) gone."""
        gone = set(names)
        return self._next(records={name: record for name, record in self.body.records.items() if name not in gone})

    def with_slot(self, source: KeySource, path: str) -> tuple[OpenVault, str]:
        """One more slot, and its name; a slot whose key is not held (of a rotation that never ended) goes. Where that
        was to this very key, it goes on instead, with nothing to save. Slow where the source is. Raises VAULT_LOCKED,
        `InvalidParams` for a key that the vault has already."""
        slot, kek = _new_slot(source, path, self.header.vault_id, self._dek)
        last = self.header.slots[-1]
        if last.kek_id not in self.keys and kek.is_of(last.kcv):
            return self.with_key(last.kek_id, kek), last.kek_id
        if any(kek.is_of(old.kcv) for old in self.header.slots):
            raise InvalidParams([FieldProblem("newVaultKey", "is the vault's key already; a rotation needs a new one")])
        kept = tuple(old for old in self.header.slots if old.kek_id in self.keys)[: MAX_SLOTS - 1]
        vault = self._next(header=replace(self.header, slots=(*kept, slot)))
        return vault.with_key(slot.kek_id, kek), slot.kek_id

    def with_only_slot(self, kek_id: str) -> OpenVault:
        """This slot kept, every other gone, and everything under a new data key. The slot's key must be held."""
        slots = tuple(slot for slot in self.header.slots if slot.kek_id == kek_id)
        keys = {kek_id: self.keys[kek_id]}
        vault = OpenVault(replace(self.header, slots=slots), self.body, self._dek, keys)
        return vault.with_fresh_dek()

    @property
    def can_rewrap(self) -> bool:
        """Whether the keys of all slots are held, as a new data key needs it."""
        return all(slot.kek_id in self.keys for slot in self.header.slots)

    def with_fresh_dek(self) -> OpenVault:
        """Everything sealed again under a new data key. Needs the keys of all slots."""
        dek, kid = Dek.fresh(self.header.vault_id), _new_name()
        slots = tuple(
            replace(slot, wrapped_dek=self.keys[slot.kek_id].wrap(dek, slot.kek_id)) for slot in self.header.slots
        )
        body = Body(self.body.generation, kid, 0, {})
        empty = OpenVault(replace(self.header, slots=slots), body, dek, self.keys)
        secrets = [
            Secret(profile_id, field, record.origin, self.unseal(record, profile_id, field, record.origin))
            for name, record in self.body.records.items()
            for profile_id, _, field in [name.partition("/")]
        ]
        return empty._next(records=empty._sealed(secrets), sealed=len(secrets))

    def _sealed(self, secrets: Iterable[Secret]) -> dict[str, Record]:
        kid, seal = self.body.kid, self._dek.seal_record
        return {
            f"{profile_id}/{field}": Record(kid, origin, seal(plaintext, kid, profile_id, field, origin))
            for profile_id, field, origin, plaintext in secrets
        }

    def _next(
        self,
        *,
        header: Header | None = None,
        records: dict[str, Record] | None = None,
        sealed: int = 0,
        since: OpenVault | None = None,
    ) -> OpenVault:
        """`since`: the value in use, where this one is only a step on the way from it."""
        body = Body(
            (since or self).body.generation + 1,
            self.body.kid,
            self.body.encryptions + sealed,
            self.body.records if records is None else records,
        )
        return OpenVault(header or self.header, body, self._dek, self.keys)


def find_slot(header: Header, source: KeySource, path: str) -> tuple[Slot, Kek]:
    """The slot that the source's key opens. Raises VAULT_WRONG_KEY, VAULT_LOCKED, VAULT_TAMPERED."""
    keys = [(slot, key) for slot in header.slots if (key := source.existing(path, header.vault_id, slot)) is not None]
    for slot, key in keys:
        if (kek := Kek(key, header.vault_id)).is_of(slot.kcv):
            return slot, kek
    if keys:
        raise faults.wrong_key(path, source.name)
    raise faults.locked(path, f"{source.name} has no key for it, its keys are of: " + ", ".join(_sources(header)))


def _sources(header: Header) -> list[str]:
    """Where its keys came from, as far as that can be told: the header is not authenticated yet."""
    known = ("host", "key-fd", "keyring", "passphrase", "environment")
    return sorted({slot.source if slot.source in known else "unknown" for slot in header.slots})


def _new_slot(source: KeySource, path: str, vault_id: bytes, dek: Dek) -> tuple[Slot, Kek]:
    kek_id = _new_name()
    key, kdf = source.fresh(path, vault_id, kek_id)
    kek = Kek(key, vault_id)
    return Slot(kek_id, source.name, kdf, kek.check_value, kek.wrap(dek, kek_id)), kek


def _new_name() -> str:
    return os.urandom(8).hex()
