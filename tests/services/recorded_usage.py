"""A host whose inferences are recorded: on the real clock, since the database's thread keeps no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from llm_sidecar.limits import Limits
from llm_sidecar.messages.events import Usage
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.events import Finish, TextDelta, UsageReport
from tests.services.fake_provider import Call
from tests.services.host import Host, end, settle

_PATIENCE = 10.0


class TokenPrices:
    """A price list by which a token costs a dollar."""

    def is_at_hand(self, endpoint: Endpoint) -> bool:
        return True

    def warm_soon(self, endpoint: Endpoint) -> None:
        pass

    def cost(self, endpoint: Endpoint, model_id: str, usage: Usage) -> float:
        return float(usage.total_tokens)


class RecordedHost(Host):
    """As `Host`, with usage; `paid`: a token costs a dollar."""

    def __init__(self, limits: Limits | None = None, *, paid: bool = True) -> None:
        super().__init__(limits)
        self.service.recorders.append(self.methods.usage.record)
        if paid:
            self.service._prices = TokenPrices()  # type: ignore[assignment]
            self.methods.budgets._costs_money = lambda _: True
        self._came = asyncio.Event()
        self.on_message = lambda _: self._came.set()

    async def result_of(self, method: str, **params: Any) -> Any:
        """The result of a request, however long the database takes. Raises `Refused`."""
        request = self.request(method, **params)
        self.send(request)
        await self._until(lambda: self.response(request) is not None)
        return self.result(request)

    async def ended(self, inference_id: str) -> dict[str, Any]:
        """The terminal, once it has come."""
        await self._until(lambda: self.is_over(inference_id))
        return self.terminal(inference_id)

    async def answered(self, prompt_tokens: int = 2, completion_tokens: int = 3, **params: Any) -> dict[str, Any]:
        """The terminal of a complete answer."""
        inference_id, call = await self.begin(**params)
        complete(call, prompt_tokens, completion_tokens)
        return await self.ended(inference_id)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not is_so():
                self._came.clear()
                await self._came.wait()


def complete(call: Call, prompt_tokens: int = 2, completion_tokens: int = 3) -> None:
    """The provider answers."""
    call.send(TextDelta("t"), UsageReport(prompt_tokens, completion_tokens), Finish("stop", "stop"))
    call.end()


def play(scenario: Callable[[RecordedHost], Awaitable[None]], *, paid: bool = True, **limits: int) -> None:
    """Run a scenario on the real clock."""

    async def main() -> None:
        host = RecordedHost(Limits(**limits), paid=paid)
        try:
            await scenario(host)
            await settle()
        finally:
            await end(host)
            await host.service.idle()
            await host.methods.aclose()

    asyncio.run(asyncio.wait_for(main(), 2 * _PATIENCE))
