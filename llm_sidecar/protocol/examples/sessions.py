"""Examples: sessions."""

from __future__ import annotations

from typing import Final

from llm_sidecar.protocol.examples.exchange import Exchange, Json

_ID: Final = "chat-7"
_INFO: Final = {
    "sessionId": _ID,
    "providerId": "demo",
    "modelId": "demo-1",
    "createdAt": 1780000000000,
    "lastActivity": 1780000004200,
    "isActive": True,
    "messageCount": 2,
    "totalTokens": 15,
    "totalCost": None,
    "metadata": {"title": "Greetings"},
    "windowId": "main",
}

HOST: Final[dict[str, Exchange]] = {
    "llm:session:create": Exchange(
        {
            "sessionId": _ID,
            "providerId": "demo",
            "systemPrompt": "You are terse.",
            "metadata": {"title": "Greetings"},
            "windowId": "main",
            "contextPolicy": "truncate",
        },
        {**_INFO, "messageCount": 0, "totalTokens": 0, "systemPrompt": "You are terse."},
    ),
    "llm:session:run": Exchange(
        {
            "sessionId": _ID,
            "inferenceId": "answer-1",
            "messages": [{"role": "user", "content": "Say hello."}],
        },
        {"inferenceId": "answer-1"},
    ),
    "llm:session:destroy": Exchange({"sessionId": _ID}, {"success": True}),
    "llm:session:list": Exchange({"limit": 20}, {"sessions": [_INFO], "nextCursor": "sessions:412"}),
    "llm:session:get": Exchange({"sessionId": _ID}, {**_INFO, "systemPrompt": "You are terse."}),
    "llm:session:history": Exchange(
        {"sessionId": _ID, "limit": 2},
        {
            "messages": [
                {"messageId": "m31", "role": "user", "content": "Say hello.", "createdAt": 1780000003900},
                {
                    "messageId": "m32",
                    "role": "assistant",
                    "content": "Hello",
                    "createdAt": 1780000003900,
                    "state": "cancelled",
                    "inferenceId": "answer-1",
                    "modelId": "demo-1",
                    "totalTokens": 15,
                },
            ],
            "nextCursor": None,
        },
    ),
    "llm:session:fork": Exchange(
        {"sessionId": _ID, "atMessageId": "m31", "newSessionId": "chat-8"},
        {**_INFO, "sessionId": "chat-8", "messageCount": 1, "totalTokens": 0, "systemPrompt": "You are terse."},
    ),
}
SIDECAR: Final[dict[str, Json]] = {}
