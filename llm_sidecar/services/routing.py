"""Which provider answers, where, with which key and model.

Law: a profile, else the provider named, else the active profile; nothing is guessed beyond that. Where a profile id is
asked for, a providerId may stand too: it is that provider as the environment describes it.
"""

from __future__ import annotations

from typing import NamedTuple

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.base import Endpoint, Provider
from llm_sidecar.providers.brands import BRANDS, Brand, EnvironmentKeys
from llm_sidecar.providers.registry import ProviderRegistry


class Route(NamedTuple):
    """Where one inference goes."""

    provider: Provider
    endpoint: Endpoint
    model_id: str
    profile_id: str | None


class Router:
    """Resolves requests to routes."""

    def __init__(self, registry: ProviderRegistry, keys: EnvironmentKeys) -> None:
        self._registry = registry
        self._keys = keys

    async def warm(self, provider_ids: list[str]) -> None:
        """Load the code of these providers. Unknown ids are ignored."""
        for wire_format in {BRANDS[name].wire_format for name in provider_ids if name in BRANDS}:
            await self._registry.adapter(wire_format).warm()

    def routes(self, params: InferenceParams) -> list[Route]:
        """Where an inference goes first, then its fallbacks in order (each with its own model). Raises as `target`."""
        first = self.target(params.profile_id, params.provider_id, params.model_id)
        return [first, *(self.target(profile_id, None) for profile_id in params.fallback_profile_ids or ())]

    def target(self, profile_id: str | None, provider_id: str | None, model_id: str | None = None) -> Route:
        """Raises `PROFILE_NOT_FOUND`, `NO_ACTIVE_PROFILE`, `INVALID_PROVIDER` or `API_KEY_MISSING`."""
        if profile_id is not None and profile_id not in BRANDS:
            raise SidecarError("PROFILE_NOT_FOUND", "There is no profile of this id.")
        name = profile_id or provider_id
        if name is None:
            raise SidecarError("NO_ACTIVE_PROFILE", "Name a `providerId` or a `profileId`: no profile is active.")
        brand = BRANDS.get(name)
        if brand is None:
            known = ", ".join(BRANDS)
            raise SidecarError("INVALID_PROVIDER", f"There is no such provider. Known are: {known}.")
        adapter = self._registry.adapter(brand.wire_format)
        return Route(adapter, self.endpoint(brand), model_id or brand.default_model, None)

    def endpoint(self, brand: Brand) -> Endpoint:
        """The endpoint of a brand, from the environment or the catalogue."""
        base_url = self._keys.base_url(brand) or brand.base_url
        if base_url is None:
            variable = f"{brand.variable_prefix}_BASE_URL"
            raise SidecarError("INVALID_PROVIDER", f"`{brand.id}` has no default address: set {variable}.")
        key = self._keys.key(brand)
        if brand.needs_key and key is None:
            variable = f"{brand.variable_prefix}_API_KEY"
            raise SidecarError("API_KEY_MISSING", f"`{brand.id}` needs a key: set {variable}.")
        return Endpoint(brand.id, base_url, key)
