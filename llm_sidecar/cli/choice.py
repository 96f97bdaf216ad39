"""Who answers in a chat, and why: the best that is at hand, unless the person says.

Law: deciding sends nothing to a provider but the questions of `local_servers`. A key is looked at only for being there.
A key of the environment goes where the environment says, never to a server that was found by its port. What was passed
over, though the person had chosen it, is said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from llm_sidecar.cli.local_servers import LocalServer
from llm_sidecar.cli.printable import printable
from llm_sidecar.client import SidecarProcess
from llm_sidecar.errors import InvalidParams, SidecarError
from llm_sidecar.messages.profile import ProfileList, VaultStatus
from llm_sidecar.providers.brands import BRANDS, Brand
from llm_sidecar.providers.endpoints import normalise_base_url

_WITHOUT_ITS_VAULT: Final = {"locked": "is locked: say where the vault's is (chat --help)", "absent": "is gone"}


class Choice(NamedTuple):
    """Who answers; `model_id` None leaves the model to the provider. `environment` is for the sidecar."""

    provider_id: str
    model_id: str | None
    because: str
    environment: Mapping[str, str]
    profile_id: str | None = None

    @property
    def asked(self) -> dict[str, str]:
        """What a request says of it."""
        who = {"profileId": self.profile_id} if self.profile_id else {"providerId": self.provider_id}
        return {**who, "modelId": self.model_id} if self.model_id else who

    @property
    def title(self) -> str:
        return f"{self.provider_id} · {self.model_id}" if self.model_id else self.provider_id


async def active_profile(sidecar: SidecarProcess, model_id: str | None) -> Choice | str:
    """The active profile, with its own model unless another is named; else why it is none ("" where none is active)."""
    try:
        listed = msgspec.convert(await sidecar.request("llm:profiles:list"), ProfileList)
        active = next((profile for profile in listed.profiles if profile.is_active), None)
        if active is None:
            return ""
        name = printable(active.name)
        if active.api_key is None and BRANDS[active.provider_type].needs_key:
            return f"the active profile, {name}, has no key"
        if active.api_key is not None:
            vault = msgspec.convert(await sidecar.request("llm:vault:status"), VaultStatus)
            if vault.state != "open" and not vault.plaintext_keys:
                why = _WITHOUT_ITS_VAULT.get(vault.state, f"cannot be had [{vault.code}]")
                return f"the key of the active profile, {name}, {why}"
    except SidecarError as error:
        return f"the stored profiles cannot be read [{error.code}]"
    because = f"{name} is your active profile"
    return Choice(active.provider_type, model_id or active.model_id, because, os.environ, active.id)


def choose(servers: Sequence[LocalServer], environment: Mapping[str, str], model_id: str | None) -> Choice:
    """The best of what is at hand where no profile is active. In this order: a local server that has a model, a key or
    an address in the environment, the demo provider."""
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
