"""One sidecar whose every provider is a server of the test: what a request names decides what that server does.

Law: the server runs in a thread of its own, so that the host may block on its pipe. A model's id is the name of a
script; every wire format is answered in its own words.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from tests.providers.fault_server import Exchange, FaultServer, Script, fault_server
from tests.providers.formats import FORMATS
from tests.providers.wire_format import WireFormat

KEY: Final = "sk-canary-1f6a9c0d7b3e"
"""Every provider's key."""


class Brand(NamedTuple):
    """A provider as a host names it, and the format it is asked in."""

    request: dict[str, Any]
    wire_format: WireFormat


BRANDS: Final = {
    "openai": Brand({"providerId": "openai"}, FORMATS["openai chat"]),
    "openai, reasoning": Brand({"providerId": "openai", "reasoning": {"effort": "low"}}, FORMATS["openai responses"]),
    "anthropic": Brand({"providerId": "anthropic"}, FORMATS["anthropic"]),
    "google": Brand({"providerId": "google"}, FORMATS["gemini"]),
    "deepseek": Brand({"providerId": "deepseek"}, FORMATS["openai chat"]),
    "azure": Brand({"providerId": "azure"}, FORMATS["openai chat"]),
    "ollama": Brand({"providerId": "ollama"}, FORMATS["ollama"]),
    "lmstudio": Brand({"providerId": "lmstudio"}, FORMATS["openai chat"]),
    "llama.cpp": Brand({"providerId": "llama.cpp"}, FORMATS["openai chat"]),
    "openai-compatible": Brand({"providerId": "openai-compatible"}, FORMATS["openai chat"]),
}
_VARIABLES: Final = (
    "OPENAI",
    "ANTHROPIC",
    "GOOGLE",
    "DEEPSEEK",
    "AZURE",
    "OLLAMA",
    "LMSTUDIO",
    "LLAMA_CPP",
    "OPENAI_COMPATIBLE",
)


def format_of(path: str) -> WireFormat:
    """The format a request came in."""
    if path.endswith("/messages"):
        return FORMATS["anthropic"]
    if path.endswith("/responses"):
        return FORMATS["openai responses"]
    if path.endswith("/api/chat"):
        return FORMATS["ollama"]
    return FORMATS["gemini"] if "GenerateContent" in path else FORMATS["openai chat"]


@contextmanager
def serving(scripts: dict[str, Callable[[WireFormat], Script]]) -> Iterator[FaultServer]:
    """A server that answers a request for model `name` by `scripts[name]`, while the context is open."""

    async def script(exchange: Exchange) -> None:
        wire_format = format_of(exchange.request.path)
        model = wire_format.model_of(exchange.request.body, exchange.request.path)
        await scripts[model](wire_format)(exchange)

    with listening(script) as server:
        yield server


@contextmanager
def listening(script: Script) -> Iterator[FaultServer]:
    """A server that answers every request by `script`."""
    started: threading.Event = threading.Event()
    found: list[FaultServer] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        async with fault_server(script) as server:
            found.append(server)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    started.wait(10)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def environment_for(server: FaultServer) -> dict[str, str]:
    """What makes `server` every provider's endpoint."""
    urls = {f"{name}_BASE_URL": server.url for name in _VARIABLES}
    return {**urls, **{f"{name}_API_KEY": KEY for name in _VARIABLES}}
