"""The vault: `llm:vault:*`."""

from __future__ import annotations

from collections.abc import Awaitable

from llm_sidecar.messages import profile
from llm_sidecar.messages.shape import NoParams
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.services.profiles.vault import VaultService


class VaultMethods:
    def __init__(self, vault: VaultService) -> None:
        self._vault = vault
        self.handlers: dict[str, Handler] = {
            "llm:vault:unlock": self._unlock,
            "llm:vault:rotate": self._rotate,
            "llm:vault:status": self._status,
        }

    def _unlock(self, _context: Context, params: profile.UnlockVaultParams) -> Awaitable[profile.VaultStatus]:
        return self._vault.unlock(params)

    def _rotate(self, _context: Context, params: profile.RotateVaultParams) -> Awaitable[profile.VaultStatus]:
        return self._vault.rotate(params)

    def _status(self, _context: Context, _params: NoParams) -> profile.VaultStatus:
        return self._vault.status()
