"""What Ollama's `/api/chat` sends: a JSON object per line, each a piece of the answer (or one, the whole of it).

Law: typed and tolerant. Only the fields that are used; every one of them may be missing or null (Go leaves out what is
zero or empty); unknown ones are skipped unread. Values only: what they mean is `stream`'s business. Source:
`ChatResponse` in `api/types.go` of Ollama.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from llm_sidecar.providers.token_counts import Number


class Function(Struct, gc=False):
    """`arguments` is a JSON object, kept as the text it came as."""

    name: str | None = None
    arguments: Raw = Raw(b"null")


class ToolCall(Struct, gc=False):
    """A whole call. Older servers give it no `id`."""

    id: str | None = None
    function: Function | None = None


class AnswerMessage(Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[ToolCall] | None = None


class Line(Struct, gc=False):
    """A piece of an answer, its end (`done`), or an error."""

    model: str | None = None
    message: AnswerMessage | None = None
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: Number = None
    eval_count: Number = None
    error: Any = None


decode_line = msgspec.json.Decoder(Line).decode
