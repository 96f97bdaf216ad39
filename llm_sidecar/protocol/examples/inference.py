"""Examples: the lifecycle, inferences, models."""

from __future__ import annotations

from typing import Final

from llm_sidecar.protocol.examples.exchange import Exchange, Json

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
    "llm:generate-text": Exchange(
        {"prompt": "Say hello.", "providerId": "demo", "maxTokens": 200},
        {
            "text": "Hello!",
            "usage": _USAGE,
            "finishReason": "stop",
            "cost": None,
            "providerId": "demo",
            "modelId": "demo-1",
        },
    ),
    "llm:chat:completions": Exchange(
        {
            "request": {
                "messages": [
                    {"role": "system", "content": "You are terse."},
                    {"role": "user", "content": "Say hello."},
                ],
                "model": "demo-1",
                "stream": True,
                "max_completion_tokens": 200,
            },
            "providerId": "demo",
        },
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1790000000,
            "model": "demo-1",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Hello!", "refusal": None},
                    "finish_reason": "stop",
                    "logprobs": None,
                }
            ],
            "usage": {
                "prompt_tokens": 12,
                "completion_tokens": 3,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 8},
                "source": "reported",
                "cost": None,
            },
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
            "cache": {"entries": 2, "bytes": 5120, "hits": 3, "misses": 2},
            "providers": {
                "demo": {"requests": 12, "failures": 0, "cancelled": 1, "tokens": 20480, "lastError": None},
                "ollama": {"requests": 5, "failures": 5, "cancelled": 0, "tokens": 0, "lastError": "NETWORK_ERROR"},
            },
            "circuits": [
                {"origin": "http://127.0.0.1:11434", "state": "open", "failures": 5, "retryAfterMs": 7500},
            ],
        },
    ),
    "llm:window:closed": Exchange({"windowId": "main"}, {"cancelled": 1, "released": 0, "destroyed": 0}),
    "llm:providers:list": Exchange(
        {},
        {
            "providers": [
                {
                    "id": "openai",
                    "name": "OpenAI",
                    "baseUrl": "https://api.openai.com/v1",
                    "defaultModel": "gpt-4o-mini",
                    "needsKey": True,
                    "needsConsent": False,
                    "capabilities": ["streaming", "tools", "images", "jsonSchema", "reasoning"],
                    "hasKey": False,
                    "ready": False,
                },
            ]
        },
    ),
    "llm:models:list": Exchange(
        {"providerId": "google"},
        {
            "object": "list",
            "data": [
                {
                    "id": "gemini-2.5-pro",
                    "object": "model",
                    "providerId": "google",
                    "name": "Gemini 2.5 Pro",
                    "contextWindow": 1048576,
                    "maxOutputTokens": 65536,
                    "prices": {
                        "inputPerMillion": 1.25,
                        "outputPerMillion": 10.0,
                        "cachedInputPerMillion": 0.125,
                        "currency": "USD",
                        "tiers": [
                            {
                                "inputPerMillion": 2.5,
                                "outputPerMillion": 15.0,
                                "cachedInputPerMillion": 0.25,
                                "abovePromptTokens": 200000,
                            }
                        ],
                    },
                },
            ],
        },
    ),
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
    "llm:chat:chunk": {
        "requestId": 7,
        "chunk": {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1790000000,
            "model": "demo-1",
            "choices": [
                {
                    "index": 0,
                    "delta": {"role": "assistant", "content": "Hello"},
                    "finish_reason": None,
                    "logprobs": None,
                }
            ],
        },
    },
}
"""What the sidecar sends by itself, by notification: its params."""
