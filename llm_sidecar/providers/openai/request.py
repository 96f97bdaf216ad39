"""A `ProviderRequest` as the body of an OpenAI chat completion (`POST /chat/completions`, streamed).

Law: a pure mapping. What was not asked for is not sent: compatible servers refuse fields they do not know, so a field
beyond the common ones goes only to the providers known to take it. Nothing is trimmed, defaulted or repaired.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from llm_sidecar.errors import ProviderError
from llm_sidecar.messages.content import (
    ImagePart,
    JsonFormat,
    JsonSchemaFormat,
    Message,
    NamedTool,
    ResponseFormat,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolDefinition,
)
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.openai.reasoning import replayed_reasoning

_OPENAI: Final = frozenset({"openai", "azure"})
"""They renamed `max_tokens` for their reasoning models."""


def chat_body(request: ProviderRequest, model_id: str) -> bytes:
    """The JSON body. Raises `INVALID_REQUEST` for a request that JSON cannot hold (a lone surrogate in a text)."""
    provider_id = request.endpoint.provider_id
    body: dict[str, Any] = {
        "model": model_id,
        "messages": _messages(request),
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens" if provider_id in _OPENAI else "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": request.stop,
        "seed": request.seed,
        "tools": [_tool(tool) for tool in request.tools] if request.tools else None,
        "tool_choice": _tool_choice(request.tool_choice),
        "response_format": _response_format(request.response_format),
        "reasoning_effort": request.reasoning.effort if request.reasoning else None,
        "return_progress": True if provider_id == "llama.cpp" else None,
    }
    if provider_id == "openai":
        body["stream_options"]["include_obfuscation"] = False
    return encode_body(body)


def encode_body(body: dict[str, Any]) -> bytes:
    """What is set of `body`, as JSON. Raises `INVALID_REQUEST` for what JSON cannot hold."""
    try:
        return msgspec.json.encode({name: value for name, value in body.items() if value is not None})
    except (UnicodeEncodeError, TypeError) as error:
        raise ProviderError("INVALID_REQUEST", "The request holds a value that JSON cannot express.") from error


def image_url(part: ImagePart) -> str:
    """Where the image is, or the image itself."""
    return part.url if part.url is not None else f"data:{part.media_type};base64,{part.data}"


def _messages(request: ProviderRequest) -> list[dict[str, Any]]:
    system = [] if request.system_prompt is None else [{"role": "system", "content": request.system_prompt}]
    reasoning = replayed_reasoning(request.messages, request.endpoint.provider_id)
    return [*system, *({**_message(message), **reasoning[at]} for at, message in enumerate(request.messages))]


def _message(message: Message) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": message.role, "content": _content(message)}
    if message.tool_calls:
        sent["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        sent["tool_call_id"] = message.tool_call_id
    return sent


def _content(message: Message) -> str | list[dict[str, Any]] | None:
    if isinstance(message.content, str):
        return None if message.tool_calls and not message.content else message.content
    return [_part(part) for part in message.content]


def _part(part: TextPart | ImagePart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": image_url(part)}}


def _tool_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }
    return {"type": "function", "function": {name: value for name, value in function.items() if value is not None}}


def _tool_choice(choice: ToolChoice | None) -> str | dict[str, Any] | None:
    if isinstance(choice, NamedTool):
        return {"type": "function", "function": {"name": choice.name}}
    return choice


def _response_format(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    if isinstance(wanted, JsonFormat):
        return {"type": "json_object"}
    if isinstance(wanted, JsonSchemaFormat):
        schema: dict[str, Any] = {"name": wanted.name, "schema": wanted.schema}
        if wanted.strict is not None:
            schema["strict"] = wanted.strict
        return {"type": "json_schema", "json_schema": schema}
    return None
