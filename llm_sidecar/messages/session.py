"""Sessions: conversations that the sidecar keeps."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from llm_sidecar.messages.content import ContentPart, Message, ToolCall
from llm_sidecar.messages.inference import AnswerOptions
from llm_sidecar.messages.shape import Count, InferenceId, LongText, Params, SessionId, Shape, WindowId

Cursor = Annotated[str, Meta(min_length=1, max_length=200)]
"""Where the next page begins, as the page before it said."""
PageSize = Annotated[int, Meta(ge=1, le=200)]
MessageId = Annotated[str, Meta(min_length=1, max_length=100)]
ContextPolicy = Literal["error", "truncate"]


class SessionConfig(Params, kw_only=True):
    """`llm:session:create`: what every run of it begins with; a run may say otherwise.

    `idleTimeoutMs`: without activity for so long it stops counting as live; it is never lost. `ephemeral`: it ends with
    its window, or with the process.
    """

    session_id: SessionId | None = None
    """The host's own name for it; made here where it is left out."""
    provider_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    profile_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    model_id: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    system_prompt: LongText | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    metadata: dict[str, Any] | None = None
    """The host's own, at most 64 KiB of JSON."""
    idle_timeout_ms: Annotated[int, Meta(ge=1_000, le=30 * 86_400_000)] = 1_800_000
    """Milliseconds."""
    window_id: WindowId | None = None
    """The window it belongs to; `llm:window:closed` releases it."""
    ephemeral: bool = False
    context_policy: ContextPolicy = "error"
    """What happens when a conversation is longer than its model takes: `CONTEXT_LENGTH_EXCEEDED`, or the oldest whole
    turns are left out (the system prompt stays)."""


class SessionInfo(Shape, kw_only=True):
    """A session. `isActive`: it counts against the limits of live sessions now. Instants are epoch milliseconds.

    `providerId`, `modelId`: what the session says; else who answered last; else who would answer now (null: nobody, or
    the server's first model)."""

    session_id: str
    provider_id: str | None
    model_id: str | None
    profile_id: str | None = None
    created_at: int
    last_activity: int
    is_active: bool
    is_running: bool = False
    """It is answering now."""
    message_count: int
    """Of what `llm:session:history` lists."""
    total_tokens: int
    """Of all its answers, failed ones included."""
    total_cost: float | None
    """US dollars of the turns whose price is known; null where none is."""
    metadata: dict[str, Any] | None = None
    system_prompt: str | None = None
    window_id: str | None = None
    ephemeral: bool = False


class SessionParams(Params, kw_only=True):
    session_id: SessionId


class SessionRunParams(AnswerOptions, kw_only=True):
    """`llm:session:run`: the new messages of this turn, and how to answer it; what came before is the session's. A
    question that was cancelled, or cut off by a crash, before its answer began is asked together with them; only once
    where they are the same again.
    """

    session_id: SessionId
    messages: Annotated[list[Message], Meta(min_length=1, max_length=100)]
    """The new ones only."""
    context_policy: ContextPolicy | None = None


class SessionListParams(Params, kw_only=True):
    """`limit` defaults to 50. Latest activity first; without the system prompts. A page also ends where the next
    session would not fit one line."""

    cursor: Cursor | None = None
    limit: PageSize | None = None


class SessionList(Shape, kw_only=True):
    sessions: list[SessionInfo]
    next_cursor: str | None


class SessionHistoryParams(Params, kw_only=True):
    """`limit` defaults to 50. Oldest first; a page also ends where the next message would not fit one line."""

    session_id: SessionId
    cursor: Cursor | None = None
    limit: PageSize | None = None


class SessionMessage(Shape, kw_only=True):
    """A message of a session. `state`: how its turn ended, where it is an answer that was `cancelled`, or `interrupted`
    by the end of the process; `running`: it is being written."""

    message_id: str
    role: Literal["user", "assistant", "system", "tool"]
    content: str | list[ContentPart]
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    provider_state: dict[str, Any] | None = None
    created_at: int
    state: Literal["complete", "cancelled", "interrupted", "running"] = "complete"
    inference_id: InferenceId | None = None
    """Of the answer's inference."""
    model_id: str | None = None
    total_tokens: Count | None = None
    cost: float | None = None
    omitted_bytes: Count | None = None
    """The message does not fit one line: it has so many bytes, and its content is not shown."""


class SessionHistory(Shape, kw_only=True):
    messages: list[SessionMessage]
    next_cursor: str | None


class SessionForkParams(Params, kw_only=True):
    """A copy of the session up to and with `atMessageId` (without it: of every turn that is over). It begins with no
    tokens and no cost of its own."""

    session_id: SessionId
    at_message_id: MessageId | None = None
    new_session_id: SessionId | None = None
