"""The catalogue of providers: a brand is data (where, which key, which wire format), an adapter is code.

Law: adding a brand that speaks a known format adds one row and nothing else. Adapters are made on first use and import
what they need then: a sidecar that never speaks to a vendor never loads its code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Provider

WireFormat = Literal["scripted", "openai-chat"]


class Brand(NamedTuple):
    """One providerId. `base_url` is None where the user must say; `default_model` "" lets the server choose."""

    id: str
    wire_format: WireFormat
    base_url: str | None = None
    default_model: str = ""
    needs_key: bool = False
    needs_consent: bool = False

    @property
    def variable_prefix(self) -> str:
        """What its environment variables begin with: `llama.cpp` → `LLAMA_CPP`."""
        return re.sub(r"[^A-Z0-9]+", "_", self.id.upper())


BRANDS: Final[dict[str, Brand]] = {
    brand.id: brand
    for brand in (
        Brand("openai", "openai-chat", "https://api.openai.com/v1", "gpt-4o-mini", needs_key=True),
        Brand("deepseek", "openai-chat", "https://api.deepseek.com", "deepseek-chat", needs_key=True),
        Brand("llama.cpp", "openai-chat", "http://127.0.0.1:8080/v1"),
        Brand("ollama", "openai-chat", "http://127.0.0.1:11434/v1"),
        Brand("lmstudio", "openai-chat", "http://127.0.0.1:1234/v1"),
        Brand("openai-compatible", "openai-chat", needs_consent=True),
        Brand("demo", "scripted", "demo:", "demo-1"),
    )
}


class ProviderRegistry:
    """The adapters in use, one per wire format."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._adapters: dict[WireFormat, Provider] = {}

    def adapter(self, wire_format: WireFormat) -> Provider:
        """The adapter for a wire format, made on first use."""
        adapter = self._adapters.get(wire_format)
        if adapter is None:
            adapter = self._adapters[wire_format] = self._make(wire_format)
        return adapter

    def _make(self, wire_format: WireFormat) -> Provider:
        if wire_format == "scripted":
            from llm_sidecar.providers.scripted import ScriptedProvider

            return ScriptedProvider()
        from llm_sidecar.providers.openai_chat import OpenAIChatProvider

        return OpenAIChatProvider(self._limits)

    async def aclose(self) -> None:
        """Close every adapter's connections."""
        for adapter in self._adapters.values():
            await adapter.aclose()
