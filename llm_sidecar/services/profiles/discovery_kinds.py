"""What listens on a port of this machine: which server, and its models.

Law: told apart by what only one of them says, never by a status alone (LM Studio answers every path with 200) nor by
the port. Only a plain GET is sent (`providers.probe`); what comes back is a stranger's: bounded, decoded into shapes,
and believed in nothing but its kind and the names of its models.
Sources: llama.cpp, tools/server/README (`/props`, header `Server`); Ollama, docs/api.md (`/api/version`, `/api/tags`);
LM Studio, docs "REST API" (`/api/v1/models`, before that `/api/v0/models`); vLLM, "OpenAI-Compatible Server"
(`owned_by`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import MIB, Limits
from llm_sidecar.messages.profile import DiscoveredServer
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.probe import ProbeAnswer, probe

T = TypeVar("T")
Ask = Callable[[str, str, float], Awaitable[ProbeAnswer]]
"""An address, a path and seconds → the answer; raises `SidecarError`."""

_MOST_MODELS: Final = 100
_LONGEST_ID: Final = 300
_MODELS: Final = "/v1/models"
_OTHER_PATHS: Final = ("/props", "/api/version", "/api/tags", "/api/v1/models", "/api/v0/models", "/version")
_NO_WAY: Final = frozenset({"EHOSTUNREACH", "ENETUNREACH"})
"""What a connection to this machine itself cannot fail with, unless its network is broken."""


class Look(NamedTuple):
    """What was seen at a port. `is_broken`: it could not even be looked at."""

    outcome: Literal["found", "closed", "timeout", "unknown"]
    server: DiscoveredServer | None = None
    is_broken: bool = False


class _Props(msgspec.Struct):
    default_generation_settings: dict[str, Any]


class _Version(msgspec.Struct):
    version: str


class _Tag(msgspec.Struct):
    name: str


class _Tags(msgspec.Struct):
    models: list[_Tag] | None


class _Studio1Model(msgspec.Struct):
    key: str
    type: str


class _Studio1(msgspec.Struct):
    models: list[_Studio1Model]


class _Studio0Model(msgspec.Struct):
    id: str
    type: Literal["llm", "vlm", "embeddings"]


class _Studio0(msgspec.Struct):
    data: list[_Studio0Model]


class _Model(msgspec.Struct):
    id: str
    owned_by: str | None = None


class _Models(msgspec.Struct):
    data: list[_Model] | None


async def ask_port(url: str, path: str, seconds: float) -> ProbeAnswer:
    """One question; a body above 1 MiB is an error."""
    return await probe(url, path, timeout_s=seconds, max_bytes=MIB)


async def look_at_port(url: str, seconds: float) -> Look:
    """Who is at `url`, within `seconds` (once the code that asks is loaded). Raises `OSError`."""
    await HttpClient(Limits).warm()
    return await look_at(url, seconds, ask_port)


async def look_at(url: str, seconds: float, ask: Ask) -> Look:
    """Who is at `url`, asked by `ask`, within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            try:
                answers = {_MODELS: await ask(url, _MODELS, seconds)}
            except SidecarError as error:
                errno = (error.details or {}).get("errno")
                if errno in ("ECONNREFUSED", "ETIMEDOUT") or errno in _NO_WAY:
                    return Look("timeout" if errno == "ETIMEDOUT" else "closed", is_broken=errno in _NO_WAY)
                answers = {}
            told = await asyncio.gather(*(_asked(ask, url, path, seconds) for path in _OTHER_PATHS))
    except TimeoutError:
        return Look("timeout")
    answers.update((path, answer) for path, answer in zip(_OTHER_PATHS, told, strict=True) if answer is not None)
    server = identify(url, answers)
    return Look("unknown") if server is None else Look("found", server)


async def _asked(ask: Ask, url: str, path: str, seconds: float) -> ProbeAnswer | None:
    try:
        return await ask(url, path, seconds)
    except SidecarError:
        return None


def identify(url: str, answers: Mapping[str, ProbeAnswer]) -> DiscoveredServer | None:
    """Who gives these answers (by path); None where that is nobody we know."""
    listed = _read(answers, _MODELS, _Models)
    names = [model.id for model in (listed.data or [])] if listed is not None else []
    is_llama = any(answer.headers.get("server", "").lower() == "llama.cpp" for answer in answers.values())
    if is_llama or _read(answers, "/props", _Props) is not None:
        return _server(url, "llama.cpp", names)
    studio = _read(answers, "/api/v1/models", _Studio1)
    if studio is not None:
        return _server(url, "lmstudio", [model.key for model in studio.models])
    older_studio = _read(answers, "/api/v0/models", _Studio0)
    if older_studio is not None:
        return _server(url, "lmstudio", [model.id for model in older_studio.data])
    tags = _read(answers, "/api/tags", _Tags)
    if tags is not None and _read(answers, "/api/version", _Version) is not None:
        return _server(url, "ollama", [tag.name for tag in tags.models or []])
    if listed is None:
        return None
    owners = {model.owned_by for model in listed.data or []}
    is_vllm = "vllm" in owners and _read(answers, "/version", _Version) is not None
    return _server(url, "vllm" if is_vllm else "openai-compatible", names)


def _server(
    url: str, kind: Literal["llama.cpp", "ollama", "lmstudio", "vllm", "openai-compatible"], models: list[str]
) -> DiscoveredServer:
    fitting = [name for name in models if 0 < len(name) <= _LONGEST_ID]
    return DiscoveredServer(url=url, kind=kind, models=fitting[:_MOST_MODELS])


def _read(answers: Mapping[str, ProbeAnswer], path: str, shape: type[T]) -> T | None:
    """The answer at `path`, where it was given and has this shape."""
    answer = answers.get(path)
    if answer is None or answer.status != 200:
        return None
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
