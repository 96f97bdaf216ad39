"""Who answers in a chat, and why: the best that is at hand, unless the person says.

Law: deciding sends nothing to a provider but the question of `local_servers`. A key is looked at only for being there.
A key of the environment goes where the environment says, never to a server that was found by its port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from llm_sidecar.cli.local_servers import LocalServer
from llm_sidecar.errors import InvalidParams
from llm_sidecar.providers.brands import BRANDS, Brand
from llm_sidecar.providers.endpoints import normalise_base_url


class Choice(NamedTuple):
    """Who answers; `model_id` None leaves the model to the provider. `environment` is for the sidecar."""

    provider_id: str
    model_id: str | None
    because: str
    environment: Mapping[str, str]

    @property
    def title(self) -> str:
        return f"{self.provider_id} · {self.model_id}" if self.model_id else self.provider_id


def choose(servers: Sequence[LocalServer], environment: Mapping[str, str], model_id: str | None) -> Choice:
    """The best of what is at hand. In this order: the active profile (once profiles are stored), a local server that
    has a model, a key or an address in the environment, the demo provider."""
    usable = [server for server in servers if server.models]
    if usable:
        return _local(usable[0], environment, model_id)
    for brand in BRANDS.values():
        variable = brand.variable_in(environment, "API_KEY" if brand.needs_key else "BASE_URL")
        if variable is not None and (brand.base_url or brand.base_url_in(environment)):
            return Choice(brand.id, model_id, f"{variable} is set", environment)
    because = "no local server answers, and no key is in the environment"
    return Choice("demo", model_id, because, environment)


def _local(server: LocalServer, environment: Mapping[str, str], model_id: str | None) -> Choice:
    chat_models = [model for model in server.models if "embed" not in model.lower()]
    because = f"a local server answers at {server.base_url}"
    changed = _environment_for(server, environment)
    return Choice(server.provider_id, model_id or (chat_models or server.models)[0], because, changed)


def _environment_for(server: LocalServer, environment: Mapping[str, str]) -> Mapping[str, str]:
    """An environment in which the server's provider is that server."""
    brand = BRANDS[server.provider_id]
    if _address(brand, environment) == server.base_url:
        return environment
    changed = {**environment, f"{brand.variable_prefix}_BASE_URL": server.base_url}
    changed.pop(f"{brand.variable_prefix}_API_KEY", None)
    return changed


def _address(brand: Brand, environment: Mapping[str, str]) -> str | None:
    """Where the sidecar would look for the provider by itself; None where that is nowhere."""
    address = brand.base_url_in(environment) or brand.base_url
    try:
        return normalise_base_url(address) if address else None
    except InvalidParams:
        return None
