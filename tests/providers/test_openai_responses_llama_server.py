"""The Responses adapter against a real llama.cpp server.

It leaves out much of the format, and says `completed` where the token limit ended the answer: so does the adapter here.
"""

from __future__ import annotations

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.content import ImagePart, Message, ReasoningOptions, TextPart, ToolCall, ToolDefinition
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.events import Finish, ModelNamed, TextDelta
from tests.llama_server import LlamaServer
from tests.providers.contract import (
    batches_of,
    check_rules,
    events_of,
    finish_of,
    outcome_of,
    run,
    text_of,
    usage_of,
)
from tests.providers.llama_adapters import RESPONSES


def test_an_answer_streams_with_its_model_and_usage(llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with RESPONSES() as provider:
            batches = await batches_of(provider, RESPONSES.question(llama_server))
        check_rules(batches)
        events = [event for batch in batches for event in batch]
        assert finish_of(events) == Finish("stop", "completed")
        assert text_of(events)
        assert 1 <= sum(event.count for event in events if isinstance(event, TextDelta)) <= 50
        assert any(isinstance(event, ModelNamed) and event.model_id.endswith("random.gguf") for event in events)
        usage = usage_of(events)
        assert usage is not None
        assert usage.completion_tokens == 50
        assert usage.prompt_tokens is not None
        assert usage.prompt_tokens > 10

    run(main())


def test_every_kind_of_message_and_option_is_understood(llama_server: LlamaServer) -> None:
    messages = [
        Message(role="system", content="s"),
        Message(role="user", content=[TextPart(text="a"), TextPart(text="b")]),
        Message(role="assistant", content="so"),
        Message(role="assistant", content=[TextPart(text="and"), TextPart(text="so")]),
        Message(role="assistant", content="", tool_calls=[ToolCall(id="c1", name="f", arguments="{}")]),
        Message(role="tool", content="42", tool_call_id="c1"),
        Message(role="assistant", content="on", tool_calls=[ToolCall(id="c2", name="f", arguments="{}")]),
        Message(role="tool", content=[TextPart(text="43")], tool_call_id="c2"),
        Message(role="user", content="hi"),
    ]
    options = {
        "system_prompt": "be brief",
        "temperature": 0.5,
        "top_p": 0.9,
        "tools": [ToolDefinition(name="f", description="d"), ToolDefinition(name="g")],
        "tool_choice": "auto",
        "reasoning": ReasoningOptions(effort="low"),
    }

    async def main() -> None:
        async with RESPONSES() as provider:
            events = await events_of(provider, RESPONSES.question(llama_server, messages=messages, **options))
        assert text_of(events)
        usage = usage_of(events)
        assert usage is not None
        assert usage.prompt_tokens is not None
        assert usage.prompt_tokens > 60, "all of the conversation was read"

    run(main())


def failure(request: ProviderRequest) -> SidecarError:
    async def main() -> SidecarError | None:
        async with RESPONSES() as provider:
            return (await outcome_of(provider, request))[1]

    error = run(main())
    assert error is not None
    return error


def test_an_image_for_a_model_without_eyes_is_an_invalid_request(llama_server: LlamaServer) -> None:
    image = Message(role="user", content=[ImagePart(media_type="image/png", data="aGk=")])
    assert failure(RESPONSES.question(llama_server, messages=[image])).code == "INVALID_REQUEST"
