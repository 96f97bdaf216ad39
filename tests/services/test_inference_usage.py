"""Usage: reported, estimated or partial, and never a silent zero; cost, model and finish reason beside it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.events import Finish, ModelNamed, ProviderState, ReasoningDelta, TextDelta, UsageReport
from tests.services.host import Host, play, settle


async def answered(host: Host, *events: Any, **params: Any) -> dict[str, Any]:
    """The terminal of an answer of these events, in one batch."""
    a, call = await host.begin(**params)
    call.send(*events)
    call.end()
    await settle()
    return host.terminal(a)


def test_what_the_provider_reports_is_passed_on_whole() -> None:
    async def scenario(host: Host) -> None:
        terminal = await answered(host, TextDelta("t"), UsageReport(10, 20, 5, 15), Finish("stop", "end_turn"))
        assert terminal["usage"] == {
            "promptTokens": 10,
            "completionTokens": 20,
            "totalTokens": 30,
            "cachedPromptTokens": 5,
            "reasoningTokens": 15,
            "source": "reported",
        }
        assert terminal["totalTokens"] == 30

    play(scenario)


def test_usage_may_come_after_the_finish_and_in_parts() -> None:
    async def scenario(host: Host) -> None:
        terminal = await answered(
            host,
            UsageReport(prompt_tokens=10, completion_tokens=1),
            TextDelta("t"),
            Finish("stop", None),
            UsageReport(completion_tokens=20),
        )
        assert terminal["usage"] == {
            "promptTokens": 10,
            "completionTokens": 20,
            "totalTokens": 30,
            "source": "reported",
        }

    play(scenario)


@pytest.mark.parametrize(
    "report", [UsageReport(), UsageReport(prompt_tokens=9), UsageReport(completion_tokens=9)], ids=str
)
def test_what_the_provider_left_out_is_estimated_and_called_so(report: UsageReport) -> None:
    async def scenario(host: Host) -> None:
        terminal = await answered(host, TextDelta("x" * 40, 3), report, Finish("stop", None))
        usage = terminal["usage"]
        assert usage["source"] == "estimated"
        assert usage["promptTokens"] == (9 if report.prompt_tokens else 4 + 3)
        assert usage["completionTokens"] == (9 if report.completion_tokens else 10)
        assert usage["totalTokens"] == usage["promptTokens"] + usage["completionTokens"]

    play(scenario)


@pytest.mark.parametrize("how", ["failed", "truncated", "timed out", "cancelled", "shut down"])
def test_an_answer_that_breaks_off_tells_what_was_used_as_partial(how: str) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(chunkTimeoutMs=1_000)
        call.send(UsageReport(prompt_tokens=50), TextDelta("x" * 40))
        await settle()
        if how == "failed":
            call.fail(ProviderError("SERVER_ERROR", "Failed."))
        elif how == "truncated":
            call.end()
        elif how == "timed out":
            await asyncio.sleep(1)
        elif how == "cancelled":
            await host.cancel(a)
        else:
            host.service.end_all()
        await settle()
        usage = {"promptTokens": 50, "completionTokens": 10, "totalTokens": 60, "source": "partial"}
        assert host.terminal(a)["usage"] == usage

    play(scenario)


def test_reasoning_and_tool_arguments_count_as_completion() -> None:
    async def scenario(host: Host) -> None:
        terminal = await answered(host, ReasoningDelta("x" * 400), Finish("stop", None))
        assert terminal["usage"]["completionTokens"] == 100

    play(scenario)


def test_a_request_that_never_left_used_nothing_and_says_partial() -> None:
    async def scenario(host: Host) -> None:
        await host.begin()
        b = await host.infer(queue=True)
        await host.cancel(b)
        usage = {"promptTokens": 0, "completionTokens": 0, "totalTokens": 0, "source": "partial"}
        assert host.terminal(b)["usage"] == usage

    play(scenario, max_concurrent_inferences=1)


def test_a_provider_that_reports_zero_for_what_it_wrote_is_not_believed() -> None:
    """Some servers send `usage` full of zeros: passed on, it would be the silent zero the contract rules out."""

    async def scenario(host: Host) -> None:
        terminal = await answered(host, TextDelta("x" * 40), UsageReport(0, 0), Finish("stop", None))
        usage = terminal["usage"]
        assert usage["completionTokens"] == 10
        assert usage["promptTokens"] > 0
        assert usage["source"] == "estimated"

    play(scenario)


def test_an_empty_answer_of_a_provider_that_reports_it_is_a_real_zero() -> None:
    async def scenario(host: Host) -> None:
        terminal = await answered(host, UsageReport(7, 0), Finish("content_filter", "SAFETY"))
        assert (terminal["usage"]["completionTokens"], terminal["usage"]["source"]) == (0, "reported")

    play(scenario)


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "tool_calls"])
def test_the_terminal_says_why_the_answer_ended_in_our_words_and_the_providers(reason: Any) -> None:
    async def scenario(host: Host) -> None:
        terminal = await answered(host, TextDelta("t"), Finish(reason, "their word"))
        assert (terminal["finishReason"], terminal["rawFinishReason"]) == (reason, "their word")
        assert terminal["cost"] is None

    play(scenario)


def test_the_terminal_names_the_model_that_answered_and_the_state_to_send_back() -> None:
    async def scenario(host: Host) -> None:
        terminal = await answered(
            host,
            ModelNamed("asked-2026-11"),
            ProviderState({"a": 1, "b": 1}),
            TextDelta("t"),
            ProviderState({"b": 2}),
            Finish("stop", None),
            modelId="asked",
        )
        assert terminal["modelId"] == "asked-2026-11"
        assert terminal["providerId"] == "demo"
        assert terminal["providerState"] == {"a": 1, "b": 2}
        assert host.provider.last.request.model_id == "asked"

    play(scenario)


def test_the_status_adds_up_what_the_terminals_said() -> None:
    async def scenario(host: Host) -> None:
        await answered(host, TextDelta("t"), UsageReport(10, 20), Finish("stop", None))
        await answered(host, TextDelta("t"), UsageReport(1, 2), Finish("stop", None))
        _, call = await host.begin()
        call.send(UsageReport(prompt_tokens=100))
        call.fail(ProviderError("AUTH_ERROR", "No."))
        await settle()
        await host.infer()
        status = await host.status()
        assert status["totalTokens"] == 133
        assert status["providers"]["demo"] == {
            "requests": 4,
            "failures": 1,
            "cancelled": 0,
            "tokens": 133,
            "lastError": "AUTH_ERROR",
        }

    play(scenario)
