"""The official `openai` SDK as a second opinion on the Responses format, and on Azure: same answers, same requests."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, get_args

import openai
import pytest
from openai.types.responses import FunctionToolParam, ResponseInputItemParam, ResponseTextConfigParam
from openai.types.shared.all_models import AllModels
from openai.types.shared.chat_model import ChatModel
from openai.types.shared_params import Reasoning
from pydantic import TypeAdapter

from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import (
    ImagePart,
    JsonSchemaFormat,
    Message,
    NamedTool,
    ReasoningOptions,
    TextPart,
    ToolCall,
    ToolDefinition,
)
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.adapter import OpenAIProvider, needs_responses
from tests.providers.contract import events_of, finish_of, outcome_of, reasoning_of, run, text_of, tool_calls_of
from tests.providers.contract import usage_of as reported_by
from tests.providers.fault_server import (
    LAST_CHUNK,
    STREAM_HEAD,
    FaultServer,
    Request,
    Script,
    answer,
    chunked,
    fault_server,
    saying,
    saying_then_closing,
    stream,
)
from tests.providers.openai_fixtures import request_to
from tests.providers.openai_responses_fixtures import COMPLETE, body

ENTRA_TOKEN = "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"


class Answer(NamedTuple):
    text: str
    reasoning: str
    calls: list[tuple[str, str, str]]
    usage: tuple[int | None, ...]
    why: str | None
    """The status, or what an incomplete answer met."""
    model: str | None


# --- answers ---


async def by_the_sdk(url: str) -> Answer:
    """What the SDK's final response says, made of its own types; not the deltas, of which our events are made."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client:
        events = await client.responses.create(model="m", input="hi", stream=True)
        response = [event.response async for event in events if hasattr(event, "response")][-1]
    messages = [part for item in response.output if item.type == "message" for part in item.content]
    thoughts = [item for item in response.output if item.type == "reasoning"]
    usage = response.usage
    thought = usage.output_tokens_details
    return Answer(
        "".join(part.text if part.type == "output_text" else part.refusal for part in messages),
        "\n\n".join(part.text for item in thoughts for part in item.summary or item.content or ()),
        [(item.call_id, item.name, item.arguments) for item in response.output if item.type == "function_call"],
        (
            usage.input_tokens,
            usage.output_tokens,
            usage.input_tokens_details.cached_tokens,
            thought and thought.reasoning_tokens,
        ),
        response.status if response.incomplete_details is None else response.incomplete_details.reason,
        response.model,
    )


async def by_us(url: str) -> Answer:
    provider = OpenAIProvider(HttpClient(Limits))
    try:
        events = await events_of(provider, request_to(url, "openai", reasoning=ReasoningOptions()))
    finally:
        await provider.aclose()
    usage = reported_by(events)
    assert usage is not None
    return Answer(
        text_of(events),
        reasoning_of(events),
        tool_calls_of(events),
        (usage.prompt_tokens, usage.completion_tokens, usage.cached_prompt_tokens, usage.reasoning_tokens),
        finish_of(events).raw,
        next((event.model_id for event in events if hasattr(event, "model_id")), None),
    )


def both(script: Script) -> tuple[Answer, Answer]:
    async def main() -> tuple[Answer, Answer]:
        async with fault_server(script) as server:
            return await by_us(server.url), await by_the_sdk(server.url)

    return run(main())


@pytest.mark.parametrize("name", COMPLETE)
def test_a_recorded_answer_is_what_the_sdk_reads(name: str) -> None:
    ours, theirs = both(saying(stream(body(name))))
    assert ours == theirs
    assert ours.text or ours.calls or ours.reasoning


@pytest.mark.parametrize("name", COMPLETE)
def test_a_recorded_answer_in_small_pieces_is_what_the_sdk_reads(name: str) -> None:
    data = body(name)
    pieces = [chunked(data[at : at + 101]) for at in range(0, len(data), 101)]
    ours, theirs = both(saying(STREAM_HEAD, *pieces, LAST_CHUNK))
    assert ours == theirs


@pytest.mark.parametrize("name", ["error_azure_nested.sse", "error_quota.sse", "error_null_code.sse"])
def test_where_the_sdk_raises_we_do(name: str) -> None:
    async def main() -> None:
        async with fault_server(saying(stream(body(name)))) as server:
            with pytest.raises(openai.APIError):
                await by_the_sdk(server.url)
            assert await our_failure(server) is not None

    run(main())


@pytest.mark.parametrize("name", ["error_failed.sse", "error_failed_image.sse", "error_cancelled.sse"])
def test_a_response_that_failed_is_a_failure_though_the_sdk_just_ends(name: str) -> None:
    async def main() -> None:
        async with fault_server(saying(stream(body(name)))) as server:
            async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="sk-test", max_retries=0) as client:
                events = await client.responses.create(model="m", input="hi", stream=True)
                assert [event async for event in events]
            assert await our_failure(server) is not None

    run(main())


def test_where_the_sdk_takes_a_truncated_answer_for_complete_we_do_not() -> None:
    async def main() -> None:
        half = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + body("text.sse")[:4_000]
        async with fault_server(saying_then_closing(half)) as server:
            async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="sk-test", max_retries=0) as client:
                events = await client.responses.create(model="m", input="hi", stream=True)
                assert [event async for event in events]
            assert await our_failure(server) == "STREAM_TRUNCATED"

    run(main())


async def our_failure(server: FaultServer) -> str | None:
    provider = OpenAIProvider(HttpClient(Limits))
    _, error = await outcome_of(provider, request_to(server.url, "openai", reasoning=ReasoningOptions()))
    await provider.aclose()
    return error.code if error is not None else None


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, openai.BadRequestError, "INVALID_REQUEST"),
        (401, openai.AuthenticationError, "AUTH_ERROR"),
        (403, openai.PermissionDeniedError, "AUTH_ERROR"),
        (404, openai.NotFoundError, "INVALID_REQUEST"),
        (422, openai.UnprocessableEntityError, "INVALID_REQUEST"),
        (429, openai.RateLimitError, "RATE_LIMIT"),
        (500, openai.InternalServerError, "SERVER_ERROR"),
        (503, openai.InternalServerError, "PROVIDER_OVERLOADED"),
    ],
)
def test_a_status_is_typed_as_the_sdk_types_it(status: int, kind: type[Exception], code: str) -> None:
    async def main() -> None:
        async with fault_server(saying(answer(status, b'{"error": {"message": "no"}}'))) as server:
            with pytest.raises(kind):
                await by_the_sdk(server.url)
            assert await our_failure(server) == code

    run(main())


# --- requests ---

CONVERSATION = [
    Message(role="system", content="s"),
    Message(
        role="user",
        content=[
            TextPart(text="look"),
            ImagePart(media_type="image/png", data="aGk="),
            ImagePart(url="https://x/a.png"),
        ],
    ),
    Message(role="assistant", content="", tool_calls=[ToolCall(id="c1", name="f", arguments="{}")]),
    Message(role="tool", content="42", tool_call_id="c1"),
    Message(role="assistant", content="so"),
    Message(role="user", content="hi"),
]
EVERYTHING: dict[str, Any] = {
    "messages": CONVERSATION,
    "system_prompt": "be brief",
    "temperature": 0.5,
    "top_p": 0.9,
    "max_tokens": 50,
    "tools": [ToolDefinition(name="f", description="d", parameters={"type": "object"}, strict=False)],
    "tool_choice": NamedTool(name="f"),
    "response_format": JsonSchemaFormat(name="n", schema={"type": "object"}, strict=True),
}


async def asked_by_us(server: FaultServer, request: ProviderRequest) -> Request:
    provider = OpenAIProvider(HttpClient(Limits))
    await outcome_of(provider, request)
    await provider.aclose()
    return server.requests[-1]


async def asked_by_the_sdk(server: FaultServer, client: openai.AsyncOpenAI, body: dict[str, Any]) -> Request:
    """The same call made with the SDK: it knows every parameter by its name, or refuses it."""
    call: Callable[..., Awaitable[Any]]
    call = client.responses.create if "input" in body else client.chat.completions.create
    async with client:
        await call(**body)
    return server.requests[-1]


def test_the_sdk_asks_for_a_response_in_the_same_words() -> None:
    async def main() -> None:
        async with fault_server(saying(stream(body("text.sse")))) as server:
            fields = {**EVERYTHING, "reasoning": ReasoningOptions(effort="low")}
            ours = await asked_by_us(server, request_to(server.url, "openai", "sk-test", **fields))
            client = openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="sk-test", max_retries=0)
            theirs = await asked_by_the_sdk(server, client, ours.json)
            assert (ours.method, ours.path, ours.json) == (theirs.method, theirs.path, theirs.json)
            assert ours.path == "/v1/responses"
            assert ours.headers["authorization"] == theirs.headers["authorization"] == "Bearer sk-test"
            fits_the_sdk_s_types(ours.json)

    run(main())


def fits_the_sdk_s_types(body: dict[str, Any]) -> None:
    for item in body["input"]:
        TypeAdapter(ResponseInputItemParam).validate_python(item)
    for tool in body["tools"]:
        TypeAdapter(FunctionToolParam).validate_python(tool)
    TypeAdapter(ResponseTextConfigParam).validate_python(body["text"])
    TypeAdapter(Reasoning).validate_python(body["reasoning"])


@pytest.mark.parametrize("name", [name for name in COMPLETE if not name.startswith("llamacpp")])
def test_what_is_replayed_of_an_answer_fits_the_sdk_s_types(name: str) -> None:
    async def main() -> None:
        async with fault_server(saying(stream(body(name)))) as server:
            provider = OpenAIProvider(HttpClient(Limits))
            request = request_to(server.url, "openai", reasoning=ReasoningOptions())
            events = await events_of(provider, request)
            calls = [ToolCall(id=i, name=tool, arguments=arguments) for i, tool, arguments in tool_calls_of(events)]
            state = next((event.state for event in events if hasattr(event, "state")), None)
            said = Message(role="assistant", content=text_of(events), tool_calls=calls, provider_state=state)
            await outcome_of(
                provider, request_to(server.url, "openai", reasoning=ReasoningOptions(), messages=[*CONVERSATION, said])
            )
            await provider.aclose()
            items = server.requests[-1].json["input"]
            assert len(items) > len(CONVERSATION)
            for item in items:
                TypeAdapter(ResponseInputItemParam).validate_python(item)

    run(main())


def azure_client(**options: Any) -> openai.AsyncAzureOpenAI:
    return openai.AsyncAzureOpenAI(api_version="2024-10-21", max_retries=0, **options)


@pytest.mark.parametrize("secret", [{"api_key": "0a1b"}, {"azure_ad_token": ENTRA_TOKEN}], ids=["key", "token"])
def test_the_sdk_asks_azure_s_older_api_in_the_same_words(secret: dict[str, str]) -> None:
    async def main() -> None:
        async with fault_server(saying(stream(b""))) as server:
            (key,) = secret.values()
            request = request_to(
                f"{server.url}/openai/deployments", "azure", key, model_id="my gpt/4o", **EVERYTHING, seed=7, stop=["x"]
            )
            ours = await asked_by_us(server, request)
            theirs = await asked_by_the_sdk(server, azure_client(azure_endpoint=server.url, **secret), ours.json)
            assert (ours.method, ours.path, ours.json) == (theirs.method, theirs.path, theirs.json)
            for header in ("api-key", "authorization"):
                assert ours.headers.get(header) == theirs.headers.get(header)

    run(main())


@pytest.mark.parametrize("reasoning", [None, ReasoningOptions(effort="low")], ids=["chat", "responses"])
def test_the_sdk_asks_azure_s_v1_api_in_the_same_words(reasoning: ReasoningOptions | None) -> None:
    async def main() -> None:
        async with fault_server(saying(stream(b""))) as server:
            request = request_to(server.url, "azure", ENTRA_TOKEN, **EVERYTHING, reasoning=reasoning)
            ours = await asked_by_us(server, request)
            client = openai.AsyncOpenAI(base_url=f"{server.url}/openai/v1", api_key=ENTRA_TOKEN, max_retries=0)
            theirs = await asked_by_the_sdk(server, client, ours.json)
            assert (ours.method, ours.path, ours.json) == (theirs.method, theirs.path, theirs.json)
            assert ours.headers["authorization"] == theirs.headers["authorization"]

    run(main())


def test_a_key_opens_azure_s_v1_api_as_the_sdk_s_azure_client_has_it() -> None:
    async def main() -> None:
        async with fault_server(saying(stream(b""))) as server:
            request = request_to(server.url, "azure", "0a1b", reasoning=ReasoningOptions())
            ours = await asked_by_us(server, request)
            client = azure_client(base_url=f"{server.url}/openai/v1", api_key="0a1b")
            theirs = await asked_by_the_sdk(server, client, ours.json)
            assert theirs.path == f"{ours.path}?api-version=2024-10-21"
            assert ours.headers["api-key"] == theirs.headers["api-key"] == "0a1b"
            assert "authorization" not in ours.headers

    run(main())


# --- models ---


def names_in(models: Any) -> set[str]:
    """The names in a union of literals and `str`."""
    parts = [part for part in get_args(models) if part is not str]
    return {name for part in parts for name in get_args(part)}


def test_every_model_that_the_sdk_has_for_responses_only_is_one_here() -> None:
    chat = set(get_args(ChatModel))
    responses_only = names_in(AllModels) - chat
    assert len(responses_only) > 15

    def is_for_responses(model: str) -> bool:
        return needs_responses(request_to("https://api.openai.com/v1", "openai", model_id=model))

    assert [model for model in sorted(responses_only) if not is_for_responses(model)] == []
    beyond = {model for model in chat if is_for_responses(model)}
    assert all("codex" in model or "-pro" in model for model in beyond), "they answer nowhere else, says the API"


def test_the_body_is_json_and_nothing_else() -> None:
    async def main() -> None:
        async with fault_server(saying(stream(body("text.sse")))) as server:
            ours = await asked_by_us(server, request_to(server.url, "openai", reasoning=ReasoningOptions()))
            assert ours.headers["content-type"] == "application/json"
            assert json.loads(ours.body) == ours.json

    run(main())
