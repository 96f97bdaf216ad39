"""Model servers on this machine, found by asking the ports where they usually listen.

Law: loopback only; nothing is sent but a plain `GET /v1/models`, without a key or a prompt; at most 1 MiB is read,
within 0.3 s. Who answers may be anybody: what it says is data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from llm_sidecar.limits import MIB

USUAL_PORTS: Final = {
    8080: "llama.cpp",
    8000: "openai-compatible",
    11434: "ollama",
    1234: "lmstudio",
    9931: "llama.cpp",
}
"""Port → who usually listens there, as a providerId (vLLM and many others take 8000). The first answer is preferred."""
_HOST: Final = "127.0.0.1"
_SECONDS: Final = 0.3
_MAX_BYTES: Final = 1 * MIB


class LocalServer(NamedTuple):
    """One that answered. `models` are ids, as it lists them."""

    provider_id: str
    base_url: str
    models: list[str]


class _Model(msgspec.Struct):
    id: str


class _ModelList(msgspec.Struct):
    data: list[_Model] | None  # Ollama says null where it has none


async def find_local_servers(ports: Mapping[int, str] = USUAL_PORTS) -> list[LocalServer]:
    """Those that answer with a list of models, in the order of `ports`. Takes 0.3 s at most."""
    found = await asyncio.gather(*(_ask(port, provider_id) for port, provider_id in ports.items()))
    return [server for server in found if server is not None]


async def _ask(port: int, provider_id: str) -> LocalServer | None:
    try:
        async with asyncio.timeout(_SECONDS):
            answer = await _get_models(port)
        head, _, body = answer.partition(b"\r\n\r\n")
        if head.split(b" ", 2)[1:2] != [b"200"]:
            return None
        listed = msgspec.json.decode(body, type=_ModelList)
    except (OSError, TimeoutError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return LocalServer(provider_id, f"http://{_HOST}:{port}/v1", [model.id for model in listed.data or ()])


async def _get_models(port: int) -> bytes:
    """The whole answer. HTTP/1.0: it is not sent in chunks, and its end is the end of the connection."""
    reader, writer = await asyncio.open_connection(_HOST, port)
    try:
        writer.write(f"GET /v1/models HTTP/1.0\r\nHost: {_HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while len(answer) < _MAX_BYTES and (data := await reader.read(_MAX_BYTES)):
            answer += data
        return answer
    finally:
        writer.transport.abort()
