"""`shutdown` and the exit, where a provider's cleanup never ends: both are answered and over in bounded time."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from llm_sidecar.limits import Limits
from llm_sidecar.providers.registry import ProviderRegistry
from llm_sidecar.rpc.memory import MemorySink, MemorySource
from llm_sidecar.settings import Settings
from llm_sidecar.sidecar import Exit, Sidecar
from tests.services.fake_provider import FakeProvider
from tests.services.host import USER, now
from tests.virtual_time import run_virtual


def line(request_id: int, method: str, **params: object) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}) + b"\n"


@pytest.mark.parametrize("on_cancel", ["raise", "go on"])
def test_shutdown_is_answered_and_the_exit_is_in_time(on_cancel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        provider = FakeProvider()
        monkeypatch.setattr(ProviderRegistry, "adapter", lambda *_: provider)
        source, sink = MemorySource(), MemorySink()
        sidecar = Sidecar(source, sink, Settings(data_dir=":memory:", limits=Limits()), {})
        running = asyncio.create_task(sidecar.run())
        source.write(line(1, "llm:inference", inferenceId="a", messages=USER, providerId="demo"))
        await asyncio.sleep(1)
        call = provider.last
        call.accept()
        call.on_cancel = on_cancel  # type: ignore[assignment]
        call.hang_in_cleanup()
        await asyncio.sleep(1)
        try:
            source.write(line(2, "shutdown", deadlineMs=1_000))
            began = now()
            async with asyncio.timeout(10):
                while msgspec.json.decode(await sink.read_line() or b"{}").get("id") != 2:
                    pass
            assert now() - began <= 3
            source.end()
            began = now()
            assert await running is Exit.END_OF_INPUT
            assert now() - began <= 2
        finally:
            call.finish()
            call.finish_cleanup()
            await asyncio.sleep(0.01)

    run_virtual(main(), limit=60)
