"""The Provider protocol, and the contract of its stream. Every adapter passes `tests/providers/contract`.

A stream is an `async with` around an async iterator of batches (lists of `ProviderEvent`, one batch for what arrived
together). The rules:

1.  Entering connects and sends the request; it returns when the provider has accepted it (headers, status 200).
    It raises `ProviderError` otherwise. Nothing retries here: the service does.
2.  A batch is not empty. Adjacent text deltas of one batch may be joined (`TextDelta.count` says how many).
3.  A complete answer has exactly one `Finish`, after all content; usage may come before or after it.
4.  The iterator ends only after the provider's own end of stream. If the bytes stop earlier, it raises
    `ProviderError("STREAM_TRUNCATED")`; if they break the provider's protocol, `PROVIDER_PROTOCOL_ERROR`;
    if the provider reports an error inside the stream, that error, typed.
5.  Leaving, however it happens, closes the upstream socket (or returns a fully read one to the pool) without
    waiting for the provider. Cancellation is always re-raised.
6.  Memory is bounded: an event above `max_event_bytes` is a `PROVIDER_PROTOCOL_ERROR`; what is not asked for is
    not read (the socket's window is the buffer).
7.  No exception but `SidecarError` and cancellation leaves an adapter; no error text quotes a body, URL query, header
    or key beyond the allow-listed fields.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from llm_sidecar.messages.content import Message, ReasoningOptions, ResponseFormat, ToolChoice, ToolDefinition
from llm_sidecar.providers.events import ProviderEvent


class Endpoint(Struct, frozen=True):
    """Where one request goes and what opens the door. `base_url` has no trailing slash."""

    provider_id: str
    base_url: str
    api_key: str | None = None
    allow_insecure: bool = False
    """Whether `http://` may lead to another machine than this one: somebody said so, for this endpoint."""

    def __repr__(self) -> str:
        return f"Endpoint({self.provider_id!r}, {self.base_url!r}, key={'yes' if self.api_key else 'no'})"


class ProviderRequest(Struct, frozen=True):
    """One inference, as an adapter sees it. `model_id` is "" where none was named: the adapter finds or refuses."""

    endpoint: Endpoint
    model_id: str
    messages: list[Message]
    system_prompt: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: list[str] | None = None
    seed: int | None = None
    tools: list[ToolDefinition] | None = None
    tool_choice: ToolChoice | None = None
    response_format: ResponseFormat | None = None
    reasoning: ReasoningOptions | None = None
    attempt: int = 1
    """1 for the first try; only the scripted provider looks at it."""


class ModelDescription(Struct, frozen=True):
    """A model a provider offers. Limits in tokens, where known."""

    id: str
    name: str | None = None
    """What people call it, where the provider says."""
    context_window: int | None = None
    max_output_tokens: int | None = None


ProviderStream = AbstractAsyncContextManager[AsyncIterator[list[ProviderEvent]]]


class Provider(Protocol):
    """One wire format. Stateless per request; connection pools live here."""

    def stream(self, request: ProviderRequest) -> ProviderStream:
        """One streamed answer; see the rules above."""
        ...

    async def list_models(self, endpoint: Endpoint) -> list[ModelDescription]:
        """The models that can answer at `endpoint`: loaded ones first, else in the provider's order. Raises
        `ProviderError`. How long that may take is the caller's business."""
        ...

    async def warm(self) -> None:
        """Load what the first request needs (imports, sessions), without touching the network."""
        ...

    async def aclose(self) -> None:
        """Close every pooled connection."""
        ...
