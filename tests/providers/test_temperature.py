"""Which models a temperature that nobody asked for is sent to."""

from __future__ import annotations

import pytest

from llm_sidecar.providers.temperature import takes_temperature

TAKE_IT = [
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4o-2024-08-06"),
    ("openai", "gpt-4.1-nano"),
    ("openai", "gpt-3.5-turbo"),
    ("openai", "chatgpt-4o-latest"),
    ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc123"),
    ("azure", "gpt-35-turbo"),
    ("azure", "our-gpt-4o-deployment"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-3-7-sonnet-20250219"),
    ("anthropic", "claude-opus-4-20250514"),
    ("anthropic", "claude-opus-4-6"),
    ("anthropic", "claude-2.1"),
    ("google", "gemini-2.5-flash"),
    ("google", "models/gemini-2.0-flash-001"),
    ("google", "gemma-3-27b-it"),
    ("deepseek", "deepseek-chat"),
    ("deepseek", "deepseek-reasoner"),
    ("openai-compatible", "openai/gpt-4o"),
    ("openai-compatible", "anthropic/claude-sonnet-4.5"),
    ("openai-compatible", "openai/gpt-oss-120b"),
    ("openai-compatible", "meta-llama/Llama-3.3-70B-Instruct"),
    ("llama.cpp", ""),
    ("ollama", "gpt-oss:20b"),
    ("ollama", "qwen3:8b"),
    ("ollama", "olmo2:7b"),
    ("lmstudio", ""),
    ("demo", "demo-1"),
]
TAKE_NONE = [
    ("openai", "o1"),
    ("openai", "o3-mini-2025-01-31"),
    ("openai", "o4-mini"),
    ("openai", "gpt-5"),
    ("openai", "gpt-5.4-nano-2026-03-17"),
    ("openai", "gpt-6-astra"),
    ("openai", "codex-mini-latest"),
    ("openai", "computer-use-preview"),
    ("openai", "gpt-4o-mini-search-preview-2025-03-11"),
    ("openai", "some-model-of-next-year"),
    ("azure", "our-best-deployment"),
    ("azure", "gpt-5-mini"),
    ("azure", ""),
    ("anthropic", "claude-opus-4-7"),
    ("anthropic", "claude-opus-4-8-20260601"),
    ("anthropic", "claude-fable-5"),
    ("anthropic", "claude-mythos-preview"),
    ("google", "gemini-3-pro-preview"),
    ("google", "gemini-3.1-flash"),
    ("google", "gemini-flash-latest"),
    ("openai-compatible", "openai/gpt-5-mini"),
    ("openai-compatible", "openai/o3"),
    ("openai-compatible", "anthropic/claude-opus-4.7"),
    ("openai-compatible", "anthropic/claude-4.7-opus"),
    ("openai-compatible", "google/gemini-3-flash"),
    ("openai-compatible", "moonshotai/kimi-k2.5"),
    ("openai-compatible", "gpt-5.1"),
]


@pytest.mark.parametrize(("provider_id", "model_id"), TAKE_IT)
def test_a_model_that_takes_a_temperature_is_given_ours(provider_id: str, model_id: str) -> None:
    assert takes_temperature(provider_id, model_id)


@pytest.mark.parametrize(("provider_id", "model_id"), TAKE_NONE)
def test_a_model_that_refuses_a_temperature_or_does_not_say_is_left_as_it_is(provider_id: str, model_id: str) -> None:
    assert not takes_temperature(provider_id, model_id)


def test_every_model_of_the_official_sdk_is_told_apart_by_its_name() -> None:
    """OpenAI's own list: what is neither GPT 3 nor 4 reasons, and refuses a temperature."""
    from typing import get_args

    from openai.types.shared.chat_model import ChatModel

    names = get_args(ChatModel)
    takers = {name for name in names if takes_temperature("openai", name)}
    assert {name for name in names if name.startswith(("o", "gpt-5", "gpt-6"))}.isdisjoint(takers)
    assert {"gpt-4", "gpt-4o", "gpt-4.1", "gpt-3.5-turbo"} <= takers
