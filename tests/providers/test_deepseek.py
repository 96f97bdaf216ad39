"""What DeepSeek does in its own way; which reasoning it wants back is in `test_openai_reasoning`."""

from __future__ import annotations

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message, ToolCall
from llm_sidecar.providers.events import Finish, ProviderEvent, ProviderState, UsageReport
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.chat import OpenAIChatProvider
from tests.providers.contract import finish_of, outcome_of, reasoning_of, run, text_of, tool_calls_of, usage_of
from tests.providers.fault_server import LAST_CHUNK, STREAM_HEAD, answer, chunked, fault_server, saying, stream
from tests.providers.openai_fixtures import request_to
from tests.providers.test_openai_sdk_oracle import both
from tests.providers.wire_format import FIXTURES

KEEP_ALIVE = b": keep-alive\n\n"


def body(name: str) -> bytes:
    return (FIXTURES / "deepseek" / name).read_bytes()


def answered(*said: bytes, **fields: object) -> tuple[list[ProviderEvent], SidecarError | None]:
    async def main() -> tuple[list[ProviderEvent], SidecarError | None]:
        async with fault_server(saying(*said)) as server:
            provider = OpenAIChatProvider(HttpClient(Limits))
            try:
                return await outcome_of(provider, request_to(server.url, "deepseek", "sk-key", **fields))
            finally:
                await provider.aclose()

    return run(main())


def test_keep_alives_are_nothing_and_cached_prompt_tokens_are_counted() -> None:
    waiting = [chunked(KEEP_ALIVE)] * 100
    events, error = answered(STREAM_HEAD, *waiting, chunked(body("keep_alive_and_cache.sse")), LAST_CHUNK)
    assert error is None
    assert reasoning_of(events) == "First, think."
    assert text_of(events) == "Then speak. 你好 👋"
    assert usage_of(events) == UsageReport(1031, 12, 1024, 6)
    assert finish_of(events) == Finish("stop", "stop")


def test_a_stream_that_ends_after_keep_alives_is_truncated() -> None:
    _, error = answered(stream(KEEP_ALIVE * 3))
    assert error is not None
    assert error.code == "STREAM_TRUNCATED"


def test_tools_are_called_while_thinking() -> None:
    events, error = answered(stream(body("thinking_then_tools.sse")))
    assert error is None
    assert [(name, arguments) for _, name, arguments in tool_calls_of(events)] == [
        ("get_date", "{}"),
        ("get_weather", '{"city": "Tokyo"}'),
    ]
    assert events[-2:] == [
        ProviderState({"reasoning_content": "The date first."}),
        Finish("tool_calls", "tool_calls"),
    ]


def test_the_thoughts_of_an_answer_to_tool_results_are_kept_for_the_next_turn() -> None:
    call = ToolCall(id="c1", name="f", arguments="{}")
    messages = [
        Message(role="user", content="q"),
        Message(role="assistant", content="", tool_calls=[call], provider_state={"reasoning_content": "why"}),
        Message(role="tool", content="42", tool_call_id="c1"),
    ]
    said = stream(body("keep_alive_and_cache.sse"))
    kept = ProviderState({"reasoning_content": "First, think."})
    assert kept in answered(said, messages=messages)[0]
    assert kept not in answered(said)[0]


def test_an_answer_broken_off_for_want_of_resources_can_be_tried_again() -> None:
    events, error = answered(stream(body("error_insufficient_system_resource.sse")))
    assert text_of(events) == "partial"
    assert error is not None
    assert (error.code, error.retryable) == ("PROVIDER_OVERLOADED", True)


def test_an_empty_balance_is_no_invalid_request_and_not_tried_again() -> None:
    _, error = answered(answer(402, body("insufficient_balance.json")))
    assert error is not None
    assert (error.code, error.retryable) == ("INSUFFICIENT_QUOTA", False)


@pytest.mark.parametrize("name", ["keep_alive_and_cache.sse", "thinking_then_tools.sse", "tools_without_thinking.sse"])
def test_a_recorded_answer_is_what_the_openai_sdk_reads(name: str) -> None:
    ours, theirs = both(saying(stream(body(name))))
    assert ours == theirs
    assert ours.text or ours.calls
