"""The catalogue of providers: a brand is data (where, which key, which wire format).

Law: adding a brand that speaks a known format adds one row here and nothing else. Imports nothing: it is read at start.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Brand(Struct, frozen=True):
    """One providerId. `base_url` is None where the user must say; `default_model` "" lets the server choose."""

    id: str
    wire_format: str
    base_url: str | None = None
    default_model: str = ""
    needs_key: bool = False
    needs_consent: bool = False

    @property
    def variable_prefix(self) -> str:
        """What its environment variables begin with: `llama.cpp` → `LLAMA_CPP`."""
        return self.id.upper().replace(".", "_").replace("-", "_")


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


class EnvironmentKeys:
    """`<PROVIDER>_API_KEY` and `<PROVIDER>_BASE_URL`, as the process was given them."""

    def __init__(self, base_urls: dict[str, str], keys: dict[str, str]) -> None:
        self._base_urls = base_urls
        self._keys = keys

    def base_url(self, brand: Brand) -> str | None:
        """Where the user says this provider is."""
        return self._base_urls.get(brand.id)

    def key(self, brand: Brand) -> str | None:
        """The key the user gave for this provider."""
        return self._keys.get(brand.id)
