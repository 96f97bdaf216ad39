"""`llm:providers:list`: the catalogue, and what the environment has for each provider, without a secret of it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from llm_sidecar.providers.brands import BRANDS, EnvironmentKeys
from llm_sidecar.services.provider_list import provider_list
from tests.services.host import Host, play


def listed(keys: EnvironmentKeys, provider_id: str) -> dict[str, Any]:
    providers = msgspec.to_builtins(provider_list(keys))["providers"]
    (found,) = [provider for provider in providers if provider["id"] == provider_id]
    return found


def test_a_host_gets_the_whole_catalogue_in_its_order() -> None:
    async def scenario(host: Host) -> None:
        result = await host.ask(host.request("llm:providers:list"))
        assert [provider["id"] for provider in result["providers"]] == list(BRANDS)
        assert result["providers"][0] == {
            "id": "openai",
            "name": "OpenAI",
            "baseUrl": "https://api.openai.com/v1",
            "defaultModel": "gpt-4o-mini",
            "needsKey": True,
            "needsConsent": False,
            "capabilities": ["streaming", "tools", "images", "jsonSchema", "reasoning"],
            "hasKey": False,
            "ready": False,
        }

    play(scenario)


def test_what_only_the_user_or_the_server_can_say_is_null() -> None:
    nothing = EnvironmentKeys({}, {})
    assert listed(nothing, "azure")["baseUrl"] is None
    assert listed(nothing, "ollama")["defaultModel"] is None
    assert listed(nothing, "openai-compatible")["needsConsent"] is True


@pytest.mark.parametrize(
    ("provider_id", "address", "key", "ready"),
    [
        ("demo", None, None, True),
        ("ollama", None, None, True),
        ("openai", None, None, False),
        ("openai", None, "key", True),
        ("azure", None, "key", False),
        ("azure", "https://r.openai.azure.com", None, False),
        ("azure", "https://r.openai.azure.com", "key", True),
        ("openai-compatible", None, None, False),
        ("openai-compatible", "https://vllm.example.com", None, True),
    ],
)
def test_a_provider_is_ready_with_an_address_and_the_key_it_needs(
    provider_id: str, address: str | None, key: str | None, ready: bool
) -> None:
    keys = EnvironmentKeys({provider_id: address} if address else {}, {provider_id: key} if key else {})
    found = listed(keys, provider_id)
    assert found["ready"] is ready
    assert found["hasKey"] is (key is not None)


def test_neither_a_key_nor_an_address_of_the_environment_is_told() -> None:
    keys = EnvironmentKeys(
        {"azure": "https://user:canary-1@r.example.com"}, {"azure": "canary-2", "openai": "canary-3"}
    )
    assert b"canary" not in msgspec.json.encode(provider_list(keys))


def test_listing_loads_no_adapter_and_no_price() -> None:
    program = (
        "import json, sys\n"
        "from llm_sidecar.services.provider_list import provider_list\n"
        "from llm_sidecar.providers.brands import EnvironmentKeys\n"
        "provider_list(EnvironmentKeys({}, {'openai': 'key'}))\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    loaded = json.loads(done.stdout)
    assert [name for name in loaded if name.startswith("llm_sidecar.providers.")] == ["llm_sidecar.providers.brands"]
    assert not {"aiohttp", "genai_prices", "asyncio"} & set(loaded)
