"""A `ProviderRequest` as the body of an Anthropic message (`POST /messages`, streamed).

Law: a pure mapping. What was not asked for is not sent, but for `max_tokens`, which the API wants (`thinking`
says how many). Nothing is trimmed or repaired: a temperature above 1, or one that a model does not take at all, is the
API's to refuse. Where the API has no such thing:

- System messages are joined into `system`, after the system prompt, wherever in the conversation they stand: only the
  newest models take one in place.
- Turns alternate: what follows from the same side is joined, a tool's results among the user's. Texts of nothing but
  white space are left out, and turns without anything else: the API refuses them.
- `seed` is unknown to it, and not sent.
- An id of a tool call has letters, digits, `_` and `-` only: others' ids (`functions.f:0`) are spelt out for Claude.
- A JSON object without a schema is asked for in words: the schemas it takes must name every property.
"""

from __future__ import annotations

import re
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
    ToolChoice,
    ToolDefinition,
)
from llm_sidecar.providers.anthropic.blocks import Block, call_block, replayed, text_block
from llm_sidecar.providers.anthropic.thinking import thinking_for
from llm_sidecar.providers.base import ProviderRequest

_JSON_PLEASE: Final = "Answer with one JSON object and nothing else: no words around it, no Markdown fence."
_TOOL_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}
_NAMES_OF_IDS: Final = {"tool_use": "id", "tool_result": "tool_use_id"}
_replace_odd: Final = re.compile(r"[^A-Za-z0-9_-]").sub
_ANY_INPUT: Final = {"type": "object"}
"""The schema of a tool that says nothing of its parameters."""


def message_body(request: ProviderRequest, model_id: str, continued: list[Block] | None = None) -> bytes:
    """The JSON body; `continued` is what came of a turn that is to go on.

    Raises `INVALID_REQUEST` for what cannot be said in this format, or in JSON (a lone surrogate in a text).
    """
    thinking = thinking_for(model_id, request.reasoning, request.max_tokens)
    turns = _turns(request.messages, continued or [])
    body: dict[str, Any] = {
        "model": model_id,
        "max_tokens": thinking.max_tokens,
        "system": _system(request),
        "messages": _with_plain_ids(turns) if "claude" in model_id.lower() else turns,
        "stream": True,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop_sequences": request.stop or None,
        "tools": [_tool(tool) for tool in request.tools] if request.tools else None,
        "tool_choice": _tool_choice(request.tool_choice),
        "thinking": thinking.thinking,
        "output_config": _output_config(request.response_format, thinking.effort),
    }
    try:
        return msgspec.json.encode(_without_nothing(body))
    except (UnicodeEncodeError, TypeError) as error:
        raise ProviderError("INVALID_REQUEST", "The request holds a value that JSON cannot express.") from error


def _system(request: ProviderRequest) -> list[Block] | None:
    texts = [] if request.system_prompt is None else [text_block(request.system_prompt)]
    for position, message in enumerate(request.messages):
        if message.role == "system":
            if _text(message) is None:
                raise _refused(position, "a system message holds text only")
            texts += _content(message)
    if isinstance(request.response_format, JsonFormat):
        texts.append(text_block(_JSON_PLEASE))
    return [block for block in texts if block is not None] or None


def _turns(messages: list[Message], continued: list[Block]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for position, message in enumerate(messages):
        if message.role == "assistant":
            _add(turns, "assistant", _answer(message))
        elif message.role == "tool":
            _add(turns, "user", [_tool_result(message, position)])
        elif message.role == "user":
            _add(turns, "user", _content(message))
    _add(turns, "assistant", continued)
    return turns


def _with_plain_ids(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ids that another vendor's model gave its calls, in the characters that the API takes (others it refuses)."""
    return [{**turn, "content": [_with_plain_id(block) for block in turn["content"]]} for turn in turns]


def _with_plain_id(block: Block) -> Block:
    name = _NAMES_OF_IDS.get(block["type"])
    return block if name is None else {**block, name: _replace_odd(lambda odd: f"_{ord(odd[0]):x}_", block[name])}


def _add(turns: list[dict[str, Any]], role: str, blocks: list[Block]) -> None:
    if not blocks:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": blocks})


def _answer(message: Message) -> list[Block]:
    calls = [call_block(call.id, call.name, call.arguments) for call in message.tool_calls or ()]
    return replayed(message.provider_state, _text(message), _content(message), calls)


def _tool_result(message: Message, position: int) -> Block:
    if not message.tool_call_id:
        raise _refused(position, "a tool message needs the `toolCallId` it answers")
    content = message.content if isinstance(message.content, str) else _content(message)
    return {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": content}


def _content(message: Message) -> list[Block]:
    parts = [TextPart(text=message.content)] if isinstance(message.content, str) else message.content
    return [block for part in parts if (block := _part(part)) is not None]


def _part(part: TextPart | ImagePart) -> Block | None:
    if isinstance(part, TextPart):
        return text_block(part.text)
    if part.url is not None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": part.data}}


def _text(message: Message) -> str | None:
    """The whole text of a message; None where it holds something else."""
    if isinstance(message.content, str):
        return message.content
    texts = [part.text for part in message.content if isinstance(part, TextPart)]
    return "".join(texts) if len(texts) == len(message.content) else None


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    return _without_nothing(
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.parameters or _ANY_INPUT,
            "strict": tool.strict,
        }
    )


def _tool_choice(choice: ToolChoice | None) -> dict[str, str] | None:
    if isinstance(choice, NamedTool):
        return {"type": "tool", "name": choice.name}
    return None if choice is None else {"type": _TOOL_CHOICES[choice]}


def _output_config(wanted: ResponseFormat | None, effort: str | None) -> dict[str, Any] | None:
    config: dict[str, Any] = {"effort": effort}
    if isinstance(wanted, JsonSchemaFormat):
        config["format"] = {"type": "json_schema", "schema": wanted.schema}
    return _without_nothing(config) or None


def _without_nothing(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _refused(position: int, reason: str) -> ProviderError:
    return ProviderError("INVALID_REQUEST", f"messages[{position}]: {reason}.")
