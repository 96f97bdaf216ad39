"""The catalogue of providers as a host's picker shows it, with what the environment has for each.

Law: at once, from the catalogue and the environment alone: nothing is imported, nobody is asked. Never a key, and never
an address from the environment: a key may be in it.
"""

from __future__ import annotations

from llm_sidecar.messages.models import ProviderInfo, ProviderList
from llm_sidecar.providers.brands import BRANDS, Brand, EnvironmentKeys


def provider_list(keys: EnvironmentKeys) -> ProviderList:
    """Every provider, in the catalogue's order."""
    return ProviderList(providers=[_info(brand, keys) for brand in BRANDS.values()])


def _info(brand: Brand, keys: EnvironmentKeys) -> ProviderInfo:
    has_key = keys.key(brand) is not None
    has_address = brand.base_url is not None or keys.base_url(brand) is not None
    return ProviderInfo(
        id=brand.id,
        name=brand.name,
        base_url=brand.base_url,
        default_model=brand.default_model or None,
        needs_key=brand.needs_key,
        needs_consent=brand.needs_consent,
        capabilities=list(brand.capabilities),
        has_key=has_key,
        ready=has_address and (has_key or not brand.needs_key),
    )
