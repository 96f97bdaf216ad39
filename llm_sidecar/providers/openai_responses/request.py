"""A `ProviderRequest` as the body of an OpenAI response (`POST /responses`, streamed, nothing stored).

Law: a pure mapping, as `openai.request`. Nothing is silently changed:
- `stop` has no counterpart in this format: a request that holds one is refused. `seed` has none either; it asks for a
  best effort only, and is left out.
- A tool whose `strict` is not set is sent as `strict: false`. Left out, it would mean true here (in chat completions,
  false), and OpenAI would rewrite the tool's schema: every optional argument becomes a required one.
- `reasoning.budgetTokens` has no counterpart either; providers take what they know of `reasoning`.
"""

from __future__ import annotations

from typing import Any, Final

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
    ToolChoice,
    ToolDefinition,
)
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.openai.request import encode_body, image_url
from llm_sidecar.providers.openai_responses.replay import Item, Origin, origin_of, replayed_items

_NO_PARAMETERS: Final = {"type": "object", "properties": {}}
"""A function without parameters must say so here; in chat completions it may say nothing."""


def responses_body(request: ProviderRequest, model_id: str, *, with_summary: bool = True) -> bytes:
    """The JSON body. Raises `INVALID_REQUEST` for what this format, or JSON, cannot express. `with_summary`: where
    reasoning is asked for, so is what OpenAI shows of it."""
    if request.stop:
        raise _no_counterpart("stop sequences")
    origin = origin_of(request.endpoint, model_id)
    body: dict[str, Any] = {
        "model": model_id,
        "instructions": request.system_prompt,
        "input": [item for message in request.messages for item in _items(message, origin)],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "tools": [_tool(tool) for tool in request.tools] if request.tools else None,
        "tool_choice": _tool_choice(request.tool_choice),
        "text": _text(request.response_format),
        "reasoning": _reasoning(request.reasoning, with_summary=with_summary),
    }
    if request.endpoint.provider_id == "openai":
        body["stream_options"] = {"include_obfuscation": False}
    return encode_body(body)


def _items(message: Message, origin: Origin) -> list[Item]:
    match message.role:
        case "tool":
            output = _content(message, "input_text")
            return [{"type": "function_call_output", "call_id": message.tool_call_id, "output": output}]
        case "assistant":
            return replayed_items(message, origin) or _plain_answer(message)
        case _:
            return [_message(message, "input_text")]


def _plain_answer(message: Message) -> list[Item]:
    """An answer without ids: it stands alone, whatever came before it."""
    calls = [_call(call) for call in message.tool_calls or ()]
    return calls if calls and not message.content else [_message(message, "output_text"), *calls]


def _message(message: Message, text_type: str) -> Item:
    return {"type": "message", "role": message.role, "content": _content(message, text_type)}


def _content(message: Message, text_type: str) -> str | list[Item]:
    if isinstance(message.content, str):
        return message.content
    return [_part(part, text_type) for part in message.content]


def _part(part: TextPart | ImagePart, text_type: str) -> Item:
    if isinstance(part, TextPart):
        return {"type": text_type, "text": part.text}
    if text_type == "output_text":
        raise _no_counterpart("an image in an assistant's message")
    return {"type": "input_image", "image_url": image_url(part), "detail": "auto"}


def _call(call: ToolCall) -> Item:
    return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}


def _tool(tool: ToolDefinition) -> Item:
    described = {} if tool.description is None else {"description": tool.description}
    parameters = _NO_PARAMETERS if tool.parameters is None else tool.parameters
    return {
        "type": "function",
        "name": tool.name,
        **described,
        "parameters": parameters,
        "strict": bool(tool.strict),
    }


def _tool_choice(choice: ToolChoice | None) -> str | Item | None:
    return {"type": "function", "name": choice.name} if isinstance(choice, NamedTool) else choice


def _text(wanted: ResponseFormat | None) -> Item | None:
    if isinstance(wanted, JsonFormat):
        return {"format": {"type": "json_object"}}
    if isinstance(wanted, JsonSchemaFormat):
        strict = {} if wanted.strict is None else {"strict": wanted.strict}
        return {"format": {"type": "json_schema", "name": wanted.name, "schema": wanted.schema, **strict}}
    return None


def _reasoning(wanted: ReasoningOptions | None, *, with_summary: bool) -> Item | None:
    """A summary is all OpenAI shows of its models' reasoning, and only if asked for."""
    if wanted is None:
        return None
    effort = {} if wanted.effort is None else {"effort": wanted.effort}
    return {**effort, "summary": "auto"} if with_summary else effort or None


def _no_counterpart(what: str) -> ProviderError:
    return ProviderError("INVALID_REQUEST", f"OpenAI's Responses format cannot express {what}.")
