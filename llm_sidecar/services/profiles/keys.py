"""The keys of profiles: in the vault; in plaintext only where there is no vault and nothing to make one with.

Law:
1.  Every key has a name of its own, which no other key ever gets: written before its profile names it, thrown away
    after no profile does. What a crash leaves behind is listed (`ProfileTable.loose_keys`) and thrown away later.
2.  A vault that is locked, damaged or set back is no reason to write plaintext, nor to begin anew: its error is told.
3.  A key is decrypted for each use, noted in the audit log, and masked from then on in whatever leaves the process.
4.  Nothing here changes while another change is under way: callers take turns (`ProfileService.while_unchanged`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, TypeVar

from llm_sidecar import log
from llm_sidecar.errors import SidecarError
from llm_sidecar.providers.brands import BRANDS
from llm_sidecar.providers.endpoints import canonical_origin
from llm_sidecar.redaction import hide
from llm_sidecar.services.audit import AuditLog
from llm_sidecar.storage.profiles import KeyName, ProfileRow, ProfileTable
from llm_sidecar.vault.key_sources import Keyring, KeySource, Passphrase
from llm_sidecar.vault.plain_keys import PlainKeys
from llm_sidecar.vault.vault import Vault

T = TypeVar("T")

PLAINTEXT_WARNING: Final = (
    "There is no key for the vault: API keys of profiles are stored without encryption, readable to every program of "
    "this user. Give `vaultKey` in `initialize`, or another source of `llm-sidecar serve --help`."
)


class ProfileKeys:
    """`folder` is the data folder; None keeps everything in memory. `source` is where the vault's key comes from."""

    def __init__(self, table: ProfileTable, audit: AuditLog, folder: str | None, source: KeySource | None) -> None:
        self._table = table
        self._audit = audit
        self.source = source
        """Where the key was to come from at the start."""
        place = "" if folder is None else os.path.join(folder, "vault")
        self._is_kept = folder is not None
        self.vault = Vault(place)
        self.plain = PlainKeys(place)

    # --- the state ---

    @property
    def is_slow_to_open(self) -> bool:
        """Whether the first opening takes long enough to be done in a thread."""
        return isinstance(self.source, Passphrase | Keyring)

    @property
    def encrypts(self) -> bool:
        """Whether a key given now is encrypted."""
        return self.vault.status().available

    @property
    def warning(self) -> str | None:
        """What the user is to be told: keys lie, or would lie, in plaintext on the disk."""
        return PLAINTEXT_WARNING if self._is_kept and self._is_plain else None

    @property
    def _is_plain(self) -> bool:
        return self.vault.state == "absent" and not self.encrypts

    def is_in_plaintext(self, name: KeyName) -> bool:
        """Whether the key lies outside the vault."""
        return self.plain.exists and self.plain.has(name.profile_id, _field(name))

    # --- opening ---

    def open_now(self) -> None:
        """Try the key there is. What goes wrong is told to those who need a key."""
        self._opened(self.source, self._open())

    async def open_slowly(self) -> None:
        """As `open_now`, in a thread."""
        self._opened(self.source, await asyncio.to_thread(self._open))

    async def unlock(self, source: KeySource, *, accept_older: bool = False) -> None:
        """A key came later. Raises `VAULT_…` where it does not fit; nothing has changed then. With `accept_older` a
        vault that was set back is taken, and its generation is the one to expect from now on."""
        generation = self._table.generation_now()
        try:
            await asyncio.to_thread(
                self.vault.unlock, source, expected_generation=generation, accept_older=accept_older
            )
        except SidecarError as error:
            self._audit.record("vault.unlock-failed", source=source.name, code=error.code)
            raise
        self._opened(source, None)
        if accept_older and self.vault.state == "open":
            await self._table.set_generation(self.vault.status().generation)
        await self.tidy()

    async def tidy(self) -> None:
        """Take plaintext keys into the vault, and throw away what is nobody's. Failing is no harm: it is done again."""
        try:
            if self.encrypts and self.plain.exists:
                is_first = self.vault.state == "absent"
                count = await self._save(lambda: self.vault.absorb(self.plain))
                log.info("plaintext keys were encrypted", count=count)
                if is_first:
                    self._audit.record("vault.created", source=self.vault.status().source)
        except SidecarError as error:
            log.error("plaintext keys could not be encrypted", code=error.code)
        await self.throw_away_loose()

    def _open(self) -> SidecarError | None:
        try:
            generation = self._table.generation_now()
        except SidecarError:
            generation = None  # without a database there are no profiles either
        self.vault.open(self.source, expected_generation=generation)
        return self.vault.error

    def _opened(self, source: KeySource | None, error: SidecarError | None) -> None:
        status = self.vault.status()
        log.info("vault", state=status.state, source=status.source, generation=status.generation)
        if source is None:
            return
        if status.state == "open":
            self._audit.record("vault.unlocked", source=source.name, generation=status.generation)
        elif error is not None:
            self._audit.record("vault.unlock-failed", source=source.name, code=error.code)

    # --- one key ---

    def open(self, name: KeyName, origin: str) -> str:
        """The key, for a request to `origin`. Raises `VAULT_…`, or `API_KEY_MISSING` where it is gone."""
        store, field = self._store_of(name)
        key = store.get(name.profile_id, field, origin)
        _mask(key)
        self._audit.record("key.used", name.profile_id, origin=origin, encrypted=store is self.vault)
        return key

    def peek(self, row: ProfileRow) -> str | None:
        """The key, to see whether it stands somewhere else; None where it cannot be had. It is not used."""
        if row.key_id is None:
            return None
        try:
            store, field = self._store_of(KeyName(row.profile_id, row.key_id))
            return store.get(row.profile_id, field, canonical_origin(row.endpoint_url))
        except SidecarError:
            return None

    def _store_of(self, name: KeyName) -> tuple[Vault | PlainKeys, str]:
        """Where a key is, and its field there. (The vault comes first: it may be taking the plaintext in just now.)"""
        field = _field(name)
        is_plain = not self.vault.has(name.profile_id, field) and self.is_in_plaintext(name)
        return (self.plain if is_plain else self.vault), field

    async def keep(self, row: ProfileRow, origin: str, key: str | None) -> tuple[ProfileRow, int | None]:
        """Keep `key` (None: none) for the profile; returns its row, and the vault's generation where that was saved.

        Raises `VAULT_…` or what the database does, with nothing changed that anybody would notice.
        """
        if key is None:
            return row._replace(key_id=None), None
        _mask(key)
        name = KeyName(row.profile_id, os.urandom(8).hex())
        if self._is_plain:
            await self._table.expect_key(name)
            await asyncio.to_thread(self.plain.put, name.profile_id, _field(name), origin, key)
            if self._is_kept:
                self._audit.record("storage.plaintext", row.profile_id, origin=origin)
            return row._replace(key_id=name.key_id), None
        if not self.encrypts and self.vault.error is not None:
            raise self.vault.error
        await self._table.expect_key(name)
        is_first = self.vault.state == "absent"
        await self._save(lambda: self.vault.put(name.profile_id, _field(name), origin, key), tell=False)
        if is_first:
            self._audit.record("vault.created", source=self.vault.status().source)
        return row._replace(key_id=name.key_id), self.vault.status().generation

    async def throw_away_loose(self) -> None:
        """Delete the keys that no profile has. What cannot be done now is done after the next change, or start."""
        try:
            names = await self._table.loose_keys()
            if not names or self.vault.state not in ("open", "absent"):
                return
            await asyncio.to_thread(self._delete, names)
            generation = self.vault.status().generation if self.vault.state == "open" else None
            await self._table.forget_keys(names, generation)
        except SidecarError as error:
            log.warning("a key that no profile has could not be deleted yet", code=error.code)

    def _delete(self, names: list[KeyName]) -> None:
        for name in names:
            if self.plain.exists:
                self.plain.delete(name.profile_id, _field(name))
            if self.vault.state == "open":
                self.vault.delete(name.profile_id, _field(name))

    # --- saving ---

    async def save(self, change: Callable[[], T]) -> T:
        """Do what saves the vault in a thread; its new generation is in the database when this returns."""
        return await self._save(change)

    async def _save(self, change: Callable[[], T], *, tell: bool = True) -> T:
        result = await asyncio.to_thread(change)
        if tell:
            await self._table.set_generation(self.vault.status().generation)
        return result


def _field(name: KeyName) -> str:
    return f"apiKey{name.key_id}"


def _mask(key: str) -> None:
    if key not in BRANDS:  # what people write where a server takes anything
        hide(key)
