"""`llm:generate-text`: what is asked of the provider, and what the host gets. (`test_whole_answer`: all the rest.)"""

from __future__ import annotations

from typing import Any

import pytest

from llm_sidecar.messages.content import Message
from llm_sidecar.providers.events import ModelNamed, ReasoningDelta, TextDelta, UsageReport
from tests.services.host import Host, Refused, play, settle

Json = dict[str, Any]


def generate(host: Host, **params: Any) -> Json:
    return host.request("llm:generate-text", **{"providerId": "demo", "prompt": "Hello there", **params})


async def answered(host: Host, request: Json, *events: Any) -> Json:
    """The result of `request`, for which the provider sends `events`."""
    host.send(request)
    await settle()
    call = host.provider.last
    call.accept()
    call.send(*(events or [TextDelta("text")]))
    call.finish()
    await settle()
    return host.result(request)


def test_the_text_comes_whole_with_its_usage_and_how_it_ended() -> None:
    async def scenario(host: Host) -> None:
        pieces = [ReasoningDelta("hm"), TextDelta("so "), TextDelta("it is"), UsageReport(7, 5, cached_prompt_tokens=3)]
        assert await answered(host, generate(host), ModelNamed("demo-1-2026"), *pieces) == {
            "text": "so it is",
            "usage": {
                "promptTokens": 7,
                "completionTokens": 5,
                "totalTokens": 12,
                "cachedPromptTokens": 3,
                "source": "reported",
            },
            "finishReason": "stop",
            "cost": None,
            "providerId": "demo",
            "modelId": "demo-1-2026",
        }

    play(scenario)


def test_an_answer_without_text_is_an_empty_text() -> None:
    async def scenario(host: Host) -> None:
        assert (await answered(host, generate(host), ReasoningDelta("hm")))["text"] == ""

    play(scenario)


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
def test_how_the_answer_ended_is_told(reason: Any) -> None:
    async def scenario(host: Host) -> None:
        request = generate(host)
        host.send(request)
        await settle()
        host.provider.last.accept()
        host.provider.last.finish(reason)
        await settle()
        assert host.result(request)["finishReason"] == reason

    play(scenario)


def test_the_provider_is_asked_what_the_host_asked() -> None:
    async def scenario(host: Host) -> None:
        request = generate(host, model="m-7", systemPrompt="Be brief.", maxTokens=50, temperature=0.2)
        await answered(host, request)
        asked = host.provider.last.request
        assert asked.messages == [Message(role="user", content="Hello there")]
        assert (asked.model_id, asked.system_prompt) == ("m-7", "Be brief.")
        assert (asked.max_tokens, asked.temperature) == (50, 0.2)

    play(scenario)


def test_an_answer_is_at_most_a_thousand_tokens_unless_the_host_says_otherwise() -> None:
    async def scenario(host: Host) -> None:
        await answered(host, generate(host))
        assert host.provider.last.request.max_tokens == 1_000

    play(scenario)


@pytest.mark.parametrize(
    ("provider_id", "model", "temperature"),
    [
        ("demo", None, 0.7),
        ("lmstudio", None, 0.7),
        ("ollama", "qwen3:8b", 0.7),
        ("lmstudio", "openai/gpt-5", None),
        ("lmstudio", "anthropic/claude-opus-4-7", None),
    ],
)
def test_the_default_temperature_goes_to_models_that_take_one(
    provider_id: str, model: str | None, temperature: float | None
) -> None:
    async def scenario(host: Host) -> None:
        named = {} if model is None else {"model": model}
        await answered(host, generate(host, providerId=provider_id, **named))
        assert host.provider.last.request.temperature == temperature

    play(scenario)


@pytest.mark.parametrize("temperature", [0, 1, 0.7])
def test_a_temperature_the_host_names_goes_to_any_model(temperature: float) -> None:
    async def scenario(host: Host) -> None:
        await answered(host, generate(host, model="gpt-5", temperature=temperature))
        assert host.provider.last.request.temperature == temperature

    play(scenario)


def test_with_cache_the_same_prompt_is_not_asked_twice() -> None:
    async def scenario(host: Host) -> None:
        first = await answered(host, generate(host, cache=True, temperature=0), TextDelta("once"), UsageReport(2, 3))
        assert "cached" not in first
        second = await host.ask(generate(host, cache=True, temperature=0))
        assert second == {**first, "cached": True, "cost": 0.0}
        assert len(host.provider.calls) == 1

    play(scenario)


@pytest.mark.parametrize(
    "params",
    [
        {"prompt": ""},
        {"prompt": "x" * 100_001},
        {"prompt": None},
        {"maxTokens": 0},
        {"maxTokens": 100_001},
        {"temperature": 2.1},
        {"temperature": -0.1},
        {"timeoutMs": 600_001},
        {"systemPrompt": 1},
        {"model": ""},
        {"messages": []},
        {"stream": True},
    ],
    ids=lambda params: str(params)[:40],
)
def test_a_field_that_is_wrong_is_refused_by_its_name(params: Json) -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused) as refused:
            await host.ask(generate(host, **params))
        assert refused.value.code == "VALIDATION_ERROR"
        assert [field["path"] for field in refused.value.data["details"]["fields"]] == list(params)
        assert host.provider.calls == []

    play(scenario)


def test_without_a_provider_or_a_profile_nobody_can_be_asked() -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused) as refused:
            await host.ask(host.request("llm:generate-text", prompt="Hello"))
        assert refused.value.code == "NO_ACTIVE_PROFILE"

    play(scenario)
