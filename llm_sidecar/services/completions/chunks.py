"""The chunks of one streamed completion, on their way out.

Law: a `TokenStream` whose events become chunks when the writer takes them: they merge, split, wait and keep their order
as the events of an inference do. The first chunk has the role, whatever else it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from llm_sidecar.limits import KIB, Limits
from llm_sidecar.messages.catalogue import EVENT_NAMES
from llm_sidecar.messages.chat import (
    ChatChunkChoice,
    ChatChunkEvent,
    ChatCompletionChunk,
    ChatDelta,
    ChatFunctionDelta,
    ChatToolCallDelta,
    ChatUsage,
    RequestId,
)
from llm_sidecar.messages.events import FinishReason, ThinkingEvent, TokenEvent, ToolCallEvent
from llm_sidecar.services.inference.event_sink import EventSink, QueuedEvent
from llm_sidecar.services.inference.journal import Journals
from llm_sidecar.services.inference.token_stream import TokenStream

_CHUNK_BYTES: Final = 384
"""What a chunk weighs besides its text, about."""
_EXTRA_BYTES: Final = KIB
"""What a chunk's other fields may take more than an event's: together room for the longest request id, escaped, and a
model's name of `_NAME_BYTES`."""
_NAME_BYTES: Final = 512
_METHOD: Final = EVENT_NAMES[ChatChunkEvent]


class ChunkStream:
    """The way out for the completion `completion_id`, to whom asked as `request_id`. `model` names who answers, as far
    as that is known when the first chunk leaves."""

    def __init__(
        self,
        request_id: RequestId,
        completion_id: str,
        created: int,
        *,
        model: Callable[[], str],
        sink: EventSink,
        limits: Limits,
    ) -> None:
        self._request_id = request_id
        self._completion_id = completion_id
        self._created = created
        self._name_model = model
        self._model: str | None = None
        self._sink = sink
        journal = Journals(lambda: limits).open(completion_id)
        journal.is_kept = False  # nobody attaches to a completion
        room = replace(limits, max_message_bytes=limits.max_message_bytes - _EXTRA_BYTES)
        tokens = TokenStream(completion_id, None, _AsChunks(self, sink), journal, room)
        self.text = tokens.text
        self.reasoning = tokens.reasoning
        self.tool_call = tokens.tool_call
        self.stop = tokens.stop

    def finish(self, reason: FinishReason, usage: ChatUsage | None) -> None:
        """The last chunks: why it ended and, where it is wanted, the usage."""
        self._sink.publish(_LastChunk(lambda: self.chunk(ChatDelta(), reason)))
        if usage is not None:
            self._sink.publish(_LastChunk(lambda: self._chunk([], usage)))

    def chunk(self, delta: ChatDelta, reason: FinishReason | None = None) -> ChatChunkEvent:
        """The chunk with `delta`, which the writer takes now."""
        if self._model is None:
            self._model = _short(self._name_model())
            delta.role = "assistant"
        return self._chunk([ChatChunkChoice(index=0, delta=delta, finish_reason=reason, logprobs=None)])

    def _chunk(self, choices: list[ChatChunkChoice], usage: ChatUsage | None = None) -> ChatChunkEvent:
        chunk = ChatCompletionChunk(
            id=self._completion_id,
            object="chat.completion.chunk",
            created=self._created,
            model=self._model or "",
            choices=choices,
            usage=usage,
        )
        return ChatChunkEvent(request_id=self._request_id, chunk=chunk)


class _AsChunks:
    """The sink of a `TokenStream` whose events leave as chunks."""

    def __init__(self, stream: ChunkStream, sink: EventSink) -> None:
        self._stream = stream
        self._sink = sink
        self.grew = sink.grew
        self.room = sink.room
        self.flush = sink.flush

    @property
    def congested(self) -> bool:
        return self._sink.congested

    def publish(self, event: QueuedEvent) -> None:
        self._sink.publish(_QueuedChunk(self._stream, event))


class _QueuedChunk:
    """An event that will be a chunk, and may grow until then."""

    __slots__ = ("_event", "_stream")

    def __init__(self, stream: ChunkStream, event: QueuedEvent) -> None:
        self._stream = stream
        self._event = event

    @property
    def weight(self) -> int:
        return self._event.weight + _CHUNK_BYTES

    def take(self) -> tuple[str, ChatChunkEvent]:
        _, event = self._event.take()
        return _METHOD, self._stream.chunk(_delta_of(event))


class _LastChunk:
    """A chunk that does not grow."""

    __slots__ = ("_make",)
    weight = _CHUNK_BYTES

    def __init__(self, make: Callable[[], ChatChunkEvent]) -> None:
        self._make = make

    def take(self) -> tuple[str, ChatChunkEvent]:
        return _METHOD, self._make()


def _delta_of(event: Any) -> ChatDelta:
    match event:
        case TokenEvent():
            return ChatDelta(content=event.token)
        case ThinkingEvent():
            return ChatDelta(reasoning_content=event.text)
        case ToolCallEvent():
            call = ChatToolCallDelta(
                index=event.index,
                id=event.id,
                type=None if event.id is None else "function",
                function=ChatFunctionDelta(name=event.name, arguments=event.arguments_delta),
            )
            return ChatDelta(tool_calls=[call])
    raise TypeError(type(event).__name__)


def _short(name: str) -> str:
    """`name`, or as much of it as is sure to fit."""
    return name if len(msgspec.json.encode(name)) <= _NAME_BYTES else name[: _NAME_BYTES // 6]
