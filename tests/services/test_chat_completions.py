"""`llm:chat:completions`: what a host gets, whole and in chunks. (`test_chat_request`: what it may ask;
`test_whole_answer`: cancelling, failing, limits.)

The official SDK is the oracle: its types validate what is sent, its accumulator puts the chunks together.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from conformance.completion import Completion
from llm_sidecar.errors import ProviderError
from llm_sidecar.messages.content import Message, ToolCall
from llm_sidecar.providers.events import (
    ModelNamed,
    PromptProgress,
    ProviderEvent,
    ProviderState,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from llm_sidecar.services.inference.journal import Journal
from tests.services.fake_provider import Call
from tests.services.host import USER, Host, Refused, play, settle

Json = dict[str, Any]

ANSWERS: dict[str, list[list[ProviderEvent]]] = {
    "text": [[TextDelta("so ")], [TextDelta("it "), TextDelta("is")]],
    "nothing": [],
    "reasoning": [[ReasoningDelta("hm, "), ReasoningDelta("well")], [TextDelta("so")]],
    "reasoning only": [[ReasoningDelta("hm")]],
    "a tool call": [[ToolCallDelta(0, "", "id-0", "first")], [ToolCallDelta(0, '{"a"')], [ToolCallDelta(0, ": 1}")]],
    "a call of nothing": [[ToolCallDelta(0, "", "id-0", "first")]],
    "a call without an id": [[ToolCallDelta(0, "{}", None, "first")]],
    "everything": [
        [ModelNamed("demo-2026"), PromptProgress(1, 2), ReasoningDelta("hm")],
        [TextDelta("so")],
        [ToolCallDelta(0, "{", "id-0", "first"), ToolCallDelta(1, "[", "id-1", "second")],
        [ToolCallDelta(0, "}"), ToolCallDelta(1, "]")],
        [TextDelta(" it is")],
        [ProviderState({"signature": "s"}), UsageReport(7, 5, cached_prompt_tokens=3, reasoning_tokens=2)],
    ],
}
for_every_answer = pytest.mark.parametrize("answer", ANSWERS, ids=str)


def completion(host: Host, *, around: Json | None = None, **request: Any) -> Json:
    params = {"providerId": "demo", "request": {"messages": USER, **request}, **(around or {})}
    return host.request("llm:chat:completions", **params)


async def accepted(host: Host, request: Json) -> Call:
    host.send(request)
    await settle()
    call = host.provider.last
    call.accept()
    await settle()
    return call


async def answered(host: Host, request: Json, batches: list[list[ProviderEvent]]) -> Json:
    """The result of `request`, for which the provider sends `batches`."""
    call = await accepted(host, request)
    for batch in batches:
        call.send(*batch)
        await settle()
    has_calls = any(isinstance(event, ToolCallDelta) for batch in batches for event in batch)
    call.finish("tool_calls" if has_calls else "stop")
    await settle()
    return host.result(request)


def message_of(result: Json) -> Json:
    return result["choices"][0]["message"]


def deltas(host: Host, request: Json) -> list[Json]:
    return [choice["delta"] for chunk in host.chunks(request) for choice in chunk["choices"]]


def check_chunks(host: Host, request: Json) -> None:
    """What the chunks come to is the whole completion."""
    whole = Completion()
    for chunk in host.chunks(request):
        whole.add(chunk)
    whole.end(host.result(request))


# --- the whole completion ---


def test_the_completion_is_openais() -> None:
    async def scenario(host: Host) -> None:
        before = int(time.time())
        result = await answered(host, completion(host), ANSWERS["everything"])
        assert result.pop("id").startswith("chatcmpl-")
        assert before <= result.pop("created") <= time.time()
        calls = [
            {"id": "id-0", "type": "function", "function": {"name": "first", "arguments": "{}"}},
            {"id": "id-1", "type": "function", "function": {"name": "second", "arguments": "[]"}},
        ]
        message = {"role": "assistant", "content": "so it is", "refusal": None, "tool_calls": calls}
        extras = {"reasoning_content": "hm", "provider_state": {"signature": "s"}}
        assert result == {
            "object": "chat.completion",
            "model": "demo-2026",
            "choices": [{"index": 0, "message": message | extras, "finish_reason": "tool_calls", "logprobs": None}],
            "usage": {
                "prompt_tokens": 7,
                "completion_tokens": 5,
                "total_tokens": 12,
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 2},
                "source": "reported",
                "cost": None,
            },
        }
        assert host.chunks(host.request("none")) == []

    play(scenario)


@pytest.mark.parametrize(
    ("answer", "content"),
    [("nothing", ""), ("reasoning only", ""), ("a tool call", None), ("text", "so it is")],
)
def test_content_is_null_only_where_there_are_calls_instead(answer: str, content: str | None) -> None:
    async def scenario(host: Host) -> None:
        assert message_of(await answered(host, completion(host), ANSWERS[answer]))["content"] == content

    play(scenario)


def test_a_usage_that_nobody_reported_is_an_estimate_and_says_so() -> None:
    async def scenario(host: Host) -> None:
        usage = (await answered(host, completion(host), ANSWERS["text"]))["usage"]
        assert usage["source"] == "estimated"
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
        assert "prompt_tokens_details" not in usage

    play(scenario)


@for_every_answer
@pytest.mark.parametrize("stream", [False, True])
def test_the_official_types_take_what_is_sent(answer: str, stream: bool) -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=stream, stream_options={"include_usage": True})
        whole = ChatCompletion.model_validate(await answered(host, request, ANSWERS[answer]), strict=True)
        assert whole.model_dump(exclude_unset=True) == host.result(request)
        chunks = host.chunks(request)
        assert bool(chunks) is stream
        for chunk in chunks:
            assert ChatCompletionChunk.model_validate(chunk, strict=True).model_dump(exclude_unset=True) == chunk

    play(scenario)


@for_every_answer
def test_the_official_accumulator_makes_the_whole_completion_of_the_chunks(answer: str) -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True, stream_options={"include_usage": True})
        whole = ChatCompletion.model_validate(await answered(host, request, ANSWERS[answer]))
        state: Any = ChatCompletionStreamState()
        for chunk in host.chunks(request):
            state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
        mine = state.get_final_completion()
        assert (mine.id, mine.created, mine.model) == (whole.id, whole.created, whole.model)
        assert mine.usage == whole.usage
        (choice,), (expected,) = mine.choices, whole.choices
        assert choice.finish_reason == expected.finish_reason
        assert (choice.message.content or "") == (expected.message.content or "")
        said = getattr(expected.message, "reasoning_content", None)
        assert getattr(choice.message, "reasoning_content", None) == said
        calls = [(c.id, c.function.name, c.function.arguments) for c in choice.message.tool_calls or ()]
        assert calls == [(c.id, c.function.name, c.function.arguments) for c in expected.message.tool_calls or ()]

    play(scenario)


# --- chunks ---


@for_every_answer
def test_the_chunks_come_before_the_response_and_come_to_it(answer: str) -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        await answered(host, request, ANSWERS[answer])
        check_chunks(host, request)
        assert "method" not in host.received[-1]
        assert all("usage" not in chunk for chunk in host.chunks(request))

    play(scenario)


def test_each_piece_comes_as_soon_as_the_provider_sends_it() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        call = await accepted(host, request)
        for number, text in enumerate(("one", "two", "three"), 1):
            call.say(text)
            await settle()
            assert len(host.chunks(request)) == number
        assert deltas(host, request) == [
            {"role": "assistant", "content": "one"},
            {"content": "two"},
            {"content": "three"},
        ]
        assert host.response(request) is None

    play(scenario)


def test_text_around_something_else_keeps_its_place() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        call = await accepted(host, request)
        call.send(
            ReasoningDelta("thought"),
            TextDelta("before "),
            ToolCallDelta(0, "{", "id", "name"),
            ToolCallDelta(0, "}"),
            TextDelta("after"),
        )
        await settle()
        first = {"index": 0, "id": "id", "type": "function", "function": {"name": "name", "arguments": "{"}}
        assert deltas(host, request) == [
            {"role": "assistant", "reasoning_content": "thought"},
            {"content": "before "},
            {"tool_calls": [first]},
            {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
            {"content": "after"},
        ]

    play(scenario)


def test_with_include_usage_a_last_chunk_without_choices_has_it() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True, stream_options={"include_usage": True})
        result = await answered(host, request, ANSWERS["everything"])
        *others, last = host.chunks(request)
        assert (last["choices"], last["usage"]) == ([], result["usage"])
        assert all("usage" not in chunk for chunk in others)
        assert others[-1]["choices"] == [{"index": 0, "delta": {}, "finish_reason": "tool_calls", "logprobs": None}]

    play(scenario)


def test_the_chunks_of_completions_at_once_are_told_apart_by_their_request() -> None:
    async def scenario(host: Host) -> None:
        requests = [completion(host, stream=True) for _ in range(3)]
        calls = [await accepted(host, request) for request in requests]
        for _ in range(3):
            for number, call in enumerate(calls):
                call.say(f"{number} ")
            await settle()
        for call in calls:
            call.finish()
        await settle()
        for number, request in enumerate(requests):
            check_chunks(host, request)
            assert message_of(host.result(request))["content"] == f"{number} " * 3
        assert len({host.result(request)["id"] for request in requests}) == 3

    play(scenario)


@pytest.mark.parametrize("request_id", ["r-1", "", 0, -7, 2.5, 10**200])
def test_a_request_of_any_id_gets_its_chunks(request_id: Any) -> None:
    async def scenario(host: Host) -> None:
        request = {**completion(host, stream=True), "id": request_id}
        host._methods_of_requests[request_id] = "llm:chat:completions"
        await answered(host, request, ANSWERS["text"])
        check_chunks(host, request)

    play(scenario)


def test_what_comes_of_an_attempt_that_failed_is_in_no_chunk() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        call = await accepted(host, request)
        call.send(PromptProgress(1, 2))
        call.fail(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=0))
        await settle()
        assert host.chunks(request) == []
        call = host.provider.last
        call.accept()
        call.say("text")
        call.finish()
        await settle()
        check_chunks(host, request)

    play(scenario)


def test_a_failure_in_the_middle_is_the_response_after_the_chunks_so_far() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True, stream_options={"include_usage": True})
        call = await accepted(host, request)
        call.say("so far")
        call.fail(ProviderError("SERVER_ERROR", "Failed."))
        await settle()
        assert deltas(host, request) == [{"role": "assistant", "content": "so far"}]
        with pytest.raises(Refused) as refused:
            host.result(request)
        assert refused.value.code == "SERVER_ERROR"

    play(scenario)


def test_a_batch_has_its_chunks_before_its_answer() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        host.send([request, host.request("llm:get-status")])
        await settle()
        call = host.provider.last
        call.accept()
        call.say("text")
        await settle()
        assert len(host.chunks(request)) == 1
        call.finish()
        await settle()
        check_chunks(host, request)
        assert ["method" in m for m in host.received] == [True, True, False, False]

    play(scenario)


def test_a_host_that_wants_larger_pieces_gets_them() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        call = await accepted(host, request)
        for text in ("a", "b", "c", "d"):
            call.say(text)
            await settle()
        await asyncio.sleep(0.06)
        assert [delta["content"] for delta in deltas(host, request)] == ["a", "bcd"]
        call.say("e")
        await settle()
        call.finish()
        await settle()
        assert [delta.get("content") for delta in deltas(host, request)] == ["a", "bcd", "e", None]
        check_chunks(host, request)

    play(scenario, token_batch_delay_ms=50)


def test_held_back_text_comes_before_the_response_of_a_cancelled_request() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        call = await accepted(host, request)
        for text in ("a", "b"):
            call.say(text)
            await settle()
        host.dispatcher.cancel_request(request["id"])
        await settle()
        assert [delta["content"] for delta in deltas(host, request)] == ["a", "b"]
        with pytest.raises(Refused, match="cancelled"):
            host.result(request)

    play(scenario, token_batch_delay_ms=50)


def test_a_completion_can_be_cancelled_by_the_id_in_its_chunks() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        call = await accepted(host, request)
        call.say("text")
        await settle()
        assert await host.cancel(host.chunks(request)[0]["id"])
        with pytest.raises(Refused) as refused:
            host.result(request)
        assert refused.value.code == "CANCELLED"
        assert call.closed

    play(scenario)


def test_the_model_is_who_was_asked_until_the_provider_says_otherwise() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True, model="m-1")
        await answered(host, request, ANSWERS["text"])
        assert {chunk["model"] for chunk in host.chunks(request)} == {"m-1"}
        request = completion(host, stream=True, model="m-1")
        await answered(host, request, [[ModelNamed("m-1-2026"), TextDelta("x")]])
        assert {chunk["model"] for chunk in host.chunks(request)} == {"m-1-2026"}

    play(scenario)


# --- a host that does not read ---

PIECES = st.one_of(
    st.text(min_size=1, max_size=300).map(TextDelta),
    st.text(min_size=1, max_size=300).map(ReasoningDelta),
    st.text(max_size=300).map(lambda arguments: ToolCallDelta(0, arguments)),
)
STEPS = st.lists(st.one_of(st.lists(PIECES, max_size=5), st.sampled_from(["stall", "read", "wait"])), max_size=20)


@given(steps=STEPS, delay=st.sampled_from([0, 50]), longest=st.sampled_from([16_000, 1_000_000]))
def test_the_chunks_come_to_the_answer_however_it_is_cut_and_read(steps: list[Any], delay: int, longest: int) -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        call = await accepted(host, request)
        call.send(ToolCallDelta(0, "", "id", "name"))
        for step in steps:
            if step == "wait":
                await asyncio.sleep(1)
            elif isinstance(step, str):
                host.sink.stall() if step == "stall" else host.sink.unstall()
            else:
                call.send(*step)
            await settle()
        call.finish("tool_calls")
        host.sink.unstall()
        await settle()
        said = [event for batch in call.taken for event in batch]
        joined = "".join(delta.get("content", "") for delta in deltas(host, request))
        assert joined == "".join(event.text for event in said if isinstance(event, TextDelta))
        if "result" in (host.response(request) or {}):  # else it is too large for a line
            check_chunks(host, request)

    play(scenario, token_batch_delay_ms=delay, max_event_bytes=64 * 1024, max_message_bytes=longest)


def test_chunks_merge_while_the_host_does_not_read_and_cost_bounded_memory() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        call = await accepted(host, request)
        host.sink.stall()
        for number in range(200):
            call.say(f"{number:4}" + "x" * 96)
            await settle()
        assert host.outbox.queued_bytes < 66_000
        call.finish()
        await settle()
        host.sink.unstall()
        await settle()
        check_chunks(host, request)
        assert len(host.chunks(request)) < 20

    play(scenario, max_event_bytes=64 * 1024)


def test_what_the_host_has_read_is_not_kept() -> None:
    async def scenario(host: Host) -> None:
        call = await accepted(host, request := completion(host, stream=True))
        for _ in range(3):
            call.say("text")
            await settle()
        own = host.chunks(request)[0]["id"]
        journals = [thing for thing in gc.get_objects() if isinstance(thing, Journal) and thing.inference_id == own]
        assert [journal.bytes for journal in journals] == [0]

    play(scenario)


def test_reading_from_the_provider_pauses_while_the_host_does_not_read() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True, around={"timeoutMs": 5_000})
        call = await accepted(host, request)
        host.sink.stall()
        for _ in range(100):
            call.say("x" * 4_000)
        await settle()
        taken = len(call.taken)
        assert taken < 40
        await asyncio.sleep(100)
        assert len(call.taken) == taken
        host.sink.unstall()
        call.finish()
        await settle()
        check_chunks(host, request)
        assert message_of(host.result(request))["content"] == "x" * 400_000

    play(scenario, max_event_bytes=64 * 1024)


def test_without_chunks_a_host_that_does_not_read_delays_nothing() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host)
        call = await accepted(host, request)
        host.sink.stall()
        for _ in range(100):
            call.say("x" * 4_000)
        call.finish()
        await settle()
        assert call.closed
        host.sink.unstall()
        await settle()
        assert message_of(host.result(request))["content"] == "x" * 400_000

    play(scenario, max_event_bytes=64 * 1024)


def test_a_host_that_does_not_read_can_cancel() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        call = await accepted(host, request)
        host.sink.stall()
        for _ in range(100):
            call.say("x" * 4_000)
        await settle()
        host.dispatcher.cancel_request(request["id"])
        await settle()
        assert call.closed
        host.sink.unstall()
        await settle()
        with pytest.raises(Refused, match="cancelled"):
            host.result(request)
        sent = "".join(delta["content"] for delta in deltas(host, request))
        assert sent == call.text[: len(sent)] != ""

    play(scenario, max_event_bytes=64 * 1024)


# --- long pieces ---


@pytest.mark.parametrize("text", ["x" * 20_000, "\x01" * 1_200, "é" * 9_000], ids=["long", "escaped", "wide"])
@pytest.mark.parametrize("kind", ["text", "reasoning", "arguments"])
def test_one_piece_larger_than_a_line_is_split(kind: str, text: str) -> None:
    """The host of these tests checks every line; the whole is too large for one, which the response says."""

    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        call = await accepted(host, request)
        pieces = {
            "text": TextDelta(text),
            "reasoning": ReasoningDelta(text),
            "arguments": ToolCallDelta(0, text, "i", "n"),
        }
        call.send(pieces[kind])
        call.finish()
        await settle()
        said = ""
        for delta in deltas(host, request):
            said += delta.get("content", delta.get("reasoning_content", ""))
            said += "".join(piece["function"]["arguments"] for piece in delta.get("tool_calls", ()))
        assert said == text
        with pytest.raises(Refused) as refused:
            host.result(request)
        assert refused.value.code == "MESSAGE_TOO_LARGE"

    play(scenario, max_message_bytes=7_000)


@pytest.mark.parametrize("model", ["m", "\x01" * 300, "m" * 300, "é" * 300], ids=["short", "escaped", "long", "wide"])
@pytest.mark.parametrize("request_id", ["r", "\x01" * 256, 10**230], ids=["short", "escaped", "number"])
def test_the_smallest_line_holds_the_largest_names(request_id: Any, model: str) -> None:
    async def scenario(host: Host) -> None:
        request = {**completion(host, stream=True, model=model), "id": request_id}
        host._methods_of_requests[request_id] = "llm:chat:completions"
        call = await accepted(host, request)
        for _ in range(10):
            call.say("\x02" * 40)
            await settle()
        call.send(ToolCallDelta(0, "\x02" * 400, "\x02" * 100, "\x02" * 64), ReasoningDelta("\x02" * 400))
        call.finish()
        await settle()
        assert "".join(delta.get("content", "") for delta in deltas(host, request)) == "\x02" * 400
        assert host.response(request) is not None

    play(scenario, max_message_bytes=4_096)


def test_a_long_streamed_answer_that_fits_a_line_is_whole() -> None:
    async def scenario(host: Host) -> None:
        request = completion(host, stream=True)
        await answered(host, request, [[TextDelta("x" * 50)] for _ in range(100)])
        check_chunks(host, request)

    play(scenario, max_message_bytes=7_000)


# --- who answers ---


@pytest.mark.parametrize("stream", [False, True])
def test_a_service_that_does_not_exist_is_refused(stream: bool) -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused) as refused:
            await host.ask(completion(host, stream=stream, around={"service": "nobody"}))
        assert refused.value.code == "SERVICE_NOT_FOUND"
        assert host.provider.calls == []

    play(scenario)


def test_the_name_of_a_provider_is_the_name_of_a_service() -> None:
    async def scenario(host: Host) -> None:
        request = host.request("llm:chat:completions", service="lmstudio", request={"messages": USER})
        await answered(host, request, ANSWERS["text"])
        assert host.provider.last.request.endpoint.provider_id == "lmstudio"

    play(scenario)


def test_nobody_to_answer_is_refused() -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused) as refused:
            await host.ask(host.request("llm:chat:completions", request={"messages": USER}))
        assert refused.value.code == "NO_ACTIVE_PROFILE"

    play(scenario)


def test_a_temperature_is_sent_only_where_the_host_names_one() -> None:
    async def scenario(host: Host) -> None:
        await answered(host, completion(host), ANSWERS["text"])
        assert host.provider.last.request.temperature is None
        await answered(host, completion(host, temperature=0.5), ANSWERS["text"])
        assert host.provider.last.request.temperature == 0.5

    play(scenario)


# --- the next turn ---


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_sent_back_as_it_came_loses_nothing(stream: bool) -> None:
    async def scenario(host: Host) -> None:
        first = await answered(host, completion(host, stream=stream), ANSWERS["everything"])
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": "42"} for call in message_of(first)["tool_calls"]
        ]
        request = completion(host, messages=[*USER, message_of(first), *results])
        await answered(host, request, ANSWERS["text"])
        assert host.provider.last.request.messages == [
            Message(role="user", content="Hello there"),
            Message(
                role="assistant",
                content="so it is",
                tool_calls=[
                    ToolCall(id="id-0", name="first", arguments="{}"),
                    ToolCall(id="id-1", name="second", arguments="[]"),
                ],
                provider_state={"signature": "s"},
            ),
            Message(role="tool", content="42", tool_call_id="id-0"),
            Message(role="tool", content="42", tool_call_id="id-1"),
        ]

    play(scenario)


@for_every_answer
def test_every_answer_can_be_sent_back_also_as_the_official_sdk_dumps_it(answer: str) -> None:
    async def scenario(host: Host) -> None:
        first = await answered(host, completion(host), ANSWERS[answer])
        dumped = ChatCompletion.model_validate(first).choices[0].message.model_dump()
        for said in (message_of(first), dumped):
            request = completion(host, messages=[*USER, said, {"role": "user", "content": "And?"}])
            assert message_of(await answered(host, request, ANSWERS["text"]))["content"] == "so it is"

    play(scenario)
