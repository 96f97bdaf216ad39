"""The catalogue of providers: a brand is data (where, which key, which wire format, what it can do).

Law: adding a brand that speaks a known format adds one row here and nothing else. Imports nothing: it is read at start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

_COMMON: Final = ("streaming", "tools", "images", "jsonSchema", "reasoning")


class Brand(Struct, frozen=True):
    """One providerId. `base_url` is None where the user must say; `default_model` "" lets the server choose."""

    id: str
    name: str
    wire_format: str
    base_url: str | None = None
    default_model: str = ""
    needs_key: bool = False
    needs_consent: bool = False
    capabilities: tuple[str, ...] = _COMMON
    """What its API can express; whether a model can do it is the model's business."""
    price_list: str | None = None
    """Its name in `genai-prices`, where using it costs money."""
    variables: tuple[str, ...] = ()
    """What its environment variables may begin with; the first that is set counts. Empty: its id in capitals."""

    @property
    def variable_prefix(self) -> str:
        """What its environment variables usually begin with: `llama.cpp` → `LLAMA_CPP`."""
        return self.prefixes[0]

    def base_url_in(self, environment: Mapping[str, str]) -> str | None:
        """The address the user gave: `<PROVIDER>_BASE_URL`."""
        return environment.get(self.variable_in(environment, "BASE_URL") or "", "").strip() or None

    def key_in(self, environment: Mapping[str, str]) -> str | None:
        """The key the user gave: `<PROVIDER>_API_KEY`."""
        return environment.get(self.variable_in(environment, "API_KEY") or "", "").strip() or None

    def variable_in(self, environment: Mapping[str, str], kind: Literal["API_KEY", "BASE_URL"]) -> str | None:
        """The variable that says it."""
        names = (f"{prefix}_{kind}" for prefix in self.prefixes)
        return next((name for name in names if environment.get(name, "").strip()), None)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What its environment variables may begin with."""
        return self.variables or (self.id.upper().replace(".", "_").replace("-", "_"),)


BRANDS: Final[dict[str, Brand]] = {
    brand.id: brand
    for brand in (
        Brand(
            "openai",
            "OpenAI",
            "openai",
            "https://api.openai.com/v1",
            "gpt-4o-mini",
            needs_key=True,
            price_list="openai",
        ),
        Brand(
            "anthropic",
            "Anthropic",
            "anthropic",
            "https://api.anthropic.com/v1",
            "claude-haiku-4-5",
            needs_key=True,
            price_list="anthropic",
        ),
        Brand(
            "google",
            "Google Gemini",
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta",
            "gemini-2.5-flash",
            needs_key=True,
            price_list="google",
            variables=("GOOGLE", "GEMINI"),
        ),
        Brand(
            "deepseek",
            "DeepSeek",
            "openai-chat",
            "https://api.deepseek.com",
            "deepseek-flash",
            needs_key=True,
            capabilities=("streaming", "tools", "json", "reasoning"),
            price_list="deepseek",
        ),
        Brand(
            "azure",
            "Azure OpenAI",
            "openai",
            needs_key=True,
            needs_consent=True,
            price_list="azure",
            variables=("AZURE", "AZURE_OPENAI"),
        ),
        Brand("llama.cpp", "llama.cpp server", "openai-chat", "http://127.0.0.1:8080/v1"),
        Brand("ollama", "Ollama", "ollama", "http://127.0.0.1:11434"),
        Brand("lmstudio", "LM Studio", "openai-chat", "http://127.0.0.1:1234/v1"),
        Brand("openai-compatible", "OpenAI-compatible server", "openai-chat", needs_consent=True),
        Brand(
            "demo",
            "Demo (scripted, no network)",
            "scripted",
            "demo:",
            "demo-1",
            capabilities=("streaming", "tools", "reasoning"),
        ),
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
