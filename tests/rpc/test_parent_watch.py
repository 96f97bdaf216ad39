"""Watching the host's process: what counts as its end, on virtual time and with real processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from llm_sidecar.limits import BOUNDS, Limits
from llm_sidecar.rpc import parent
from llm_sidecar.rpc.parent import ParentWatch
from tests.virtual_time import run_virtual


def test_a_new_parent_means_that_the_old_one_died(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> float:
        died: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        watch = ParentWatch(lambda: died.set_result(asyncio.get_running_loop().time()))
        await asyncio.sleep(100)
        assert not died.done()
        monkeypatch.setattr(os, "getppid", lambda: 1)
        noticed = await died - 100
        await asyncio.sleep(10)  # told once: a second result would raise
        watch.close()
        return noticed

    assert run_virtual(main()) <= 1.0


def test_noticing_a_death_and_flushing_fit_into_the_promised_two_seconds() -> None:
    assert parent._POLL_SECONDS * 1_000 + Limits().exit_flush_ms < 2_000
    assert BOUNDS["exit_flush_ms"][1] < 2_000


def test_a_process_that_was_never_visible_is_never_missed() -> None:
    async def main() -> None:
        died: list[bool] = []
        watch = ParentWatch(lambda: died.append(True))
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        assert watch.watch(ended.pid) is False
        await asyncio.sleep(100)
        watch.close()
        assert died == []

    run_virtual(main())


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="no pidfd here")
def test_a_zombie_counts_as_dead(run: Callable) -> None:
    async def main() -> None:
        died = asyncio.Event()
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        watch = ParentWatch(died.set)
        assert watch.watch(process.pid) is True
        process.kill()  # and nobody waits for it
        await died.wait()
        watch.close()
        process.communicate()

    run(main())


def test_where_there_are_no_pidfds_the_process_is_asked_for_by_its_number(
    run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_pid: int) -> int:
        raise PermissionError

    async def main() -> None:
        monkeypatch.setattr(os, "pidfd_open", refused, raising=False)
        monkeypatch.setattr(parent, "_POLL_SECONDS", 0.01)
        died = asyncio.Event()
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        watch = ParentWatch(died.set)
        assert watch.watch(process.pid) is True
        process.kill()
        process.communicate()
        await died.wait()
        assert watch.watch(process.pid) is False
        watch.close()

    run(main())
