"""Requests that come while the vault is still being opened (a passphrase or a keyring takes its time) wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from llm_sidecar.rpc.context import Context, Handler

_NEED_NO_KEY: Final = frozenset({"llm:cancel", "llm:get-status", "llm:inference:attach", "llm:window:closed"})
"""`llm:vault:status` is not among them: it would say `locked`, and a host would ask its user for what is there."""


def waiting_for(opening: asyncio.Task[None], handlers: dict[str, Handler]) -> dict[str, Handler]:
    """The handlers, each behind `opening` where it may need a key."""
    return {name: handler if name in _NEED_NO_KEY else _behind(opening, handler) for name, handler in handlers.items()}


def _behind(opening: asyncio.Task[None], handler: Handler) -> Handler:
    async def later(context: Context, params: Any) -> Any:
        await asyncio.wait([opening])
        result = handler(context, params)
        return await result if isinstance(result, Awaitable) else result

    def handle(context: Context, params: Any) -> Any:
        return handler(context, params) if opening.done() else later(context, params)

    return handle
