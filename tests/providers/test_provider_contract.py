"""Every adapter, through every rule of `providers.base`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import NamedTuple

import pytest

from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Provider, ProviderRequest
from llm_sidecar.providers.http.client import HttpClient
from tests.providers import contract
from tests.providers.contract import run
from tests.providers.fault_server import LAST_CHUNK, Exchange, answer, chunked, fault_server
from tests.providers.formats import FORMATS
from tests.providers.wire_format import WireFormat, stream_head


class Subject(NamedTuple):
    """An adapter, and requests that its other side is ready for."""

    provider: Provider
    complete: list[ProviderRequest]
    """Answers that come to their end: text, reasoning, tool calls."""
    endless: ProviderRequest
    """An answer that has begun and is still coming."""
    refused: dict[str, ProviderRequest]
    """By the code of the failure: before the answer and in the middle of it."""


@asynccontextmanager
async def subject_of(wire_format: WireFormat) -> AsyncIterator[Subject]:
    head = stream_head(wire_format)

    async def script(exchange: Exchange) -> None:
        model = wire_format.model_of(exchange.request.body, exchange.request.path)
        if model == "endless":
            await exchange.send(head + chunked(wire_format.begun))
        elif model == "refused":
            await exchange.send(answer(401, b"{}"))
        elif model == "cut-off":
            await exchange.send(head + chunked(wire_format.begun) + LAST_CHUNK)
        else:
            await exchange.send(head + chunked(wire_format.complete[model]) + LAST_CHUNK)

    async with fault_server(script) as server:
        provider = wire_format.make(HttpClient(Limits))

        def asking(model: str) -> ProviderRequest:
            return wire_format.request(server.url, model, None)

        try:
            yield Subject(
                provider,
                [asking(model) for model in wire_format.complete],
                asking("endless"),
                {"AUTH_ERROR": asking("refused"), "STREAM_TRUNCATED": asking("cut-off")},
            )
        finally:
            await provider.aclose()


ADAPTERS: dict[str, Callable[[], AbstractAsyncContextManager[Subject]]] = {
    name: partial(subject_of, wire_format) for name, wire_format in FORMATS.items()
}

each_adapter = pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS.keys())


@each_adapter
@pytest.mark.parametrize(
    "rule",
    [
        contract.a_complete_answer_keeps_the_rules,
        contract.an_answer_can_be_left_after_its_first_batch,
        contract.an_answer_can_be_left_before_its_first_batch,
        contract.the_caller_s_own_exception_passes_through,
        contract.two_answers_at_once_do_not_mix,
    ],
)
def test_a_complete_answer(
    adapter: Callable[[], AbstractAsyncContextManager[Subject]],
    rule: Callable[[Provider, ProviderRequest], Awaitable[None]],
) -> None:
    async def main() -> None:
        async with adapter() as subject:
            for request in subject.complete:
                await rule(subject.provider, request)

    run(main())


@each_adapter
@pytest.mark.parametrize(
    "rule",
    [
        contract.cancellation_is_raised_again,
        contract.an_answer_can_be_left_after_its_first_batch,
        contract.an_answer_can_be_left_before_its_first_batch,
        contract.the_caller_s_own_exception_passes_through,
    ],
)
def test_an_answer_that_goes_on(
    adapter: Callable[[], AbstractAsyncContextManager[Subject]],
    rule: Callable[[Provider, ProviderRequest], Awaitable[None]],
) -> None:
    async def main() -> None:
        async with adapter() as subject:
            await rule(subject.provider, subject.endless)

    run(main())


@each_adapter
def test_a_failure_is_typed(adapter: Callable[[], AbstractAsyncContextManager[Subject]]) -> None:
    async def main() -> None:
        async with adapter() as subject:
            for code, request in subject.refused.items():
                await contract.a_refused_request_raises(subject.provider, request, code)

    run(main())


@each_adapter
def test_it_can_be_warmed_and_closed_at_any_time(
    adapter: Callable[[], AbstractAsyncContextManager[Subject]],
) -> None:
    async def main() -> None:
        async with adapter() as subject:
            await subject.provider.warm()
            await subject.provider.aclose()
            await subject.provider.warm()

    run(main())
