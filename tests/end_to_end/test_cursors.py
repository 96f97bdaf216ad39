"""Cursors, at the pipe of a real sidecar: a list takes those of its own pages, and no other's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.hosts import Host, inference

Spawn = Callable[..., Host]
FAST = "[[demo: text=Yes connect=0 firstToken=0 rate=max]]"


def test_a_list_takes_no_cursor_but_its_own(spawn: Spawn) -> None:
    host = spawn()
    for name in "ab":
        host.call("llm:session:create", {"sessionId": name, "providerId": "demo"})
        accepted = host.call("llm:session:run", {"sessionId": name, **inference(FAST)})
        host.answer(accepted["inferenceId"])
        host.call("llm:job:submit", {"kind": "inference", "params": inference(FAST)})
        host.call("llm:profiles:create", {"name": name, "providerType": "ollama"})
    lists: dict[str, dict[str, Any]] = {
        "llm:session:list": {},
        "llm:session:history": {"sessionId": "a"},
        "llm:job:list": {},
        "llm:usage:list": {},
        "llm:audit:list": {},
    }
    cursors = {name: host.call(name, {**params, "limit": 1})["nextCursor"] for name, params in lists.items()}
    assert None not in cursors.values()
    for name, params in lists.items():
        for of, cursor in cursors.items():
            response = host.response(host.ask(name, {**params, "cursor": cursor}))
            assert ("result" in response) == (of == name), (name, of)
            if of != name:
                assert [field["path"] for field in response["error"]["data"]["details"]["fields"]] == ["cursor"]
