"""A row of usage for every inference that was accepted, on the disk before its terminal is told."""

from __future__ import annotations

from typing import Any

import pytest

from llm_sidecar.errors import ProviderError
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.messages.usage import UsageRow
from llm_sidecar.providers.events import Finish, ModelNamed, TextDelta, UsageReport
from llm_sidecar.rpc.params import decode_params
from llm_sidecar.services.inference.origin import Origin
from llm_sidecar.storage.clock import now_ms
from tests.services.host import USER, Refused, settle
from tests.services.recorded_usage import RecordedHost, complete, play


async def rows(host: RecordedHost, **params: Any) -> list[dict[str, Any]]:
    return (await host.result_of("llm:usage:list", **params))["rows"]


def test_the_row_of_an_answer_says_what_its_terminal_says() -> None:
    async def scenario(host: RecordedHost) -> None:
        before = now_ms()
        inference_id, call = await host.begin(modelId="asked")
        call.send(ModelNamed("named"), TextDelta("t"), UsageReport(10, 20, 5, 4, 3), Finish("stop", None))
        call.end()
        terminal = await host.ended(inference_id)
        assert "persisted" not in terminal
        (row,) = await rows(host)
        assert before <= row.pop("at") <= now_ms()
        assert row.pop("totalMs") == terminal["timings"]["totalMs"]
        assert row.pop("firstTokenMs") == terminal["timings"]["firstTokenMs"]
        assert row == {
            "inferenceId": inference_id,
            "providerId": "demo",
            "modelId": "named",
            "outcome": "done",
            "promptTokens": 10,
            "completionTokens": 20,
            "totalTokens": 30,
            "cachedPromptTokens": 5,
            "cacheWriteTokens": 3,
            "reasoningTokens": 4,
            "source": "reported",
            "cost": 30.0,
            "attempts": 1,
        }

    play(scenario)


@pytest.mark.parametrize("how", ["failed", "cancelled", "refused by the provider", "shut down"])
def test_whatever_ends_an_inference_it_has_a_row(how: str) -> None:
    async def scenario(host: RecordedHost) -> None:
        inference_id, call = await host.begin(retry={"maxRetries": 0})
        if how != "refused by the provider":
            call.send(UsageReport(prompt_tokens=50), TextDelta("x" * 40))
            await settle()
        if how == "cancelled":
            await host.cancel(inference_id)
        elif how == "shut down":
            host.service.end_all()
        else:
            call.fail(ProviderError("SERVER_ERROR" if how == "failed" else "AUTH_ERROR", "Failed.", status=401))
        await host.ended(inference_id)
        (row,) = await rows(host)
        codes = {"failed": "SERVER_ERROR", "shut down": "SHUTTING_DOWN", "refused by the provider": "AUTH_ERROR"}
        assert row["outcome"] == ("cancelled" if how == "cancelled" else "error")
        assert row.get("code") == codes.get(how)
        if how != "refused by the provider":
            assert (row["totalTokens"], row["source"], row["cost"]) == (60, "partial", 60.0)

    play(scenario)


def test_a_request_that_is_refused_has_no_row() -> None:
    async def scenario(host: RecordedHost) -> None:
        with pytest.raises(Refused):
            await host.infer(providerId="nobody")
        await host.begin()
        with pytest.raises(Refused):
            await host.infer()
        assert await rows(host) == []

    play(scenario, max_concurrent_inferences=1)


def test_a_fallback_that_answers_has_the_row_and_those_that_failed_have_none() -> None:
    async def scenario(host: RecordedHost) -> None:
        inference_id, call = await host.begin(fallbackProfileIds=["ollama"], retry={"maxRetries": 0})
        call.fail(ProviderError("SERVER_ERROR", "Failed.", status=500))
        await settle()
        host.provider.last.accept()
        complete(host.provider.last)
        await host.ended(inference_id)
        (row,) = await rows(host)
        assert (row["providerId"], row["outcome"], row["attempts"]) == ("ollama", "done", 2)

    play(scenario)


def test_an_answer_from_the_cache_is_marked_and_used_nothing() -> None:
    async def scenario(host: RecordedHost) -> None:
        await host.answered(cache=True)
        again = await host.infer(cache=True)
        await host.ended(again)
        first, second = reversed(await rows(host))
        assert (first.get("cached"), second["cached"]) == (None, True)
        assert (first["cost"], second["cost"]) == (5.0, 0.0)
        total = (await host.result_of("llm:usage:summary"))["total"]
        assert (total["requests"], total["totalTokens"], total["cost"], total["unpriced"]) == (2, 5, 5.0, 0)

    play(scenario)


def test_sessions_and_jobs_are_named_in_the_row() -> None:
    async def scenario(host: RecordedHost) -> None:
        params = decode_params({"messages": USER, "providerId": "demo"}, InferenceParams)
        run = host.service.admit(params, origin=Origin(session_id="s-1", job_id="j-1"))
        host._next_seq[run.inference_id] = 0
        host.service.start(run)
        await settle()
        host.provider.last.accept()
        complete(host.provider.last)
        await host.service.idle()
        (row,) = await rows(host, sessionId="s-1")
        assert (row["sessionId"], row["jobId"]) == ("s-1", "j-1")
        assert await rows(host, sessionId="s-2") == []

    play(scenario)


@pytest.mark.parametrize("method", ["llm:generate-text", "llm:chat:completions"])
def test_other_ways_to_ask_are_recorded_too(method: str) -> None:
    async def scenario(host: RecordedHost) -> None:
        if method == "llm:generate-text":
            params: dict[str, Any] = {"providerId": "demo", "prompt": "hi"}
        else:
            params = {"service": "demo", "request": {"model": "demo-1", "messages": USER}}
        request = host.request(method, **params)
        host.send(request)
        await settle()
        host.provider.last.accept()
        complete(host.provider.last)
        await host.service.idle()
        (row,) = await rows(host)
        assert row["totalTokens"] == 5

    play(scenario)


def test_what_cannot_be_stored_is_said_by_the_terminal_and_costs_nevertheless() -> None:
    async def scenario(host: RecordedHost) -> None:
        await host.result_of("llm:budget:set", period="month", limit=100)
        database = host.methods.database
        database.read_now(lambda connection: connection.execute("PRAGMA query_only = ON"))
        terminal = await host.answered()
        assert (terminal["method"], terminal["persisted"], terminal["cost"]) == ("llm:done", False, 5.0)
        assert await rows(host) == []
        (budget,) = (await host.result_of("llm:budget:get"))["budgets"]
        assert (budget["spent"], budget["remaining"]) == (5.0, 95.0)
        database.read_now(lambda connection: connection.execute("PRAGMA query_only = OFF"))
        assert "persisted" not in await host.answered()
        assert len(await rows(host)) == 1

    play(scenario)


def test_a_list_fits_its_message_and_goes_on_where_it_ended() -> None:
    async def scenario(host: RecordedHost) -> None:
        for number in range(60):
            await host.methods.usage.add(
                UsageRow(
                    inference_id=f"{number:02}" + "\u0001" * 90,
                    at=1,
                    provider_id="demo",
                    model_id="m",
                    outcome="done",
                    prompt_tokens=1,
                    completion_tokens=1,
                    total_tokens=2,
                    source="reported",
                    cost=None,
                    first_token_ms=None,
                    total_ms=1,
                    attempts=1,
                )
            )
        seen: list[str] = []
        sizes: list[int] = []
        params: dict[str, Any] = {"limit": 40}
        while True:
            page = await host.result_of("llm:usage:list", **params)
            seen += [row["inferenceId"][:2] for row in page["rows"]]
            sizes.append(len(page["rows"]))
            if page["nextCursor"] is None:
                break
            params["cursor"] = page["nextCursor"]
        assert seen == [f"{number:02}" for number in reversed(range(60))]
        assert max(sizes) < 40
        summary = await host.result_of("llm:usage:summary", groupBy="provider")
        assert summary["total"]["requests"] == 60

    play(scenario, max_message_bytes=8_192)


def test_a_summary_that_is_too_long_leaves_out_what_costs_least_and_says_so() -> None:
    async def scenario(host: RecordedHost) -> None:
        for number in range(30):
            await host.answered(prompt_tokens=number + 1, modelId=f"model-{number}")
        summary = await host.result_of("llm:usage:summary", groupBy="model")
        keys = [row["key"] for row in summary["rows"]]
        assert summary["truncated"] is True
        assert 3 <= len(keys) < 30
        assert keys == [f"model-{number}" for number in reversed(range(30))][: len(keys)]
        assert summary["total"]["requests"] == 30

    play(scenario, max_message_bytes=6_000)


def test_days_are_those_of_the_offset_and_in_their_order() -> None:
    async def scenario(host: RecordedHost) -> None:
        midnight = 1_795_824_000_000  # 2026-11-28 00:00 UTC
        for hours in (-2, -1, 1, 23):
            row = UsageRow(
                inference_id="i", at=midnight + hours * 3_600_000, provider_id="demo", model_id="m", outcome="done",
                prompt_tokens=1, completion_tokens=1, total_tokens=2, source="reported", cost=1.0, first_token_ms=None,
                total_ms=1, attempts=1,
            )  # fmt: skip
            await host.methods.usage.add(row)

        async def days(offset: int) -> list[tuple[str, int]]:
            summary = await host.result_of("llm:usage:summary", groupBy="day", utcOffsetMinutes=offset)
            return [(row["key"], row["requests"]) for row in summary["rows"]]

        assert await days(0) == [("2026-11-27", 2), ("2026-11-28", 2)]
        assert await days(120) == [("2026-11-28", 3), ("2026-11-29", 1)]
        assert await days(-345) == [("2026-11-27", 3), ("2026-11-28", 1)]

    play(scenario)


@pytest.mark.parametrize("cursor", ["x", "1-2-3", "-1", "1-", "9" * 19, "٣"])
@pytest.mark.parametrize("method", ["llm:usage:list", "llm:audit:list"])
def test_a_cursor_that_no_page_gave_is_refused_by_name(method: str, cursor: str) -> None:
    async def scenario(host: RecordedHost) -> None:
        with pytest.raises(Refused) as caught:
            await host.result_of(method, cursor=cursor)
        assert caught.value.code == "VALIDATION_ERROR"
        assert caught.value.data["details"]["fields"][0]["path"] == "cursor"

    play(scenario)


@pytest.mark.parametrize(
    ("method", "params", "path"),
    [
        ("llm:usage:summary", {"groupBy": "hour"}, "groupBy"),
        ("llm:usage:summary", {"from": -1}, "from"),
        ("llm:usage:summary", {"utcOffsetMinutes": 7}, "utcOffsetMinutes"),
        ("llm:usage:summary", {"utcOffsetMinutes": 855}, "utcOffsetMinutes"),
        ("llm:usage:list", {"limit": 0}, "limit"),
        ("llm:usage:list", {"limit": 201}, "limit"),
        ("llm:usage:list", {"providerId": ""}, "providerId"),
        ("llm:budget:set", {"period": "week", "limit": 1}, "period"),
        ("llm:budget:set", {"period": "day"}, "limit"),
        ("llm:budget:set", {"period": "day", "limit": -0.01}, "limit"),
        ("llm:budget:set", {"period": "day", "limit": 1, "surprise": 1}, "surprise"),
        ("llm:audit:list", {"action": "key.stolen"}, "action"),
    ],
)
def test_a_wrong_field_is_refused_by_name(method: str, params: dict[str, Any], path: str) -> None:
    async def scenario(host: RecordedHost) -> None:
        with pytest.raises(Refused) as caught:
            await host.result_of(method, **params)
        assert caught.value.code == "VALIDATION_ERROR"
        assert [field["path"] for field in caught.value.data["details"]["fields"]] == [path]

    play(scenario)


def test_an_empty_database_sums_up_to_nothing() -> None:
    async def scenario(host: RecordedHost) -> None:
        for group_by in ("provider", "day", None):
            params = {} if group_by is None else {"groupBy": group_by}
            summary = await host.result_of("llm:usage:summary", **params)
            assert summary["rows"] == []
            assert summary["total"]["requests"] == 0
            assert summary["total"]["totalMs"] is None

    play(scenario)
