"""Who may begin, who waits, who is refused and with what advice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.services.host import Host, Refused, play, settle


async def refusal(host: Host, **params: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        await host.infer(**params)
    return refused.value


# --- ids ---


def test_a_host_may_name_its_inference_and_else_each_gets_a_name_of_its_own() -> None:
    async def scenario(host: Host) -> None:
        assert await host.infer(inferenceId="mine") == "mine"
        others = {await host.infer() for _ in range(3)}
        assert len(others) == 3
        assert all(others)

    play(scenario)


@pytest.mark.parametrize("state", ["connecting", "queued", "unanswered", "cancelled and unanswered"])
def test_the_id_of_a_live_inference_is_taken(state: str) -> None:
    async def scenario(host: Host) -> None:
        first = host.inference(inferenceId="a", queue=True)
        if state == "queued":
            await host.begin()
        if "unanswered" in state:
            host.send([first, host.request("ping")])
        else:
            host.send(first)
        if state.startswith("cancelled"):
            await host.cancel("a")
        await settle()
        slots = (host.service.slots.active, host.service.slots.waiting)
        error = await refusal(host, inferenceId="a", queue=True)
        assert (error.code, error.data["retryable"]) == ("INFERENCE_EXISTS", False)
        assert (host.service.slots.active, host.service.slots.waiting) == slots
        host.gate.set()

    play(scenario, max_concurrent_inferences=1)


def test_the_second_of_two_equal_ids_in_a_batch_is_refused() -> None:
    async def scenario(host: Host) -> None:
        first, second = host.inference(inferenceId="a"), host.inference(inferenceId="a")
        host.send([first, second])
        await settle()
        assert host.result(first) == {"inferenceId": "a"}
        with pytest.raises(Refused) as refused:
            host.result(second)
        assert refused.value.code == "INFERENCE_EXISTS"
        assert len(host.provider.calls) == 1

    play(scenario)


@pytest.mark.parametrize("how", ["done", "cancelled", "failed"])
def test_the_id_of_an_ended_inference_can_be_used_again(how: str) -> None:
    async def scenario(host: Host) -> None:
        for _ in range(3):
            a, call = await host.begin(inferenceId="a")
            call.say("text")
            await settle()
            if how == "done":
                call.finish()
            elif how == "failed":
                call.fail(ValueError())
            else:
                await host.cancel(a)
            await settle()
            assert host.is_over("a")
            assert host.events("a")[-1]["seq"] == 3

    play(scenario)


# --- at the limit ---


def test_at_the_limit_a_request_is_refused_with_the_limit_and_when_to_come_back() -> None:
    async def scenario(host: Host) -> None:
        for _ in range(2):
            await host.begin()
        error = await refusal(host)
        assert error.error["code"] == -32000
        assert (error.code, error.data["retryable"]) == ("RATE_LIMIT", True)
        assert error.data["details"] == {"scope": "sidecar", "limit": 2}
        assert error.data["retryAfterMs"] > 0
        assert len(host.provider.calls) == 2

    play(scenario, max_concurrent_inferences=2)


@pytest.mark.parametrize("how", ["done", "failed", "cancelled", "timed out"])
def test_an_end_of_any_kind_makes_room_at_once(how: str) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(timeoutMs=1_000)
        b = await host.infer(queue=True)
        if how == "done":
            call.finish()
        elif how == "failed":
            call.fail(ValueError())
        elif how == "cancelled":
            await host.cancel(a)
        else:
            await asyncio.sleep(1)
        await settle()
        assert host.is_over(a)
        assert host.kinds(b) == ["thinking queued", "thinking initializing"]
        assert len(host.provider.calls) == 2
        assert host.service.slots.active == 1

    play(scenario, max_concurrent_inferences=1)


def test_who_waits_is_told_so_and_served_in_order() -> None:
    async def scenario(host: Host) -> None:
        names = list("abcdef")
        for name in names:
            await host.infer(inferenceId=name, queue=True)
        assert host.kinds("a") == host.kinds("b") == ["thinking initializing"]
        assert all(host.kinds(name) == ["thinking queued"] for name in names[2:])
        assert host.service.slots.waiting == 4
        order = []
        for index in range(6):
            call = host.provider.calls[index]
            call.accept()
            call.finish()
            await settle()
            order.append([name for name in names if host.is_over(name)][-1])
            assert host.service.slots.active == min(2, 5 - index)
        assert order == names
        assert host.service.slots.waiting == 0

    play(scenario, max_concurrent_inferences=2)


def test_a_newcomer_that_will_not_wait_does_not_overtake_those_who_do() -> None:
    async def scenario(host: Host) -> None:
        await host.infer(inferenceId="a")
        await host.infer(inferenceId="b", queue=True)
        host.send(host.request("llm:cancel", inferenceId="a"))
        newcomer = host.inference(inferenceId="c")
        host.send(newcomer)
        await settle()
        with pytest.raises(Refused):
            host.result(newcomer)
        assert host.kinds("b")[-1] == "thinking initializing"

    play(scenario, max_concurrent_inferences=1)


def test_who_gives_up_waiting_leaves_the_others_their_order() -> None:
    async def scenario(host: Host) -> None:
        for name in "abcd":
            await host.infer(inferenceId=name, queue=True)
        assert await host.cancel("c")
        assert host.terminal("c")["timings"]["firstTokenMs"] is None
        for name in "ab":
            host.provider.last.accept()
            host.provider.last.finish()
            await settle()
            assert host.is_over(name)
        assert host.kinds("d")[-1] == "thinking initializing"

    play(scenario, max_concurrent_inferences=1)


def test_a_full_queue_says_overloaded_and_when_to_come_back() -> None:
    async def scenario(host: Host) -> None:
        for _ in range(3):
            await host.infer(queue=True)
        error = await refusal(host, queue=True)
        assert error.error["code"] == -32001
        assert (error.code, error.data["retryable"]) == ("OVERLOADED", True)
        assert error.data["retryAfterMs"] > 0
        assert error.data["details"] == {"scope": "sidecar", "limit": 2}

    play(scenario, max_concurrent_inferences=1, max_queued_inferences=2)


def test_the_time_in_the_queue_is_told() -> None:
    async def scenario(host: Host) -> None:
        await host.begin(inferenceId="a")
        await host.infer(inferenceId="b", queue=True)
        await asyncio.sleep(7)
        await host.cancel("a")
        host.provider.last.accept()
        await asyncio.sleep(2)
        host.provider.last.say("text")
        await asyncio.sleep(1)
        host.provider.last.finish()
        await settle()
        assert host.terminal("b")["timings"] == {"queuedMs": 7_000, "firstTokenMs": 9_000, "totalMs": 10_000}

    play(scenario, max_concurrent_inferences=1)


def test_an_inference_that_did_not_wait_was_not_queued() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(queue=True)
        await asyncio.sleep(3)
        call.finish()
        await settle()
        assert host.terminal(a)["timings"]["queuedMs"] == 0
        assert "thinking queued" not in host.kinds(a)

    play(scenario)


def test_a_slot_that_comes_free_before_the_first_step_is_announced_like_any_other() -> None:
    async def scenario(host: Host) -> None:
        await host.infer(inferenceId="a")
        host.send(host.inference(inferenceId="b", queue=True))
        host.send(host.request("llm:cancel", inferenceId="a"))
        await settle()
        assert host.kinds("b") == ["thinking queued", "thinking initializing"]

    play(scenario, max_concurrent_inferences=1)


def test_a_slot_granted_to_a_waiter_that_is_cancelled_in_the_same_moment_goes_to_the_next() -> None:
    async def scenario(host: Host) -> None:
        for name in "abc":
            await host.infer(inferenceId=name, queue=True)
        host.send(host.request("llm:cancel", inferenceId="a"))
        host.send(host.request("llm:cancel", inferenceId="b"))
        await settle()
        assert host.kinds("b") == ["thinking queued", "done"]
        assert host.kinds("c") == ["thinking queued", "thinking initializing"]
        assert len(host.provider.calls) == 2
        assert (host.service.slots.active, host.service.slots.waiting) == (1, 0)

    play(scenario, max_concurrent_inferences=1)


# --- a minute's allowance ---


def test_above_the_minutes_allowance_a_window_is_told_when_the_next_is_due() -> None:
    async def scenario(host: Host) -> None:
        for _ in range(3):
            _, call = await host.begin(windowId="w1")
            call.finish()
            await settle()
        error = await refusal(host, windowId="w1")
        assert (error.code, error.data["retryable"]) == ("RATE_LIMIT", True)
        assert error.data["retryAfterMs"] == 20_000
        assert error.data["details"] == {"scope": "sidecar", "limit": 3}
        assert host.service.slots.active == 0
        await asyncio.sleep(12.345)
        wait = (await refusal(host, windowId="w1")).data["retryAfterMs"]
        assert 7_655 <= wait <= 7_656
        await asyncio.sleep(wait / 1000)
        await host.infer(windowId="w1")
        assert (await refusal(host, windowId="w1")).data["retryAfterMs"] >= 19_999

    play(scenario, max_requests_per_minute=3)


def test_each_window_and_those_without_one_have_their_own_allowance() -> None:
    async def scenario(host: Host) -> None:
        for window in ({"windowId": "w1"}, {"windowId": "w2"}, {}):
            await host.infer(**window)
            assert (await refusal(host, **window)).code == "RATE_LIMIT"

    play(scenario, max_requests_per_minute=1)


def test_a_request_that_is_refused_for_want_of_a_slot_does_not_use_up_the_allowance() -> None:
    """A host that comes back after `retryAfterMs`, as told, must not be refused for having asked."""

    async def scenario(host: Host) -> None:
        a = await host.infer()
        assert (await refusal(host)).data["details"]["limit"] == 1
        await host.cancel(a)
        await host.infer()

    play(scenario, max_requests_per_minute=2, max_concurrent_inferences=1)


# --- what is not there ---


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"providerId": "nobody"}, "INVALID_PROVIDER"),
        ({"providerId": "openai"}, "API_KEY_MISSING"),
        ({"providerId": "openai-compatible"}, "INVALID_PROVIDER"),
    ],
)
def test_a_request_that_leads_nowhere_is_refused_and_takes_nothing(params: dict[str, str], code: str) -> None:
    async def scenario(host: Host) -> None:
        assert (await refusal(host, **params)).code == code
        status = await host.status()
        assert (status["activeInferences"], status["totalInferences"], status["providers"]) == (0, 0, {})

    play(scenario)


@pytest.mark.parametrize("names", [{"profileId": "p"}, {"fallbackProfileIds": ["p"]}])
def test_a_profile_that_does_not_exist_is_refused_wherever_it_is_named(names: dict[str, Any]) -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused) as refused:
            await host.infer(**names)
        assert refused.value.code == "PROFILE_NOT_FOUND"
        assert host.provider.calls == []

    play(scenario)
