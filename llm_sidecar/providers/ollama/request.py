"""A `ProviderRequest` as the body of Ollama's `POST /api/chat`, streamed. Source: `ChatRequest` in `api/types.go`.

Law: a pure mapping; what was not asked for is not sent. What Ollama cannot do is refused in words, never left out: an
image by URL, a tool that must be called. Only `toolChoice: "none"` has a way: no tools are offered. Texts of one
message become one, a line each, as llama.cpp joins them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from llm_sidecar.errors import ProviderError
from llm_sidecar.messages.content import (
    ImagePart,
    JsonFormat,
    JsonSchemaFormat,
    Message,
    NamedTool,
    ReasoningOptions,
    ResponseFormat,
    TextPart,
    ToolCall,
    ToolDefinition,
)
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.exchange import UNREADABLE
from llm_sidecar.providers.ollama.stream import THINKING


def ollama_body(request: ProviderRequest, model_id: str) -> bytes:
    """The JSON body. Raises `INVALID_REQUEST` for what Ollama, or JSON, has no way to say."""
    body = _present(
        {
            "model": model_id,
            "messages": _messages(request),
            "stream": True,
            "options": _options(request),
            "tools": _tools(request),
            "format": _format(request.response_format),
            "think": _think(request.reasoning),
        }
    )
    try:
        return msgspec.json.encode(body)
    except (UnicodeEncodeError, TypeError) as error:
        raise _refused("The request holds a value that JSON cannot express.") from error


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _refused(reason: str) -> ProviderError:
    return ProviderError("INVALID_REQUEST", reason)


def _messages(request: ProviderRequest) -> list[dict[str, Any]]:
    system = [] if request.system_prompt is None else [{"role": "system", "content": request.system_prompt}]
    sent: list[dict[str, Any]] = []
    tool_names: dict[str, str] = {}
    for message in request.messages:
        sent.append(_message(message, tool_names))
        tool_names.update((call.id, call.name) for call in message.tool_calls or ())
    return [*system, *sent]


def _message(message: Message, tool_names: dict[str, str]) -> dict[str, Any]:
    """`tool_names`: of the calls so far, by their ids; Ollama wants to know whose result this is."""
    parts = [TextPart(text=message.content)] if isinstance(message.content, str) else message.content
    call_id = message.tool_call_id
    thinking = (message.provider_state or {}).get(THINKING)
    return _present(
        {
            "role": message.role,
            "content": "\n".join(part.text for part in parts if isinstance(part, TextPart)),
            THINKING: thinking if isinstance(thinking, str) else None,
            "images": [_image(part) for part in parts if isinstance(part, ImagePart)] or None,
            "tool_calls": [_tool_call(call) for call in message.tool_calls or ()] or None,
            "tool_name": None if call_id is None else tool_names.get(call_id),
            "tool_call_id": call_id,
        }
    )


def _image(part: ImagePart) -> str:
    if part.data is None:
        raise _refused("Ollama fetches no images: send the image itself (`mediaType` and `data`), not its `url`.")
    return part.data


def _tool_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "function": {"name": call.name, "arguments": _arguments(call.arguments)}}


def _arguments(text: str) -> msgspec.Raw | dict[str, str]:
    """The arguments as an object, exactly as they were written; nothing at all is a call without any.

    Anything else (from a model elsewhere) is wrapped, as for Anthropic, so that the model sees what was done.
    """
    written = text.strip() or "{}"
    try:
        is_object = isinstance(msgspec.json.decode(written), dict)
    except UNREADABLE:
        is_object = False
    return msgspec.Raw(written) if is_object else {"INVALID_JSON": text}


def _options(request: ProviderRequest) -> dict[str, Any] | None:
    options = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": request.stop,
        "num_predict": request.max_tokens,
    }
    return _present(options) or None


def _tools(request: ProviderRequest) -> list[dict[str, Any]] | None:
    choice = request.tool_choice
    if choice == "required" or isinstance(choice, NamedTool):
        raise _refused("Ollama cannot be told to call a tool; leave `toolChoice` at `auto`.")
    return [_tool(tool) for tool in request.tools] if request.tools and choice != "none" else None


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    # Ollama shows the model `"properties": null` where they are left out.
    parameters = {"type": "object", "properties": {}} if tool.parameters is None else tool.parameters
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": _present(function)}


def _format(wanted: ResponseFormat | None) -> str | dict[str, Any] | None:
    if isinstance(wanted, JsonSchemaFormat):
        return wanted.schema
    return "json" if isinstance(wanted, JsonFormat) else None


def _think(reasoning: ReasoningOptions | None) -> str | bool | None:
    """An effort by its name, which every model that thinks takes (gpt-oss takes nothing else); else just yes."""
    return None if reasoning is None else reasoning.effort or True
