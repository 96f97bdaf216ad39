"""Providers that break the contract of their stream: one honest terminal all the same, and nothing left behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_sidecar.errors import ProviderError, SidecarError
from llm_sidecar.providers.events import Finish, ModelNamed, ProviderState, TextDelta, ToolCallDelta, UsageReport
from tests.services.host import Host, play, settle

NO_RETRY = {"maxRetries": 0}


class OfNoKnownKind(BaseException):
    """What `except Exception` does not see."""


EXCEPTIONS: list[Exception] = [
    ValueError("secret"),
    KeyError("secret"),
    OSError(104, "secret"),
    TimeoutError("secret"),
    RecursionError("secret"),
    MemoryError("secret"),
    ExceptionGroup("secret", [ValueError("secret")]),
    UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret"),
    asyncio.InvalidStateError("secret"),
]


# --- exceptions ---


@pytest.mark.parametrize("error", EXCEPTIONS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["making the stream", "connecting", "streaming"])
def test_an_exception_of_any_type_is_an_internal_error_without_its_text(where: str, error: Exception) -> None:
    async def scenario(host: Host) -> None:
        if where == "making the stream":
            host.provider.prepare = lambda _: _raise(error)
        a = await host.infer()
        call = host.provider.last
        if where == "connecting":
            call.refuse(error)
        else:
            call.accept()
            call.fail(error)
        await settle()
        terminal = host.terminal(a)
        assert (terminal["method"], terminal["code"]) == ("llm:error", "INTERNAL_ERROR")
        assert "secret" not in str(terminal)
        assert host.service.slots.active == 0
        assert call.closed is (where != "making the stream")

    play(scenario)


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("where", ["connecting", "streaming"])
def test_an_exception_outside_the_usual_tree_ends_the_inference_too(where: str) -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer()
        call = host.provider.last
        if where == "connecting":
            call.refuse(OfNoKnownKind())
        else:
            call.accept()
            call.fail(OfNoKnownKind())
        await settle()
        assert host.terminal(a)["code"] == "INTERNAL_ERROR"

    play(scenario)


@pytest.mark.parametrize("where", ["connecting", "streaming"])
def test_a_cancellation_nobody_asked_for_is_the_adapters_failure_not_a_shutdown(where: str) -> None:
    """A cancelled inner task or future surfaces like this; the sidecar is not stopping."""

    async def scenario(host: Host) -> None:
        a = await host.infer()
        call = host.provider.last
        if where == "connecting":
            call.refuse(asyncio.CancelledError())
        else:
            call.accept()
            call.fail(asyncio.CancelledError())
        await settle()
        assert host.terminal(a)["code"] == "INTERNAL_ERROR"

    play(scenario)


def test_a_cleanup_that_raises_does_not_undo_a_complete_answer() -> None:
    async def scenario(host: Host) -> None:
        for error in (ValueError("late"), ProviderError("SERVER_ERROR", "Late.", retry_after_ms=0)):
            a, call = await host.begin()
            call.cleanup_error = error
            call.say("complete")
            call.finish()
            await settle()
            assert host.terminal(a)["method"] == "llm:done"
        assert len(host.provider.calls) == 2

    play(scenario)


def test_a_cleanup_that_raises_does_not_make_a_complete_empty_answer_be_asked_for_again() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.cleanup_error = ProviderError("SERVER_ERROR", "Late.", retry_after_ms=0)
        call.finish("content_filter")
        await settle()
        assert host.provider.calls == [call]
        assert host.terminal(a)["method"] == "llm:done"

    play(scenario)


@pytest.mark.parametrize("error", [ValueError("late"), ProviderError("NETWORK_ERROR", "Late.")], ids=repr)
def test_a_cleanup_that_raises_does_not_hide_why_the_stream_failed(error: Exception) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.cleanup_error = error
        call.say("text")
        call.fail(ProviderError("SERVER_ERROR", "The reason."))
        await settle()
        assert host.terminal(a)["code"] == "SERVER_ERROR"

    play(scenario)


# --- cleanup that hangs ---


def test_a_complete_answer_is_done_though_its_cleanup_hangs() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.hang_in_cleanup()
        call.say("complete")
        call.finish()
        await settle()
        assert host.terminal(a)["method"] == "llm:done"
        assert host.service.slots.active == 0
        await asyncio.sleep(300)

    play(scenario)


def test_a_failed_answer_is_told_though_its_cleanup_hangs() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.hang_in_cleanup()
        call.say("text")
        call.fail(ProviderError("SERVER_ERROR", "The reason."))
        await settle()
        assert host.terminal(a)["code"] == "SERVER_ERROR"

    play(scenario)


def test_a_timeout_between_tokens_is_told_at_its_time_though_the_cleanup_hangs() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(chunkTimeoutMs=3_000)
        call.hang_in_cleanup()
        call.say("text")
        await asyncio.sleep(3.01)
        assert host.terminal(a)["code"] == "STREAM_TIMEOUT"
        assert host.service.slots.active == 0

    play(scenario)


def test_an_attempt_whose_cleanup_hangs_keeps_the_next_from_beginning_but_not_the_whole_from_ending() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(timeoutMs=5_000, firstTokenTimeoutMs=1_000)
        call.hang_in_cleanup()
        call.fail(ProviderError("SERVER_ERROR", "The reason.", retry_after_ms=0))
        await asyncio.sleep(4.9)
        assert host.provider.calls == [call]
        await asyncio.sleep(0.2)
        assert host.terminal(a)["code"] == "TIMEOUT"

    play(scenario)


# --- timers whose cancellation is swallowed ---


def test_a_first_token_timeout_that_the_adapter_takes_for_the_end_is_still_that_timeout() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(firstTokenTimeoutMs=2_000, retry=NO_RETRY)
        call.on_cancel = "end"
        await asyncio.sleep(2.01)
        assert host.terminal(a)["code"] == "FIRST_TOKEN_TIMEOUT"

    play(scenario)


@pytest.mark.parametrize("error", [ProviderError("SERVER_ERROR", "Translated."), TimeoutError()], ids=repr)
def test_a_chunk_timeout_that_the_adapter_translates_is_still_that_timeout(error: Exception) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(chunkTimeoutMs=2_000)
        call.on_cancel = error
        call.say("text")
        await asyncio.sleep(2.01)
        assert host.terminal(a)["code"] == "STREAM_TIMEOUT"

    play(scenario)


def test_a_chunk_timeout_that_the_adapter_ignores_ends_the_inference_all_the_same() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(chunkTimeoutMs=2_000)
        call.on_cancel = "go on"
        call.say("text")
        await asyncio.sleep(2.01)
        assert host.terminal(a)["code"] == "STREAM_TIMEOUT"

    play(scenario)


def test_content_that_comes_after_an_ignored_first_token_timeout_is_not_taken_for_an_answer() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(firstTokenTimeoutMs=2_000, retry={"maxRetries": 1})
        call.on_cancel = "go on"
        await asyncio.sleep(2.5)
        call.say("too late")
        call.finish()
        await asyncio.sleep(1.01)
        second = host.provider.last
        assert second is not call
        second.accept()
        second.say("in time")
        second.finish()
        await settle()
        assert host.text(a) == "in time"
        assert host.terminal(a)["method"] == "llm:done"

    play(scenario, retry_base_ms=0)


def test_a_timeout_swallowed_in_one_attempt_does_not_haunt_the_next() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(firstTokenTimeoutMs=2_000, retry={"maxRetries": 1})
        call.on_cancel = ProviderError("SERVER_ERROR", "Translated.", retry_after_ms=0)
        await asyncio.sleep(3)
        second = host.provider.last
        assert second is not call
        second.accept()
        second.say("fine")
        second.finish()
        await settle()
        assert host.terminal(a)["method"] == "llm:done"

    play(scenario)


# --- ends ---


@pytest.mark.parametrize(
    "content", [[], [TextDelta("text")], [UsageReport(1, 2)], [ToolCallDelta(0, "{}", "i", "n")]], ids=str
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_stream_without_an_end_mark_is_truncated_never_done(content: list[Any], stream: bool) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=stream, retry=NO_RETRY)
        if content:
            call.send(*content)
        call.end()
        await settle()
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["retryable"]) == ("STREAM_TRUNCATED", True)
        assert terminal["usage"]["source"] == "partial"

    play(scenario)


def test_a_failure_after_the_end_mark_is_a_failure() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.send(TextDelta("text"), Finish("stop", None))
        call.fail(ProviderError("STREAM_TRUNCATED", "Cut off before the last byte."))
        await settle()
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["partialText"]) == ("STREAM_TRUNCATED", "text")

    play(scenario)


@pytest.mark.parametrize("together", [True, False])
def test_content_after_the_end_mark_still_comes_before_the_terminal(together: bool) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        events = [TextDelta("one"), Finish("stop", "first"), TextDelta(" two"), Finish("length", "second")]
        for batch in [events] if together else [[event] for event in events]:
            call.send(*batch)
            await settle()
        call.end()
        await settle()
        assert host.text(a) == "one two"
        assert host.kinds(a)[-1] == "done"
        assert host.kinds(a).count("done") == 1

    play(scenario)


def test_empty_batches_are_nothing() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        for _ in range(5):
            call.send()
        await settle()
        assert host.kinds(a) == ["thinking initializing", "thinking processing"]
        call.fail(ProviderError("SERVER_ERROR", "No content came.", retry_after_ms=0))
        await settle()
        assert len(host.provider.calls) == 2

    play(scenario)


@pytest.mark.parametrize("reason", ["cancel", "window", "timeout", "shutdown"])
def test_an_adapter_that_goes_on_after_the_end_sends_the_host_nothing_more(reason: str) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(timeoutMs=5_000, windowId="w")
        call.on_cancel = "go on"
        call.say("before")
        await settle()
        if reason == "cancel":
            await host.cancel(a)
        elif reason == "window":
            await host.ask(host.request("llm:window:closed", windowId="w"))
        elif reason == "timeout":
            await asyncio.sleep(5.01)
        else:
            host.service.end_all()
        await settle()
        before = len(host.received)
        for _ in range(3):
            call.send(TextDelta("after"), ToolCallDelta(0, "{}", "i", "n"))
            await settle()
        call.finish()
        await settle()
        assert len(host.received) == before
        assert call.closed

    play(scenario)


# --- text that cannot be sent ---

HALF = "\ud83d"
UNSENDABLE: list[Any] = [
    [TextDelta(f"half {HALF}")],
    [TextDelta("whole"), ToolCallDelta(0, HALF, "i", "n")],
    [ToolCallDelta(0, "{}", HALF, "n")],
    [ModelNamed(HALF)],
    [ProviderState({"signature": HALF})],
    [ProviderState({"parts": [{HALF: 1}]})],
    [Finish("stop", HALF)],
]


@pytest.mark.parametrize("events", UNSENDABLE, ids=ascii)
@pytest.mark.parametrize("stream", [True, False])
def test_text_that_is_no_unicode_costs_its_inference_but_neither_its_terminal_nor_a_seq(
    events: list[Any], stream: bool
) -> None:
    """Adapters repair halves of characters; one that forgets to must not leave a host waiting for a terminal."""

    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=stream)
        call.send(*events)
        call.finish()
        await settle()
        assert host.is_over(a)

    play(scenario)


def test_one_misbehaving_provider_call_leaves_the_others_alone() -> None:
    async def scenario(host: Host) -> None:
        a, call_a = await host.begin()
        b, call_b = await host.begin()
        call_a.fail(SidecarError("INTERNAL_ERROR", "Adapter."))
        call_b.say("fine")
        call_b.finish()
        await settle()
        assert host.terminal(a)["code"] == "INTERNAL_ERROR"
        assert host.terminal(b)["method"] == "llm:done"

    play(scenario)
