"""Jobs of one inference: what is told and kept of them, who comes first, and what a shutdown leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.errors import InvalidParams
from tests.services.job_host import USER, JobHost

Run = Callable[[Any], Any]


def demo(text: str, **more: Any) -> dict[str, Any]:
    return {"providerId": "demo", "messages": [{"role": "user", "content": text}], **more}


FAST = "[[demo: connect=0 firstToken=0 rate=max text=Yes]]"
STALLED = "[[demo: connect=0 firstToken=0 rate=max stall=1]]"


def play(run: Run, scenario: Callable[[JobHost], Awaitable[None]], **more: Any) -> None:
    async def main() -> None:
        host = JobHost(**more)
        try:
            await scenario(host)
        finally:
            await host.close()

    run(main())


def test_a_job_is_told_kept_and_used(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        job_id = await host.submit(params=demo(FAST), metadata={"a": 1}, priority=3)
        job = await host.ended(job_id)
        assert host.notices(job_id) == ["running", "done"]
        assert (job["state"], job["attempts"], job["priority"], job["metadata"]) == ("done", 1, 3, {"a": 1})
        result = await host.result(job_id)
        assert result["result"]["text"] == "Yes"
        assert [row["jobId"] for row in await host.usage()] == [job_id]

    play(run, scenario)


@pytest.mark.parametrize(
    ("kind", "params", "found"),
    [
        ("generate-text", {"providerId": "demo", "prompt": FAST}, lambda result: result["text"]),
        (
            "chat:completions",
            {"providerId": "demo", "request": {"messages": [{"role": "user", "content": FAST}], "stream": True}},
            lambda result: result["choices"][0]["message"]["content"],
        ),
    ],
)
def test_every_kind_gives_the_result_of_its_method(
    run: Run, kind: str, params: dict[str, Any], found: Callable[[Any], str]
) -> None:
    async def scenario(host: JobHost) -> None:
        job_id = await host.submit(kind, params=params)
        await host.ended(job_id)
        assert found((await host.result(job_id))["result"]) == "Yes"
        assert not [method for method, _ in host.sink.heard if method == "llm:chat:chunk"]

    play(run, scenario)


def test_a_job_that_fails_keeps_what_had_come(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        text = "[[demo: connect=0 firstToken=0 rate=max text=Yes error=AUTH_ERROR@1]]"
        job_id = await host.submit(params=demo(text))
        job = await host.ended(job_id)
        assert job["state"] == "failed"
        assert job["error"]["code"] == "AUTH_ERROR"
        assert "mayHaveBeenPaid" not in job
        assert (await host.result(job_id))["result"]["partialText"]
        assert host.notices(job_id) == ["running", "error AUTH_ERROR"]

    play(run, scenario)


def test_higher_priorities_run_first_and_equal_ones_in_their_order(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        first = await host.submit(params=demo(STALLED))
        await host.running(first)
        waiting = [await host.submit(params=demo(FAST), priority=priority) for priority in (0, 5, 0, 5, -1)]
        await host.cancel(first)
        for job_id in waiting:
            await host.ended(job_id)
        began = [n["jobId"] for m, n in host.sink.heard if m == "llm:job:progress"]
        assert began == [first, waiting[1], waiting[3], waiting[0], waiting[2], waiting[4]]

    play(run, scenario, max_running_jobs=1)


def test_no_more_jobs_run_than_may(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        jobs = [await host.submit(params=demo(STALLED)) for _ in range(4)]
        await host.running(jobs[1])
        listed = (await host.call("llm:job:list", state="running"))["jobs"]
        assert {job["jobId"] for job in listed} == set(jobs[:2])
        assert (await host.get(jobs[3]))["state"] == "queued"

    play(run, scenario, max_running_jobs=2)


def test_a_job_waits_for_a_slot_as_long_as_it_takes(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        taken = await host.call("llm:inference", **demo(STALLED))
        job_id = await host.submit(params=demo(FAST))
        await host.running(job_id)
        await host.call("llm:cancel", **taken)
        assert (await host.ended(job_id))["state"] == "done"

    play(run, scenario, max_concurrent_inferences=1)


def test_closing_a_window_ends_no_job(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        job_id = await host.submit(params=demo(STALLED, windowId="w"), windowId="w")
        await host.running(job_id)
        await host.call("llm:window:closed", windowId="w")
        assert (await host.get(job_id))["state"] == "running"

    play(run, scenario)


def test_a_job_that_waits_is_cancelled_at_once(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        job_id = await host.submit(params=demo(FAST))
        assert await host.cancel(job_id)
        assert (await host.get(job_id))["state"] == "cancelled"
        assert host.notices(job_id) == ["cancelled"]
        assert not await host.cancel(job_id)

    play(run, scenario, max_running_jobs=0)


def test_a_job_that_runs_is_cancelled_with_what_had_come(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        job_id = await host.submit(params=demo(STALLED))
        await host.running(job_id)
        assert await host.cancel(job_id)
        job = await host.ended(job_id)
        assert job["state"] == "cancelled"
        assert "error" not in job
        assert (await host.result(job_id))["result"]["cancelled"]
        assert host.notices(job_id) == ["running", "cancelled"]

    play(run, scenario)


def test_what_is_to_be_done_is_checked_by_its_path(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        error = await host.refused("llm:job:submit", kind="inference", params={"providerId": "demo", "messages": [1]})
        assert isinstance(error, InvalidParams)
        assert error.details is not None
        assert error.details["fields"][0]["path"] == "params.messages[0]"
        chat = {"providerId": "demo", "request": {"messages": USER, "store": True}}
        error = await host.refused("llm:job:submit", kind="chat:completions", params=chat)
        assert error.details is not None
        assert error.details["fields"][0]["path"] == "params.request.store"
        for params, code in (
            ({"providerId": "nobody", "messages": USER}, "INVALID_PROVIDER"),
            ({"profileId": "nobody", "messages": USER}, "PROFILE_NOT_FOUND"),
            ({"messages": USER}, "NO_ACTIVE_PROFILE"),
            ({"providerId": "openai", "messages": USER}, "API_KEY_MISSING"),
            ({"providerId": "demo", "messages": USER, "fallbackProfileIds": ["nobody"]}, "PROFILE_NOT_FOUND"),
        ):
            assert (await host.refused("llm:job:submit", kind="inference", params=params)).code == code
        assert (await host.call("llm:job:list"))["jobs"] == []

    play(run, scenario)


def test_ids_are_unique_and_the_queue_is_bounded(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        await host.submit(jobId="one")
        params = {"kind": "inference", "params": demo(FAST)}
        assert (await host.refused("llm:job:submit", jobId="one", **params)).code == "JOB_EXISTS"
        await host.submit()
        error = await host.refused("llm:job:submit", **params)
        assert (error.code, error.retryable, error.details) == ("OVERLOADED", True, {"scope": "sidecar", "limit": 2})
        for method in ("get", "result", "cancel"):
            assert (await host.refused(f"llm:job:{method}", jobId="two")).code == "JOB_NOT_FOUND"

    play(run, scenario, max_running_jobs=0, max_queued_jobs=2)


def test_the_list_has_pages_and_filters(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        jobs = [await host.submit(params=demo(FAST)) for _ in range(5)]
        await host.cancel(jobs[2])
        seen: list[str] = []
        cursor: dict[str, Any] = {}
        while True:
            page = await host.call("llm:job:list", limit=2, **cursor)
            seen += [job["jobId"] for job in page["jobs"]]
            if page["nextCursor"] is None:
                break
            cursor = {"cursor": page["nextCursor"]}
        assert seen == jobs[::-1]
        cancelled = (await host.call("llm:job:list", state="cancelled", kind="inference"))["jobs"]
        assert [job["jobId"] for job in cancelled] == [jobs[2]]
        assert (await host.call("llm:job:list", kind="batch"))["jobs"] == []
        assert (await host.refused("llm:job:list", cursor="x")).code == "VALIDATION_ERROR"

    play(run, scenario, max_running_jobs=0)


def test_metadata_is_bounded_and_never_in_the_way_of_the_list(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        error = await host.refused("llm:job:submit", kind="inference", params=demo(FAST), metadata={"x": "y" * 65_536})
        assert [field["path"] for field in error.details["fields"]] == ["metadata"]
        jobs = [await host.submit(params=demo(FAST), metadata={"x": "y" * size}) for size in (10, 60_000, 10)]
        listed = (await host.call("llm:job:list"))["jobs"]
        assert [(job["jobId"], "metadata" in job) for job in listed] == [
            (jobs[2], True),
            (jobs[1], False),
            (jobs[0], True),
        ]

    play(run, scenario, max_running_jobs=0, max_message_bytes=4_096)


def test_those_that_ended_first_are_forgotten_first(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        jobs = [await host.submit(params=demo(FAST)) for _ in range(4)]
        for job_id in (jobs[3], jobs[0], jobs[1]):
            await host.cancel(job_id)
        kept = (await host.call("llm:job:list"))["jobs"]
        assert [job["jobId"] for job in kept] == [jobs[2], jobs[1], jobs[0]]

    play(run, scenario, max_running_jobs=0, max_finished_jobs=2)


def test_a_budget_holds_for_jobs(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        host.methods.inferences.gates.append(refuse)
        job_id = await host.submit(params=demo(FAST))
        job = await host.ended(job_id)
        assert (job["state"], job["error"]["code"]) == ("failed", "BUDGET_EXCEEDED")

    def refuse(*_: object) -> None:
        from llm_sidecar.errors import SidecarError

        raise SidecarError("BUDGET_EXCEEDED", "spent")

    play(run, scenario)


def test_a_shutdown_puts_back_what_may_restart_and_what_waited_for_a_slot(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        host = JobHost(str(tmp_path), max_concurrent_inferences=2, max_running_jobs=3)
        again = await host.submit(params=demo(STALLED), ifInterrupted="restart")
        lost = await host.submit(params=demo(STALLED))
        await host.running(lost)
        while host.methods.inferences.slots.active < 2:
            await asyncio.sleep(0)
        slotless = await host.submit(params=demo(FAST))
        queued = await host.submit(params=demo(FAST))
        await host.running(slotless)
        await host.close()
        assert host.notices(lost)[-1] == "error JOB_INTERRUPTED"
        assert host.notices(again)[-1] == "queued"

        host = JobHost(str(tmp_path), max_running_jobs=3)
        assert (await host.get(lost))["state"] == "interrupted"
        assert "mayHaveBeenPaid" not in await host.get(lost)  # the demo provider is free
        assert (await host.ended(slotless))["state"] == "done"
        assert (await host.ended(queued))["state"] == "done"
        await host.running(again)
        assert (await host.get(again))["attempts"] == 2
        await host.close()

    run(main())


def test_nothing_begins_while_the_sidecar_stops(run: Run) -> None:
    async def main() -> None:
        host = JobHost()
        host.methods.end_all()
        job_id = await host.submit(params=demo(FAST))
        await host.methods.idle()
        assert (await host.get(job_id))["state"] == "queued"
        await host.close()

    run(main())


def test_a_result_that_fits_no_message_is_an_error(run: Run) -> None:
    async def scenario(host: JobHost) -> None:
        text = "[[demo: connect=0 firstToken=0 rate=max tokens=3000]]"
        job = await host.ended(await host.submit("generate-text", params={"providerId": "demo", "prompt": text}))
        assert (job["state"], job["error"]["code"]) == ("failed", "MESSAGE_TOO_LARGE")

    play(run, scenario, max_message_bytes=4096)


def test_a_job_that_just_begins_when_the_sidecar_stops_waits_again(run: Run, tmp_path: Path) -> None:
    """However far it has come: it is never left running, nor called interrupted, without having been asked."""

    async def main() -> None:
        for turns in range(12):
            host = JobHost(str(tmp_path))
            job_id = await host.submit(params=demo(STALLED), ifInterrupted="fail")
            for _ in range(turns):
                await asyncio.sleep(0)
            host.methods.end_all()
            await host.close()
            assert not host.methods.jobs.pool._tasks
            after = JobHost(str(tmp_path), max_running_jobs=0)
            job = await after.get(job_id)
            was_sent = host.notices(job_id)[-1:] == ["error JOB_INTERRUPTED"]
            assert job["state"] == ("interrupted" if was_sent else "queued"), (turns, host.notices(job_id))
            await after.cancel(job_id)
            await after.close()

    run(main())
