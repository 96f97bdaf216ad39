"""The one list of what can be said: methods, notifications, and the errors each method can answer with.

Law: what is not in this list does not exist. The dispatcher admits nothing else, `rpc.discover` describes exactly
this, and `protocol/` is generated from it. A name, a shape or a sentence is written here once.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from llm_sidecar.messages import chat, events, generation, handshake, inference, models, shape, status


class Method(Struct, frozen=True):
    """A request a host can make (or, with `is_notification`, a notification it can send)."""

    name: str
    params: type[Any]
    result: type[Any]
    summary: str
    errors: tuple[str, ...] = ()
    """Codes besides the ones any method can answer with (`COMMON_ERRORS`)."""
    is_notification: bool = False


class Notification(Struct, frozen=True):
    """A notification the sidecar sends."""

    name: str
    params: type[Any]
    summary: str


COMMON_ERRORS: Final = (
    "PARSE_ERROR",
    "INVALID_MESSAGE",
    "MESSAGE_TOO_LARGE",
    "DUPLICATE_ID",
    "METHOD_NOT_FOUND",
    "VALIDATION_ERROR",
    "INTERNAL_ERROR",
    "OVERLOADED",
    "CANCELLED",
    "SHUTTING_DOWN",
)
"""What any request can be answered with."""

_INFERENCE_ERRORS: Final = (
    "RATE_LIMIT",
    "INVALID_PROVIDER",
    "API_KEY_MISSING",
    "PROFILE_NOT_FOUND",
    "NO_ACTIVE_PROFILE",
    "INVALID_MODEL",
    "NETWORK_ERROR",
    "AUTH_ERROR",
    "INSUFFICIENT_QUOTA",
    "INVALID_REQUEST",
    "CONTEXT_LENGTH_EXCEEDED",
    "SERVER_ERROR",
    "PROVIDER_OVERLOADED",
    "STREAM_TRUNCATED",
    "PROVIDER_PROTOCOL_ERROR",
    "TIMEOUT",
    "FIRST_TOKEN_TIMEOUT",
    "STREAM_TIMEOUT",
)
"""What a request can be answered with whose result is the whole answer of an inference."""

_METHODS: Final = (
    Method(
        "initialize",
        handshake.InitializeParams,
        handshake.InitializeResult,
        "The handshake: versions, limits, the host's process id. Optional, once, first.",
        ("ALREADY_INITIALIZED",),
    ),
    Method("ping", shape.NoParams, shape.Empty, "Answered at once, also while a stream is stalled."),
    Method(
        "shutdown",
        handshake.ShutdownParams,
        shape.Empty,
        "Settle what is running, refuse what is new, and answer. Then send `exit` or close stdin.",
    ),
    Method("exit", shape.NoParams, shape.Empty, "End the process now.", is_notification=True),
    Method(
        "$/cancelRequest",
        handshake.CancelRequestParams,
        shape.Empty,
        "Cancel a request that has not been answered yet.",
        is_notification=True,
    ),
    Method("rpc.discover", shape.NoParams, dict, "This protocol, as an OpenRPC document."),
    Method(
        "llm:inference",
        inference.InferenceParams,
        inference.InferenceAccepted,
        "Start one answer. Its events follow the response; exactly one `llm:done` or `llm:error` ends them.",
        (
            "RATE_LIMIT",
            "INFERENCE_EXISTS",
            "INVALID_PROVIDER",
            "API_KEY_MISSING",
            "PROFILE_NOT_FOUND",
            "NO_ACTIVE_PROFILE",
        ),
    ),
    Method(
        "llm:cancel",
        inference.CancelParams,
        inference.Success,
        "Cancel an inference in any state. No token follows the response; the terminal is `llm:done` with `cancelled`.",
    ),
    Method(
        "llm:inference:attach",
        inference.AttachParams,
        inference.AttachResult,
        "Replay the events of an inference from `fromSeq` on; live ones follow the response.",
        ("INFERENCE_NOT_FOUND", "REPLAY_GAP"),
    ),
    Method(
        "llm:generate-text",
        generation.GenerateTextParams,
        generation.GeneratedText,
        "One prompt, one text, in the response. `$/cancelRequest` cancels it.",
        _INFERENCE_ERRORS,
    ),
    Method(
        "llm:chat:completions",
        chat.ChatCompletionParams,
        chat.ChatCompletion,
        "A chat completion in OpenAI's format. With `request.stream` each `llm:chat:chunk` comes before the response, "
        "which is the whole completion. `$/cancelRequest` cancels it.",
        ("SERVICE_NOT_FOUND", *_INFERENCE_ERRORS),
    ),
    Method("llm:get-status", shape.NoParams, status.ServiceStatus, "What the sidecar is doing now."),
    Method(
        "llm:window:closed",
        inference.WindowClosedParams,
        inference.WindowClosedResult,
        "A window of the host is gone: cancel its inferences, release its sessions.",
    ),
    Method(
        "llm:providers:list",
        shape.NoParams,
        models.ProviderList,
        "The catalogue of providers: where each is, what it needs and can do, and whether it can be used now.",
    ),
    Method(
        "llm:models:list",
        models.ModelListParams,
        models.ModelList,
        "The models of a profile, a provider or a service, asked for now, with their prices where known.",
        (
            "PROFILE_NOT_FOUND",
            "NO_ACTIVE_PROFILE",
            "SERVICE_NOT_FOUND",
            "INVALID_PROVIDER",
            "API_KEY_MISSING",
            "NETWORK_ERROR",
            "AUTH_ERROR",
            "RATE_LIMIT",
            "INSUFFICIENT_QUOTA",
            "INVALID_REQUEST",
            "INVALID_MODEL",
            "SERVER_ERROR",
            "PROVIDER_OVERLOADED",
            "STREAM_TRUNCATED",
            "PROVIDER_PROTOCOL_ERROR",
            "TIMEOUT",
        ),
    ),
)

_NOTIFICATIONS: Final = (
    Notification("llm:thinking", events.ThinkingEvent, "A change of state, or a piece of the model's reasoning."),
    Notification("llm:token", events.TokenEvent, "A piece of the answer's text."),
    Notification("llm:tool-call", events.ToolCallEvent, "A piece of a tool call."),
    Notification("llm:progress", events.ProgressEvent, "How far a long operation has come."),
    Notification("llm:done", events.DoneEvent, "The end of an answer."),
    Notification("llm:error", events.ErrorEvent, "The end of an answer that failed."),
    Notification("llm:chat:chunk", chat.ChatChunkEvent, "A piece of a chat completion."),
)

METHODS: Final[dict[str, Method]] = {method.name: method for method in _METHODS}
NOTIFICATIONS: Final[dict[str, Notification]] = {item.name: item for item in _NOTIFICATIONS}
EVENT_NAMES: Final[dict[type[Any], str]] = {item.params: item.name for item in _NOTIFICATIONS}
"""The notification that carries each event type."""
