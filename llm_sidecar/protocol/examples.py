"""One example of everything that can be said: what the page of channels shows.

Law: plain JSON values; a test holds each against the structs of its method, so that no example can be wrong for long.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

Json = dict[str, Any]


class Exchange(NamedTuple):
    """A request's params and the result it may have; None for a notification, which has none."""

    params: Json
    result: Json | None


_ID: Final = "answer-1"
_USAGE: Final = {"promptTokens": 12, "completionTokens": 3, "totalTokens": 15, "source": "reported"}
_TIMINGS: Final = {"queuedMs": 0, "firstTokenMs": 284, "totalMs": 341}

HOST: Final[dict[str, Exchange]] = {
    "initialize": Exchange(
        {
            "protocolVersion": 1,
            "client": {"name": "my-editor", "version": "2.3.0"},
            "processId": 4242,
            "tokenBatching": {"maxDelayMs": 8},
            "prewarm": ["openai"],
            "limits": {"maxConcurrentInferences": 8},
        },
        {
            "protocolVersion": 1,
            "server": {"name": "llm-sidecar", "version": "0.1.0"},
            "capabilities": {"methods": ["initialize", "ping"], "notifications": ["llm:token", "llm:done"]},
            "encryption": {"available": False, "source": None},
            "limits": {"maxConcurrentInferences": 8, "tokenBatchDelayMs": 8},
            "providers": ["openai", "demo"],
        },
    ),
    "ping": Exchange({}, {}),
    "shutdown": Exchange({"deadlineMs": 2000}, {}),
    "exit": Exchange({}, None),
    "$/cancelRequest": Exchange({"id": 7}, None),
    "rpc.discover": Exchange(
        {}, {"openrpc": "1.3.2", "info": {"title": "llm-sidecar", "version": "0.1.0"}, "methods": []}
    ),
    "llm:inference": Exchange(
        {
            "inferenceId": _ID,
            "providerId": "demo",
            "systemPrompt": "You are terse.",
            "messages": [{"role": "user", "content": "Say hello."}],
            "maxTokens": 200,
        },
        {"inferenceId": _ID},
    ),
    "llm:cancel": Exchange({"inferenceId": _ID}, {"success": True}),
    "llm:inference:attach": Exchange(
        {"inferenceId": _ID, "fromSeq": 1},
        {
            "events": [
                {
                    "method": "llm:token",
                    "params": {"inferenceId": _ID, "seq": 1, "token": "Hello", "index": 0, "count": 1},
                }
            ],
            "terminal": False,
            "nextSeq": 2,
        },
    ),
    "llm:get-status": Exchange(
        {},
        {
            "totalSessions": 0,
            "activeSessions": 0,
            "activeInferences": 1,
            "queuedInferences": 0,
            "totalInferences": 17,
            "totalTokens": 20480,
            "uptimeMs": 3600000,
            "rssBytes": 31457280,
            "outboxBytes": 0,
            "loopLagMs": 0.2,
            "cache": {"entries": 0, "hits": 0, "misses": 0},
            "providers": {"demo": {"requests": 17, "failures": 0, "cancelled": 1, "tokens": 20480, "lastError": None}},
        },
    ),
    "llm:window:closed": Exchange({"windowId": "main"}, {"cancelled": 1, "released": 0, "destroyed": 0}),
}
"""What a host sends, by method, and what it may get."""

SIDECAR: Final[dict[str, Json]] = {
    "llm:thinking": {"inferenceId": _ID, "seq": 0, "status": "initializing"},
    "llm:token": {"inferenceId": _ID, "seq": 1, "token": "Hello", "index": 0, "count": 1},
    "llm:tool-call": {
        "inferenceId": _ID,
        "seq": 2,
        "index": 0,
        "id": "call_1",
        "name": "weather",
        "argumentsDelta": '{"city":',
    },
    "llm:progress": {"inferenceId": _ID, "seq": 1, "current": 512, "total": 2048, "message": "prompt"},
    "llm:done": {
        "inferenceId": _ID,
        "seq": 4,
        "totalTokens": 15,
        "usage": _USAGE,
        "cost": None,
        "finishReason": "stop",
        "rawFinishReason": "stop",
        "providerId": "demo",
        "modelId": "demo-1",
        "attempts": 1,
        "timings": _TIMINGS,
    },
    "llm:error": {
        "inferenceId": _ID,
        "seq": 4,
        "error": "The stream stopped without the provider's end marker.",
        "code": "STREAM_TRUNCATED",
        "retryable": True,
        "partialText": "Hello",
        "usage": {**_USAGE, "source": "partial"},
        "providerId": "demo",
        "modelId": "demo-1",
        "attempts": 1,
        "timings": _TIMINGS,
    },
}
"""What the sidecar sends by itself, by notification: its params."""
