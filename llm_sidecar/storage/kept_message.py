"""A message as its row has it: the wire's own JSON, read without the wire's bounds.

Law: what a model wrote may be longer than what a host may send, and a tool call of its may lack a name: it is kept as
it came.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from llm_sidecar.messages.content import ContentPart, Message, ToolCall
from llm_sidecar.messages.shape import Shape


class _KeptCall(Shape, kw_only=True):
    id: str
    name: str
    arguments: str


class _KeptMessage(Shape, kw_only=True):
    role: Literal["user", "assistant", "system", "tool"]
    content: str | list[ContentPart]
    tool_calls: list[_KeptCall] | None = None
    tool_call_id: str | None = None
    provider_state: dict[str, Any] | None = None


_decode: Final = msgspec.json.Decoder(_KeptMessage).decode
_decode_calls: Final = msgspec.json.Decoder(list[_KeptCall]).decode


def encoded(message: Message) -> bytes:
    """The body of its row."""
    return msgspec.json.encode(message)


def decoded(body: bytes) -> Message:
    """The message of a row's body."""
    kept = _decode(body)
    return Message(
        role=kept.role,
        content=kept.content,
        tool_calls=_calls(kept.tool_calls),
        tool_call_id=kept.tool_call_id,
        provider_state=kept.provider_state,
    )


def encoded_calls(calls: list[ToolCall]) -> bytes:
    """Tool calls that are still coming."""
    return msgspec.json.encode(calls)


def decoded_calls(body: bytes | None) -> list[ToolCall] | None:
    """What `encoded_calls` made; None where there is none."""
    return None if body is None else _calls(_decode_calls(body))


def _calls(calls: list[_KeptCall] | None) -> list[ToolCall] | None:
    return None if not calls else [ToolCall(id=call.id, name=call.name, arguments=call.arguments) for call in calls]
