"""The adapters in use, one per wire format, over one pool of connections.

Law: an adapter is made on first use and imports what it needs then: a sidecar that never speaks to a vendor never loads
its code.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Provider
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.http.proxies import Proxies

if TYPE_CHECKING:
    from llm_sidecar.providers.batches import BatchApi


class ProviderRegistry:
    """Makes adapters, and closes them."""

    def __init__(self, limits: Callable[[], Limits], *, use_proxy: bool = False) -> None:
        """`use_proxy`: other machines are reached through the proxies of the environment."""
        self._http = HttpClient(limits, proxies=Proxies(os.environ) if use_proxy else None)
        self._adapters: dict[str, Provider] = {}

    def adapter(self, wire_format: str) -> Provider:
        """The adapter for a wire format of `brands`."""
        adapter = self._adapters.get(wire_format)
        if adapter is None:
            adapter = self._adapters[wire_format] = self._make(wire_format)
        return adapter

    def batches(self, provider_id: str) -> BatchApi | None:
        """The batches of a provider, to be used for one; None where there are none."""
        match provider_id:
            case "openai":
                from llm_sidecar.providers.openai.batches import OpenAIBatches

                return OpenAIBatches(self._http)
            case "anthropic":
                from llm_sidecar.providers.anthropic.batches import AnthropicBatches

                return AnthropicBatches(self._http)
            case _:
                return None

    def _make(self, wire_format: str) -> Provider:
        match wire_format:
            case "scripted":
                from llm_sidecar.providers.scripted.adapter import ScriptedProvider

                return ScriptedProvider()
            case "openai":
                from llm_sidecar.providers.openai.adapter import OpenAIProvider

                return OpenAIProvider(self._http)
            case "anthropic":
                from llm_sidecar.providers.anthropic.adapter import AnthropicProvider

                return AnthropicProvider(self._http)
            case "gemini":
                from llm_sidecar.providers.gemini.adapter import GeminiProvider

                return GeminiProvider(self._http)
            case "ollama":
                from llm_sidecar.providers.ollama.adapter import OllamaProvider

                return OllamaProvider(self._http)
            case _:
                from llm_sidecar.providers.openai.chat import OpenAIChatProvider

                return OpenAIChatProvider(self._http)

    async def aclose(self) -> None:
        """Close every connection."""
        for adapter in self._adapters.values():
            await adapter.aclose()
        await self._http.aclose()
