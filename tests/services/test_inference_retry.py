"""Retries: what is tried again, when, how often, and what the host is told."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from llm_sidecar.errors import ERROR_KINDS, ProviderError, network_error
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
from tests.services.host import Host, now, play, settle

PROVIDER_CODES = [code for code, kind in ERROR_KINDS.items() if kind.group in ("provider", "network", "configuration")]
RETRYABLE = [code for code in PROVIDER_CODES if ERROR_KINDS[code].retryable]
FINAL = [code for code in PROVIDER_CODES if not ERROR_KINDS[code].retryable]


class Jitter:
    """Stands in for `random.uniform`: remembers the bounds asked for, answers with a share of the upper one."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.bounds: list[tuple[float, float]] = []

    def __call__(self, low: float, high: float) -> float:
        self.bounds.append((low, high))
        return low + (high - low) * self.share


@pytest.fixture
def jitter(monkeypatch: pytest.MonkeyPatch) -> Jitter:
    stand_in = Jitter(1.0)
    monkeypatch.setattr(random, "uniform", stand_in)
    return stand_in


def overloaded(retry_after_ms: int | None = None) -> ProviderError:
    return ProviderError("PROVIDER_OVERLOADED", "Overloaded.", retry_after_ms=retry_after_ms)


@pytest.mark.parametrize("code", RETRYABLE)
def test_what_may_pass_is_tried_again_and_can_succeed(code: str) -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer()
        host.provider.last.refuse(ProviderError(code, "Failed."))
        await asyncio.sleep(1.01)
        second = host.provider.last
        second.accept()
        second.say("better")
        second.finish()
        await settle()
        terminal = host.terminal(a)
        assert (terminal["method"], terminal["attempts"]) == ("llm:done", 2)
        assert [call.request.attempt for call in host.provider.calls] == [1, 2]

    play(scenario)


@pytest.mark.parametrize("code", FINAL)
def test_what_cannot_pass_is_never_tried_again(code: str) -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(retry={"maxRetries": 10})
        host.provider.last.refuse(ProviderError(code, "Failed.", retry_after_ms=1))
        await settle()
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["attempts"]) == (code, 1)
        assert terminal["retryable"] is False

    play(scenario)


def test_an_error_that_knows_itself_final_is_not_tried_again() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer()
        host.provider.last.refuse(
            ProviderError("NETWORK_ERROR", "Bad certificate.", retryable=False, errno="TLS_ERROR")
        )
        await settle()
        terminal = host.terminal(a)
        assert (terminal["attempts"], terminal["retryable"]) == (1, False)

    play(scenario)


@pytest.mark.parametrize("retries", range(11))
def test_there_are_as_many_retries_as_asked_for(retries: int) -> None:
    async def scenario(host: Host) -> None:
        host.provider.prepare = lambda call: call.refuse(overloaded())
        a = await host.infer(retry={"maxRetries": retries}, timeoutMs=600_000)
        await asyncio.sleep(400)
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["attempts"]) == ("PROVIDER_OVERLOADED", retries + 1)
        assert len(host.provider.calls) == retries + 1
        assert host.kinds(a).count("thinking retrying") == retries

    play(scenario)


@pytest.mark.parametrize("retry", [None, {}])
def test_there_are_two_retries_unless_said_otherwise(retry: dict[str, int] | None) -> None:
    async def scenario(host: Host) -> None:
        host.provider.prepare = lambda call: call.refuse(overloaded())
        a = await host.infer(**({} if retry is None else {"retry": retry}))
        await asyncio.sleep(10)
        assert host.terminal(a)["attempts"] == 3

    play(scenario)


def test_waits_double_from_one_second_with_full_jitter_up_to_a_ceiling(jitter: Jitter) -> None:
    async def scenario(host: Host) -> None:
        starts: list[float] = []
        host.provider.prepare = lambda call: (starts.append(now()), call.refuse(overloaded()))
        await host.infer(retry={"maxRetries": 7}, timeoutMs=600_000)
        await asyncio.sleep(400)
        waits = [later - earlier for earlier, later in itertools.pairwise(starts)]
        assert waits == pytest.approx([1, 2, 4, 8, 16, 30, 30])
        assert jitter.bounds[:7] == [(0, ms) for ms in (1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000)]

    play(scenario)


def test_the_shortest_jitter_is_no_wait_at_all(jitter: Jitter) -> None:
    async def scenario(host: Host) -> None:
        jitter.share = 0.0
        host.provider.prepare = lambda call: call.refuse(overloaded())
        a = await host.infer(retry={"maxRetries": 10})
        await settle()
        assert host.terminal(a)["attempts"] == 11

    play(scenario)


@pytest.mark.parametrize("milliseconds", [0, 1, 250, 45_000])
def test_the_wait_a_provider_asks_for_is_honoured_exactly(milliseconds: int, jitter: Jitter) -> None:
    async def scenario(host: Host) -> None:
        starts: list[float] = []
        host.provider.prepare = lambda call: (starts.append(now()), call.refuse(overloaded(milliseconds)))
        a = await host.infer(retry={"maxRetries": 1})
        await asyncio.sleep(60)
        assert starts[1] - starts[0] == pytest.approx(milliseconds / 1000)
        assert host.terminal(a)["retryAfterMs"] == milliseconds
        assert jitter.bounds == []

    play(scenario)


def test_each_retry_is_announced_with_its_reason_its_wait_and_its_number(jitter: Jitter) -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer()
        host.provider.last.refuse(overloaded(700))
        await asyncio.sleep(0.7001)
        host.provider.last.refuse(network_error("ECONNRESET", "Reset."))
        await settle()
        announced = [e for e in host.events(a) if e.get("status") == "retrying"]
        assert [(e["attempt"], e["retryAfterMs"], e["code"]) for e in announced] == [
            (2, 700, "PROVIDER_OVERLOADED"),
            (3, 2_000, "NETWORK_ERROR"),
        ]
        assert len(host.provider.calls) == 2

    play(scenario)


@pytest.mark.parametrize("content", [TextDelta("t"), ReasoningDelta("r"), ToolCallDelta(0, "", "id", "name")], ids=str)
def test_after_the_first_content_nothing_is_tried_again(content: ProviderEvent) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.send(content)
        call.fail(overloaded(0))
        await asyncio.sleep(60)
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["attempts"]) == ("PROVIDER_OVERLOADED", 1)
        assert len(host.provider.calls) == 1

    play(scenario)


def test_content_that_came_together_with_the_failure_counts_as_content() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=False)
        call.send(PromptProgress(1), TextDelta("t"))
        call.end()
        await asyncio.sleep(60)
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["attempts"]) == ("STREAM_TRUNCATED", 1)

    play(scenario)


def test_a_failure_after_progress_and_usage_only_is_tried_again_with_a_clean_slate() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.send(
            PromptProgress(1, 2),
            UsageReport(1_000, 2_000, 3, 4),
            ModelNamed("the-first"),
            ProviderState({"first": True}),
            Finish("length", "first"),
        )
        call.fail(overloaded(0))
        await settle()
        second = host.provider.last
        assert second is not call
        second.accept()
        second.say("text")
        second.finish("stop")
        await settle()
        terminal = host.terminal(a)
        assert terminal["usage"]["source"] == "estimated"
        assert terminal["totalTokens"] < 100
        assert (terminal["modelId"], terminal["finishReason"]) == ("demo-1", "stop")
        assert "providerState" not in terminal

    play(scenario)


def test_a_stream_that_ends_without_an_end_mark_and_without_content_is_tried_again() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.end()
        await asyncio.sleep(1.01)
        second = host.provider.last
        assert second is not call
        second.accept()
        second.finish()
        await settle()
        terminal = host.terminal(a)
        assert (terminal["method"], terminal["attempts"]) == ("llm:done", 2)

    play(scenario)


def test_a_wait_longer_than_the_time_that_is_left_is_not_begun() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(timeoutMs=10_000)
        await asyncio.sleep(4)
        host.provider.last.refuse(ProviderError("RATE_LIMIT", "Slow down.", retry_after_ms=6_000))
        await settle()
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["attempts"]) == ("RATE_LIMIT", 1)
        assert terminal["retryAfterMs"] == 6_000
        assert terminal["timings"]["totalMs"] == 4_000
        assert "thinking retrying" not in host.kinds(a)

    play(scenario)


def test_a_wait_that_just_fits_is_begun() -> None:
    async def scenario(host: Host) -> None:
        await host.infer(timeoutMs=10_000)
        await asyncio.sleep(4)
        host.provider.last.refuse(ProviderError("RATE_LIMIT", "Slow down.", retry_after_ms=5_900))
        await asyncio.sleep(5.95)
        assert len(host.provider.calls) == 2

    play(scenario)


def test_the_failed_attempt_is_closed_before_the_wait() -> None:
    async def scenario(host: Host) -> None:
        _, call = await host.begin()
        call.fail(overloaded(20_000))
        await settle()
        assert call.closed
        assert host.provider.open_calls == []

    play(scenario)


def test_the_last_failure_is_the_one_reported() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(retry={"maxRetries": 1})
        host.provider.last.refuse(overloaded(0))
        await settle()
        host.provider.last.refuse(ProviderError("AUTH_ERROR", "Now the key is wrong.", status=401))
        await settle()
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["attempts"], terminal["details"]) == ("AUTH_ERROR", 2, {"status": 401})

    play(scenario)


def test_a_missing_first_token_is_tried_again() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(firstTokenTimeoutMs=2_000, retry={"maxRetries": 1})
        await asyncio.sleep(3.01)
        assert len(host.provider.calls) == 2
        assert host.provider.calls[0].closed
        announced = next(e for e in host.events(a) if e.get("status") == "retrying")
        assert announced["code"] == "FIRST_TOKEN_TIMEOUT"

    play(scenario)


def test_an_unexpected_exception_is_not_tried_again() -> None:
    async def scenario(host: Host) -> None:
        a = await host.infer(retry={"maxRetries": 10})
        host.provider.last.refuse(ZeroDivisionError("the adapter's own bug"))
        await asyncio.sleep(60)
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["attempts"]) == ("INTERNAL_ERROR", 1)
        assert "bug" not in terminal["error"]

    play(scenario)


def test_a_slot_is_kept_while_waiting_for_the_next_attempt() -> None:
    async def scenario(host: Host) -> None:
        await host.infer()
        host.provider.last.refuse(overloaded(5_000))
        await settle()
        assert host.service.slots.active == 1

    play(scenario)
