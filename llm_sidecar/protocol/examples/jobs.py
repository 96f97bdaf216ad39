"""Examples: jobs."""

from __future__ import annotations

from typing import Final

from llm_sidecar.protocol.examples.exchange import Exchange, Json

_ID: Final = "report-7"
_INFO: Final = {
    "jobId": _ID,
    "kind": "batch",
    "state": "running",
    "priority": 10,
    "createdAt": 1780000000000,
    "startedAt": 1780000000012,
    "endedAt": None,
    "attempts": 1,
    "progress": {"current": 120, "total": 200, "message": "in_progress"},
    "windowId": "main",
    "metadata": {"title": "Letters"},
}
_USAGE: Final = {"promptTokens": 12, "completionTokens": 3, "totalTokens": 15, "source": "reported"}

HOST: Final[dict[str, Exchange]] = {
    "llm:job:submit": Exchange(
        {
            "jobId": _ID,
            "kind": "batch",
            "priority": 10,
            "windowId": "main",
            "metadata": {"title": "Letters"},
            "params": {
                "providerId": "openai",
                "modelId": "gpt-4o-mini",
                "requests": [
                    {
                        "customId": "letter-1",
                        "request": {"messages": [{"role": "user", "content": "Say hello."}], "maxTokens": 100},
                    }
                ],
            },
        },
        {"jobId": _ID},
    ),
    "llm:job:get": Exchange({"jobId": _ID}, _INFO),
    "llm:job:list": Exchange({"state": "running", "limit": 20}, {"jobs": [_INFO], "nextCursor": None}),
    "llm:job:cancel": Exchange({"jobId": _ID}, {"success": True}),
    "llm:job:result": Exchange(
        {"jobId": _ID, "limit": 2},
        {
            "jobId": _ID,
            "state": "running",
            "items": [
                {
                    "customId": "letter-1",
                    "result": {
                        "inferenceId": "report-7:letter-1",
                        "seq": 0,
                        "totalTokens": 15,
                        "usage": _USAGE,
                        "cost": 0.0000018,
                        "finishReason": "stop",
                        "rawFinishReason": "stop",
                        "text": "Hello",
                        "providerId": "openai",
                        "modelId": "gpt-4o-mini",
                        "attempts": 1,
                        "timings": {"queuedMs": 0, "firstTokenMs": None, "totalMs": 0},
                    },
                },
                {
                    "customId": "letter-2",
                    "error": {
                        "code": "CONTEXT_LENGTH_EXCEEDED",
                        "message": "The request is longer than the model's context (HTTP 400).",
                        "retryable": False,
                    },
                },
            ],
            "nextCursor": "items:2",
        },
    ),
}
SIDECAR: Final[dict[str, Json]] = {
    "llm:job:progress": {
        "jobId": _ID,
        "kind": "batch",
        "windowId": "main",
        "state": "running",
        "progress": {"current": 120, "total": 200, "message": "in_progress"},
    },
    "llm:job:done": {"jobId": _ID, "kind": "batch", "windowId": "main", "items": 200},
    "llm:job:error": {
        "jobId": "summary-3",
        "kind": "inference",
        "error": {
            "code": "JOB_INTERRUPTED",
            "message": "The sidecar ended while the job ran.",
            "retryable": True,
        },
        "mayHaveBeenPaid": True,
    },
}
