"""The adapters in use, one per wire format.

Law: an adapter is made on first use and imports what it needs then: a sidecar that never speaks to a vendor never loads
its code.
"""

from __future__ import annotations

from collections.abc import Callable

from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Provider


class ProviderRegistry:
    """Makes adapters, and closes them."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._adapters: dict[str, Provider] = {}

    def adapter(self, wire_format: str) -> Provider:
        """The adapter for a wire format of `brands`."""
        adapter = self._adapters.get(wire_format)
        if adapter is None:
            adapter = self._adapters[wire_format] = self._make(wire_format)
        return adapter

    def _make(self, wire_format: str) -> Provider:
        if wire_format == "scripted":
            from llm_sidecar.providers.scripted import ScriptedProvider

            return ScriptedProvider()
        from llm_sidecar.providers.openai_chat import OpenAIChatProvider

        return OpenAIChatProvider(self._limits)

    async def aclose(self) -> None:
        """Close every adapter's connections."""
        for adapter in self._adapters.values():
            await adapter.aclose()
