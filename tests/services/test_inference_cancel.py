"""Cancelling, in every state an inference can be in: reply first, no token after it, one terminal, everything freed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.events import PromptProgress, ReasoningDelta, TextDelta, ToolCallDelta, UsageReport
from tests.services.fake_provider import OnCancel
from tests.services.host import TERMINALS, Host, play, settle

Reach = Callable[[Host], Awaitable[str]]
"""Brings an inference into a state and returns its id."""


async def queued(host: Host) -> str:
    for _ in range(host.limits.max_concurrent_inferences):
        await host.begin()
    return await host.infer(queue=True)


async def connecting(host: Host) -> str:
    return await host.infer()


async def waiting_for_the_first_token(host: Host) -> str:
    inference_id, call = await host.begin()
    call.send(PromptProgress(1, 2))
    await settle()
    return inference_id


async def streaming(host: Host) -> str:
    inference_id, call = await host.begin()
    call.say("some text")
    await settle()
    return inference_id


async def thinking(host: Host) -> str:
    inference_id, call = await host.begin()
    call.send(ReasoningDelta("hm"))
    await settle()
    return inference_id


async def calling_a_tool(host: Host) -> str:
    inference_id, call = await host.begin()
    call.send(ToolCallDelta(0, '{"a":', "id", "name"))
    await settle()
    return inference_id


async def between_attempts(host: Host) -> str:
    inference_id = await host.infer()
    host.provider.last.refuse(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=20_000))
    await settle()
    return inference_id


async def in_the_second_attempt(host: Host) -> str:
    inference_id = await host.infer()
    host.provider.last.refuse(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=0))
    await settle()
    return inference_id


async def about_to_take_a_batch(host: Host) -> str:
    inference_id, call = await host.begin()
    call.say("never taken")
    return inference_id


async def about_to_be_connected(host: Host) -> str:
    inference_id = await host.infer()
    host.provider.last.accept()
    return inference_id


async def about_to_fail(host: Host) -> str:
    inference_id, call = await host.begin()
    call.fail(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=0))
    return inference_id


async def about_to_finish(host: Host) -> str:
    inference_id, call = await host.begin()
    call.say("never taken")
    call.finish()
    return inference_id


STATES: list[Reach] = [
    queued,
    connecting,
    waiting_for_the_first_token,
    streaming,
    thinking,
    calling_a_tool,
    between_attempts,
    in_the_second_attempt,
    about_to_take_a_batch,
    about_to_be_connected,
    about_to_fail,
    about_to_finish,
]
in_every_state = pytest.mark.parametrize("reach", STATES, ids=lambda reach: reach.__name__)


@in_every_state
def test_the_reply_comes_first_and_after_it_the_terminal_only(reach: Reach) -> None:
    async def scenario(host: Host) -> None:
        a = await reach(host)
        request = host.request("llm:cancel", inferenceId=a)
        host.send(request)
        await asyncio.sleep(60)
        assert host.result(request) == {"success": True}
        after = host.received[host.received.index(host.response(request) or {}) + 1 :]
        of_a = [m for m in after if m.get("params", {}).get("inferenceId") == a]
        assert [m["method"] for m in of_a] == ["llm:done"]
        terminal = host.terminal(a)
        assert terminal["cancelled"] is True
        assert terminal["usage"]["source"] == "partial"

    play(scenario)


@in_every_state
def test_the_slot_is_free_in_the_same_moment(reach: Reach) -> None:
    async def scenario(host: Host) -> None:
        a = await reach(host)
        before = host.service.slots.active + host.service.slots.waiting
        host.send(host.request("llm:cancel", inferenceId=a))
        assert host.service.slots.active + host.service.slots.waiting == before - 1

    play(scenario)


@in_every_state
def test_the_upstream_is_closed_and_no_other_is_opened(reach: Reach) -> None:
    async def scenario(host: Host) -> None:
        a = await reach(host)
        own = [] if reach is queued else [host.provider.last]
        calls = len(host.provider.calls)
        assert await host.cancel(a)
        assert all(call.closed for call in own)
        await asyncio.sleep(60)
        assert len(host.provider.calls) == calls

    play(scenario)


@in_every_state
def test_a_second_cancel_is_told_that_it_is_over(reach: Reach) -> None:
    async def scenario(host: Host) -> None:
        a = await reach(host)
        first, second = (host.request("llm:cancel", inferenceId=a) for _ in range(2))
        host.send(first)
        host.send(second)
        await settle()
        assert host.result(first) == {"success": True}
        assert host.result(second) == {"success": False}
        assert await host.cancel(a) is False

    play(scenario)


@in_every_state
def test_a_cancelled_inference_is_counted_once(reach: Reach) -> None:
    async def scenario(host: Host) -> None:
        a = await reach(host)
        assert await host.cancel(a)
        status = await host.status()
        assert status["providers"]["demo"]["cancelled"] == 1
        assert status["totalTokens"] == host.terminal(a)["totalTokens"]

    play(scenario)


def test_an_unknown_inference_cannot_be_cancelled() -> None:
    async def scenario(host: Host) -> None:
        assert await host.cancel("nobody") is False

    play(scenario)


def test_a_finished_inference_cannot_be_cancelled() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.finish()
        await settle()
        assert await host.cancel(a) is False
        assert "cancelled" not in host.terminal(a)

    play(scenario)


# --- not yet started ---


def test_cancelled_in_its_own_batch_it_never_begins() -> None:
    async def scenario(host: Host) -> None:
        start = host.inference(inferenceId="a")
        stop = host.request("llm:cancel", inferenceId="a")
        host.send([start, stop])
        await settle()
        assert host.result(start) == {"inferenceId": "a"}
        assert host.result(stop) == {"success": True}
        assert host.kinds("a") == ["done"]
        terminal = host.terminal("a")
        assert terminal["cancelled"] is True
        assert terminal["totalTokens"] == 0
        assert terminal["attempts"] == 0
        assert host.provider.calls == []
        assert host.service.slots.active == 0

    play(scenario)


def test_cancelled_in_its_own_batch_it_is_counted_once() -> None:
    async def scenario(host: Host) -> None:
        host.send([host.inference(inferenceId="a"), host.request("llm:cancel", inferenceId="a")])
        await settle()
        figures = (await host.status())["providers"]["demo"]
        assert (figures["requests"], figures["cancelled"]) == (1, 1)

    play(scenario)


def test_cancelled_while_its_batch_is_unanswered_it_waits_with_its_terminal() -> None:
    async def scenario(host: Host) -> None:
        start = host.inference(inferenceId="a")
        host.send([start, host.request("ping")])
        await settle()
        assert await host.cancel("a")
        assert host.service.slots.active == 0
        assert host.events("a") == []
        host.gate.set()
        await settle()
        assert host.result(start) == {"inferenceId": "a"}
        assert host.kinds("a") == ["done"]
        assert host.provider.calls == []
        assert (await host.status())["providers"]["demo"]["cancelled"] == 1

    play(scenario)


def test_a_cancel_whose_batch_is_unanswered_stops_the_tokens_at_once_and_the_terminal_waits() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.say("before")
        await settle()
        host.send([host.request("llm:cancel", inferenceId=a), host.request("ping")])
        call.say("after")
        await settle()
        assert call.closed
        assert host.service.slots.active == 0
        assert host.kinds(a)[-1] == "token"
        assert await host.cancel(a) is False
        host.gate.set()
        await settle()
        assert host.text(a) == "before"
        assert host.terminal(a)["cancelled"] is True

    play(scenario)


def test_the_shutdown_does_not_undo_a_cancel_that_is_unanswered() -> None:
    async def scenario(host: Host) -> None:
        a, _ = await host.begin()
        host.send([host.request("llm:cancel", inferenceId=a), host.request("ping")])
        host.service.end_all()
        await settle()
        host.gate.set()
        await settle()
        assert host.terminal(a)["cancelled"] is True

    play(scenario)


# --- a host that is behind ---


def test_a_host_that_does_not_read_can_cancel_and_gets_what_had_come_first() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        host.sink.stall()
        while not host.outbox.congested:
            call.say("x" * 100)
            await settle()
        call.say("not taken any more")
        request = host.request("llm:cancel", inferenceId=a)
        host.send(request)
        assert host.service.slots.active == 0
        await asyncio.sleep(600)
        assert call.closed
        host.sink.unstall()
        await settle()
        reply = host.received.index(host.response(request) or {})
        events_after = [m["method"] for m in host.received[reply + 1 :]]
        assert events_after == ["llm:done"]
        assert host.text(a) == call.text

    play(scenario, max_event_bytes=2_000)


@pytest.mark.parametrize("unread", [False, True])
def test_text_that_was_held_back_to_merge_comes_before_the_reply(unread: bool) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.say("first ")
        await settle()
        if unread:
            host.sink.stall()
        for piece in ("held ", "back ", "still"):
            call.say(piece)
        await settle()
        assert host.text(a) == "first "
        request = host.request("llm:cancel", inferenceId=a)
        host.send(request)
        host.sink.unstall()
        await asyncio.sleep(5)
        assert host.text(a) == "first held back still"
        reply = host.received.index(host.response(request) or {})
        assert [m["method"] for m in host.received[reply + 1 :]] == ["llm:done"]

    play(scenario, token_batch_delay_ms=1_000)


# --- what is told ---


def test_the_terminal_has_the_usage_so_far() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.send(UsageReport(prompt_tokens=77, completion_tokens=1), TextDelta("x" * 400, 3))
        await settle()
        assert await host.cancel(a)
        usage = host.terminal(a)["usage"]
        assert usage == {"promptTokens": 77, "completionTokens": 100, "totalTokens": 177, "source": "partial"}

    play(scenario)


def test_without_stream_the_terminal_has_the_text_so_far() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=False)
        call.say("so ")
        call.say("far")
        await settle()
        assert await host.cancel(a)
        assert host.terminal(a)["text"] == "so far"

    play(scenario)


def test_the_terminal_has_the_tool_calls_so_far() -> None:
    async def scenario(host: Host) -> None:
        a = await calling_a_tool(host)
        assert await host.cancel(a)
        assert host.terminal(a)["toolCalls"] == [{"id": "id", "name": "name", "arguments": '{"a":'}]

    play(scenario)


# --- adapters that take it badly ---


def test_a_cleanup_that_hangs_delays_neither_the_terminal_nor_the_next_inference() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.hang_in_cleanup()
        assert await host.cancel(a)
        assert host.is_over(a)
        assert call.closing
        assert not call.closed
        b = await host.infer(inferenceId=a)
        assert b == a
        call.finish_cleanup()
        await settle()
        assert call.closed

    play(scenario, max_concurrent_inferences=1)


@pytest.mark.parametrize(
    "error",
    [ProviderError("SERVER_ERROR", "Late.", retry_after_ms=0), ValueError("late"), OSError(9, "late")],
    ids=repr,
)
@pytest.mark.parametrize("reach", [waiting_for_the_first_token, streaming], ids=lambda reach: reach.__name__)
def test_a_cleanup_that_raises_begins_no_other_attempt(reach: Reach, error: Exception) -> None:
    async def scenario(host: Host) -> None:
        a = await reach(host)
        call = host.provider.last
        call.cleanup_error = error
        assert await host.cancel(a)
        await asyncio.sleep(60)
        assert host.provider.calls == [call]
        assert host.terminal(a)["cancelled"] is True

    play(scenario)


@pytest.mark.parametrize(
    "on_cancel",
    ["end", ProviderError("SERVER_ERROR", "Translated.", retry_after_ms=0), TimeoutError(), RuntimeError("oh")],
    ids=repr,
)
@pytest.mark.parametrize("reach", [waiting_for_the_first_token, streaming], ids=lambda reach: reach.__name__)
def test_a_swallowed_cancellation_begins_no_other_attempt(reach: Reach, on_cancel: OnCancel) -> None:
    async def scenario(host: Host) -> None:
        a = await reach(host)
        call = host.provider.last
        call.on_cancel = on_cancel
        assert await host.cancel(a)
        await asyncio.sleep(60)
        assert host.provider.calls == [call]
        assert call.closed
        assert host.terminal(a)["cancelled"] is True

    play(scenario)


def test_a_manager_that_suppresses_the_cancellation_begins_no_other_attempt() -> None:
    async def scenario(host: Host) -> None:
        a = await waiting_for_the_first_token(host)
        call = host.provider.last
        call.suppresses_errors = True
        assert await host.cancel(a)
        await asyncio.sleep(60)
        assert host.provider.calls == [call]

    play(scenario)


def test_an_adapter_that_goes_on_after_a_cancel_is_left_at_its_next_batch() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.on_cancel = "go on"
        call.say("before")
        await settle()
        assert await host.cancel(a)
        call.say("after")
        await settle()
        assert host.text(a) == "before"
        assert call.closed

    play(scenario)


# --- windows ---


def test_a_closed_window_ends_its_inferences_and_no_others() -> None:
    async def scenario(host: Host) -> None:
        a, call_a = await host.begin(windowId="w1")
        b, call_b = await host.begin(windowId="w2")
        c, call_c = await host.begin()
        d = await host.infer(windowId="w1", queue=True)
        request = host.request("llm:window:closed", windowId="w1")
        host.send(request)
        assert host.service.slots.active == 2
        await settle()
        assert host.result(request) == {"cancelled": 2, "released": 0, "destroyed": 0}
        reply = host.received.index(host.response(request) or {})
        ended = [m["params"]["inferenceId"] for m in host.received[reply + 1 :] if m.get("method") in TERMINALS]
        assert ended == [a, d]
        assert call_a.closed
        assert not call_b.closed
        assert not call_c.closed
        assert not host.is_over(b)
        assert not host.is_over(c)

    play(scenario, max_concurrent_inferences=3)


def test_a_window_that_closes_twice_has_nothing_more_to_cancel() -> None:
    async def scenario(host: Host) -> None:
        await host.begin(windowId="w1")
        for cancelled in (1, 0):
            result = await host.ask(host.request("llm:window:closed", windowId="w1"))
            assert result["cancelled"] == cancelled

    play(scenario)


def test_a_window_that_closes_in_the_batch_that_began_its_inference_ends_it_once() -> None:
    async def scenario(host: Host) -> None:
        host.send([host.inference(inferenceId="a", windowId="w"), host.request("llm:window:closed", windowId="w")])
        await settle()
        assert host.kinds("a") == ["done"]
        assert (await host.status())["providers"]["demo"]["cancelled"] == 1

    play(scenario)
