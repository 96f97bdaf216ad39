"""What an answer costs: sums worked out by hand from the vendors' price pages, and what must never be made up.

The prices are written here per million tokens, as the vendors publish them, and the dollars are added up by hand: the
library is not checked against itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.messages.events import Usage
from llm_sidecar.messages.models import ModelPrices, PriceTier
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.prices import PriceList
from tests.providers.contract import run

OPENAI = Endpoint("openai", "https://api.openai.com/v1", "key")
ANTHROPIC = Endpoint("anthropic", "https://api.anthropic.com/v1", "key")
GOOGLE = Endpoint("google", "https://generativelanguage.googleapis.com/v1beta", "key")
DEEPSEEK = Endpoint("deepseek", "https://api.deepseek.com", "key")
AZURE = Endpoint("azure", "https://my-resource.openai.azure.com", "key")
NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
EVENING = datetime(2026, 11, 1, 20, 0, tzinfo=UTC)


def usage(
    prompt: int, completion: int, *, cached: int | None = None, written: int | None = None, reasoning: int | None = None
) -> Usage:
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        cached_prompt_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        source="reported",
    )


@pytest.fixture(scope="module")
def prices() -> PriceList:
    return PriceList(lambda: NOON)


@pytest.mark.parametrize(
    ("endpoint", "model_id", "used", "dollars"),
    [
        # 0.15 in, 0.60 out
        pytest.param(OPENAI, "gpt-4o-mini", usage(1_000, 1_000), 0.000_15 + 0.000_6, id="plain"),
        # 976 at 0.15, 1,024 at 0.075, 500 at 0.60
        pytest.param(
            OPENAI, "gpt-4o-mini", usage(2_000, 500, cached=1_024), 0.000_146_4 + 0.000_076_8 + 0.000_3, id="cached"
        ),
        # 1,000 at 1.25, 5,000 at 10: the 4,000 reasoning tokens are among the 5,000
        pytest.param(OPENAI, "gpt-5", usage(1_000, 5_000, reasoning=4_000), 0.001_25 + 0.05, id="reasoning"),
        # 1,000 at 2, 2,000 read at 0.20, 1,000 written at 2.50, 100 at 10
        pytest.param(
            OPENAI,
            "gpt-6-sol",
            usage(4_000, 100, cached=2_000, written=1_000),
            0.002 + 0.000_4 + 0.002_5 + 0.001,
            id="OpenAI's cache writes cost more",
        ),
        # 2,000 at 3, 6,000 read at 0.30, 2,000 written at 3.75, 1,000 at 15
        pytest.param(
            ANTHROPIC,
            "claude-sonnet-4-5",
            usage(10_000, 1_000, cached=6_000, written=2_000),
            0.006 + 0.001_8 + 0.007_5 + 0.015,
            id="Anthropic's cache, read and written",
        ),
        # above 200,000: 50,001 at 6, 100,000 read at 0.60, 50,000 written at 7.50, 1,000 at 22.50
        pytest.param(
            ANTHROPIC,
            "claude-sonnet-4-5",
            usage(200_001, 1_000, cached=100_000, written=50_000),
            0.300_006 + 0.06 + 0.375 + 0.022_5,
            id="the tier counts cached tokens too",
        ),
        # 1 in, 5 out
        pytest.param(ANTHROPIC, "claude-haiku-4-5-20251001", usage(1_500, 200), 0.001_5 + 0.001, id="a dated id"),
        # up to 200,000: 1.25 in, 10 out
        pytest.param(GOOGLE, "gemini-2.5-pro", usage(200_000, 1_000), 0.25 + 0.01, id="at Gemini's tier"),
        # above: 100,001 at 2.50, 100,000 read at 0.25, 1,000 at 15 (thoughts among them)
        pytest.param(
            GOOGLE,
            "gemini-2.5-pro",
            usage(200_001, 1_000, cached=100_000, reasoning=900),
            0.250_002_5 + 0.025 + 0.015,
            id="above Gemini's tier",
        ),
        # 0.30 in, 2.50 out
        pytest.param(GOOGLE, "models/gemini-2.5-flash", usage(1_000, 100), 0.000_3 + 0.000_25, id="models/…"),
        # 200,000 at 0.27, 800,000 hits at 0.07, 100,000 at 1.10
        pytest.param(
            DEEPSEEK, "deepseek-chat", usage(1_000_000, 100_000, cached=800_000), 0.054 + 0.056 + 0.11, id="cache hits"
        ),
        # 3 in, 6 out: a fine-tuned model has a price of its own
        pytest.param(OPENAI, "ft:gpt-3.5-turbo-0125:acme::abc", usage(1_000, 1_000), 0.003 + 0.006, id="fine-tuned"),
        # 2.50 in, 10 out
        pytest.param(AZURE, "gpt-4o-2024-08-06", usage(1_000, 1_000), 0.002_5 + 0.01, id="Azure, OpenAI's list"),
        pytest.param(OPENAI, "gpt-4o-mini", usage(0, 0), 0.0, id="nothing used of a model with a price"),
    ],
)
def test_the_cost_is_what_the_vendor_s_price_page_says(
    prices: PriceList, endpoint: Endpoint, model_id: str, used: Usage, dollars: float
) -> None:
    assert prices.cost(endpoint, model_id, used) == pytest.approx(dollars, rel=1e-12)


def test_a_price_that_depends_on_the_hour_is_that_of_the_hour() -> None:
    used = usage(1_000_000, 100_000, cached=800_000)
    # off-peak: 200,000 at 0.135, 800,000 hits at 0.035, 100,000 at 0.55
    cost = PriceList(lambda: EVENING).cost(DEEPSEEK, "deepseek-chat", used)
    assert cost == pytest.approx(0.027 + 0.028 + 0.055, rel=1e-12)


def test_a_cost_shows_no_noise_of_binary_fractions(prices: PriceList) -> None:
    assert repr(prices.cost(OPENAI, "gpt-4o-mini", usage(2_000, 500, cached=1_024))) == "0.0005232"
    assert repr(prices.cost(OPENAI, "gpt-4o-mini", usage(1, 0))) == "1.5e-07"


# --- counts that cannot be ---


def test_more_cached_tokens_than_the_prompt_has_are_the_whole_prompt(prices: PriceList) -> None:
    # 1,000 at 0.30
    impossible = usage(1_000, 0, cached=5_000, written=7)
    assert prices.cost(ANTHROPIC, "claude-sonnet-4-5", impossible) == pytest.approx(0.000_3)


def test_more_written_tokens_than_are_left_of_the_prompt_are_the_rest(prices: PriceList) -> None:
    # 600 read at 0.30, 400 written at 3.75
    impossible = usage(1_000, 0, cached=600, written=5_000)
    assert prices.cost(ANTHROPIC, "claude-sonnet-4-5", impossible) == pytest.approx(0.000_18 + 0.001_5)


_COUNTS = st.integers(-(2**53), 2**53)


@given(_COUNTS, _COUNTS, st.none() | _COUNTS, st.none() | _COUNTS, st.none() | _COUNTS)
def test_no_count_makes_it_fail_or_negative(
    prompt: int, completion: int, cached: int | None, written: int | None, reasoning: int | None
) -> None:
    used = usage(prompt, completion, cached=cached, written=written, reasoning=reasoning)
    cost = PriceList(lambda: NOON).cost(ANTHROPIC, "claude-haiku-4-5", used)
    assert cost is not None
    # every prompt token at the dearest rate (writes, 1.25), every other at 5
    assert 0 <= cost <= (max(prompt, 0) * 1.25 + max(completion, 0) * 5) / 1e6 * (1 + 1e-9)


# --- what is not known ---


@pytest.mark.parametrize(
    ("endpoint", "model_id"),
    [
        pytest.param(OPENAI, "gpt-99", id="no such model"),
        pytest.param(OPENAI, "", id="no model"),
        pytest.param(ANTHROPIC, "claude-haiku-4-5" + "x" * 300, id="no model's name"),
        pytest.param(OPENAI, "claude-sonnet-4-5", id="another vendor's model"),
        pytest.param(OPENAI, "ft:gpt-4.1-2025-04-14:acme::abc", id="a fine-tuned model that is not listed"),
        pytest.param(OPENAI, "gpt-live-1", id="priced by the hour, not by the token"),
        pytest.param(GOOGLE, "gemma-3-27b-it", id="listed without a price"),
        pytest.param(GOOGLE, "tunedModels/mine", id="a tuned model"),
        pytest.param(AZURE, "production", id="a deployment whose name says nothing"),
        pytest.param(Endpoint("demo", "demo:"), "demo-1", id="demo"),
        pytest.param(Endpoint("ollama", "http://127.0.0.1:11434"), "gpt-4o-mini", id="a local server"),
        pytest.param(Endpoint("ollama", "https://gpu.example.com"), "gpt-4o-mini", id="a local server elsewhere"),
        pytest.param(Endpoint("openai-compatible", "http://127.0.0.1:4000/v1"), "gpt-4o-mini", id="on this machine"),
        pytest.param(Endpoint("openai-compatible", "http://localhost:4000"), "gpt-4o-mini", id="on localhost"),
        pytest.param(Endpoint("openai-compatible", "https://[::1]:4000/v1"), "gpt-4o-mini", id="on ::1"),
        pytest.param(Endpoint("openai-compatible", "https://10.0.0.7/v1"), "gpt-4o-mini", id="on one's own network"),
        pytest.param(Endpoint("openai-compatible", "http://api.openai.com"), "gpt-4o-mini", id="a refused address"),
        pytest.param(Endpoint("openai-compatible", "https://vllm.example.com/v1"), "gpt-4o-mini", id="an own server"),
        pytest.param(Endpoint("nobody", "https://api.openai.com/v1"), "gpt-4o-mini", id="no such provider"),
    ],
)
def test_a_price_that_is_not_known_is_none(prices: PriceList, endpoint: Endpoint, model_id: str) -> None:
    assert prices.cost(endpoint, model_id, usage(1_000, 1_000)) is None
    listed = prices.listed(endpoint, model_id)
    assert listed is None or listed.prices is None or listed.prices.output_per_million is None


@pytest.mark.parametrize("address", ["http://127.0.0.1:4000/v1", "http://localhost:4000", "https://10.0.0.7/v1"])
def test_a_gateway_costs_what_the_brand_it_stands_for_costs(prices: PriceList, address: str) -> None:
    """4o-mini: $0.15 and $0.60 a million tokens."""
    assert prices.cost(Endpoint("openai", address), "gpt-4o-mini", usage(1_000_000, 1_000_000)) == 0.75


def test_nothing_used_of_a_model_without_a_price_is_not_free(prices: PriceList) -> None:
    assert prices.cost(GOOGLE, "gemma-3-27b-it", usage(0, 0)) is None


@pytest.mark.parametrize("failure", [LookupError("x"), ValueError("x"), AssertionError(), RecursionError(), Warning()])
def test_whatever_the_library_raises_is_an_unknown_price(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    from genai_prices.types import ModelInfo

    def fail(*_: object, **__: object) -> Any:
        raise failure

    monkeypatch.setattr(ModelInfo, "calc_price", fail)
    assert PriceList().cost(OPENAI, "gpt-4o-mini", usage(1, 1)) is None
    assert PriceList().listed(OPENAI, "gpt-4o-mini") is None


def test_without_the_library_every_price_is_unknown_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices.data_snapshot", None)
    prices = PriceList()
    run(prices.warm(OPENAI))
    for model_id in ("gpt-4o-mini", "gpt-4o"):
        assert prices.cost(OPENAI, model_id, usage(1, 1)) is None
    assert capfd.readouterr().err.count("the price list cannot be loaded") == 1


# --- who charges ---


def test_an_openai_compatible_address_that_the_price_list_knows_has_its_prices(prices: PriceList) -> None:
    openrouter = Endpoint("openai-compatible", "https://openrouter.ai/api/v1", "key")
    # 2.50 in, 10 out
    assert prices.cost(openrouter, "openai/gpt-4o", usage(1_000, 1_000)) == pytest.approx(0.002_5 + 0.01)


def test_a_brand_at_another_vendor_s_address_has_that_vendor_s_prices(prices: PriceList) -> None:
    moved = Endpoint("openai", "https://API.DeepSeek.com/v1", "key")
    # 0.27 in, 1.10 out
    assert prices.cost(moved, "deepseek-chat", usage(1_000, 1_000)) == pytest.approx(0.000_27 + 0.001_1)
    assert prices.cost(moved, "gpt-4o-mini", usage(1_000, 1_000)) is None


def test_a_brand_behind_a_gateway_has_the_brand_s_prices(prices: PriceList) -> None:
    gateway = Endpoint("anthropic", "https://llm.example.com/anthropic", "key")
    assert prices.cost(gateway, "claude-haiku-4-5", usage(1_000, 1_000)) == pytest.approx(0.001 + 0.005)


# --- what a list of models shows ---


def test_the_prices_of_a_model_are_told_per_million_with_the_tiers_of_long_prompts(prices: PriceList) -> None:
    listed = prices.listed(ANTHROPIC, "claude-sonnet-4-5")
    assert listed is not None
    assert listed.prices == ModelPrices(
        currency="USD",
        input_per_million=3,
        output_per_million=15,
        cached_input_per_million=0.3,
        cache_write_per_million=3.75,
        tiers=[
            PriceTier(
                above_prompt_tokens=200_000,
                input_per_million=6,
                output_per_million=22.5,
                cached_input_per_million=0.6,
                cache_write_per_million=7.5,
            )
        ],
    )


def test_a_model_without_tiers_or_cache_prices_tells_none(prices: PriceList) -> None:
    listed = prices.listed(OPENAI, "gpt-4")
    assert listed is not None
    assert listed.context_window == 8_192
    assert listed.prices == ModelPrices(currency="USD", input_per_million=30, output_per_million=60)


def test_an_embedding_model_has_no_price_for_output(prices: PriceList) -> None:
    listed = prices.listed(OPENAI, "text-embedding-3-small")
    assert listed is not None
    assert listed.prices == ModelPrices(currency="USD", input_per_million=0.02)
    assert prices.cost(OPENAI, "text-embedding-3-small", usage(1_000, 0)) == pytest.approx(0.000_02)
    assert prices.cost(OPENAI, "text-embedding-3-small", usage(1_000, 1)) is None


# --- when it is loaded ---


def test_warming_loads_in_a_thread_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from genai_prices import data_snapshot

    real, threads = data_snapshot.get_snapshot, list[threading.Thread]()

    def get_snapshot() -> data_snapshot.DataSnapshot:
        threads.append(threading.current_thread())
        return real()

    monkeypatch.setattr(data_snapshot, "get_snapshot", get_snapshot)
    prices = PriceList(lambda: NOON)

    async def main() -> None:
        await prices.warm(OPENAI)
        await prices.warm(OPENAI)

    run(main())
    assert prices.cost(OPENAI, "gpt-4o-mini", usage(1, 1)) is not None
    (thread,) = threads
    assert thread is not threading.main_thread()


def test_prices_are_at_hand_once_they_are_loaded_and_always_where_nothing_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prices = PriceList()
    assert prices.is_at_hand(Endpoint("ollama", "http://127.0.0.1:11434"))
    assert not prices.is_at_hand(OPENAI)
    run(prices.warm(OPENAI))
    assert prices.is_at_hand(OPENAI)
    broken = PriceList()
    monkeypatch.setitem(sys.modules, "genai_prices.data_snapshot", None)
    run(broken.warm(OPENAI))
    assert broken.is_at_hand(OPENAI), "there will never be any"


_LOADING = """
import asyncio, json, sys
calls = []
sys.addaudithook(lambda event, _: calls.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
import threading
from llm_sidecar.messages.events import Usage
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.prices import PriceList
from llm_sidecar import methods
used = Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2, source="reported")
endpoint = Endpoint(*sys.argv[1:])
prices = PriceList()
before = "genai_prices" in sys.modules or "pydantic" in sys.modules
asyncio.run(prices.warm(endpoint))
cost = prices.cost(endpoint, "gpt-4o-mini", used)
print(json.dumps([before, "genai_prices" in sys.modules, cost is None, calls, threading.active_count()]))
"""


def _loading(*endpoint: str) -> list[Any]:
    command = [sys.executable, "-c", _LOADING, *endpoint]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout)


@pytest.mark.parametrize(
    "endpoint",
    [("demo", "demo:"), ("llama.cpp", "http://127.0.0.1:8080/v1"), ("openai-compatible", "http://127.0.0.1:1/v1")],
)
def test_what_costs_nothing_never_loads_the_price_list(endpoint: tuple[str, str]) -> None:
    assert _loading(*endpoint) == [False, False, True, [], 1]


def test_the_price_list_is_loaded_on_first_use_and_never_asks_the_network() -> None:
    assert _loading("openai", "https://api.openai.com/v1") == [False, True, False, [], 1]
