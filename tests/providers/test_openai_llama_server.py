"""The adapter against a real llama.cpp server."""

from __future__ import annotations

import json

from llm_sidecar.errors import SidecarError
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.events import Finish, ModelNamed, PromptProgress, TextDelta
from tests.llama_server import CONTEXT_PER_SLOT, LlamaServer
from tests.providers.contract import (
    batches_of,
    check_rules,
    events_of,
    finish_of,
    outcome_of,
    run,
    text_of,
    usage_of,
)
from tests.providers.llama_adapters import CHAT, recorder
from tests.providers.openai_fixtures import request_to


def test_an_answer_streams_and_ends_at_the_token_limit(llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with CHAT() as provider:
            batches = await batches_of(provider, CHAT.question(llama_server))
        check_rules(batches)
        events = [event for batch in batches for event in batch]
        assert finish_of(events) == Finish("length", "length")
        assert text_of(events)
        assert any(isinstance(event, ModelNamed) for event in events)
        usage = usage_of(events)
        assert usage is not None
        assert usage.completion_tokens == 50
        assert usage.prompt_tokens is not None
        assert usage.prompt_tokens > 10
        progress = [event for event in events if isinstance(event, PromptProgress)]
        assert progress[-1].current == progress[-1].total == usage.prompt_tokens

    run(main())


def test_text_and_usage_are_exactly_what_the_server_said(llama_server: LlamaServer) -> None:
    """500 tokens of noise: control characters, quotes, replacement characters and whole emoji among them."""

    async def main() -> None:
        async with recorder(llama_server) as (url, said), CHAT() as provider:
            request = request_to(url, "llama.cpp", model_id="x", max_tokens=500, temperature=2.0, seed=1)
            events = await events_of(provider, request)
        chunks = [
            json.loads(line.removeprefix(b"data: ")) for line in bytes(said).split(b"\n") if line.startswith(b"data: {")
        ]
        text = [c["choices"][0]["delta"].get("content") for c in chunks if c["choices"]]
        assert text_of(events) == "".join(piece for piece in text if piece)
        assert sum(event.count for event in events if isinstance(event, TextDelta)) == sum(map(bool, text))
        assert "\ufffd" in text_of(events)
        (told,) = [c["usage"] for c in chunks if "usage" in c]
        usage = usage_of(events)
        assert usage is not None
        assert (usage.prompt_tokens, usage.completion_tokens) == (told["prompt_tokens"], told["completion_tokens"])
        assert usage.cached_prompt_tokens == told["prompt_tokens_details"]["cached_tokens"]

    run(main())


def test_models_are_listed_with_their_context(llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with CHAT() as provider:
            (model,) = await provider.list_models(Endpoint("llama.cpp", llama_server.url))
            assert model.id.endswith("random.gguf")
            assert model.context_window == CONTEXT_PER_SLOT

    run(main())


def test_an_address_that_is_no_api_is_an_invalid_request(llama_server: LlamaServer) -> None:
    async def main() -> SidecarError | None:
        async with CHAT() as provider:
            return (await outcome_of(provider, request_to(f"{llama_server.url}/nowhere", model_id="x")))[1]

    error = run(main())
    assert error is not None
    assert error.code == "INVALID_REQUEST"
    assert error.details == {"status": 404, "providerCode": "not_found_error"}
