"""Examples: usage, budgets and the audit log."""

from __future__ import annotations

from typing import Final

from llm_sidecar.protocol.examples.exchange import Exchange, Json

_SUMS: Final = {
    "requests": 41,
    "errors": 1,
    "cancelled": 2,
    "promptTokens": 51_200,
    "completionTokens": 9_300,
    "totalTokens": 60_500,
    "cachedPromptTokens": 12_000,
    "reasoningTokens": 0,
    "cost": 0.01326,
    "unpriced": 0,
    "firstTokenMs": 412.5,
    "totalMs": 2_310.0,
}
_MONTH: Final = {
    "period": "month",
    "profileId": None,
    "limit": 20.0,
    "spent": 3.25,
    "remaining": 16.75,
    "resetsAt": 1_796_079_600_000,
    "utcOffsetMinutes": 60,
}

HOST: Final[dict[str, Exchange]] = {
    "llm:usage:summary": Exchange(
        {"from": 1_793_487_600_000, "to": 1_796_079_600_000, "groupBy": "model", "utcOffsetMinutes": 60},
        {"rows": [{"key": "gpt-4o-mini", **_SUMS}], "total": {"key": None, **_SUMS}},
    ),
    "llm:usage:list": Exchange(
        {"providerId": "openai", "limit": 1},
        {
            "rows": [
                {
                    "inferenceId": "answer-1",
                    "at": 1_795_840_000_000,
                    "providerId": "openai",
                    "modelId": "gpt-4o-mini",
                    "sessionId": "chat-1",
                    "outcome": "done",
                    "promptTokens": 1_200,
                    "completionTokens": 210,
                    "totalTokens": 1_410,
                    "cachedPromptTokens": 1_024,
                    "source": "reported",
                    "cost": 0.000306,
                    "firstTokenMs": 398,
                    "totalMs": 2_140,
                    "attempts": 1,
                }
            ],
            "nextCursor": "usage:4711-0",
        },
    ),
    "llm:budget:set": Exchange(
        {"period": "month", "limit": 20.0, "utcOffsetMinutes": 60},
        {"budgets": [_MONTH]},
    ),
    "llm:budget:get": Exchange({}, {"budgets": [_MONTH]}),
    "llm:audit:list": Exchange(
        {"action": "key.used", "limit": 1},
        {
            "entries": [
                {
                    "id": 12,
                    "at": 1_795_840_000_000,
                    "action": "key.used",
                    "profileId": "5d9b6d0e-6c0d-4a53-9c5e-3a8f6a1f6c11",
                    "details": {"encrypted": True, "origin": "https://api.openai.com"},
                    "repeated": 7,
                }
            ],
            "nextCursor": "audit:12",
        },
    ),
}
SIDECAR: Final[dict[str, Json]] = {}
