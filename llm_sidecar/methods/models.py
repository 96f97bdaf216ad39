"""What can be asked: providers and their models."""

from __future__ import annotations

from collections.abc import Awaitable

from llm_sidecar.messages import models
from llm_sidecar.messages.shape import NoParams
from llm_sidecar.providers.brands import EnvironmentKeys
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.services.model_lists import ModelLists
from llm_sidecar.services.provider_list import provider_list


class ModelMethods:
    def __init__(self, keys: EnvironmentKeys, lists: ModelLists) -> None:
        self._keys = keys
        self._lists = lists
        self.handlers: dict[str, Handler] = {
            "llm:providers:list": self._list_providers,
            "llm:models:list": self._list_models,
        }

    def _list_providers(self, _context: Context, _params: NoParams) -> models.ProviderList:
        return provider_list(self._keys)

    def _list_models(self, _context: Context, params: models.ModelListParams) -> Awaitable[models.ModelList]:
        return self._lists.models(params)
