"""The shutdown: everything live ends with `SHUTTING_DOWN`, once; the service can tell when it is idle and closed."""

from __future__ import annotations

import asyncio

import pytest

from llm_sidecar.errors import ProviderError
from tests.services.fake_provider import OnCancel
from tests.services.host import Host, play, settle


def test_every_state_ends_with_shutting_down_and_closes_its_upstream() -> None:
    async def scenario(host: Host) -> None:
        connecting = await host.infer()
        streaming, call = await host.begin()
        call.say("text")
        sleeping = await host.infer()
        host.provider.last.refuse(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=50_000))
        await settle()
        queued = await host.infer(queue=True)
        host.service.end_all()
        assert (host.service.slots.active, host.service.slots.waiting) == (0, 0)
        await settle()
        for name in (connecting, streaming, sleeping, queued):
            terminal = host.terminal(name)
            assert (terminal["code"], terminal["retryable"]) == ("SHUTTING_DOWN", True)
            assert terminal["usage"]["source"] == "partial"
        assert host.terminal(streaming)["partialText"] == "text"
        assert host.provider.open_calls == []
        assert len(host.provider.calls) == 3

    play(scenario, max_concurrent_inferences=3)


def test_what_has_ended_is_not_ended_again() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.finish()
        b, _ = await host.begin()
        await host.cancel(b)
        host.service.end_all()
        host.service.end_all()
        await settle()
        assert host.kinds(a)[-1] == host.kinds(b)[-1] == "done"

    play(scenario)


def test_an_inference_whose_batch_is_unanswered_ends_after_its_response() -> None:
    async def scenario(host: Host) -> None:
        request = host.inference(inferenceId="a")
        host.send([request, host.request("ping")])
        host.service.end_all()
        await settle()
        assert host.received == []
        host.gate.set()
        await settle()
        assert host.result(request) == {"inferenceId": "a"}
        assert host.kinds("a") == ["error"]
        assert host.terminal("a")["code"] == "SHUTTING_DOWN"
        assert host.provider.calls == []
        figures = (await host.status())["providers"]["demo"]
        assert (figures["requests"], figures["failures"]) == (1, 1)

    play(scenario)


def test_a_host_that_does_not_read_gets_the_terminal_after_everything_before_it() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        host.sink.stall()
        while not host.outbox.congested:
            call.say("x" * 100)
            await settle()
        host.service.end_all()
        await settle()
        host.sink.unstall()
        await settle()
        assert host.text(a) == call.text
        assert host.terminal(a)["code"] == "SHUTTING_DOWN"
        assert call.closed

    play(scenario, max_event_bytes=2_000)


def test_the_service_is_idle_when_the_last_inference_has_ended() -> None:
    async def scenario(host: Host) -> None:
        await host.service.idle()
        a, call_a = await host.begin()
        b, _ = await host.begin()
        waiting = asyncio.ensure_future(host.service.idle())
        call_a.finish()
        await settle()
        assert host.is_over(a)
        assert not waiting.done()
        await host.cancel(b)
        assert waiting.done()

    play(scenario)


def test_the_service_is_closed_when_the_last_upstream_is() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.hang_in_cleanup()
        host.service.end_all()
        await host.service.idle()
        waiting = asyncio.ensure_future(host.service.closed())
        await settle()
        assert host.is_over(a)
        assert not waiting.done()
        call.finish_cleanup()
        await settle()
        assert waiting.done()

    play(scenario)


@pytest.mark.parametrize("on_cancel", ["end", ProviderError("SERVER_ERROR", "Translated.", retry_after_ms=0)], ids=repr)
def test_a_swallowed_cancellation_at_the_shutdown_begins_no_other_attempt(on_cancel: OnCancel) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.on_cancel = on_cancel
        host.service.end_all()
        await asyncio.sleep(60)
        assert host.provider.calls == [call]
        assert host.terminal(a)["code"] == "SHUTTING_DOWN"

    play(scenario)


@pytest.mark.parametrize("state", ["queued", "connecting", "streaming"])
def test_a_task_cancelled_from_outside_still_ends_its_inference_and_gives_back_its_slot(state: str) -> None:
    async def scenario(host: Host) -> None:
        first = await host.infer()
        a = await host.infer(queue=True) if state == "queued" else first
        if state == "streaming":
            host.provider.last.accept()
            await settle()
        task = next(task for task in asyncio.all_tasks() if task.get_name() == a)
        task.cancel()
        await settle()
        assert host.terminal(a)["code"] == "SHUTTING_DOWN"
        slots = host.service.slots
        assert (slots.active, slots.waiting) == ((1, 0) if state == "queued" else (0, 0))
        assert await host.cancel(first) is (state == "queued")
        assert (slots.active, slots.waiting) == (0, 0)

    play(scenario, max_concurrent_inferences=1)


def test_the_status_tells_what_runs_waits_and_ran() -> None:
    async def scenario(host: Host) -> None:
        empty = await host.status()
        assert (empty["activeInferences"], empty["queuedInferences"], empty["totalInferences"]) == (0, 0, 0)
        assert empty["totalTokens"] == 0
        await host.begin()
        await host.begin()
        await host.infer(queue=True)
        status = await host.status()
        assert (status["activeInferences"], status["queuedInferences"], status["totalInferences"]) == (2, 1, 3)
        assert status["providers"]["demo"]["requests"] == 3
        host.service.end_all()
        await settle()
        status = await host.status()
        assert (status["activeInferences"], status["queuedInferences"], status["totalInferences"]) == (0, 0, 3)
        figures = status["providers"]["demo"]
        assert (figures["failures"], figures["cancelled"], figures["lastError"]) == (3, 0, "SHUTTING_DOWN")

    play(scenario, max_concurrent_inferences=2)


def test_the_status_tells_how_far_the_host_is_behind() -> None:
    async def scenario(host: Host) -> None:
        _, call = await host.begin()
        host.sink.stall()
        for _ in range(10):
            call.say("x" * 1_000)
            await settle()
        assert 10_000 <= host.outbox.queued_bytes <= 12_000
        host.sink.unstall()
        await settle()
        assert (await host.status())["outboxBytes"] == 0

    play(scenario)
