"""What follows once it is decided how an inference ends: its price, what has to be stored with it, and the telling.

Law: in this order, and once. It waits for the price list, where that has to be loaded first (a quarter of a second),
and for what is to be stored (which keeps a deadline of its own); never for the upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from llm_sidecar.messages.events import Terminal
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.prices import PriceList


class Delivery:
    """`begin` it when the inference is over and its acceptance has been answered."""

    def __init__(
        self,
        prices: PriceList | None,
        *,
        price: Callable[[Terminal], None],
        store: Callable[[Terminal], Awaitable[bool]] | None,
        tell: Callable[[Terminal], None],
    ) -> None:
        """`prices` None: nothing has to be looked up. `store` says whether it could be; None: nothing is kept."""
        self._prices = prices
        self._price = price
        self._store = store
        self._tell = tell
        self._outcome: Terminal | None = None
        self._pricing: asyncio.Task[None] | None = None
        self._storing: asyncio.Task[None] | None = None

    def begin(self, outcome: Terminal, endpoint: Endpoint) -> None:
        """It ends with `outcome`, which `endpoint` is paid for. A second call does nothing."""
        if self._outcome is not None:
            return
        self._outcome = outcome
        if self._prices is None or self._prices.is_at_hand(endpoint):
            self._go_on(outcome)
        else:
            self._pricing = asyncio.create_task(self._go_on_with_prices(outcome, self._prices, endpoint))

    def hurry(self) -> None:
        """Wait no longer for the price list."""
        if self._outcome is not None and self._pricing is not None and not self._pricing.done():
            self._pricing.cancel()
            self._go_on(self._outcome)

    async def _go_on_with_prices(self, outcome: Terminal, prices: PriceList, endpoint: Endpoint) -> None:
        await prices.warm(endpoint)
        self._go_on(outcome)

    def _go_on(self, outcome: Terminal) -> None:
        self._price(outcome)
        if self._store is None:
            self._tell(outcome)
        else:
            self._storing = asyncio.create_task(self._tell_when_stored(outcome, self._store(outcome)))

    async def _tell_when_stored(self, outcome: Terminal, stored: Awaitable[bool]) -> None:
        outcome.persisted = await stored
        self._tell(outcome)
