"""No model was named: the server's first one answers, and whoever asked is told which one that was."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest
from msgspec.structs import replace

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.events import ModelNamed, ProviderEvent
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.contract import outcome_of, run
from tests.providers.fault_server import LAST_CHUNK, Exchange, answer, chunked, fault_server
from tests.providers.formats import FORMATS
from tests.providers.wire_format import WireFormat, stream_head

LISTED: Final = {
    "data": [{"id": "first"}, {"id": "second"}],
    "models": [{"name": "first"}, {"name": "second"}],
    "capabilities": ["completion"],
}
"""Every server's list, and what Ollama says of each model."""
_LISTS: Final = ("/models", "/models?limit=1000", "/api/tags", "/api/show", "/api/ps")

each_format = pytest.mark.parametrize(
    "wire_format", [each for name, each in FORMATS.items() if name != "gemini"], ids=lambda each: each.name
)


def ask(
    wire_format: WireFormat, body: bytes, *, status: int = 200
) -> tuple[list[str], list[ProviderEvent], SidecarError | None]:
    """Ask two questions without a model: the models the server was asked for, and how the second question ended."""
    asked: list[str] = []

    async def script(exchange: Exchange) -> None:
        if exchange.request.path.endswith(_LISTS):
            await exchange.send(answer(200, json.dumps(LISTED).encode()))
            return
        asked.append(wire_format.model_of(exchange.request.body, exchange.request.path))
        head = stream_head(wire_format)
        await exchange.send(head + chunked(body) + LAST_CHUNK if status == 200 else answer(status, b"{}"))

    async def main() -> tuple[list[ProviderEvent], SidecarError | None]:
        async with fault_server(script) as server:
            provider = wire_format.make(HttpClient(Limits))
            try:
                request = replace(wire_format.request(server.url, "", None), model_id="")
                await outcome_of(provider, request)
                return await outcome_of(provider, request)
            finally:
                await provider.aclose()

    return asked, *run(main())


def names_in(events: list[ProviderEvent]) -> list[str]:
    return [event.model_id for event in events if isinstance(event, ModelNamed)]


@each_format
def test_an_answer_that_names_no_model_is_the_first_one_s(wire_format: WireFormat) -> None:
    nameless = re.sub(rb'"model":\s*"[^"]*",?\s*', b"", wire_format.complete[next(iter(wire_format.complete))])
    asked, events, failure = ask(wire_format, nameless)
    assert asked == ["first", "first"]
    assert failure is None
    assert names_in(events) == ["first"]


@each_format
def test_a_name_that_the_server_gives_is_the_last_word(wire_format: WireFormat) -> None:
    _, events, failure = ask(wire_format, wire_format.complete[next(iter(wire_format.complete))])
    assert failure is None
    assert names_in(events)[0] == "first"
    assert names_in(events)[-1] not in ("", "first")


@each_format
def test_a_refusal_says_which_model_was_asked(wire_format: WireFormat) -> None:
    asked, events, failure = ask(wire_format, b"", status=500)
    assert asked == ["first", "first"]
    assert events == []
    assert getattr(failure, "model_id", None) == "first"
