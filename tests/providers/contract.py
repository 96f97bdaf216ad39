"""The rules of `providers.base`, as checks that any adapter can be run through.

Law: each check takes a provider and a request, knows no wire format, and asserts. `test_provider_contract` runs all of
them against every adapter.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from llm_sidecar.errors import ERROR_KINDS, ProviderError, SidecarError
from llm_sidecar.providers.base import Provider, ProviderRequest
from llm_sidecar.providers.events import (
    Finish,
    ModelNamed,
    PromptProgress,
    ProviderEvent,
    ProviderState,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from llm_sidecar.providers.exchange import AnswerDecoder

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run an asynchronous test; 20 seconds are a hang."""
    return asyncio.run(asyncio.wait_for(main, 20))


async def batches_of(provider: Provider, request: ProviderRequest) -> list[list[ProviderEvent]]:
    """Every batch of a whole answer."""
    async with provider.stream(request) as stream:
        return [batch async for batch in stream]


async def events_of(provider: Provider, request: ProviderRequest) -> list[ProviderEvent]:
    """Every event of a whole answer."""
    return [event for batch in await batches_of(provider, request) for event in batch]


async def outcome_of(provider: Provider, request: ProviderRequest) -> tuple[list[ProviderEvent], SidecarError | None]:
    """What came, and the failure it ended with (None: it was complete)."""
    events: list[ProviderEvent] = []
    try:
        async with provider.stream(request) as stream:
            async for batch in stream:
                events.extend(batch)
    except SidecarError as error:
        return events, error
    return events, None


def text_of(events: list[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def reasoning_of(events: list[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def tool_calls_of(events: list[ProviderEvent]) -> list[tuple[str, str, str]]:
    """The assembled calls: id, name, arguments."""
    calls: list[tuple[str, str, str]] = []
    for event in events:
        if isinstance(event, ToolCallDelta):
            if event.index == len(calls):
                assert event.id, "the first piece of a call has its id"
                assert event.name, "the first piece of a call has its name"
                calls.append((event.id, event.name, event.arguments))
            else:
                assert event.index < len(calls), "calls are numbered without a gap"
                assert event.id is None
                assert event.name is None
                call_id, name, arguments = calls[event.index]
                calls[event.index] = (call_id, name, arguments + event.arguments)
    return calls


def finish_of(events: list[ProviderEvent]) -> Finish:
    (finish,) = [event for event in events if isinstance(event, Finish)]
    return finish


def usage_of(events: list[ProviderEvent]) -> UsageReport | None:
    """The last report (adapters that report in parts need `merge`)."""
    return next((event for event in reversed(events) if isinstance(event, UsageReport)), None)


def summary(events: list[ProviderEvent]) -> dict[str, Any]:
    """An answer, regardless of how its pieces were merged and of the ids that were made here."""
    made_here = re.compile("call_[0-9a-f]{32}").fullmatch
    usages = [event for event in events if isinstance(event, UsageReport)]
    return {
        "text": text_of(events),
        "count": sum(event.count for event in events if isinstance(event, TextDelta)),
        "reasoning": reasoning_of(events),
        "calls": [(i if not made_here(i) else "made here", name, said) for i, name, said in tool_calls_of(events)],
        "usage": usages[-1:],
        "rest": [event for event in events if isinstance(event, Finish | ModelNamed | PromptProgress | ProviderState)],
    }


def decode(decoder: AnswerDecoder, *pieces: bytes) -> tuple[list[ProviderEvent], ProviderError | None]:
    """The events of a body that ends cleanly, and its failure."""
    events: list[ProviderEvent] = []
    for piece in pieces:
        if not decoder.complete and decoder.failure is None:
            events += decoder.feed(piece)
    if not decoder.complete and decoder.failure is None:
        events += decoder.end()
    assert decoder.complete == (decoder.failure is None)
    return events, decoder.failure


def check_rules(batches: list[list[ProviderEvent]]) -> None:
    """Rules 2 and 3 over a complete answer."""
    assert all(batches), "a batch is not empty"
    events = [event for batch in batches for event in batch]
    for event in events:
        if isinstance(event, TextDelta):
            assert event.text
            assert event.count >= 1
        elif isinstance(event, ReasoningDelta):
            assert event.text
    tool_calls_of(events)
    finish_of(events)
    after = events[events.index(finish_of(events)) + 1 :]
    assert not any(isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta) for event in after)


async def a_complete_answer_keeps_the_rules(provider: Provider, request: ProviderRequest) -> None:
    check_rules(await batches_of(provider, request))


async def an_answer_can_be_left_after_its_first_batch(provider: Provider, request: ProviderRequest) -> None:
    async with provider.stream(request) as stream:
        async for batch in stream:
            assert batch
            break


async def an_answer_can_be_left_before_its_first_batch(provider: Provider, request: ProviderRequest) -> None:
    async with provider.stream(request):
        pass


async def the_caller_s_own_exception_passes_through(provider: Provider, request: ProviderRequest) -> None:
    async def consume() -> None:
        async with provider.stream(request) as stream:
            async for _ in stream:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await consume()


async def cancellation_is_raised_again(provider: Provider, request: ProviderRequest) -> None:
    """`request` must ask for an answer that is still coming after its first batch."""
    started = asyncio.Event()

    async def consume() -> None:
        async with provider.stream(request) as stream:
            async for _ in stream:
                started.set()

    consumer = asyncio.create_task(consume())
    await started.wait()
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer


async def two_answers_at_once_do_not_mix(provider: Provider, request: ProviderRequest) -> None:
    for batches in await asyncio.gather(batches_of(provider, request), batches_of(provider, request)):
        check_rules(batches)


async def a_refused_request_raises(provider: Provider, request: ProviderRequest, code: str) -> None:
    events, error = await outcome_of(provider, request)
    assert error is not None
    assert error.code == code
    assert error.code in ERROR_KINDS
    assert error.message
    assert not any(isinstance(event, Finish) for event in events), "a failed answer has no finish"
