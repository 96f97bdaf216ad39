"""The Python host against the real sidecar process, and against peers that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.client import (
    DoneEvent,
    InitializeParams,
    SidecarDied,
    SidecarError,
    SidecarProcess,
    TokenEvent,
    process,
)
from llm_sidecar.messages.content import Message
from llm_sidecar.messages.inference import InferenceParams
from tests.hosts import child_environment, inference, is_running

Run = Callable[..., Any]

ENDLESS = "[[demo: tokens=100000 rate=50 firstToken=0 connect=0]]"
GREETED = {"protocolVersion": 1, "server": {"name": "x", "version": "0"}, "capabilities": {}, "providers": []}
GREETING = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {
            **GREETED,
            "encryption": {"available": False, "source": None},
            "limits": {"maxMessageBytes": 1_000_000},
        },
    }
)


def peer(then: str, *, first: str = "") -> list[str]:
    """A command that runs `first`, behaves like a sidecar up to the handshake, and runs `then`."""
    code = f"import os, signal, sys, time\n{first}\nsys.stdin.readline()\nprint({GREETING!r}, flush=True)\n{then}"
    return [sys.executable, "-c", code]


async def text_of(sidecar: SidecarProcess, params: Any) -> str:
    async with sidecar.inference(params) as events:
        return "".join([event.token async for event in events if isinstance(event, TokenEvent)])


def test_an_answer_is_whole_from_its_first_token_to_its_terminal(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            prompt = '[[demo: text="First of all, every token." rate=max firstToken=0 connect=0]]'
            async with sidecar.inference(inference(prompt)) as events:
                seen = [event async for event in events]
            assert [event.seq for event in seen] == list(range(len(seen)))
            assert "".join(e.token for e in seen if isinstance(e, TokenEvent)) == "First of all, every token."
            assert isinstance(seen[-1], DoneEvent)
            assert sidecar.unreadable_lines == 0

    run(main())


def test_many_answers_stream_at_once_and_do_not_mix(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            texts = [f"answer {number} " * 50 for number in range(5)]
            prompts = [inference(f'[[demo: text="{text}" rate=2000]]') for text in texts]
            assert await asyncio.gather(*(text_of(sidecar, prompt) for prompt in prompts)) == texts

    run(main())


def test_params_may_be_a_typed_struct(run: Run) -> None:
    async def main() -> None:
        message = Message(role="user", content='[[demo: text="typed"]]')
        params = InferenceParams(provider_id="demo", model_id="demo-fast", messages=[message])
        async with SidecarProcess.start() as sidecar:
            assert await text_of(sidecar, params) == "typed"

    run(main())


def test_the_handshake_carries_what_the_host_asks_for(run: Run) -> None:
    async def main() -> None:
        handshake = InitializeParams(protocol_version=1, limits={"maxConcurrentInferences": 2})
        async with SidecarProcess.start(handshake=handshake) as sidecar:
            assert sidecar.server.limits["maxConcurrentInferences"] == 2
            assert sidecar.server.server.name == "llm-sidecar"
            assert sidecar.handshake_ms > 0

    run(main())


def test_a_refused_request_raises_the_code_of_the_sidecar(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            with pytest.raises(SidecarError) as raised:
                await sidecar.request("no:such:method")
            assert raised.value.code == "METHOD_NOT_FOUND"
            with pytest.raises(SidecarError) as raised:
                async with sidecar.inference({"providerId": "demo", "messages": []}):
                    raise AssertionError("it must not start")
            assert raised.value.code == "VALIDATION_ERROR"
            assert await sidecar.request("ping") == {}

    run(main())


def test_a_refused_inference_leaves_the_live_one_of_that_id_alone(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            params = inference(ENDLESS, inferenceId="mine")
            await sidecar.request("llm:inference", params)
            with pytest.raises(SidecarError) as raised:
                async with sidecar.inference(params):
                    raise AssertionError("it must not start")
            assert raised.value.code == "INFERENCE_EXISTS"
            assert (await sidecar.request("llm:get-status"))["activeInferences"] == 1
            assert await sidecar.request("llm:cancel", {"inferenceId": "mine"}) == {"success": True}

    run(main())


def test_leaving_early_cancels_and_frees_the_slot_for_the_next(run: Run) -> None:
    async def main() -> None:
        handshake = InitializeParams(protocol_version=1, limits={"maxConcurrentInferences": 1})
        async with SidecarProcess.start(handshake=handshake) as sidecar:
            async with sidecar.inference(inference(ENDLESS)) as events:
                async for event in events:
                    if isinstance(event, TokenEvent):
                        break
            assert await text_of(sidecar, inference("[[demo: text=next]]", modelId="demo-fast")) == "next"
            status = await sidecar.request("llm:get-status")
            assert status["activeInferences"] == 0
            assert status["providers"]["demo"]["cancelled"] == 1

    run(main())


def test_a_task_cancelled_while_it_streams_cancels_the_inference(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            streaming = asyncio.Event()

            async def consume() -> None:
                async with sidecar.inference(inference(ENDLESS)) as events:
                    async for _ in events:
                        streaming.set()

            task = asyncio.create_task(consume())
            await streaming.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await sidecar.request("llm:get-status"))["activeInferences"] == 0

    run(main())


def test_cancel_ends_the_stream_with_the_usage_so_far(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar, sidecar.inference(inference(ENDLESS)) as events:
            async for event in events:
                if isinstance(event, TokenEvent):
                    events.cancel()
            assert isinstance(event, DoneEvent)
            assert event.cancelled
            assert event.usage.completion_tokens > 0
            assert event.usage.source == "partial"

    run(main())


def test_a_peer_killed_while_it_streams_is_a_typed_error_after_what_it_said(run: Run) -> None:
    async def main() -> None:
        said: list[str] = []

        async def listen(sidecar: SidecarProcess) -> None:
            async with sidecar.inference(inference(ENDLESS)) as events:
                async for event in events:
                    if isinstance(event, TokenEvent):
                        if not said:
                            os.kill(sidecar.pid, signal.SIGKILL)
                        said.append(event.token)

        async with SidecarProcess.start() as sidecar:
            with pytest.raises(SidecarDied) as raised:
                await listen(sidecar)
            assert said
            assert raised.value.exit_code == -signal.SIGKILL
            with pytest.raises(SidecarDied):
                await sidecar.request("ping")

    run(main())


def test_closing_leaves_no_process_behind(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            assert is_running(sidecar.pid)
        assert sidecar.exit_code == 0
        assert not is_running(sidecar.pid)

    run(main())


def test_an_error_in_the_block_leaves_no_process_behind(run: Run) -> None:
    async def main() -> None:
        pids: list[int] = []

        async def fail() -> None:
            async with SidecarProcess.start() as sidecar, sidecar.inference(inference(ENDLESS)):
                pids.append(sidecar.pid)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert not is_running(pids[0])

    run(main())


@pytest.mark.parametrize(
    ("first", "signal_number"),
    [("", signal.SIGTERM), ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", signal.SIGKILL)],
)
def test_a_peer_that_does_not_leave_is_made_to(
    first: str, signal_number: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_SHUTDOWN_SECONDS", 0.05)
    monkeypatch.setattr(process, "_EXIT_SECONDS", 0.05)
    if signal_number == signal.SIGKILL:
        monkeypatch.setattr(process, "_TERMINATE_SECONDS", 0.05)

    async def main() -> None:
        async with SidecarProcess.start(command=peer("time.sleep(1000)", first=first)) as sidecar:
            pass
        assert sidecar.exit_code == -signal_number
        assert not is_running(sidecar.pid)

    run(main())


def test_a_peer_that_closes_its_stdout_and_stays_is_dead_to_the_host(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_sidecar.client.child._AFTER_OUTPUT_SECONDS", 0.1)

    async def main() -> None:
        async with SidecarProcess.start(command=peer("os.close(1); time.sleep(1000)")) as sidecar:
            with pytest.raises(SidecarDied):
                await sidecar.request("ping")

    run(main())


def test_a_sidecar_that_cannot_start_says_why(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        environment = child_environment(tmp_path, {"LLM_SIDECAR_JOURNAL_BYTES": "many"})
        with pytest.raises(SidecarDied) as raised:
            async with SidecarProcess.start(environment=environment):
                raise AssertionError("it must not start")
        assert raised.value.exit_code == 2
        assert "journalBytes" in raised.value.log_tail[-1]

    run(main())


def test_a_command_that_does_not_exist_is_a_typed_error(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(SidecarDied) as raised:
            async with SidecarProcess.start(command=["/no/such/program"]):
                raise AssertionError("it must not start")
        assert raised.value.exit_code is None

    run(main())


def test_a_peer_of_another_protocol_version_is_refused(run: Run) -> None:
    async def main() -> None:
        command = peer("")
        command[-1] = command[-1].replace('"protocolVersion": 1', '"protocolVersion": 2')
        with pytest.raises(SidecarError, match="protocol 2"):
            async with SidecarProcess.start(command=command):
                raise AssertionError("it must not start")

    run(main())


def test_the_log_comes_line_by_line(run: Run) -> None:
    async def main() -> None:
        lines: list[str] = []
        async with SidecarProcess.start(on_log=lines.append) as sidecar:
            await text_of(sidecar, inference("hello", modelId="demo-fast"))
        events = [json.loads(line)["event"] for line in lines]
        assert "inference ended" in events
        assert events[-1] == "stopped"

    run(main())


def test_a_module_in_the_working_directory_is_not_imported_by_the_sidecar(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('hijacked')")
    (tmp_path / "msgspec.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            assert await sidecar.request("ping") == {}

    run(main())


def test_a_banner_printed_before_the_sidecar_runs_is_counted_and_survived(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('Welcome to this Python!', flush=True)")

    async def main() -> None:
        environment = child_environment(tmp_path, {"PYTHONPATH": str(tmp_path)})
        async with SidecarProcess.start(environment=environment) as sidecar:
            assert await text_of(sidecar, inference("[[demo: text=fine]]", modelId="demo-fast")) == "fine"
            assert sidecar.unreadable_lines == 1

    run(main())


def test_the_sidecar_is_out_of_reach_of_the_hosts_ctrl_c(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            assert os.getpgid(sidecar.pid) != os.getpgid(0)

    run(main())
