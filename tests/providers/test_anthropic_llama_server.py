"""The Anthropic adapter against a real llama.cpp server, which speaks this format without a key."""

from __future__ import annotations

import json

from llm_sidecar.messages.content import Message, ReasoningOptions, ToolCall, ToolDefinition
from llm_sidecar.providers.events import Finish, TextDelta
from tests.llama_server import LlamaServer
from tests.providers.anthropic_fixtures import request_to
from tests.providers.contract import (
    batches_of,
    check_rules,
    events_of,
    finish_of,
    run,
    text_of,
    usage_of,
)
from tests.providers.llama_adapters import MESSAGES, recorder


def test_answers_stream_and_end_at_the_token_limit(llama_server: LlamaServer) -> None:
    """About one in four has no `message_start`: the server leaves it out where its first token is half a character."""

    async def main() -> None:
        began = 0
        for _ in range(20):
            async with MESSAGES() as provider:
                batches = await batches_of(provider, MESSAGES.question(llama_server))
            check_rules(batches)
            got = [event for batch in batches for event in batch]
            assert finish_of(got) == Finish("length", "max_tokens")
            assert text_of(got)
            usage = usage_of(got)
            assert usage is not None
            assert usage.completion_tokens == 50
            if usage.prompt_tokens is not None:
                began += 1
                assert usage.prompt_tokens > 10
        assert began

    run(main())


def test_text_and_usage_are_exactly_what_the_server_said(llama_server: LlamaServer) -> None:
    """500 tokens of noise: control characters, quotes, replacement characters and whole emoji among them."""

    async def main() -> None:
        async with recorder(llama_server) as (url, said), MESSAGES() as provider:
            got = await events_of(provider, request_to(url, model_id="x", max_tokens=500, temperature=2.0))
        told = [json.loads(line[6:]) for line in bytes(said).split(b"\n") if line.startswith(b"data: {")]
        pieces = [event["delta"]["text"] for event in told if event["type"] == "content_block_delta"]
        assert text_of(got) == "".join(pieces)
        assert sum(event.count for event in got if isinstance(event, TextDelta)) == sum(map(bool, pieces))
        assert "\ufffd" in text_of(got)
        started = [event["message"]["usage"] for event in told if event["type"] == "message_start"]
        (ended,) = [event["usage"] for event in told if event["type"] == "message_delta"]
        usage = usage_of(got)
        assert usage is not None
        prompt = [start["input_tokens"] + start["cache_read_input_tokens"] for start in started] or [None]
        assert [usage.prompt_tokens] == prompt
        assert [usage.cached_prompt_tokens] == ([start["cache_read_input_tokens"] for start in started] or [None])
        assert usage.completion_tokens == ended["output_tokens"] == 500

    run(main())


def test_a_conversation_with_everything_in_it_is_accepted(llama_server: LlamaServer) -> None:
    """System messages, thoughts, calls, results, tools, stop sequences: the server reads what we make of them."""
    calls = [ToolCall(id="t1", name="f", arguments='{"a": 1}'), ToolCall(id="t2", name="f", arguments="")]
    layout = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"text": 5}, {"call": "t1"}, {"call": "t2"}]
    messages = [
        Message(role="system", content="be brief"),
        Message(role="user", content="hi"),
        Message(role="assistant", content="hello", tool_calls=calls, provider_state={"anthropic": layout}),
        Message(role="tool", tool_call_id="t1", content="5"),
        Message(role="tool", tool_call_id="t2", content="6"),
    ]

    async def main() -> None:
        async with MESSAGES() as provider:
            request = MESSAGES.question(
                llama_server,
                messages=messages,
                system_prompt="you are noise",
                tools=[ToolDefinition(name="f", description="d")],
                stop=["never said"],
                reasoning=ReasoningOptions(effort="low"),
                max_tokens=1_500,
            )
            batches = await batches_of(provider, request)
        check_rules(batches)
        got = [event for batch in batches for event in batch]
        assert finish_of(got).reason == "length"
        usage = usage_of(got)
        assert usage is not None
        assert usage.completion_tokens == 1_500

    run(main())
