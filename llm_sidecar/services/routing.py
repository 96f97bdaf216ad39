"""Which provider answers, where, with which key and model.

Law: a profile, else the provider named, else the active profile; nothing is guessed beyond that. Where a profile id is
asked for, a providerId may stand too: it is that provider as the environment describes it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

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


class StoredProfiles(Protocol):
    """The profiles a person has set up."""

    @property
    def active_id(self) -> str | None:
        """The profile that is used where nothing is named."""
        ...

    def target(self, profile_id: str) -> tuple[Endpoint, str | None]:
        """Where it leads, with its key, and its model. Raises `PROFILE_NOT_FOUND`, or why it cannot be used."""
        ...

    def place(self, profile_id: str) -> tuple[Endpoint, str | None]:
        """Where it leads, without its key, and its model. Raises `PROFILE_NOT_FOUND`."""
        ...


class Router:
    """Resolves requests to routes. `profiles` is set by who composes it."""

    def __init__(self, registry: ProviderRegistry, keys: EnvironmentKeys) -> None:
        self._registry = registry
        self._keys = keys
        self.profiles: StoredProfiles | None = None

    async def warm(self, provider_ids: list[str]) -> None:
        """Load the code of these providers. Unknown ids are ignored."""
        for wire_format in {BRANDS[name].wire_format for name in provider_ids if name in BRANDS}:
            await self._registry.adapter(wire_format).warm()

    def routes(self, params: InferenceParams) -> list[Route]:
        """Where an inference goes first, then its fallbacks in order (each with its own model). Raises as `target`."""
        first = self.target(params.profile_id, params.provider_id, params.model_id)
        return [first, *(self.target(profile_id, None) for profile_id in params.fallback_profile_ids or ())]

    def target(self, profile_id: str | None, provider_id: str | None, model_id: str | None = None) -> Route:
        """Raises `PROFILE_NOT_FOUND`, `NO_ACTIVE_PROFILE`, `INVALID_PROVIDER` or `API_KEY_MISSING`; of a stored profile
        also `VAULT_…` where its key cannot be had, and `InvalidParams` where it was spoilt by hand."""
        stored_id, name = self._named(profile_id, provider_id)
        if stored_id is None:
            brand = _brand(name)
            return Route(self._adapter(brand), self.endpoint(brand), model_id or brand.default_model, None)
        assert self.profiles is not None
        endpoint, own_model = self.profiles.target(stored_id)
        brand = _brand(endpoint.provider_id)
        return Route(self._adapter(brand), endpoint, model_id or own_model or brand.default_model, stored_id)

    def check(self, profile_id: str | None, provider_id: str | None) -> Brand:
        """Whose models it leads to. Raises as `target`, but takes no profile's key to hand."""
        stored_id, name = self._named(profile_id, provider_id)
        if stored_id is not None:
            assert self.profiles is not None
            return _brand(self.profiles.place(stored_id)[0].provider_id)
        brand = _brand(name)
        self.endpoint(brand)
        return brand

    def place(self, profile_id: str | None, provider_id: str | None, model_id: str | None) -> tuple[Endpoint, str]:
        """The endpoint and the model that `target` would lead to, without taking a key to hand. Raises
        `PROFILE_NOT_FOUND`, `NO_ACTIVE_PROFILE` or `INVALID_PROVIDER`."""
        stored_id, name = self._named(profile_id, provider_id)
        if stored_id is None:
            brand, own_model = _brand(name), None
            endpoint = Endpoint(brand.id, self._keys.base_url(brand) or brand.base_url or "")
        else:
            assert self.profiles is not None
            endpoint, own_model = self.profiles.place(stored_id)
            brand = _brand(endpoint.provider_id)
        return endpoint, model_id or own_model or brand.default_model

    def _named(self, profile_id: str | None, provider_id: str | None) -> tuple[str | None, str]:
        """The stored profile that is meant, or None and the provider's id."""
        if profile_id is not None and profile_id in BRANDS:
            return None, profile_id
        if profile_id is None and provider_id is not None:
            return None, provider_id
        if profile_id is None:
            profile_id = None if self.profiles is None else self.profiles.active_id
            if profile_id is None:
                message = "Name a `providerId` or a `profileId`: no profile is active."
                raise SidecarError("NO_ACTIVE_PROFILE", message)
        if self.profiles is None:
            raise SidecarError("PROFILE_NOT_FOUND", "There is no profile of this id.")
        return profile_id.lower(), ""

    def _adapter(self, brand: Brand) -> Provider:
        return self._registry.adapter(brand.wire_format)

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


def _brand(provider_id: str) -> Brand:
    brand = BRANDS.get(provider_id)
    if brand is None:
        known = ", ".join(BRANDS)
        raise SidecarError("INVALID_PROVIDER", f"There is no such provider. Known are: {known}.")
    return brand
