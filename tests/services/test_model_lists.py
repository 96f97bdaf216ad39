"""`llm:models:list`: whose models, what is told of each, how much of it, and how it ends when the provider does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from llm_sidecar.errors import ProviderError, SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.models import ModelInfo, ModelListParams, ModelPrices
from llm_sidecar.providers.base import Endpoint, ModelDescription
from llm_sidecar.providers.brands import EnvironmentKeys
from llm_sidecar.providers.prices import PriceList
from llm_sidecar.providers.registry import ProviderRegistry
from llm_sidecar.services.model_lists import ModelLists
from llm_sidecar.services.routing import Router
from tests.providers.contract import run
from tests.providers.fault_server import Script, answer, fault_server, saying, saying_then_closing
from tests.services.fake_provider import FakeProvider
from tests.services.host import Host, Refused, now, play, settle

KEY = "sk-canary-0123456789abcdef"


class Shelf(FakeProvider):
    """A provider that offers these models, or does what `list_models` is set to."""

    def __init__(self, *models: ModelDescription) -> None:
        super().__init__()
        self.models = list(models)
        self.asked: list[Endpoint] = []

    async def list_models(self, endpoint: Endpoint) -> list[ModelDescription]:
        self.asked.append(endpoint)
        return self.models


def lists(provider: FakeProvider | None, keys: EnvironmentKeys, **limits: int) -> ModelLists:
    """The service over `provider`, or over the real adapters."""
    in_force = Limits(**limits)
    registry = ProviderRegistry(lambda: in_force)
    if provider is not None:
        registry.adapter = lambda _: provider  # type: ignore[method-assign, assignment, return-value]
    return ModelLists(Router(registry, keys), PriceList(), lambda: in_force)


def ask(host: Host, **params: Any) -> dict[str, Any]:
    """A request for the demo provider's models, unless told otherwise."""
    return host.request("llm:models:list", **(params or {"providerId": "demo"}))


def offer(host: Host, list_models: Callable[[Endpoint], Awaitable[list[ModelDescription]]]) -> None:
    host.provider.list_models = list_models  # type: ignore[method-assign, assignment]


# --- whose models ---


def test_the_models_of_the_demo_are_its_own() -> None:
    found = run(lists(None, EnvironmentKeys({}, {})).models(ModelListParams(provider_id="demo")))
    assert found.truncated is False
    assert (
        ModelInfo(id="demo-1", object="model", provider_id="demo", context_window=128_000, max_output_tokens=100_000)
        in found.data
    )


@pytest.mark.parametrize(
    "params", [{"providerId": "demo"}, {"service": "demo"}, {"providerId": "demo", "service": "ollama"}]
)
def test_a_provider_is_found_by_its_id_and_as_a_service_of_that_name(params: dict[str, str]) -> None:
    async def scenario(host: Host) -> None:
        asked: list[str] = []

        async def list_models(endpoint: Endpoint) -> list[ModelDescription]:
            asked.append(endpoint.provider_id)
            return [ModelDescription("a-model")]

        offer(host, list_models)
        result = await host.ask(ask(host, **params))
        assert result == {"object": "list", "data": [{"id": "a-model", "object": "model", "providerId": "demo"}]}
        assert asked == ["demo"]

    play(scenario)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"service": "no-such"}, "SERVICE_NOT_FOUND"),
        ({"service": "no-such", "providerId": "demo"}, "SERVICE_NOT_FOUND"),
        ({"providerId": "no-such"}, "INVALID_PROVIDER"),
        ({"providerId": "openai-compatible"}, "INVALID_PROVIDER"),
        ({"providerId": "openai"}, "API_KEY_MISSING"),
        ({"profileId": "1c5a6c9e-0000-4000-8000-000000000000"}, "PROFILE_NOT_FOUND"),
        ({"service": ""}, "VALIDATION_ERROR"),
        ({"provider": "demo"}, "VALIDATION_ERROR"),
    ],
)
def test_a_list_of_nobody_s_models_is_refused_by_name(params: dict[str, str], code: str) -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused) as refused:
            await host.ask(ask(host, **params))
        assert refused.value.code == code
        assert refused.value.data["retryable"] is False

    play(scenario)


def test_without_a_name_it_is_the_active_profile_s_and_there_may_be_none() -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused) as refused:
            await host.ask(host.request("llm:models:list"))
        assert refused.value.code == "NO_ACTIVE_PROFILE"

    play(scenario)


# --- what is told of each ---


def openai_models(*models: ModelDescription) -> list[ModelInfo]:
    service = lists(Shelf(*models), EnvironmentKeys({}, {"openai": KEY}))
    return run(service.models(ModelListParams(provider_id="openai"))).data


def test_the_price_list_fills_in_what_the_provider_does_not_say() -> None:
    (model,) = openai_models(ModelDescription("gpt-4"))
    assert model == ModelInfo(
        id="gpt-4",
        object="model",
        provider_id="openai",
        context_window=8_192,
        prices=ModelPrices(currency="USD", input_per_million=30, output_per_million=60),
    )


def test_the_price_list_is_loaded_while_the_event_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from genai_prices import data_snapshot

    real, threads = data_snapshot.get_snapshot, list[threading.Thread]()

    def get_snapshot() -> data_snapshot.DataSnapshot:
        threads.append(threading.current_thread())
        return real()

    monkeypatch.setattr(data_snapshot, "get_snapshot", get_snapshot)
    assert openai_models(ModelDescription("gpt-4"))[0].prices is not None
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_what_the_provider_says_itself_comes_first() -> None:
    (model,) = openai_models(ModelDescription("gpt-4", "GPT 4", context_window=4_096, max_output_tokens=1_024))
    assert (model.name, model.context_window, model.max_output_tokens) == ("GPT 4", 4_096, 1_024)
    assert model.prices is not None


def test_what_nobody_knows_is_left_out() -> None:
    models = openai_models(ModelDescription("gpt-99"), ModelDescription("gpt-99", "", 0, 0))
    for model in models:
        assert msgspec.to_builtins(model) == {"id": "gpt-99", "object": "model", "providerId": "openai"}


def test_the_order_is_the_provider_s() -> None:
    names = ["b", "a", "gpt-4", "c"]
    assert [model.id for model in openai_models(*map(ModelDescription, names))] == names


def test_the_provider_is_asked_with_its_address_and_key() -> None:
    shelf = Shelf()
    keys = EnvironmentKeys({"openai": "https://llm.example.com/v1"}, {"openai": KEY})
    found = run(lists(shelf, keys).models(ModelListParams(provider_id="openai")))
    assert (found.data, found.truncated) == ([], False)
    assert shelf.asked == [Endpoint("openai", "https://llm.example.com/v1", KEY)]


# --- how much of it ---


@pytest.mark.parametrize(("offered", "listed"), [(2_000, 2_000), (2_001, 2_000)])
def test_at_most_two_thousand_models_are_listed_and_more_is_said(offered: int, listed: int) -> None:
    shelf = Shelf(*(ModelDescription(f"m{number}") for number in range(offered)))
    found = run(lists(shelf, EnvironmentKeys({}, {})).models(ModelListParams(provider_id="demo")))
    assert [model.id for model in found.data] == [f"m{number}" for number in range(listed)]
    assert found.truncated is (offered > listed)


def test_a_model_that_no_request_could_name_is_left_out() -> None:
    shelf = Shelf(ModelDescription("x" * 300), ModelDescription("x" * 301), ModelDescription("y", "n" * 10_000))
    found = run(lists(shelf, EnvironmentKeys({}, {})).models(ModelListParams(provider_id="demo")))
    assert [len(model.id) for model in found.data] == [300, 1]
    assert found.data[1].name == "n" * 200
    assert found.truncated is False


@pytest.mark.parametrize("as_batch", [False, True])
def test_a_list_always_fits_one_message(as_batch: bool) -> None:
    async def scenario(host: Host) -> None:
        async def list_models(_: Endpoint) -> list[ModelDescription]:
            return [ModelDescription('"' * 300, "\x01" * 200) for _ in range(50)]

        offer(host, list_models)
        request = ask(host)
        request["id"] = "\x01" * 256
        host.send([request] if as_batch else request)
        await settle()
        result = host.result(request)
        assert result["truncated"] is True
        assert 0 < len(result["data"]) < 50

    play(scenario, max_message_bytes=8_192)


def test_a_long_list_lets_others_have_their_turn() -> None:
    async def main() -> int:
        shelf = Shelf(*(ModelDescription(f"m{number}") for number in range(100)))
        listing = asyncio.ensure_future(
            lists(shelf, EnvironmentKeys({}, {})).models(ModelListParams(provider_id="demo"))
        )
        turns = 0
        while not listing.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert run(main()) >= 100


# --- when the provider does not ---


def test_a_provider_that_says_nothing_is_given_up_at_the_deadline() -> None:
    async def scenario(host: Host) -> None:
        cancelled: list[float] = []

        async def list_models(_: Endpoint) -> list[ModelDescription]:
            try:
                return await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                cancelled.append(now())
                raise

        offer(host, list_models)
        request, began = ask(host), now()
        host.send(request)
        await asyncio.sleep(2.999)
        assert host.response(request) is None
        await asyncio.sleep(0.002)
        with pytest.raises(Refused, match="3000 ms") as refused:
            host.result(request)
        assert (refused.value.code, refused.value.data["retryable"]) == ("TIMEOUT", True)
        assert cancelled == [began + 3]

    play(scenario, list_models_timeout_ms=3_000)


def test_a_cancelled_list_is_answered_so_and_the_provider_let_go() -> None:
    async def scenario(host: Host) -> None:
        cancelled = asyncio.Event()

        async def list_models(_: Endpoint) -> list[ModelDescription]:
            try:
                return await asyncio.get_running_loop().create_future()
            finally:
                cancelled.set()

        offer(host, list_models)
        request = ask(host)
        host.send(request)
        await settle()
        host.dispatcher.cancel_request(request["id"])
        await settle()
        assert cancelled.is_set()
        with pytest.raises(Refused) as refused:
            host.result(request)
        assert refused.value.code == "CANCELLED"

    play(scenario)


def test_a_provider_s_error_tells_the_same_facts_as_that_of_an_answer() -> None:
    async def scenario(host: Host) -> None:
        async def list_models(_: Endpoint) -> list[ModelDescription]:
            raise ProviderError("RATE_LIMIT", "Slow down.", status=429, provider_code="slow_down", retry_after_ms=1_500)

        offer(host, list_models)
        with pytest.raises(Refused, match="Slow down") as refused:
            await host.ask(ask(host))
        data = refused.value.data
        assert (data["code"], data["retryable"], data["retryAfterMs"]) == ("RATE_LIMIT", True, 1_500)
        assert data["details"] == {"status": 429, "providerCode": "slow_down"}

    play(scenario)


async def fault(script: Script, **limits: int) -> SidecarError:
    """What comes of asking a real, loaded adapter at a server that follows `script`; the server has been let go."""
    async with fault_server(script) as server:
        service = lists(None, EnvironmentKeys({"openai-compatible": server.url}, {"openai-compatible": KEY}), **limits)
        registry = service._router._registry
        await registry.adapter("openai-chat").warm()
        with pytest.raises(SidecarError) as failed:
            await service.models(ModelListParams(provider_id="openai-compatible"))
        assert {request.path for request in server.requests} == {"/v1/models"}
        await registry.aclose()
        await server.all_hung_up()
        return failed.value


_REFUSAL = b'{"error": {"code": "invalid_api_key", "message": "Incorrect key %s"}}' % KEY.encode()


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param(saying(answer(401, _REFUSAL)), "AUTH_ERROR", id="401"),
        pytest.param(saying(answer(503, b"")), "PROVIDER_OVERLOADED", id="503"),
        pytest.param(
            saying(answer(302, b"", ("Location", "https://example.com/"))), "PROVIDER_PROTOCOL_ERROR", id="302"
        ),
        pytest.param(saying(answer(200, b"<html>")), "PROVIDER_PROTOCOL_ERROR", id="no JSON"),
        pytest.param(saying(answer(200, b'{"data": 7}')), "PROVIDER_PROTOCOL_ERROR", id="wrong shape"),
        pytest.param(saying_then_closing(answer(200, b'{"data": []}')[:-3]), "STREAM_TRUNCATED", id="cut short"),
        pytest.param(saying_then_closing(), "NETWORK_ERROR", id="hung up"),
    ],
)
def test_a_server_s_fault_is_one_typed_error_without_the_key(script: Script, code: str) -> None:
    error = run(fault(script))
    assert error.code == code
    assert KEY not in f"{error.message} {error.details}"


@pytest.mark.parametrize("said", [b"", answer(200, b'{"data": []}')[:-3]], ids=["nothing", "half an answer"])
def test_a_server_that_stalls_is_given_up_and_hung_up_on(said: bytes) -> None:
    assert run(fault(saying(said), list_models_timeout_ms=200)).code == "TIMEOUT"


def test_a_server_that_is_not_there_is_named() -> None:
    service = lists(None, EnvironmentKeys({"llama.cpp": "http://127.0.0.1:9"}, {}))
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1:9; is the server running\?") as failed:
        run(service.models(ModelListParams(provider_id="llama.cpp")))
    assert (failed.value.code, failed.value.details) == ("NETWORK_ERROR", {"errno": "ECONNREFUSED"})
