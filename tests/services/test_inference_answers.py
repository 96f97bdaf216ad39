"""Whole answers: without a stream, with tool calls in parallel, and far too long."""

from __future__ import annotations

from typing import Any

import pytest

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.events import PromptProgress, ProviderState, ReasoningDelta, TextDelta, ToolCallDelta
from tests.services.host import Host, play, settle

# --- without a stream ---


def test_without_a_stream_the_terminal_has_the_text_and_no_piece_came_before() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=False)
        for events in (
            [ReasoningDelta("hm")],
            [TextDelta("so ")],
            [ToolCallDelta(0, "{}", "i", "n")],
            [TextDelta("it is")],
        ):
            call.send(*events)
            await settle()
        call.finish()
        await settle()
        assert host.kinds(a) == ["thinking initializing", "thinking processing", "done"]
        terminal = host.terminal(a)
        assert terminal["text"] == "so it is"
        assert terminal["toolCalls"] == [{"id": "i", "name": "n", "arguments": "{}"}]

    play(scenario)


def test_without_a_stream_an_empty_answer_is_an_empty_text() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=False)
        call.finish()
        await settle()
        assert host.terminal(a)["text"] == ""

    play(scenario)


def test_without_a_stream_a_failure_has_the_partial_text() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=False)
        call.say("so far")
        call.fail(ProviderError("SERVER_ERROR", "Failed."))
        await settle()
        assert host.terminal(a)["partialText"] == "so far"

    play(scenario)


def test_with_a_stream_the_terminal_does_not_repeat_the_text() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.say("text")
        call.finish()
        await settle()
        assert "text" not in host.terminal(a)

    play(scenario)


def test_progress_is_told_with_and_without_a_stream() -> None:
    async def scenario(host: Host) -> None:
        for stream in (True, False):
            a, call = await host.begin(stream=stream)
            call.send(PromptProgress(5, 20), PromptProgress(20))
            await settle()
            progress = [e for e in host.events(a) if e["method"] == "llm:progress"]
            assert [(e["current"], e.get("total")) for e in progress] == [(5, 20), (20, None)]

    play(scenario)


# --- tool calls ---


def test_parallel_tool_calls_are_put_together_by_their_index() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.send(ToolCallDelta(0, "", "id-0", "first"), ToolCallDelta(1, "", "id-1", "second"))
        for piece in ('{"a"', ": 1", "}"):
            call.send(ToolCallDelta(1, piece.upper()), ToolCallDelta(0, piece))
            await settle()
        call.finish("tool_calls")
        await settle()
        assert host.terminal(a)["toolCalls"] == [
            {"id": "id-0", "name": "first", "arguments": '{"a": 1}'},
            {"id": "id-1", "name": "second", "arguments": '{"A": 1}'},
        ]
        pieces: dict[int, str] = {}
        for event in host.events(a):
            if event["method"] == "llm:tool-call":
                pieces[event["index"]] = pieces.get(event["index"], "") + event["argumentsDelta"]
        assert pieces == {0: '{"a": 1}', 1: '{"A": 1}'}

    play(scenario)


def test_the_first_piece_of_a_call_has_its_id_and_name() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.send(ToolCallDelta(0, "{", "id-0", "first"), ToolCallDelta(0, "}"))
        await settle()
        events = [e for e in host.events(a) if e["method"] == "llm:tool-call"]
        assert [(e.get("id"), e.get("name")) for e in events] == [("id-0", "first"), (None, None)]

    play(scenario)


def test_a_call_without_an_id_is_streamed_under_the_id_it_will_have_in_the_terminal() -> None:
    """A host matches the pieces to the assembled call by it; some local servers send none."""

    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.send(ToolCallDelta(0, "{}", None, "first"))
        call.finish("tool_calls")
        await settle()
        streamed = next(e for e in host.events(a) if e["method"] == "llm:tool-call")
        assert streamed.get("id") == host.terminal(a)["toolCalls"][0]["id"]

    play(scenario)


# --- far too long ---

ENDLESS: list[Any] = [TextDelta("x" * 100), ReasoningDelta("x" * 100), ToolCallDelta(0, "x" * 100, "i", "n")]


@pytest.mark.parametrize("piece", ENDLESS, ids=lambda piece: type(piece).__name__)
@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_without_an_end_is_cut_off_as_the_providers_fault(piece: Any, stream: bool) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=stream)
        for _ in range(15):
            call.send(piece)
            await settle()
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["attempts"]) == ("PROVIDER_PROTOCOL_ERROR", 1)
        assert call.closed
        assert len(call.taken) == 11

    play(scenario, max_answer_bytes=1_080)


def test_the_bound_of_an_answer_counts_bytes_not_characters() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.say("é" * 501)
        await settle()
        assert host.terminal(a)["code"] == "PROVIDER_PROTOCOL_ERROR"

    play(scenario, max_answer_bytes=1_000)


def test_an_answer_of_just_the_bound_is_complete() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.say("x" * 1_000)
        call.finish()
        await settle()
        assert host.terminal(a)["method"] == "llm:done"

    play(scenario, max_answer_bytes=1_000)


def test_the_partial_text_of_an_answer_cut_off_is_the_text_that_was_streamed() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        for _ in range(15):
            call.say("x" * 100)
            await settle()
        assert host.terminal(a)["partialText"] == host.text(a)

    play(scenario, max_answer_bytes=1_000)


def test_without_a_stream_an_answer_larger_than_a_line_is_an_error_that_says_so() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=False)
        call.say("x" * 9_000)
        call.finish()
        await settle()
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["retryable"]) == ("MESSAGE_TOO_LARGE", False)
        assert terminal["partialText"] == "x" * len(terminal["partialText"])
        assert 500 < len(terminal["partialText"]) < 8_000

    play(scenario, max_message_bytes=8_000)


def test_without_a_stream_what_counts_is_the_size_of_the_line_not_of_the_text() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=False)
        call.say("\x01" * 2_000)
        call.finish()
        await settle()
        assert host.terminal(a)["code"] == "MESSAGE_TOO_LARGE"

    play(scenario, max_message_bytes=8_000)


def test_a_streamed_answer_may_be_larger_than_a_line() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        for _ in range(100):
            call.say("x" * 500)
            await settle()
        call.finish()
        await settle()
        assert host.terminal(a)["method"] == "llm:done"
        assert len(host.text(a)) == 50_000

    play(scenario, max_message_bytes=8_000)


def test_cancelling_a_long_answer_without_a_stream_keeps_within_a_line() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=False)
        call.say("x" * 20_000)
        await settle()
        assert await host.cancel(a)
        assert host.terminal(a)["cancelled"] is True

    play(scenario, max_message_bytes=8_000)


def test_cancelling_long_tool_arguments_keeps_within_a_line() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        for _ in range(40):
            call.send(ToolCallDelta(0, "x" * 500, "i", "n"))
            await settle()
        assert await host.cancel(a)
        assert host.terminal(a)["cancelled"] is True

    play(scenario, max_message_bytes=8_000)


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("longest", [8_000, 200_000])
def test_a_large_state_to_send_back_keeps_within_a_line(longest: int, cancelled: bool) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.send(ProviderState({"signature": "x" * 300_000}), TextDelta("text"))
        await settle()
        if cancelled:
            assert await host.cancel(a)
        else:
            call.finish()
            await settle()
        assert host.is_over(a)

    play(scenario, max_message_bytes=longest)


@pytest.mark.parametrize("longest", [4_096, 8_000])
def test_a_call_with_a_long_name_keeps_within_a_line(longest: int) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(inferenceId="\x01" * 100, windowId="\x01" * 100)
        call.send(ToolCallDelta(0, "\x01" * 2_000, "\x01" * 100, "\x01" * 64), ToolCallDelta(1, "", "i", "n"))
        await settle()
        events = [event for event in host.events(a) if event["method"] == "llm:tool-call"]
        assert "".join(event["argumentsDelta"] for event in events if event["index"] == 0) == "\x01" * 2_000
        assert [event.get("name") for event in events] == ["\x01" * 64, *[None] * (len(events) - 2), "n"]
        assert await host.cancel(a)

    play(scenario, max_message_bytes=longest)


@pytest.mark.parametrize("enormous", [("i" * 10_000, "n"), ("i", "n" * 10_000)], ids=["id", "name"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_call_whose_id_or_name_is_larger_than_a_line_is_a_protocol_error(
    enormous: tuple[str, str], stream: bool
) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=stream)
        call.send(ToolCallDelta(0, "{}", *enormous))
        call.finish()
        await settle()
        assert host.terminal(a)["code"] == "PROVIDER_PROTOCOL_ERROR"

    play(scenario, max_message_bytes=8_000)


@pytest.mark.parametrize("stream", [True, False])
def test_calls_that_together_are_larger_than_a_line_are_an_error_that_says_so(stream: bool) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=stream)
        call.send(*(ToolCallDelta(index, "", f"call-{index}", "n" * 100) for index in range(1_000)))
        call.finish()
        await settle()
        assert host.terminal(a)["code"] == "MESSAGE_TOO_LARGE"

    play(scenario, max_message_bytes=100_000)


@pytest.mark.parametrize("text", ["x" * 20_000, "\x01" * 3_000], ids=["long", "escaped"])
@pytest.mark.parametrize("kind", [TextDelta, ReasoningDelta])
def test_one_delta_larger_than_a_line_keeps_within_a_line(kind: Any, text: str) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        call.send(kind(text))
        call.finish()
        await settle()
        assert host.is_over(a)

    play(scenario, max_message_bytes=8_000)


def test_merged_text_keeps_within_a_line() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        host.sink.stall()
        for _ in range(100):
            call.say("x" * 200)
            await settle()
        host.sink.unstall()
        call.finish()
        await settle()
        assert host.text(a) == "x" * 20_000

    play(scenario, max_message_bytes=8_000)


@pytest.mark.parametrize("stream", [True, False])
def test_the_failure_of_a_long_answer_keeps_within_a_line(stream: bool) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=stream)
        for _ in range(20):
            call.say("\x01" * 200)
            await settle()
        call.fail(ProviderError("SERVER_ERROR", "Failed."))
        await settle()
        partial = host.terminal(a)["partialText"]
        assert partial == "\x01" * len(partial)
        assert 500 < len(partial) < 2_000

    play(scenario, max_message_bytes=8_000)
