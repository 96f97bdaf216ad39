"""What an answer costs, in US dollars: our token counts times the list prices in `genai-prices`.

Law: an unknown price is None, never 0, and never an exception, whatever the library does. Its data is what was
installed: its updater is never started, nothing here touches the network.

The library costs a quarter of a second and 15 MB to import, so it is imported for the first endpoint that can cost
something, by `warm` in a thread, or at the latest when a price is asked for.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec import Struct

from llm_sidecar import log
from llm_sidecar.errors import InvalidParams
from llm_sidecar.messages.events import Usage
from llm_sidecar.messages.models import ModelPrices, PriceTier
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.brands import BRANDS
from llm_sidecar.providers.endpoints import normalise_base_url

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, PriceCalculation, Provider, TieredPrices

    _Rate = Decimal | TieredPrices

_LONGEST_MODEL_ID: Final = 300
_REMEMBERED_MODELS: Final = 512


class ListedModel(Struct, frozen=True):
    """What the price list says of a model. The context window is in tokens."""

    context_window: int | None
    prices: ModelPrices | None


class PriceList:
    """Prices of the models behind an endpoint. `clock` tells when (prices change by date, and DeepSeek's by the hour);
    None is now."""

    def __init__(self, clock: Callable[[], datetime | None] = lambda: None) -> None:
        self._clock = clock
        self._snapshot: DataSnapshot | None = None
        self._is_broken = False
        self._loading = asyncio.Lock()
        self._warming: asyncio.Future[None] | None = None
        self._known = lru_cache(_REMEMBERED_MODELS)(self._find)

    def is_at_hand(self, endpoint: Endpoint) -> bool:
        """Whether what `endpoint` costs can be told without loading anything."""
        return self._snapshot is not None or self._is_broken or not may_cost(endpoint)

    async def warm(self, endpoint: Endpoint) -> None:
        """Load the prices, if `endpoint` can cost anything, while the event loop goes on. Never fails."""
        if not self.is_at_hand(endpoint):
            async with self._loading:
                await asyncio.to_thread(self._load)

    def warm_soon(self, endpoint: Endpoint) -> None:
        """As `warm`, without waiting for it."""
        if self._warming is None and not self.is_at_hand(endpoint):
            self._warming = asyncio.ensure_future(self.warm(endpoint))

    def cost(self, endpoint: Endpoint, model_id: str, usage: Usage) -> float | None:
        """US dollars for `usage` of a model at an endpoint, exact in decimals, as the nearest float; None where no
        price is known."""
        calculation = self._calculate(endpoint, model_id, usage)
        if calculation is None:
            return None
        price = calculation.model_price
        if price.input_mtok is None or (usage.completion_tokens > 0 and price.output_mtok is None):
            return None
        return float(calculation.total_price)

    def listed(self, endpoint: Endpoint, model_id: str) -> ListedModel | None:
        """What is known of a model besides what its provider says; None where nothing is."""
        nothing = Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0, source="reported")
        calculation = self._calculate(endpoint, model_id, nothing)
        if calculation is None:
            return None
        return ListedModel(calculation.model.context_window, _prices(calculation.model_price))

    def _calculate(self, endpoint: Endpoint, model_id: str, usage: Usage) -> PriceCalculation | None:
        if not may_cost(endpoint) or not 0 < len(model_id) <= _LONGEST_MODEL_ID:
            return None
        try:
            found = self._known(endpoint.provider_id, endpoint.base_url, model_id)
            return _calculation(*found, usage, self._clock()) if found is not None else None
        except Exception as error:
            log.warning("no price", provider=endpoint.provider_id, exception=type(error).__name__)
            return None

    def _find(self, provider_id: str, base_url: str, model_id: str) -> tuple[ModelInfo, Provider] | None:
        """Who charges is told by the address, else (a gateway) by the brand."""
        snapshot = self._load()
        if snapshot is None:
            return None
        try:
            provider = snapshot.find_provider(None, None, normalise_base_url(base_url))
        except LookupError:
            price_list = BRANDS[provider_id].price_list
            if price_list is None:
                return None
            provider = snapshot.find_provider(None, price_list, None)
        model = provider.find_model(model_id.removeprefix("models/"), all_providers=snapshot.providers)
        return None if model is None else (model, provider)

    def _load(self) -> DataSnapshot | None:
        if self._snapshot is None and not self._is_broken:
            try:
                from genai_prices.data_snapshot import get_snapshot

                self._snapshot = get_snapshot()
                gc.freeze()  # what was imported stays: the collector need not look at it again and again
            except Exception as error:
                self._is_broken = True
                log.error("the price list cannot be loaded", exception=type(error).__name__)
        return self._snapshot


def cost_of_answer(prices: PriceList, endpoint: Endpoint, usage: Usage, *, answered: str, asked: str) -> float | None:
    """`PriceList.cost` of the model that answered; where the provider's name for it is not on the list, of the one that
    was asked."""
    cost = prices.cost(endpoint, answered, usage)
    return prices.cost(endpoint, asked, usage) if cost is None and answered != asked else cost


def may_cost(endpoint: Endpoint) -> bool:
    """Whether somebody with a price list may charge for `endpoint`."""
    brand = BRANDS.get(endpoint.provider_id)
    if brand is None:
        return False
    return brand.price_list is not None or (brand.id == "openai-compatible" and _is_public(endpoint.base_url))


@lru_cache(maxsize=64)
def _is_public(base_url: str) -> bool:
    """A vendor has a name with a dot in it; `localhost` and an address in digits are somebody's own machine."""
    try:
        host = urlsplit(normalise_base_url(base_url)).hostname or ""
    except InvalidParams:
        return False
    return "." in host and not host.rpartition(".")[2].isdigit()


def _calculation(model: ModelInfo, provider: Provider, usage: Usage, at: datetime | None) -> PriceCalculation:
    """The library counts as we do: `input_tokens` includes cached and cache-written ones, `output_tokens` reasoning. It
    refuses parts that exceed their whole, which some servers report."""
    from genai_prices import Usage as PricedUsage

    prompt = max(usage.prompt_tokens, 0)
    completion = max(usage.completion_tokens, 0)
    cached = min(max(usage.cached_prompt_tokens or 0, 0), prompt)
    counts = PricedUsage(
        input_tokens=prompt,
        cache_read_tokens=cached,
        cache_write_tokens=min(max(usage.cache_write_tokens or 0, 0), prompt - cached),
        output_tokens=completion,
        output_reasoning_tokens=min(max(usage.reasoning_tokens or 0, 0), completion),
    )
    return model.calc_price(counts, provider, genai_request_timestamp=at)


def _prices(price: ModelPrice) -> ModelPrices | None:
    from genai_prices.types import TieredPrices

    if price.input_mtok is None:
        return None
    rates = (price.input_mtok, price.output_mtok, price.cache_read_mtok, price.cache_write_mtok)
    starts = {tier.start for rate in rates if isinstance(rate, TieredPrices) for tier in rate.tiers}
    lowest, *tiers = (_tier(price, price.input_mtok, start) for start in (0, *sorted(starts)))
    return ModelPrices(
        currency="USD",
        input_per_million=lowest.input_per_million,
        output_per_million=lowest.output_per_million,
        cached_input_per_million=lowest.cached_input_per_million,
        cache_write_per_million=lowest.cache_write_per_million,
        tiers=tiers or None,
    )


def _tier(price: ModelPrice, input_rate: _Rate, start: int) -> PriceTier:
    return PriceTier(
        above_prompt_tokens=start,
        input_per_million=_above(start, input_rate),
        output_per_million=_above_if_any(start, price.output_mtok),
        cached_input_per_million=_above_if_any(start, price.cache_read_mtok),
        cache_write_per_million=_above_if_any(start, price.cache_write_mtok),
    )


def _above(start: int, rate: _Rate) -> float:
    """The rate of a request whose prompt is a little longer than `start` tokens."""
    if isinstance(rate, Decimal):
        return float(rate)
    return float(next((tier.price for tier in reversed(rate.tiers) if tier.start <= start), rate.base))


def _above_if_any(start: int, rate: _Rate | None) -> float | None:
    return None if rate is None else _above(start, rate)
