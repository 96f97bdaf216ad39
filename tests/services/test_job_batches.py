"""Batches: handed over once, asked about until they have ended, every result stored with what it used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.errors import SidecarError
from tests.providers.batch_server import KEY, BatchServer, Fault, fault_server
from tests.services.job_host import JobHost

Run = Callable[[Any], Any]
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
CREATE = {"openai": "/batches", "anthropic": "/messages/batches"}
RESULTS = {"openai": "/content", "anthropic": "/results"}


def asked(*texts: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {"customId": f"r{at}", "request": {"messages": [{"role": "user", "content": text}], **more}}
        for at, text in enumerate(texts)
    ]


class Batches:
    """A host and a provider's batch endpoint."""

    def __init__(self, provider: str, server: BatchServer, folder: str | None = None, **limits: int) -> None:
        self.provider = provider
        self.server = server
        self._folder = folder
        self._limits = limits
        self.host = self.new_host()

    def new_host(self) -> JobHost:
        return JobHost(self._folder, urls={self.provider: f"{self.server.url}/v1"}, key=KEY, **self._limits)

    async def submit(self, *texts: str, **more: Any) -> str:
        params = {"providerId": self.provider, "modelId": MODELS[self.provider], "requests": asked(*texts)}
        return await self.host.submit("batch", params=params, **more)

    async def items(self, job_id: str, **page: Any) -> dict[str, Any]:
        """What came, in short, by the requests' names: a text, or a code."""
        result = await self.host.result(job_id, **page)
        return {
            item["customId"]: item["result"]["text"] if "result" in item else item["error"]["code"]
            for item in result["items"]
        }


def play(run: Run, provider: str, scenario: Callable[[Batches], Any], *, looks: int = 2, **limits: int) -> None:
    async def main() -> None:
        server = BatchServer(looks=looks)
        async with fault_server(server.script) as listener:
            server.url = listener.url
            batches = Batches(provider, server, **limits)
            try:
                await scenario(batches)
            finally:
                await batches.host.close()

    run(main())


both = pytest.mark.parametrize("provider", ["openai", "anthropic"])


@both
def test_every_request_gets_its_answer_or_its_error(run: Run, provider: str) -> None:
    async def scenario(batches: Batches) -> None:
        job_id = await batches.submit("one", "ERROR", "EXPIRED", "MISSING", "five")
        job = await batches.host.ended(job_id)
        assert job["state"] == "done"
        assert await batches.items(job_id) == {
            "r0": "Answer to one",
            "r1": "CONTEXT_LENGTH_EXCEEDED",
            "r2": "TIMEOUT",
            "r3": "PROVIDER_PROTOCOL_ERROR",
            "r4": "Answer to five",
        }
        done = await batches.host.told(lambda method, _: method == "llm:job:done")
        assert done["items"] == 5
        assert "mayHaveBeenPaid" not in job

    play(run, provider, scenario)


@both
def test_what_it_used_costs_half(run: Run, provider: str) -> None:
    async def scenario(batches: Batches) -> None:
        job_id = await batches.submit("one", "two", "ERROR")
        await batches.host.ended(job_id)
        rows = await batches.host.usage()
        prices = batches.host.methods._prices
        route = batches.host.methods._router.target(None, provider, MODELS[provider])
        item = (await batches.host.result(job_id))["items"][0]["result"]
        from llm_sidecar.messages.events import Usage

        usage = Usage(prompt_tokens=10, completion_tokens=5, total_tokens=15, source="reported")
        full = prices.cost(route.endpoint, MODELS[provider], usage)
        assert full is not None
        assert item["cost"] == pytest.approx(full / 2)
        assert [row["cost"] for row in rows] == [pytest.approx(full / 2, abs=1e-9)] * 2
        assert {row["jobId"] for row in rows} == {job_id}
        assert {row["totalMs"] for row in rows} == {None}  # nobody timed them, and no mean counts them
        summary = await batches.host.call("llm:usage:summary")
        assert (summary["total"]["requests"], summary["total"]["totalMs"]) == (2, None)
        assert {row["inferenceId"] for row in rows} == {f"{job_id}:r0", f"{job_id}:r1"}

    play(run, provider, scenario)


@both
def test_items_have_pages(run: Run, provider: str) -> None:
    async def scenario(batches: Batches) -> None:
        job_id = await batches.submit(*(f"text {at}" for at in range(7)))
        await batches.host.ended(job_id)
        found: dict[str, Any] = {}
        cursor: dict[str, Any] = {}
        pages = 0
        while True:
            found |= await batches.items(job_id, limit=3, **cursor)
            pages += 1
            following = (await batches.host.result(job_id, limit=3, **cursor)).get("nextCursor")
            if following is None:
                break
            cursor = {"cursor": following}
        assert (len(found), pages) == (7, 3)

    play(run, provider, scenario)


@both
@pytest.mark.parametrize("kind", [429, 503, "reset"])
def test_a_provider_that_fails_for_a_while_is_asked_again(run: Run, provider: str, kind: Any) -> None:
    async def scenario(batches: Batches) -> None:
        batches.server.faults += [
            *([Fault("POST", "/files", kind)] if provider == "openai" else [Fault("POST", CREATE[provider], 429)]),
            Fault("GET", "_0", kind, times=2),
            Fault("GET", RESULTS[provider], kind),
        ]
        job_id = await batches.submit("one")
        assert (await batches.host.ended(job_id))["state"] == "done"
        assert await batches.items(job_id) == {"r0": "Answer to one"}
        assert batches.server.faults == []
        assert len(batches.server.batches) + len(batches.server.messages) == 1

    play(run, provider, scenario)


@both
def test_results_that_break_off_are_read_again_and_paid_once(run: Run, provider: str) -> None:
    async def scenario(batches: Batches) -> None:
        batches.server.faults.append(Fault("GET", RESULTS[provider], "cut"))
        job_id = await batches.submit(*(f"text {at}" for at in range(20)))
        assert (await batches.host.ended(job_id))["state"] == "done"
        assert len(await batches.items(job_id)) == 20
        assert len(await batches.host.usage()) == 20

    play(run, provider, scenario)


@both
def test_results_that_always_break_off_end_the_job_with_what_came(run: Run, provider: str) -> None:
    async def scenario(batches: Batches) -> None:
        batches.server.faults.append(Fault("GET", RESULTS[provider], "cut", times=1_000))
        job_id = await batches.submit(*(f"text {at}" for at in range(20)))
        job = await batches.host.ended(job_id)
        assert (job["state"], job["error"]["code"], job["mayHaveBeenPaid"]) == ("failed", "STREAM_TRUNCATED", True)
        assert 0 < len(await batches.items(job_id)) < 20

    play(run, provider, scenario)


@both
def test_results_of_others_and_unreadable_ones_are_passed_over(run: Run, provider: str) -> None:
    async def scenario(batches: Batches) -> None:
        batches.server.extra_lines = [
            b"not JSON",
            b'{"custom_id": "stranger", "result": {"type": "expired"}}',
            b"[]",
            b"",
        ]
        job_id = await batches.submit("one")
        assert (await batches.host.ended(job_id))["state"] == "done"
        assert await batches.items(job_id) == {"r0": "Answer to one"}

    play(run, provider, scenario)


@both
def test_a_key_that_is_refused_is_an_error_without_a_batch(run: Run, provider: str) -> None:
    async def scenario(batches: Batches) -> None:
        batches.server.faults.append(Fault("POST", "/files" if provider == "openai" else CREATE[provider], 401))
        job_id = await batches.submit("one")
        job = await batches.host.ended(job_id)
        assert (job["state"], job["error"]["code"]) == ("failed", "AUTH_ERROR")
        assert "mayHaveBeenPaid" not in job

    play(run, provider, scenario)


@both
def test_a_batch_that_the_provider_lost_ends_the_job(run: Run, provider: str) -> None:
    async def scenario(batches: Batches) -> None:
        batches.server.faults.append(Fault("GET", "_0", 404))
        job_id = await batches.submit("one")
        job = await batches.host.ended(job_id)
        assert (job["state"], job["mayHaveBeenPaid"]) == ("failed", True)

    play(run, provider, scenario)


def test_openai_is_asked_whether_it_took_a_batch_before_it_is_handed_over_again(run: Run) -> None:
    async def scenario(batches: Batches) -> None:
        for _ in range(3):  # pages of others' batches
            batches.server.batches[f"batch_x{len(batches.server.batches)}"] = {"id": "x", "status": "completed"}
        batches.server.batches = {name: {**batch, "id": name} for name, batch in batches.server.batches.items()}
        batches.server.faults.append(Fault("POST", "/batches", "lost"))
        job_id = await batches.submit("one")
        job = await batches.host.ended(job_id)
        assert job["state"] == "done"
        assert "mayHaveBeenPaid" not in job
        assert len(batches.server.batches) == 4

    play(run, "openai", scenario)


def test_openai_gets_a_batch_again_that_it_did_not_take(run: Run) -> None:
    async def scenario(batches: Batches) -> None:
        batches.server.faults.append(Fault("POST", "/batches", "reset", times=2))
        job_id = await batches.submit("one")
        assert (await batches.host.ended(job_id))["state"] == "done"
        assert len(batches.server.batches) == 1

    play(run, "openai", scenario)


@pytest.mark.parametrize("may_restart", [False, True])
def test_anthropic_is_never_given_a_batch_twice_unless_the_job_may_restart(run: Run, may_restart: bool) -> None:
    async def scenario(batches: Batches) -> None:
        batches.server.faults.append(Fault("POST", "/messages/batches", "lost"))
        job_id = await batches.submit("one", ifInterrupted="restart" if may_restart else "fail")
        job = await batches.host.ended(job_id)
        assert job["mayHaveBeenPaid"]
        assert job["state"] == ("done" if may_restart else "failed")
        assert len(batches.server.messages) == (2 if may_restart else 1)

    play(run, "anthropic", scenario)


@both
def test_a_batch_that_runs_is_cancelled_at_the_provider_and_keeps_what_came(run: Run, provider: str) -> None:
    async def scenario(batches: Batches) -> None:
        job_id = await batches.submit("one", "two", "three")
        await batches.host.told(lambda method, notice: method == "llm:job:progress" and "progress" in notice)
        assert await batches.host.cancel(job_id)
        job = await batches.host.ended(job_id)
        assert job["state"] == "cancelled"
        assert len(batches.server.asked("POST", "/cancel")) >= 1
        assert await batches.items(job_id) == {"r0": "Answer to one", "r1": "CANCELLED", "r2": "Answer to three"}

    play(run, provider, scenario, looks=1_000_000)


@both
def test_a_batch_that_waits_is_cancelled_without_the_provider(run: Run, provider: str) -> None:
    async def scenario(batches: Batches) -> None:
        job_id = await batches.submit("one")
        assert await batches.host.cancel(job_id)
        assert (await batches.host.get(job_id))["state"] == "cancelled"
        assert batches.server.requests == []

    play(run, provider, scenario, max_running_batches=0)


@pytest.mark.parametrize(("end", "odd"), [("expired", "TIMEOUT"), ("cancelled", "CANCELLED")])
def test_openais_other_ends(run: Run, end: str, odd: str) -> None:
    async def scenario(batches: Batches) -> None:
        batches.server.ends_as = end
        job_id = await batches.submit("one", "two", "MISSING")
        job = await batches.host.ended(job_id)
        assert job["state"] == ("done" if end == "expired" else "cancelled")
        assert await batches.items(job_id) == {"r0": "Answer to one", "r1": odd, "r2": odd}

    play(run, "openai", scenario)


def test_a_file_that_openai_refuses_fails_the_job(run: Run) -> None:
    async def scenario(batches: Batches) -> None:
        batches.server.ends_as = "failed"
        job = await batches.host.ended(await batches.submit("one"))
        assert (job["state"], job["error"]["code"]) == ("failed", "INVALID_REQUEST")
        assert "mayHaveBeenPaid" not in job

    play(run, "openai", scenario)


def test_reasoning_takes_the_whole_batch_to_the_responses_format(run: Run) -> None:
    async def scenario(batches: Batches) -> None:
        requests = [
            *asked("one"),
            {"customId": "r1", "request": {**asked("two", reasoning={"effort": "low"})[0]["request"]}},
        ]
        requests.append({"customId": "r2", "request": asked("three", stop=["x"])[0]["request"]})
        params = {"providerId": "openai", "modelId": "gpt-5-mini", "requests": requests}
        job_id = await batches.host.submit("batch", params=params)
        await batches.host.ended(job_id)
        items = await batches.items(job_id)
        assert items == {"r0": "Answer to one", "r1": "Answer to two", "r2": "INVALID_REQUEST"}
        assert next(iter(batches.server.batches.values()))["endpoint"] == "/v1/responses"

    play(run, "openai", scenario)


def test_a_batch_of_nothing_that_can_be_said_is_not_sent(run: Run) -> None:
    async def scenario(batches: Batches) -> None:
        requests = asked("three", stop=["x"], reasoning={"effort": "low"})
        params = {"providerId": "openai", "modelId": "gpt-5-mini", "requests": requests}
        job_id = await batches.host.submit("batch", params=params)
        assert (await batches.host.ended(job_id))["error"]["code"] == "INVALID_REQUEST"
        assert await batches.items(job_id) == {"r0": "INVALID_REQUEST"}
        assert batches.server.requests == []

    play(run, "openai", scenario)


def test_a_batch_goes_on_with_the_next_process(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        server = BatchServer(looks=1_000_000)
        async with fault_server(server.script) as listener:
            server.url = listener.url
            batches = Batches("anthropic", server, str(tmp_path))
            job_id = await batches.submit("one")
            await batches.host.told(lambda method, notice: "progress" in notice)
            await batches.host.close()
            server.looks = 1
            batches.host = batches.new_host()
            job = await batches.host.ended(job_id)
            assert (job["state"], job["attempts"]) == ("done", 1)
            assert await batches.items(job_id) == {"r0": "Answer to one"}
            assert len(server.messages) == 1
            await batches.host.close()

    run(main())


def test_what_cannot_be_a_batch_is_refused_when_it_is_submitted(run: Run) -> None:
    async def refused(host: JobHost, **params: Any) -> Any:
        return await host.refused("llm:job:submit", kind="batch", params=params)

    async def scenario(batches: Batches) -> None:
        host = batches.host
        for provider in ("demo", "ollama", "google"):
            if provider == "google":
                continue
            assert (await refused(host, providerId=provider, requests=asked("x"))).code == "INVALID_PROVIDER"
        twice = [*asked("x"), *asked("y")]
        error = await refused(host, providerId="openai", requests=twice)
        assert error.details["fields"] == [
            {"path": "params.requests[1].customId", "reason": "is another request's, too"}
        ]
        for name in ("profileId", "providerId"):
            error = await refused(host, providerId="openai", requests=asked("x", **{name: "demo"}))
            assert error.details["fields"][0]["path"] == f"params.requests[0].request.{name}"
        models = [*asked("x", modelId="gpt-4o"), {**asked("y")[0], "customId": "r1"}]
        error = await refused(host, providerId="openai", requests=models)
        assert error.details["fields"][0]["path"] == "params.requests[1].request.modelId"
        error = await refused(host, providerId="openai", requests=[{"customId": "a b", "request": {"messages": []}}])
        assert error.details["fields"][0]["path"] == "params.requests[0].customId"
        error = await refused(host, providerId="openai", requests=[{"customId": "a", "request": {"messages": []}}])
        assert error.details["fields"][0]["path"] == "params.requests[0].request.messages"

    play(run, "openai", scenario)


@both
def test_a_provider_that_never_takes_it_ends_the_job(run: Run, provider: str) -> None:
    async def scenario(batches: Batches) -> None:
        first = ("POST", "/files") if provider == "openai" else ("GET", CREATE[provider])
        batches.server.faults.append(Fault(*first, 503, times=1_000))
        job = await batches.host.ended(await batches.submit("one"))
        assert (job["state"], job["error"]["code"]) == ("failed", "PROVIDER_OVERLOADED")
        assert "mayHaveBeenPaid" not in job

    play(run, provider, scenario)


@both
def test_a_full_disk_loses_no_batch(run: Run, provider: str) -> None:
    """The moment after the provider took it is the worst: its id is known, and cannot be stored."""

    async def scenario(batches: Batches) -> None:
        table = batches.host.methods.jobs._batches.table
        real_sent, real_add, failures = table.sent, table.add, [0, 0]

        def full() -> SidecarError:
            return SidecarError("STORAGE_WRITE_ERROR", "full", details={"reason": "full"})

        async def sent(row: int, batch_id: str) -> None:
            failures[0] += 1
            if failures[0] < 3:
                raise full()
            await real_sent(row, batch_id)

        async def add(row: int, items: Any) -> Any:
            failures[1] += 1
            if failures[1] < 3:
                raise full()
            return await real_add(row, items)

        table.sent, table.add = sent, add  # type: ignore[method-assign]
        job_id = await batches.submit("one", "ERROR")
        job = await batches.host.ended(job_id)
        assert (job["state"], job.get("mayHaveBeenPaid")) == ("done", None)
        assert await batches.items(job_id) == {"r0": "Answer to one", "r1": "CONTEXT_LENGTH_EXCEEDED"}
        assert len(batches.server.batches) + len(batches.server.messages) == 1
        assert len(await batches.host.usage()) == 1

    play(run, provider, scenario)
