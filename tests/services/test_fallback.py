"""The fallback chain: who is asked next, when, with which model, and what the host is told."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from llm_sidecar.errors import ERROR_KINDS, ProviderError, network_error
from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Endpoint
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
from llm_sidecar.services.inference.attempts import Attempts
from llm_sidecar.services.routing import Route
from tests.services.fake_provider import Call
from tests.services.host import Event, Host, Refused, now, play, settle

CHAIN = {"providerId": "ollama", "modelId": "mine", "fallbackProfileIds": ["llama.cpp", "demo"]}
NO_RETRY = {"maxRetries": 0}
FAILURES = [code for code, kind in ERROR_KINDS.items() if kind.group in ("provider", "network")]


def failure(code: str = "SERVER_ERROR", retry_after_ms: int | None = None) -> ProviderError:
    return ProviderError(code, "Failed.", retry_after_ms=retry_after_ms)


def asked(host: Host) -> list[str]:
    """Who was asked, in order."""
    return [call.request.endpoint.provider_id for call in host.provider.calls]


def announced(host: Host, inference_id: str) -> list[tuple[Any, ...]]:
    retries = [event for event in host.events(inference_id) if event.get("status") == "retrying"]
    return [(e["attempt"], e["retryAfterMs"], e["code"], e.get("providerId")) for e in retries]


async def answer(host: Host, text: str = "here") -> None:
    """The one who is asked now answers."""
    call = host.provider.last
    call.accept()
    call.say(text)
    call.finish()
    await settle()


@pytest.fixture(autouse=True)
def longest_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, high: high)


# --- the order ---


@pytest.mark.parametrize("code", FAILURES)
def test_whatever_the_first_fails_with_the_next_is_asked_and_its_answer_is_the_answer(code: str) -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN, retry=NO_RETRY)
        host.provider.last.refuse(failure(code))
        await settle()
        await answer(host)
        terminal = host.terminal(a)
        assert (terminal["method"], terminal["providerId"], terminal["attempts"]) == ("llm:done", "llama.cpp", 2)
        assert host.text(a) == "here"
        assert announced(host, a) == [(2, 0, code, "llama.cpp")]

    play(scenario)


def test_every_route_has_its_own_retries_and_they_come_first() -> None:
    async def scenario(host: Host) -> None:
        starts: list[float] = []
        host.provider.prepare = lambda call: (starts.append(now()), call.refuse(failure()))
        a = await host.infer(**CHAIN, retry={"maxRetries": 2})
        await asyncio.sleep(100)
        assert asked(host) == ["ollama"] * 3 + ["llama.cpp"] * 3 + ["demo"] * 3
        assert starts == pytest.approx([0, 1, 3, 3, 4, 6, 6, 7, 9])
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["providerId"], terminal["attempts"]) == ("SERVER_ERROR", "demo", 9)
        code = "SERVER_ERROR"
        assert announced(host, a) == [
            (2, 1_000, code, None),
            (3, 2_000, code, None),
            (4, 0, code, "llama.cpp"),
            (5, 1_000, code, None),
            (6, 2_000, code, None),
            (7, 0, code, "demo"),
            (8, 1_000, code, None),
            (9, 2_000, code, None),
        ]

    play(scenario)


def test_what_cannot_pass_is_not_retried_before_the_next_is_asked() -> None:
    async def scenario(host: Host) -> None:
        await host.infer(**CHAIN, retry={"maxRetries": 10})
        host.provider.last.refuse(failure("AUTH_ERROR"))
        await settle()
        host.provider.last.refuse(failure("CONTEXT_LENGTH_EXCEEDED"))
        await settle()
        assert asked(host) == ["ollama", "llama.cpp", "demo"]
        assert now() == 0

    play(scenario)


def test_the_last_failure_is_the_one_reported() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN, retry=NO_RETRY)
        for code in ("SERVER_ERROR", "AUTH_ERROR", "INVALID_REQUEST"):
            host.provider.last.refuse(failure(code))
            await settle()
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["providerId"], terminal["modelId"]) == ("INVALID_REQUEST", "demo", "demo-1")

    play(scenario)


def test_each_fallback_is_asked_for_its_own_model_with_everything_else_as_asked() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN, retry=NO_RETRY, temperature=0.5, systemPrompt="Be brief.", seed=7, stop=["x"])
        for _ in range(2):
            host.provider.last.refuse(failure())
            await settle()
        await answer(host)
        requests = [call.request for call in host.provider.calls]
        assert [request.model_id for request in requests] == ["mine", "", "demo-1"]
        assert [request.attempt for request in requests] == [1, 2, 3]
        for request in requests:
            assert (request.temperature, request.system_prompt, request.seed) == (0.5, "Be brief.", 7)
            assert (request.stop, request.messages) == (["x"], requests[0].messages)
        assert host.terminal(a)["modelId"] == "demo-1"

    play(scenario)


def test_a_provider_may_be_its_own_fallback() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(providerId="demo", fallbackProfileIds=["demo", "demo"], retry=NO_RETRY)
        for _ in range(2):
            host.provider.last.refuse(failure())
            await settle()
        await answer(host)
        assert host.terminal(a)["attempts"] == 3
        figures = (await host.status())["providers"]["demo"]
        assert (figures["requests"], figures["failures"]) == (3, 2)

    play(scenario)


def test_a_bug_in_one_adapter_does_not_keep_the_others_from_answering() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN)
        host.provider.last.refuse(ZeroDivisionError("the adapter's own bug"))
        await settle()
        await answer(host)
        assert host.terminal(a)["providerId"] == "llama.cpp"
        assert announced(host, a) == [(2, 0, "INTERNAL_ERROR", "llama.cpp")]

    play(scenario)


def test_a_wait_that_does_not_fit_is_not_begun_but_the_next_is_asked() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN, timeoutMs=10_000)
        host.provider.last.refuse(failure("RATE_LIMIT", retry_after_ms=10_000))
        await settle()
        await answer(host)
        assert host.terminal(a)["timings"]["totalMs"] == 0
        assert announced(host, a) == [(2, 0, "RATE_LIMIT", "llama.cpp")]

    play(scenario)


# --- only before the first content ---


@pytest.mark.parametrize("content", [TextDelta("t"), ReasoningDelta("r"), ToolCallDelta(0, "", "id", "name")], ids=str)
def test_after_the_first_content_nobody_else_is_asked(content: ProviderEvent) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(**CHAIN)
        call.send(content)
        call.fail(failure())
        await asyncio.sleep(60)
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["providerId"], terminal["attempts"]) == ("SERVER_ERROR", "ollama", 1)
        assert asked(host) == ["ollama"]

    play(scenario)


def test_nothing_of_who_was_given_up_is_in_the_answer() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(**CHAIN, retry=NO_RETRY)
        call.send(
            PromptProgress(1, 2),
            UsageReport(1_000, 2_000, 3, 4),
            ModelNamed("the-first"),
            ProviderState({"first": True}),
            Finish("length", "first"),
        )
        call.fail(failure())
        await settle()
        second = host.provider.last
        second.accept()
        second.send(TextDelta("text"), UsageReport(5, 6))
        second.finish()
        await settle()
        terminal = host.terminal(a)
        usage = {"promptTokens": 5, "completionTokens": 6, "totalTokens": 11, "source": "reported"}
        assert (terminal["usage"], terminal["totalTokens"]) == (usage, 11)
        assert (terminal["modelId"], terminal["finishReason"]) == ("", "stop")
        assert "providerState" not in terminal

    play(scenario)


def test_a_stream_that_stops_before_any_content_is_given_up_for_the_next() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(**CHAIN, retry=NO_RETRY)
        call.end()
        await settle()
        await answer(host)
        assert host.terminal(a)["providerId"] == "llama.cpp"
        assert announced(host, a) == [(2, 0, "STREAM_TRUNCATED", "llama.cpp")]

    play(scenario)


# --- time ---


def test_a_first_token_that_does_not_come_is_waited_for_once_and_then_the_next_is_asked_at_once() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN, firstTokenTimeoutMs=5_000, retry={"maxRetries": 5})
        await asyncio.sleep(5.001)
        assert asked(host) == ["ollama", "llama.cpp"]
        assert host.provider.calls[0].closed
        await answer(host)
        assert host.terminal(a)["providerId"] == "llama.cpp"
        assert announced(host, a) == [(2, 0, "FIRST_TOKEN_TIMEOUT", "llama.cpp")]

    play(scenario)


def test_the_default_times_let_a_fallback_answer_in_place_of_a_server_that_hangs() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN)
        while len(host.provider.calls) < 2:
            await asyncio.sleep(1)
        await answer(host)
        assert host.terminal(a)["method"] == "llm:done"

    play(scenario)


def test_the_last_of_the_chain_is_asked_again_after_a_missing_first_token() -> None:
    async def scenario(host: Host) -> None:
        await host.infer(providerId="ollama", fallbackProfileIds=["demo"], firstTokenTimeoutMs=5_000)
        await asyncio.sleep(11.01)
        assert asked(host) == ["ollama", "demo", "demo"]

    play(scenario)


def test_every_route_has_its_own_first_token_timeout() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN, firstTokenTimeoutMs=5_000, retry=NO_RETRY)
        await asyncio.sleep(5 + 5 + 4.9)
        assert asked(host) == ["ollama", "llama.cpp", "demo"]
        await answer(host)
        assert host.terminal(a)["timings"]["firstTokenMs"] == 14_900

    play(scenario)


def test_the_time_of_the_whole_is_that_of_all_routes_together() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN, timeoutMs=12_000, firstTokenTimeoutMs=5_000, retry=NO_RETRY)
        await asyncio.sleep(12.01)
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["providerId"], terminal["attempts"]) == ("TIMEOUT", "demo", 3)
        assert terminal["timings"]["totalMs"] == 12_000
        assert host.provider.open_calls == []

    play(scenario)


def test_nothing_is_tried_when_the_time_is_over() -> None:
    unused: Any = None
    routes = [Route(unused, Endpoint(name, ""), "", None) for name in ("first", "second")]
    for error in (failure(retry_after_ms=0), failure("AUTH_ERROR")):
        assert Attempts(routes, 1, Limits()).after(error, 0.0) is None
        assert Attempts(routes, 1, Limits()).after(error, 0.1) is not None


# --- the end, in every state ---


async def connecting(host: Host) -> None:
    """The fallback is being connected to."""
    host.provider.last.refuse(failure("AUTH_ERROR"))


async def accepted(host: Host) -> None:
    host.provider.last.refuse(failure("AUTH_ERROR"))
    await settle()
    host.provider.last.accept()


async def streaming(host: Host) -> None:
    await accepted(host)
    host.provider.last.say("text")


async def sleeping(host: Host) -> None:
    """It waits for a retry on the fallback."""
    host.provider.last.refuse(failure("AUTH_ERROR"))
    await settle()
    host.provider.last.refuse(failure("RATE_LIMIT", retry_after_ms=25_000))


async def leaving(host: Host) -> None:
    """The first one takes its time to be left."""
    host.provider.last.accept()
    host.provider.last.hang_in_cleanup()
    host.provider.last.fail(failure("AUTH_ERROR"))


STATES = [connecting, accepted, streaming, sleeping, leaving]


@pytest.mark.parametrize("state", STATES)
def test_a_cancel_ends_the_whole_chain(state: Any) -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN)
        await state(host)
        await settle()
        before = len(host.provider.calls)
        assert await host.cancel(a)
        terminal = host.terminal(a)
        assert (terminal["cancelled"], terminal["providerId"]) == (True, "llama.cpp")
        host.provider.calls[0].finish_cleanup()
        await asyncio.sleep(100)
        assert len(host.provider.calls) == before
        assert host.provider.open_calls == []
        figures = (await host.status())["providers"]
        assert figures["ollama"] == {
            "requests": 1, "failures": 1, "cancelled": 0, "tokens": 0, "lastError": "AUTH_ERROR",
        }  # fmt: skip
        assert (figures["llama.cpp"]["failures"], figures["llama.cpp"]["cancelled"]) == (0, 1)

    play(scenario)


@pytest.mark.parametrize("state", STATES)
def test_a_shutdown_ends_the_whole_chain(state: Any) -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN)
        await state(host)
        await settle()
        before = len(host.provider.calls)
        host.service.end_all()
        await settle()
        assert host.terminal(a)["code"] == "SHUTTING_DOWN"
        host.provider.calls[0].finish_cleanup()
        await asyncio.wait_for(host.service.closed(), 100)
        assert len(host.provider.calls) == before

    play(scenario)


@pytest.mark.parametrize("state", STATES)
def test_the_time_of_the_whole_ends_the_whole_chain(state: Any) -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN, timeoutMs=60_000, firstTokenTimeoutMs=90_000, chunkTimeoutMs=90_000)
        await state(host)
        await settle()
        before = len(host.provider.calls)
        await asyncio.sleep(60.001)
        assert host.terminal(a)["code"] == "TIMEOUT"
        host.provider.calls[0].finish_cleanup()
        await asyncio.wait_for(host.service.closed(), 100)
        assert len(host.provider.calls) <= before + (state is sleeping)  # its wait was shorter

    play(scenario)


def test_the_first_is_left_before_the_next_is_asked() -> None:
    async def scenario(host: Host) -> None:
        def check(call: Call) -> None:
            assert all(earlier.closed for earlier in host.provider.calls if earlier is not call)

        host.provider.prepare = check
        a, call = await host.begin(**CHAIN, retry=NO_RETRY)
        call.cleanup_error = OSError("late")
        call.fail(failure())
        await settle()
        await answer(host)
        assert host.terminal(a)["providerId"] == "llama.cpp"

    play(scenario)


def test_a_chain_takes_one_slot_from_its_beginning_to_its_end() -> None:
    async def scenario(host: Host) -> None:
        await host.infer(**CHAIN, retry=NO_RETRY)
        for _ in range(2):
            assert host.service.slots.active == 1
            host.provider.last.refuse(failure())
            await settle()
        assert host.service.slots.active == 1
        await answer(host)
        assert host.service.slots.active == 0

    play(scenario)


# --- admission ---


@pytest.mark.parametrize("ids", [["nobody"], ["demo", "nobody"], [""], ["6ba7b810-9dad-41d1-80b4-00c04fd430c8"]])
def test_an_unknown_fallback_is_refused_before_anything_begins(ids: list[str]) -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused) as refused:
            await host.infer(fallbackProfileIds=ids)
        assert refused.value.code == "PROFILE_NOT_FOUND"
        assert host.provider.calls == []
        assert (await host.status())["totalInferences"] == host.service.slots.active == 0

    play(scenario)


@pytest.mark.parametrize(
    ("fallback", "code"), [("openai", "API_KEY_MISSING"), ("openai-compatible", "INVALID_PROVIDER")]
)
def test_a_fallback_that_could_never_answer_is_refused_before_anything_begins(fallback: str, code: str) -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused) as refused:
            await host.infer(fallbackProfileIds=[fallback])
        assert refused.value.code == code
        assert host.provider.calls == []

    play(scenario)


def test_a_chain_has_ten_fallbacks_at_most() -> None:
    async def scenario(host: Host) -> None:
        await host.infer(fallbackProfileIds=["demo"] * 10)
        with pytest.raises(Refused) as refused:
            await host.infer(fallbackProfileIds=["demo"] * 11)
        assert refused.value.code == "VALIDATION_ERROR"

    play(scenario)


def test_an_empty_chain_is_none() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(fallbackProfileIds=[], retry=NO_RETRY)
        host.provider.last.refuse(failure())
        await settle()
        assert host.terminal(a)["attempts"] == 1

    play(scenario)


# --- what the host sees besides ---


def test_the_status_counts_each_failure_where_it_happened_and_tokens_where_they_were_used() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN, retry={"maxRetries": 1})
        host.provider.last.refuse(failure("SERVER_ERROR", 0))
        await settle()
        host.provider.last.refuse(failure("RATE_LIMIT"))
        await settle()
        host.provider.last.refuse(network_error("ECONNREFUSED", "Refused."))
        await asyncio.sleep(1.01)
        host.provider.last.refuse(network_error("ECONNREFUSED", "Refused."))
        await settle()
        await answer(host)
        tokens = host.terminal(a)["totalTokens"]
        status = await host.status()
        none = {"cancelled": 0, "tokens": 0}
        assert status["providers"] == {
            "ollama": {**none, "requests": 1, "failures": 1, "lastError": "RATE_LIMIT"},
            "llama.cpp": {**none, "requests": 1, "failures": 1, "lastError": "NETWORK_ERROR"},
            "demo": {**none, "requests": 1, "failures": 0, "tokens": tokens, "lastError": None},
        }
        assert (status["totalInferences"], status["totalTokens"]) == (1, tokens)

    play(scenario)


@pytest.mark.parametrize("stream", [True, False])
def test_a_window_that_attaches_sees_the_chain_as_it_went(stream: bool) -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(**CHAIN, retry=NO_RETRY, stream=stream)
        host.provider.last.refuse(failure())
        await settle()
        await answer(host)
        sent: list[Event] = host.events(a)
        replay = await host.attach(a, 0)
        assert [{"method": e["method"], **e["params"]} for e in replay["events"]] == sent
        kinds = ["thinking initializing", "thinking retrying", "thinking processing", "done"]
        assert [kind for kind in host.kinds(a) if kind != "token"] == kinds
        assert host.terminal(a).get("text") == (None if stream else "here")

    play(scenario)
