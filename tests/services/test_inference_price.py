"""A terminal tells what the answer cost; the price list may still have to be loaded then, and nothing else waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from llm_sidecar.errors import ProviderError
from llm_sidecar.messages.events import Usage
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.events import Finish, TextDelta, UsageReport
from tests.services.fake_provider import Call
from tests.services.host import Host, play, settle


class SlowPrices:
    """A price list that is loaded when the test says so. A token costs a dollar."""

    def __init__(self, host: Host) -> None:
        self.loaded = asyncio.Event()
        host.service._prices = self  # type: ignore[assignment]

    def is_at_hand(self, endpoint: Endpoint) -> bool:
        return self.loaded.is_set()

    async def warm(self, endpoint: Endpoint) -> None:
        await self.loaded.wait()

    def warm_soon(self, endpoint: Endpoint) -> None:
        pass

    def cost(self, endpoint: Endpoint, model_id: str, usage: Usage) -> float:
        return float(usage.total_tokens)


async def complete(call: Call) -> None:
    call.send(TextDelta("t"), UsageReport(2, 3), Finish("stop", "stop"))
    call.end()
    await settle()


async def fail(call: Call) -> None:
    call.send(UsageReport(2, 3), TextDelta("t"))
    call.fail(ProviderError("SERVER_ERROR", "Failed."))
    await settle()


@pytest.mark.parametrize(("end", "kind"), [(complete, "done"), (fail, "error")])
def test_the_terminal_waits_for_the_prices(end: Callable[[Call], Awaitable[None]], kind: str) -> None:
    async def scenario(host: Host) -> None:
        prices = SlowPrices(host)
        a, call = await host.begin()
        await end(call)
        assert call.closed
        assert not host.is_over(a)
        prices.loaded.set()
        await settle()
        assert host.kinds(a)[-1] == kind
        assert host.terminal(a)["cost"] == 5.0

    play(scenario)


def test_a_cancel_is_answered_and_the_upstream_closed_while_the_prices_are_loaded() -> None:
    async def scenario(host: Host) -> None:
        prices = SlowPrices(host)
        a, call = await host.begin()
        call.send(UsageReport(2, 3), TextDelta("t"))
        await settle()
        assert await host.cancel(a) is True
        assert call.closed
        assert not host.is_over(a)
        assert await host.cancel(a) is False
        prices.loaded.set()
        await settle()
        terminal = host.terminal(a)
        assert (terminal["cancelled"], terminal["cost"]) == (True, 5.0)

    play(scenario)


def test_other_answers_go_on_while_the_prices_are_loaded() -> None:
    async def scenario(host: Host) -> None:
        SlowPrices(host)
        a, call = await host.begin()
        await complete(call)
        b, other = await host.begin()
        other.say("still here")
        await settle()
        assert not host.is_over(a)
        assert host.text(b) == "still here"

    play(scenario)


def test_a_shutdown_waits_for_no_price() -> None:
    async def scenario(host: Host) -> None:
        prices = SlowPrices(host)
        a, call = await host.begin()
        await complete(call)
        b, _ = await host.begin()
        host.service.end_all()
        await settle()
        assert (host.terminal(a)["finishReason"], host.terminal(b)["code"]) == ("stop", "SHUTTING_DOWN")
        prices.loaded.set()
        await settle()

    play(scenario)
