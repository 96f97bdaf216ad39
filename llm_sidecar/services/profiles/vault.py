"""The vault as a host handles it: its state, its key, its rotation.

Law: a key comes in and never goes out. Rotation has two phases, so that a host can store the new key before the old one
stops working: after `begin` both open the vault, `commit` leaves the new one, `abort` the old one. Which is which is
the order of the vault's slots: it is known after a crash, too.
"""

from __future__ import annotations

from typing import Final

from llm_sidecar.errors import FieldProblem, InvalidParams, SidecarError
from llm_sidecar.messages.profile import RotateVaultParams, UnlockVaultParams, VaultStatus
from llm_sidecar.redaction import hide
from llm_sidecar.services.audit import AuditLog
from llm_sidecar.services.profiles.keys import ProfileKeys
from llm_sidecar.services.profiles.service import ProfileService
from llm_sidecar.vault.key_sources import KeySource, Passphrase, host_key

_ONE_OF: Final = "give either this or a passphrase"


class VaultService:
    """Used from the event loop only."""

    def __init__(self, profiles: ProfileService, keys: ProfileKeys, audit: AuditLog) -> None:
        self._profiles = profiles
        self._keys = keys
        self._audit = audit

    def status(self) -> VaultStatus:
        """`llm:vault:status`."""
        status = self._keys.vault.status()
        code, plaintext_keys = status.code, 0
        try:
            plaintext_keys = self._profiles.plaintext_count()
        except SidecarError as error:
            code = error.code
        return VaultStatus(
            state="unavailable" if status.state == "unreadable" else status.state,
            available=status.available,
            source=status.source,
            records=status.records if status.state == "open" else None,
            plaintext_keys=plaintext_keys,
            generation=status.generation if status.state == "open" else None,
            rotation_pending=len(status.slots) > 1,
            backups=status.backups,
            code=code,
        )

    async def unlock(self, params: UnlockVaultParams) -> VaultStatus:
        """Raises `VAULT_…`, or `InvalidParams` where the key is none."""
        source = self._keys.source if params.accept_older and not (params.vault_key or params.passphrase) else None
        source = source or _source(params.vault_key, params.passphrase, "vaultKey")
        await self._profiles.while_unchanged(lambda: self._keys.unlock(source, accept_older=params.accept_older))
        return self.status()

    async def rotate(self, params: RotateVaultParams) -> VaultStatus:
        """Raises `VAULT_…`, or `InvalidParams` for a phase that cannot be now."""
        if params.phase == "begin":
            source: KeySource | None = _source(params.new_vault_key, params.new_passphrase, "newVaultKey")
        elif params.new_vault_key is not None or params.new_passphrase is not None:
            raise InvalidParams([FieldProblem("newVaultKey", "belongs to the phase `begin`")])
        else:
            source = None
        await self._profiles.while_unchanged(lambda: self._rotate(params, source))
        return self.status()

    async def _rotate(self, params: RotateVaultParams, source: KeySource | None) -> None:
        vault = self._keys.vault
        if vault.error is not None:
            raise vault.error
        slots = vault.status().slots
        if params.phase in ("commit", "abort") and len(slots) < 2:
            raise InvalidParams([FieldProblem("phase", "no rotation is pending: `begin` one")])
        if vault.state == "absent":
            raise InvalidParams([FieldProblem("phase", "there is no vault yet: it is made with the first key")])
        if source is not None:
            await self._keys.save(lambda: vault.rotate_begin(source))
        elif params.phase == "reencrypt":
            await self._keys.save(vault.rotate_dek)
        else:
            kept = slots[-1 if params.phase == "commit" else 0].kek_id
            await self._keys.save(lambda: vault.rotate_commit(kept))
        self._audit.record("vault.rotated", reason=params.phase, generation=vault.status().generation)


def _source(key: str | None, passphrase: str | None, name: str) -> KeySource:
    hide(key)
    hide(passphrase)
    if (key is None) == (passphrase is None):
        raise InvalidParams([FieldProblem(name, _ONE_OF)])
    return host_key(key, name) if key is not None else Passphrase(passphrase or "")
