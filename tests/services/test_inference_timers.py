"""Connect, first token, between tokens, whole: four timers, and what does not touch them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from llm_sidecar.errors import network_error
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
from tests.services.fake_provider import Call
from tests.services.host import Host, play, settle

NO_RETRY = {"maxRetries": 0}

NOT_CONTENT: list[list[ProviderEvent]] = [
    [PromptProgress(1, 10)],
    [UsageReport(prompt_tokens=3)],
    [ProviderState({"k": 1})],
    [ModelNamed("m")],
    [],
]
CONTENT: list[ProviderEvent] = [TextDelta("t"), ReasoningDelta("r"), ToolCallDelta(0, "{", "id", "name")]


async def every(seconds: float, times: int, action: Callable[[], None]) -> None:
    for _ in range(times):
        await asyncio.sleep(seconds)
        action()


# --- the first token ---


@pytest.mark.parametrize("connected", [False, True])
def test_no_content_within_the_first_token_timeout_ends_the_inference(connected: bool) -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(firstTokenTimeoutMs=5_000, retry=NO_RETRY)
        if connected:
            host.provider.last.accept()
        await asyncio.sleep(4.99)
        assert not host.is_over(a)
        await asyncio.sleep(0.02)
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["retryable"]) == ("FIRST_TOKEN_TIMEOUT", True)
        assert terminal["timings"]["totalMs"] == 5_000
        assert host.provider.last.closed

    play(scenario)


@pytest.mark.parametrize("batch", NOT_CONTENT, ids=str)
def test_what_is_no_content_does_not_postpone_the_first_token_timeout(batch: list[ProviderEvent]) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(firstTokenTimeoutMs=5_000, retry=NO_RETRY)
        await every(0.5, 12, lambda: call.send(*batch))
        terminal = host.terminal(a)
        assert terminal["code"] == "FIRST_TOKEN_TIMEOUT"
        assert terminal["timings"]["totalMs"] == 5_000

    play(scenario)


@pytest.mark.parametrize("content", CONTENT, ids=str)
def test_content_of_any_kind_satisfies_the_first_token_timeout(content: ProviderEvent) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(firstTokenTimeoutMs=5_000, chunkTimeoutMs=60_000)
        await asyncio.sleep(4.9)
        call.send(content)
        await asyncio.sleep(50)
        assert not host.is_over(a)
        call.finish()
        await settle()
        assert host.terminal(a)["timings"]["firstTokenMs"] == 4_900

    play(scenario)


def test_each_attempt_has_its_own_first_token_timeout() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(firstTokenTimeoutMs=5_000, retry={"maxRetries": 1})
        await asyncio.sleep(4)
        host.provider.last.refuse(network_error("ECONNREFUSED", "Refused."))
        await asyncio.sleep(1.5)
        assert len(host.provider.calls) == 2
        host.provider.last.accept()
        await asyncio.sleep(3.4)
        host.provider.last.say("late, but in time")
        host.provider.last.finish()
        await settle()
        assert host.terminal(a)["method"] == "llm:done"

    play(scenario, retry_base_ms=0)


def test_connecting_has_the_adapters_own_timer_whose_error_travels_as_it_is() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(retry=NO_RETRY)
        host.provider.last.refuse(network_error("ETIMEDOUT", "No connection within 10000 ms."))
        await settle()
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["details"]) == ("NETWORK_ERROR", {"errno": "ETIMEDOUT"})
        assert "thinking processing" not in host.kinds(a)

    play(scenario)


# --- between tokens ---


def test_a_silence_longer_than_the_chunk_timeout_ends_the_stream() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(chunkTimeoutMs=3_000)
        call.say("some")
        await asyncio.sleep(2.9)
        call.say("thing")
        await asyncio.sleep(2.9)
        assert not host.is_over(a)
        await asyncio.sleep(0.2)
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["partialText"]) == ("STREAM_TIMEOUT", "something")
        assert terminal["timings"]["totalMs"] == 5_900
        assert call.closed
        assert len(host.provider.calls) == 1

    play(scenario)


@pytest.mark.parametrize("batch", NOT_CONTENT, ids=str)
def test_what_is_no_content_does_not_postpone_the_chunk_timeout(batch: list[ProviderEvent]) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(chunkTimeoutMs=3_000)
        call.say("text")
        await every(0.4, 8, lambda: call.send(*batch))
        terminal = host.terminal(a)
        assert terminal["code"] == "STREAM_TIMEOUT"
        assert terminal["timings"]["totalMs"] == 3_000

    play(scenario)


@pytest.mark.parametrize("content", CONTENT, ids=str)
def test_content_of_any_kind_postpones_the_chunk_timeout(content: ProviderEvent) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(chunkTimeoutMs=3_000)
        call.say("text")
        await every(2.5, 8, lambda: call.send(content))
        call.finish()
        await settle()
        assert host.terminal(a)["method"] == "llm:done"

    play(scenario)


def test_the_chunk_timeout_does_not_count_before_the_first_content() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(chunkTimeoutMs=1, firstTokenTimeoutMs=60_000)
        await asyncio.sleep(59)
        call.send(TextDelta("t"), Finish("stop", None))
        call.end()
        await settle()
        assert host.terminal(a)["method"] == "llm:done"

    play(scenario)


# --- the whole ---


def test_steady_content_does_not_postpone_the_timeout_of_the_whole() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(timeoutMs=5_000)
        await every(0.3, 20, lambda: call.say("."))
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["retryable"]) == ("TIMEOUT", True)
        assert terminal["timings"]["totalMs"] == 5_000
        assert terminal["partialText"] == "." * 16
        assert call.closed

    play(scenario)


def test_waiting_for_a_slot_counts_towards_the_whole() -> None:
    async def scenario(host: Host) -> None:
        await host.begin()
        b = await host.infer(queue=True, timeoutMs=2_000)
        await asyncio.sleep(2.1)
        terminal = host.terminal(b)
        assert terminal["code"] == "TIMEOUT"
        assert terminal["attempts"] == 0
        assert terminal["timings"]["queuedMs"] == 2_000
        assert host.service.slots.waiting == 0

    play(scenario, max_concurrent_inferences=1)


def test_the_whole_goes_on_over_several_attempts() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(timeoutMs=10_000, firstTokenTimeoutMs=3_000, retry={"maxRetries": 10})
        await asyncio.sleep(10.1)
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["attempts"]) == ("TIMEOUT", 4)
        assert terminal["timings"]["totalMs"] == 10_000

    play(scenario, retry_base_ms=0)


@pytest.mark.parametrize("on_cancel", ["go on", "end"])
def test_the_whole_ends_an_inference_whose_adapter_ignores_cancellation(on_cancel: str) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(timeoutMs=5_000, chunkTimeoutMs=60_000)
        call.on_cancel = on_cancel  # type: ignore[assignment]
        call.say("text")
        await asyncio.sleep(5.01)
        assert host.terminal(a)["code"] == "TIMEOUT"
        assert host.service.slots.active == 0

    play(scenario)


def test_the_whole_is_counted_from_the_acceptance_not_from_an_unanswered_batch() -> None:
    async def scenario(host: Host) -> None:
        host.send([host.inference(inferenceId="a", timeoutMs=1_000), host.request("ping")])
        await asyncio.sleep(30)
        host.gate.set()
        await settle()
        host.provider.last.accept()
        host.provider.last.say("text")
        host.provider.last.finish()
        await settle()
        assert host.terminal("a")["method"] == "llm:done"

    play(scenario)


@pytest.mark.parametrize(
    ("limit", "code", "content"),
    [
        ("inference_timeout_ms", "TIMEOUT", False),
        ("first_token_timeout_ms", "FIRST_TOKEN_TIMEOUT", False),
        ("chunk_timeout_ms", "STREAM_TIMEOUT", True),
    ],
)
def test_without_a_wish_of_the_request_the_limits_decide(limit: str, code: str, content: bool) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(retry=NO_RETRY)
        if content:
            call.say("text")
        await asyncio.sleep(1.99)
        assert not host.is_over(a)
        await asyncio.sleep(0.02)
        assert host.terminal(a)["code"] == code

    play(scenario, **{limit: 2_000})


# --- a host that does not read ---


async def stalled(host: Host, call: Call) -> None:
    """Fill the outbox of a host that has stopped reading until the service pauses."""
    host.sink.stall()
    while not host.outbox.congested:
        call.say("x" * 400)
        await settle()


def test_time_while_the_host_does_not_read_is_held_against_nobody() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(timeoutMs=5_000, chunkTimeoutMs=4_000)
        await asyncio.sleep(2)
        await stalled(host, call)
        taken = len(call.taken)
        call.say("waits")
        await asyncio.sleep(600)
        assert len(call.taken) == taken
        host.sink.unstall()
        await settle()
        assert len(call.taken) == taken + 1
        await asyncio.sleep(2.9)
        assert not host.is_over(a)
        await asyncio.sleep(0.2)
        terminal = host.terminal(a)
        assert terminal["code"] == "TIMEOUT"
        assert terminal["timings"]["totalMs"] == 605_000

    play(scenario, max_event_bytes=2_000)


def test_the_chunk_timeout_goes_on_when_the_host_reads_again() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(chunkTimeoutMs=3_000)
        await stalled(host, call)
        await asyncio.sleep(50)
        host.sink.unstall()
        await asyncio.sleep(2.9)
        assert not host.is_over(a)
        await asyncio.sleep(0.2)
        assert host.terminal(a)["code"] == "STREAM_TIMEOUT"

    play(scenario, max_event_bytes=2_000)


def test_a_stall_during_the_prompt_does_not_use_up_the_first_token_timeout() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(firstTokenTimeoutMs=3_000, retry=NO_RETRY)
        host.sink.stall()
        while not host.outbox.congested:
            call.send(PromptProgress(1, 2))
            await settle()
        await asyncio.sleep(100)
        host.sink.unstall()
        await asyncio.sleep(2.9)
        assert not host.is_over(a)
        await asyncio.sleep(0.2)
        assert host.terminal(a)["code"] == "FIRST_TOKEN_TIMEOUT"

    play(scenario, max_event_bytes=2_000)


def test_who_queues_behind_inferences_that_wait_for_the_host_does_not_time_out_meanwhile() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(timeoutMs=5_000)
        b = await host.infer(queue=True, timeoutMs=5_000)
        await stalled(host, call)
        await asyncio.sleep(600)
        host.sink.unstall()
        call.finish()
        await settle()
        assert host.terminal(a)["method"] == "llm:done"
        assert not host.is_over(b)

    play(scenario, max_event_bytes=2_000, max_concurrent_inferences=1)
