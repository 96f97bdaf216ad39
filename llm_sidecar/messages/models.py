"""Which providers there are, which models each offers, and what they cost."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from llm_sidecar.messages.shape import Params, Shape


class ProviderInfo(Shape, kw_only=True):
    """One provider of the catalogue. `ready`: its `providerId` alone works, since an address and, where it needs one, a
    key are there; whether its server is running is not asked."""

    id: str
    name: str
    base_url: str | None
    """Where it is unless the user says otherwise; null where only the user can say."""
    default_model: str | None
    """Null: the server's first model, or the one a request names."""
    needs_key: bool
    needs_consent: bool
    """The user must agree before anything is sent to the address they gave."""
    capabilities: list[str]
    """What its API can express; whether a model can do it is the model's business."""
    has_key: bool
    """A key for it is in the sidecar's environment."""
    ready: bool


class ProviderList(Shape, kw_only=True):
    providers: list[ProviderInfo]


class ModelListParams(Params, kw_only=True):
    """Whose models: a profile's, else a provider's, else a named service's, else the active profile's."""

    profile_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    provider_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    service: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    """The name of a service; a provider's id is the name of that provider."""


class TokenRates(Shape, kw_only=True):
    """Per million tokens. A kind of prompt token without a rate of its own costs as much as any."""

    input_per_million: float
    output_per_million: float | None = None
    cached_input_per_million: float | None = None
    """Prompt tokens read from the provider's cache."""
    cache_write_per_million: float | None = None
    """Prompt tokens written to it."""


class PriceTier(TokenRates, kw_only=True):
    """The rates of every token of a request whose prompt is longer than `abovePromptTokens`."""

    above_prompt_tokens: int


class ModelPrices(TokenRates, kw_only=True):
    """List prices now, without discounts, taxes and fees for tools."""

    currency: Literal["USD"]
    tiers: list[PriceTier] | None = None
    """For longer prompts, shortest first; above none of them, the rates beside."""


class ModelInfo(Shape, kw_only=True):
    """A model. Limits are in tokens; what is not known is left out, prices included."""

    id: str
    object: Literal["model"]
    provider_id: str
    name: str | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    prices: ModelPrices | None = None


class ModelList(Shape, kw_only=True):
    """The models in the provider's order. `truncated`: it offers more than is told here."""

    object: Literal["list"]
    data: list[ModelInfo]
    truncated: bool = False
