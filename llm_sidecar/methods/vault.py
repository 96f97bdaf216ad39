"""The vault: `llm:vault:*`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from llm_sidecar.messages import profile
from llm_sidecar.messages.shape import NoParams
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.services.profiles.vault import VaultService


class VaultMethods:
    """`unlocked` is called when the key has come."""

    def __init__(self, vault: VaultService, unlocked: Callable[[], None]) -> None:
        self._vault = vault
        self._unlocked = unlocked
        self.handlers: dict[str, Handler] = {
            "llm:vault:unlock": self._unlock,
            "llm:vault:rotate": self._rotate,
            "llm:vault:status": self._status,
        }

    async def _unlock(self, context: Context, params: profile.UnlockVaultParams) -> profile.VaultStatus:
        status = await self._vault.unlock(params)
        context.after_reply(self._unlocked)
        return status

    def _rotate(self, _context: Context, params: profile.RotateVaultParams) -> Awaitable[profile.VaultStatus]:
        return self._vault.rotate(params)

    def _status(self, _context: Context, _params: NoParams) -> profile.VaultStatus:
        return self._vault.status()
