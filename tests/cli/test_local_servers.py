"""Finding model servers on this machine, for the commands: a real one, and strangers on their ports. (Who is told from
whom by what, and what strangers can do, is in `tests/services/test_discovery_kinds.py`.)"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from llm_sidecar.cli import local_servers
from llm_sidecar.cli.local_servers import LocalServer, find_local_servers
from tests.llama_server import LlamaServer
from tests.providers.fault_server import Exchange, Script, answer, fault_server

Run = Callable[..., Any]


def listing(models: list[dict[str, str]]) -> Script:
    """A server that lists these models, and knows nothing else."""

    async def script(exchange: Exchange) -> None:
        is_list = exchange.request.path == "/v1/models"
        await exchange.send(answer(200, json.dumps({"data": models}).encode()) if is_list else answer(404, b""))

    return script


async def silent(_: Exchange) -> None:
    pass


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_a_real_llama_cpp_server_is_found_with_its_model(run: Run, llama_server: LlamaServer) -> None:
    (found,) = run(find_local_servers([port_of(llama_server.url)]))
    assert (found.provider_id, found.base_url, len(found.models)) == ("llama.cpp", f"{llama_server.url}/v1", 1)


@pytest.mark.parametrize("models", [[{"id": "m", "owned_by": "vllm"}], [{"id": "m"}], []])
def test_what_is_no_provider_of_its_own_is_an_openai_compatible_one(run: Run, models: list[dict[str, str]]) -> None:
    async def main() -> None:
        async with fault_server(listing(models)) as server:
            names = [model["id"] for model in models]
            found = await find_local_servers([port_of(server.url)])
            assert found == [LocalServer("openai-compatible", f"{server.url}/v1", names)]

    run(main())


def test_a_silent_stranger_hides_nobody(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert local_servers._SECONDS == 1.0
    monkeypatch.setattr(local_servers, "_SECONDS", 2.0)  # the other one's time, too, on a machine that is busy

    async def main() -> None:
        async with fault_server(silent) as stranger, fault_server(listing([{"id": "m"}])) as server:
            found = await find_local_servers([port_of(stranger.url), port_of(server.url)])
            assert [one.models for one in found] == [["m"]]

    run(main())


def test_a_closed_port_is_nobody(run: Run) -> None:
    async def main() -> None:
        async with fault_server(silent) as server:
            port = port_of(server.url)
        assert await find_local_servers([port]) == []

    run(main())
