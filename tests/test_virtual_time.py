"""The clock that jumps: what the tests of timeouts and retries rely on."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.virtual_time import VirtualTimeError, run_virtual


def now() -> float:
    return asyncio.get_running_loop().time()


def test_the_clock_jumps_over_a_long_sleep() -> None:
    async def main() -> float:
        await asyncio.sleep(3_000)
        return now()

    assert run_virtual(main()) == 3_000


def test_the_clock_begins_at_zero_and_stands_still_while_something_is_ready() -> None:
    async def main() -> list[float]:
        seen = [now()]
        for _ in range(100):
            await asyncio.sleep(0)
        return [*seen, now()]

    assert run_virtual(main()) == [0.0, 0.0]


def test_timers_run_in_order_of_their_instants_and_each_finds_its_own_time() -> None:
    async def main() -> list[tuple[str, float]]:
        seen: list[tuple[str, float]] = []

        async def note(name: str, delay: float) -> None:
            await asyncio.sleep(delay)
            seen.append((name, now()))

        await asyncio.gather(note("late", 2.5), note("early", 0.25), note("middle", 1))
        return seen

    assert run_virtual(main()) == [("early", 0.25), ("middle", 1.0), ("late", 2.5)]


@given(st.lists(st.floats(min_value=0, max_value=50), min_size=1, max_size=20))
def test_who_waits_until_an_instant_finds_it_reached(delays: list[float]) -> None:
    async def main() -> None:
        for delay in delays:
            deadline = now() + delay
            await asyncio.sleep(deadline - now())
            assert deadline <= now() <= deadline + 3e-9
            naps = 0
            deadline = now() + delay
            while now() < deadline:
                await asyncio.sleep(deadline - now())
                naps += 1
            assert naps <= 2

    run_virtual(main())


def test_a_timeout_fires_at_its_instant() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(12.5):
                await asyncio.get_running_loop().create_future()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.5)
        return now()

    assert run_virtual(main()) == pytest.approx(13.0)


def test_a_cancelled_timer_does_not_move_the_clock() -> None:
    async def main() -> float:
        asyncio.get_running_loop().call_later(100, print).cancel()
        async with asyncio.timeout(50):
            await asyncio.sleep(1)
        await asyncio.sleep(1)
        return now()

    assert run_virtual(main()) == 2


def test_a_timer_that_never_comes_due_is_no_error_by_itself() -> None:
    async def main() -> float:
        async with asyncio.timeout_at(float("inf")):
            await asyncio.sleep(1)
        return now()

    assert run_virtual(main()) == 1


def test_waiting_for_nothing_is_an_error_that_names_the_task() -> None:
    async def waits_in_vain() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(VirtualTimeError, match=r"(?s)nothing can ever wake up after 0\.0 s.*waits_in_vain"):
        run_virtual(waits_in_vain())


def test_tasks_left_behind_are_cancelled_after_an_error() -> None:
    ended: list[str] = []

    async def main() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(3)
            ended.append("cleaned up")

    with pytest.raises(VirtualTimeError):
        run_virtual(main())
    assert ended == ["cleaned up"]


def test_the_clock_does_not_pass_its_limit() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(1)

    with pytest.raises(VirtualTimeError, match="would pass 10"):
        run_virtual(main(), limit=10)


def test_reaching_the_limit_exactly_is_allowed() -> None:
    async def main() -> float:
        await asyncio.sleep(10)
        return now()

    assert run_virtual(main(), limit=10) == 10


def test_the_limit_is_an_hour_unless_said_otherwise() -> None:
    with pytest.raises(VirtualTimeError, match=r"would pass 3600"):
        run_virtual(asyncio.sleep(3_601))


def test_spinning_while_the_clock_stands_is_an_error() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(VirtualTimeError, match="clock stood"):
        run_virtual(main())


def test_the_result_and_the_exception_are_those_of_the_coroutine() -> None:
    async def fails() -> None:
        await asyncio.sleep(1)
        raise LookupError("mine")

    assert run_virtual(asyncio.sleep(1, "mine")) == "mine"
    with pytest.raises(LookupError, match="mine"):
        run_virtual(fails())


def test_the_clock_stands_while_a_thread_works() -> None:
    async def main() -> tuple[float, list[str]]:
        order: list[str] = []

        async def timer() -> None:
            await asyncio.sleep(0.001)
            order.append("timer")

        def work() -> None:
            hashlib.pbkdf2_hmac("sha256", b"some real time", b"without a sleep", 50_000)
            order.append("thread")

        waiting = asyncio.create_task(timer())
        working = asyncio.create_task(asyncio.to_thread(work))
        await working
        await waiting
        return now(), order

    assert run_virtual(main()) == (0.001, ["thread", "timer"])


def test_servers_and_clients_on_this_machine_work_and_their_data_comes_before_a_timer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main() -> tuple[bytes, float]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
        return answer, now()

    assert run_virtual(main()) == (b"HELLO\n", 0.0)


def test_a_silent_socket_does_not_hold_the_clock() -> None:
    async def main() -> float:
        async with await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0):
            await asyncio.sleep(60)
        return now()

    assert run_virtual(main()) == 60
