"""The adapters that a real llama.cpp server can be spoken to with, and what their tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from llm_sidecar.limits import Limits
from llm_sidecar.providers.anthropic.adapter import AnthropicProvider
from llm_sidecar.providers.base import Endpoint, Provider, ProviderRequest
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.chat import OpenAIChatProvider
from llm_sidecar.providers.openai_responses.adapter import OpenAIResponsesProvider
from tests.llama_server import LlamaServer
from tests.providers import anthropic_fixtures, openai_fixtures


class LlamaAdapter(NamedTuple):
    """An adapter, and how a request to a server's URL is made for it."""

    make: Callable[[HttpClient], Provider]
    request_to: Callable[..., ProviderRequest]

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Provider]:
        provider = self.make(HttpClient(Limits))
        try:
            yield provider
        finally:
            await provider.aclose()

    def question(self, server: LlamaServer, **fields: object) -> ProviderRequest:
        """A request for 50 tokens, unless `fields` say otherwise."""
        return self.request_to(server.url, **{"model_id": "", "max_tokens": 50, **fields})

    def endpoint(self, server: LlamaServer) -> Endpoint:
        return self.question(server).endpoint


def _request_to_llama_cpp(url: str, **fields: object) -> ProviderRequest:
    return openai_fixtures.request_to(url, "llama.cpp", **fields)


CHAT = LlamaAdapter(OpenAIChatProvider, _request_to_llama_cpp)
RESPONSES = LlamaAdapter(OpenAIResponsesProvider, _request_to_llama_cpp)
MESSAGES = LlamaAdapter(AnthropicProvider, anthropic_fixtures.request_to)


async def until_busy_slots(server: LlamaServer, wanted: int) -> None:
    async with asyncio.timeout(10):
        while await asyncio.to_thread(server.busy_slots) != wanted:
            pass


@asynccontextmanager
async def recorder(server: LlamaServer) -> AsyncIterator[tuple[str, bytearray]]:
    """A relay to the server: its address, and what the server said through it."""
    said = bytearray()
    host, port = server.url.removeprefix("http://").split(":")

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, to_upstream = await asyncio.open_connection(host, int(port))

        async def listen() -> None:
            while data := await upstream.read(65_536):
                said.extend(data)
                writer.write(data)

        listening = asyncio.create_task(listen())
        while data := await reader.read(65_536):
            to_upstream.write(data)
        listening.cancel()
        to_upstream.close()
        writer.close()

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", said
