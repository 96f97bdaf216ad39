"""The order a host can rely on: response, then events without a gap, then one terminal and nothing more."""

from __future__ import annotations

import pytest

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.events import PromptProgress, ReasoningDelta, TextDelta, ToolCallDelta, UsageReport
from tests.services.host import Host, Refused, play, settle


def test_the_response_is_written_before_the_first_event() -> None:
    async def scenario(host: Host) -> None:
        request = host.inference(inferenceId="a")
        host.send(request)
        host.provider.prepare = lambda call: (call.accept(), call.say("at once"), call.finish())
        await settle()
        assert host.received[0] == {"jsonrpc": "2.0", "id": request["id"], "result": {"inferenceId": "a"}}
        assert host.kinds("a") == ["thinking initializing", "thinking processing", "token", "done"]

    play(scenario)


def test_a_batch_is_answered_before_the_first_event_of_any_inference_in_it() -> None:
    async def scenario(host: Host) -> None:
        host.provider.prepare = lambda call: (call.accept(), call.say("at once"), call.finish())
        host.send([host.inference(inferenceId=name) for name in "abc"])
        await settle()
        assert [m["result"]["inferenceId"] for m in host.received[:3]] == ["a", "b", "c"]
        assert all("method" in m for m in host.received[3:])
        assert all(host.is_over(name) for name in "abc")

    play(scenario)


def test_an_inference_does_not_begin_while_its_batch_is_unanswered() -> None:
    async def scenario(host: Host) -> None:
        host.send([host.inference(inferenceId="a"), host.request("ping")])
        await settle()
        assert host.received == []
        assert host.provider.calls == []
        host.gate.set()
        await settle()
        assert host.kinds("a") == ["thinking initializing"]
        assert len(host.provider.calls) == 1

    play(scenario)


def test_the_first_token_is_written_before_what_came_with_it() -> None:
    async def scenario(host: Host) -> None:
        written: list[bytes] = []
        send = host.sink.send
        host.sink.send = lambda data: (written.append(data), send(data))[1]  # type: ignore[method-assign]
        host.provider.prepare = lambda call: (call.accept(), call.say("first"), call.say("second"), call.finish())
        await host.infer(inferenceId="a")
        first = next(data for data in written if b"first" in data)
        assert b"second" not in first
        assert b"llm:done" not in first

    play(scenario)


def test_a_refused_inference_has_no_event() -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused):
            await host.infer(inferenceId="a", providerId="nobody")
        await settle()
        assert host.events("a") == []
        assert host.service.slots.active == 0

    play(scenario)


def test_events_of_every_kind_are_numbered_without_a_gap_from_zero() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(retry={"maxRetries": 1})
        call.send(PromptProgress(1, 2))
        call.fail(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=0))
        await settle()
        call = host.provider.last
        call.accept()
        for batch in (
            [ReasoningDelta("r")],
            [TextDelta("t")],
            [ToolCallDelta(0, "{}", "id", "name")],
            [TextDelta("u")],
        ):
            call.send(*batch)
            await settle()
        call.finish()
        await settle()
        assert [event["seq"] for event in host.events(a)] == list(range(10))
        assert host.kinds(a) == [
            "thinking initializing",
            "thinking processing",
            "progress",
            "thinking retrying",
            "thinking processing",
            "thinking reasoning",
            "token",
            "tool-call",
            "token",
            "done",
        ]

    play(scenario)


def test_text_around_another_event_keeps_its_place() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.send(
            TextDelta("before "),
            ToolCallDelta(0, "{", "id", "name"),
            TextDelta("between "),
            ReasoningDelta("thought"),
            TextDelta("after"),
            UsageReport(1, 2),
        )
        await settle()
        assert host.kinds(a)[2:] == ["token", "tool-call", "token", "thinking reasoning", "token"]
        assert host.text(a) == "before between after"

    play(scenario)


def test_tokens_are_indexed_by_the_deltas_of_the_provider() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        for text, count in (("one", 1), ("two three", 2), ("four", 1)):
            call.say(text, count)
            await settle()
        call.send(TextDelta("five"), TextDelta("six"))
        await settle()
        tokens = [event for event in host.events(a) if event["method"] == "llm:token"]
        assert [(t["index"], t["count"]) for t in tokens] == [(0, 1), (1, 2), (3, 1), (4, 2)]

    play(scenario)


def test_a_second_end_of_the_stream_adds_no_second_terminal() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.say("text")
        call.finish()
        call.say("more")
        call.finish()
        await settle()
        assert host.kinds(a).count("done") == 1
        assert host.text(a) == "text"

    play(scenario)


def test_every_event_names_its_inference_and_its_window() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(windowId="w1")
        call.send(PromptProgress(1), ReasoningDelta("r"), TextDelta("t"), ToolCallDelta(0, "{}", "i", "n"))
        call.finish()
        b, call = await host.begin(windowId="w1")
        call.fail(ProviderError("AUTH_ERROR", "No."))
        await settle()
        for name in (a, b):
            assert {event["inferenceId"] for event in host.events(name)} == {name}
            assert {event["windowId"] for event in host.events(name)} == {"w1"}

    play(scenario)


def test_inferences_that_run_at_once_are_numbered_each_for_itself() -> None:
    async def scenario(host: Host) -> None:
        a, call_a = await host.begin()
        b, call_b = await host.begin()
        for text in ("1", "2", "3"):
            call_a.say(text)
            call_b.say(text)
            await settle()
        call_a.finish()
        call_b.finish()
        await settle()
        assert [event["seq"] for event in host.events(a)] == list(range(6))
        assert [event["seq"] for event in host.events(b)] == list(range(6))
        assert host.text(a) == host.text(b) == "123"

    play(scenario)
