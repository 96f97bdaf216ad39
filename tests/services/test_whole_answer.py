"""What holds for every request whose response is the whole answer of an inference: one response, in any case."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from llm_sidecar.errors import ProviderError, SidecarError, network_error
from llm_sidecar.providers.events import PromptProgress, ReasoningDelta, TextDelta, ToolCallDelta, UsageReport
from tests.services.fake_provider import OnCancel
from tests.services.host import USER, Host, Refused, play, settle, timers

Json = dict[str, Any]
Make = Callable[..., Json]
"""Makes a request: `make(host, **params)`."""
Reach = Callable[[Host, Make], Awaitable[Json]]
"""Sends a request and brings its inference into a state."""


def generate(host: Host, **params: Any) -> Json:
    return host.request("llm:generate-text", **{"providerId": "demo", "prompt": "Hello there", **params})


def complete(host: Host, *, stream: bool = False, **params: Any) -> Json:
    request = {"messages": USER, "stream": stream}
    return host.request("llm:chat:completions", **{"providerId": "demo", "request": request, **params})


def stream(host: Host, **params: Any) -> Json:
    return complete(host, stream=True, **params)


for_every_method = pytest.mark.parametrize("make", [generate, complete, stream], ids=lambda make: make.__name__)


def text_of(result: Json) -> str:
    return result["text"] if "text" in result else result["choices"][0]["message"]["content"]


async def connecting(host: Host, make: Make) -> Json:
    request = make(host)
    host.send(request)
    await settle()
    return request


async def accepted(host: Host, make: Make) -> Json:
    request = await connecting(host, make)
    host.provider.last.accept()
    await settle()
    return request


async def queued(host: Host, make: Make) -> Json:
    for _ in range(host.limits.max_concurrent_inferences):
        await host.begin()
    request = make(host, queue=True)
    host.send(request)
    await settle()
    return request


async def waiting_for_the_first_token(host: Host, make: Make) -> Json:
    request = await accepted(host, make)
    host.provider.last.send(PromptProgress(1, 2))
    await settle()
    return request


async def streaming(host: Host, make: Make) -> Json:
    request = await accepted(host, make)
    host.provider.last.say("some text")
    await settle()
    return request


async def thinking(host: Host, make: Make) -> Json:
    request = await accepted(host, make)
    host.provider.last.send(ReasoningDelta("hm"))
    await settle()
    return request


async def calling_a_tool(host: Host, make: Make) -> Json:
    request = await accepted(host, make)
    host.provider.last.send(ToolCallDelta(0, '{"a":', "id", "name"))
    await settle()
    return request


async def between_attempts(host: Host, make: Make) -> Json:
    request = await connecting(host, make)
    host.provider.last.refuse(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=20_000))
    await settle()
    return request


async def in_the_second_attempt(host: Host, make: Make) -> Json:
    request = await connecting(host, make)
    host.provider.last.refuse(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=0))
    await settle()
    return request


async def about_to_begin(host: Host, make: Make) -> Json:
    request = make(host)
    host.send(request)
    return request


async def about_to_take_a_batch(host: Host, make: Make) -> Json:
    request = await accepted(host, make)
    host.provider.last.say("never taken")
    return request


async def about_to_fail(host: Host, make: Make) -> Json:
    request = await accepted(host, make)
    host.provider.last.fail(ProviderError("AUTH_ERROR", "Failed."))
    return request


async def about_to_finish(host: Host, make: Make) -> Json:
    request = await accepted(host, make)
    host.provider.last.say("never taken")
    host.provider.last.finish()
    return request


STATES: list[Reach] = [
    queued,
    connecting,
    waiting_for_the_first_token,
    streaming,
    thinking,
    calling_a_tool,
    between_attempts,
    in_the_second_attempt,
    about_to_begin,
    about_to_take_a_batch,
    about_to_fail,
    about_to_finish,
]
in_every_state = pytest.mark.parametrize("reach", STATES, ids=lambda reach: reach.__name__)


def responses(host: Host, request: Json) -> list[Json]:
    return [m for m in host.received if "method" not in m and m["id"] == request["id"]]


def is_last_of_its_request(host: Host, request: Json) -> bool:
    """Whether nothing that has to do with `request` came after its response."""
    mine = [m for m in host.received if m.get("id", m.get("params", {}).get("requestId")) == request["id"]]
    return "method" not in mine[-1]


# --- cancelling ---


@for_every_method
@in_every_state
def test_a_cancelled_request_is_answered_so_at_once_and_closes_its_upstream(reach: Reach, make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await reach(host, make)
        others = [call for call in host.provider.open_calls if reach is queued]
        host.dispatcher.cancel_request(request["id"])
        await settle()
        with pytest.raises(Refused) as refused:
            host.result(request)
        assert refused.value.error["code"] == -32800
        assert refused.value.code == "CANCELLED"
        assert host.provider.open_calls == others
        assert host.service.slots.active == len(others)
        assert host.service.slots.waiting == 0
        await asyncio.sleep(3_000)
        assert len(responses(host, request)) == 1
        assert is_last_of_its_request(host, request)

    play(scenario)


@for_every_method
def test_the_slot_of_a_cancelled_request_is_free_for_the_next_line(make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await streaming(host, make)
        host.dispatcher.cancel_request(request["id"])
        host.send(following := make(host))
        await settle()
        call = host.provider.last
        call.accept()
        call.say("mine")
        call.finish()
        await settle()
        assert text_of(host.result(following)) == "mine"

    play(scenario, max_concurrent_inferences=1)


@for_every_method
@pytest.mark.parametrize("on_cancel", ["go on", "end", ValueError("no")], ids=str)
def test_a_provider_that_takes_a_cancellation_badly_changes_nothing(on_cancel: OnCancel, make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await streaming(host, make)
        host.provider.last.on_cancel = on_cancel
        host.dispatcher.cancel_request(request["id"])
        await settle()
        host.provider.last.say("late")
        await settle()
        with pytest.raises(Refused, match="cancelled"):
            host.result(request)
        assert host.provider.open_calls == []

    play(scenario)


@for_every_method
def test_a_request_that_was_answered_is_not_cancelled_any_more(make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await streaming(host, make)
        host.provider.last.finish()
        await settle()
        host.dispatcher.cancel_request(request["id"])
        await settle()
        assert text_of(host.result(request)) == "some text"
        assert len(responses(host, request)) == 1

    play(scenario)


@for_every_method
@in_every_state
def test_a_window_that_closes_cancels_its_requests(reach: Reach, make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await reach(host, lambda host, **params: make(host, windowId="w", **params))
        closed = await host.ask(host.request("llm:window:closed", windowId="w"))
        if reach in {about_to_fail, about_to_finish}:
            assert closed["cancelled"] in {0, 1}
        else:
            assert closed["cancelled"] == 1
            with pytest.raises(Refused) as refused:
                host.result(request)
            assert refused.value.code == "CANCELLED"
        assert len(responses(host, request)) == 1
        assert is_last_of_its_request(host, request)

    play(scenario)


@for_every_method
@in_every_state
def test_the_end_of_the_sidecar_answers_every_request(reach: Reach, make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await reach(host, make)
        host.dispatcher.refuse_all()
        host.service.end_all()
        await settle()
        with pytest.raises(Refused) as refused:
            host.result(request)
        assert (refused.value.code, refused.value.data["retryable"]) == ("SHUTTING_DOWN", True)
        assert host.provider.open_calls == []
        assert len(responses(host, request)) == 1

    play(scenario)


@for_every_method
@in_every_state
def test_the_end_of_all_inferences_answers_every_request(reach: Reach, make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await reach(host, make)
        host.service.end_all()
        await settle()
        with pytest.raises(Refused) as refused:
            host.result(request)
        assert refused.value.code == "SHUTTING_DOWN"

    play(scenario)


@for_every_method
def test_a_shutdown_that_waits_for_the_inference_finds_its_request_answered(make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await streaming(host, make)

        async def wind_down() -> None:
            await host.service.idle()
            host.dispatcher.refuse_all()

        winding_down = asyncio.create_task(wind_down())
        host.provider.last.finish()
        await settle()
        await winding_down
        assert text_of(host.result(request)) == "some text"

    play(scenario)


# --- failing ---


@for_every_method
@pytest.mark.parametrize(
    "error",
    [
        ProviderError("AUTH_ERROR", "The key is wrong.", status=401, provider_code="invalid_api_key"),
        ProviderError("RATE_LIMIT", "Slow down.", status=429, retry_after_ms=900_000),
        ProviderError("CONTEXT_LENGTH_EXCEEDED", "Too long.", status=400),
        network_error("ECONNRESET", "The connection broke."),
        SidecarError("PROVIDER_PROTOCOL_ERROR", "Nonsense."),
    ],
    ids=lambda error: error.code,
)
def test_what_ends_the_inference_is_the_error_of_the_request(error: SidecarError, make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await streaming(host, make)
        host.provider.last.fail(error)
        await settle()
        with pytest.raises(Refused) as refused:
            host.result(request)
        data = refused.value.data
        assert (refused.value.error["message"], data["code"]) == (error.message, error.code)
        assert data["retryable"] == error.retryable
        assert data.get("retryAfterMs") == error.retry_after_ms
        assert data.get("details") == error.details
        assert is_last_of_its_request(host, request)

    play(scenario)


@for_every_method
def test_a_failure_before_the_first_content_is_tried_again(make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await connecting(host, make)
        host.provider.last.refuse(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=5))
        await asyncio.sleep(1)
        call = host.provider.last
        call.accept()
        call.say("at last")
        call.finish()
        await settle()
        assert len(host.provider.calls) == 2
        assert text_of(host.result(request)) == "at last"

    play(scenario)


@for_every_method
def test_an_answer_that_takes_too_long_is_a_timeout(make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = make(host, timeoutMs=1_500)
        host.send(request)
        await settle()
        host.provider.last.accept()
        await asyncio.sleep(1.49)
        assert host.response(request) is None
        await asyncio.sleep(0.02)
        with pytest.raises(Refused) as refused:
            host.result(request)
        assert (refused.value.code, refused.value.data["retryable"]) == ("TIMEOUT", True)
        assert host.provider.last.closed

    play(scenario)


@for_every_method
def test_a_stream_that_stops_is_never_a_whole_answer(make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await streaming(host, make)
        host.provider.last.end()
        await settle()
        with pytest.raises(Refused) as refused:
            host.result(request)
        assert refused.value.code == "STREAM_TRUNCATED"

    play(scenario)


@for_every_method
def test_a_batch_is_answered_together_when_the_last_of_it_is_whole(make: Make) -> None:
    async def scenario(host: Host) -> None:
        batch = [make(host), make(host), host.request("llm:get-status")]
        host.send(batch)
        await settle()
        assert all(host.response(request) is None for request in batch)
        for number, call in enumerate(host.provider.calls):
            call.accept()
            call.say(f"answer {number}")
            call.finish()
        await settle()
        assert [text_of(host.result(request)) for request in batch[:2]] == ["answer 0", "answer 1"]

    play(scenario)


# --- admission and figures ---


@for_every_method
def test_a_request_takes_a_slot_and_gives_it_back(make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await streaming(host, make)
        assert host.service.slots.active == 1
        with pytest.raises(Refused) as refused:
            await host.ask(make(host))
        assert (refused.value.code, refused.value.data["details"]) == ("RATE_LIMIT", {"scope": "sidecar", "limit": 1})
        host.provider.last.finish()
        await settle()
        assert text_of(host.result(request)) == "some text"
        assert host.service.slots.active == 0

    play(scenario, max_concurrent_inferences=1)


@for_every_method
def test_with_queue_a_request_waits_for_its_turn(make: Make) -> None:
    async def scenario(host: Host) -> None:
        _, first = await host.begin()
        request = make(host, queue=True)
        host.send(request)
        await settle()
        assert host.service.slots.waiting == 1
        first.finish()
        await settle()
        call = host.provider.last
        call.accept()
        call.say("my turn")
        call.finish()
        await settle()
        assert text_of(host.result(request)) == "my turn"

    play(scenario, max_concurrent_inferences=1)


@for_every_method
def test_the_minute_limit_of_a_window_counts_these_requests(make: Make) -> None:
    async def scenario(host: Host) -> None:
        host.send(make(host, windowId="w"))
        with pytest.raises(Refused) as refused:
            await host.ask(make(host, windowId="w"))
        assert refused.value.code == "RATE_LIMIT"
        assert refused.value.data["retryAfterMs"] > 0
        host.send(other := make(host, windowId="other"))
        await settle()
        assert host.response(other) is None

    play(scenario, max_requests_per_minute=1)


@for_every_method
def test_the_status_counts_these_requests(make: Make) -> None:
    async def scenario(host: Host) -> None:
        await streaming(host, make)
        assert (await host.status())["activeInferences"] == 1
        host.provider.last.send(UsageReport(7, 5))
        host.provider.last.finish()
        await accepted(host, make)
        host.provider.last.fail(ProviderError("AUTH_ERROR", "No."))
        cancelled = await streaming(host, make)
        host.dispatcher.cancel_request(cancelled["id"])
        await settle()
        status = await host.status()
        assert (status["activeInferences"], status["totalInferences"]) == (0, 3)
        assert status["totalTokens"] >= 12
        figures = status["providers"]["demo"]
        assert (figures["requests"], figures["failures"], figures["cancelled"]) == (3, 1, 1)
        assert figures["lastError"] == "AUTH_ERROR"

    play(scenario)


@for_every_method
@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"providerId": "nobody"}, "INVALID_PROVIDER"),
        ({"providerId": "openai"}, "API_KEY_MISSING"),
        ({"profileId": "nobody"}, "PROFILE_NOT_FOUND"),
        ({"providerId": "azure"}, "INVALID_PROVIDER"),
        ({"timeoutMs": 999}, "VALIDATION_ERROR"),
        ({"windowId": ""}, "VALIDATION_ERROR"),
        ({"unknown": 1}, "VALIDATION_ERROR"),
    ],
    ids=str,
)
def test_a_refused_request_runs_nothing(params: Json, code: str, make: Make) -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused) as refused:
            await host.ask(make(host, **params))
        assert refused.value.code == code
        assert host.provider.calls == []
        assert host.service.slots.active == 0

    play(scenario)


@for_every_method
def test_the_host_is_told_no_event_of_an_inference(make: Make) -> None:
    async def scenario(host: Host) -> None:
        await connecting(host, make)
        host.provider.last.refuse(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=0))
        await settle()
        call = host.provider.last
        call.accept()
        call.send(PromptProgress(1, 2), ReasoningDelta("hm"), TextDelta("text"), ToolCallDelta(0, "{}", "i", "n"))
        call.finish()
        await settle()
        assert {m["method"] for m in host.received if "method" in m} <= {"llm:chat:chunk"}

    play(scenario)


@for_every_method
def test_a_notification_of_the_method_runs_and_leaves_nothing(make: Make) -> None:
    async def scenario(host: Host) -> None:
        message = make(host)
        del message["id"]
        host.send(message)
        await settle()
        host.provider.last.accept()
        host.provider.last.fail(ProviderError("AUTH_ERROR", "No."))
        await settle()
        assert host.received == []
        assert timers() == []

    play(scenario)


@for_every_method
def test_an_answer_too_large_for_a_line_is_an_error_that_says_so(make: Make) -> None:
    async def scenario(host: Host) -> None:
        request = await accepted(host, make)
        for _ in range(20):
            host.provider.last.say("\x01" * 100)
            await settle()
        host.provider.last.finish()
        await settle()
        with pytest.raises(Refused) as refused:
            host.result(request)
        assert (refused.value.code, refused.value.data["retryable"]) == ("MESSAGE_TOO_LARGE", False)

    play(scenario, max_message_bytes=8_000)
