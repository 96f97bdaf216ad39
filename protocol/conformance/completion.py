"""A chat completion, put together from its chunks and held against the whole one."""

from __future__ import annotations

from typing import Any

from conformance.faults import demand, shown


class Completion:
    """Chunks in the order they came. Raises `Breach` as soon as one is wrong."""

    def __init__(self) -> None:
        self.chunks: list[dict[str, Any]] = []
        self.is_over = False

    def add(self, chunk: dict[str, Any]) -> None:
        demand(not self.is_over, f"a chunk after the response: {shown(chunk)}")
        self.chunks.append(chunk)

    def end(self, whole: dict[str, Any]) -> None:
        """`whole` is the response."""
        demand(not self.is_over, "a second response to a chat completion")
        self.is_over = True
        if not self.chunks:
            return
        for name in ("id", "created", "model"):
            told = [chunk[name] for chunk in self.chunks]
            demand(all(value == whole[name] for value in told), f"`{name}` of the chunks is not that of the response")
        choices = [choice for chunk in self.chunks for choice in chunk["choices"]]
        deltas = [choice["delta"] for choice in choices]
        roles = ["role" in delta for delta in deltas]
        demand(roles == [True] + [False] * (len(deltas) - 1), "the first chunk, and no other, has a `role`")
        ends = [choice["finish_reason"] for choice in choices]
        is_right = ends == [None] * (len(ends) - 1) + [whole["choices"][0]["finish_reason"]]
        demand(is_right, f"`finish_reason` of the chunks is {shown(ends)}: the last, and no other, has the response's")
        message = whole["choices"][0]["message"]
        for name in ("content", "reasoning_content"):
            joined = "".join(delta.get(name) or "" for delta in deltas)
            is_right = joined == (message.get(name) or "")
            demand(is_right, f"`{name}` of the chunks is {shown(joined)}, of the response {shown(message.get(name))}")
        calls = _tool_calls(deltas)
        is_right = calls == message.get("tool_calls", [])
        demand(is_right, f"the tool calls of the chunks are not those of the response: {shown(calls)}")
        is_right = all(chunk["usage"] == whole["usage"] for chunk in self.chunks if "usage" in chunk)
        demand(is_right, "`usage` of a chunk is not that of the response")


def _tool_calls(deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    for piece in (piece for delta in deltas for piece in delta.get("tool_calls", ())):
        if "id" in piece:
            demand(piece["index"] == len(calls), f"a tool call out of order: {shown(piece)}")
            calls.append({"id": piece["id"], "type": piece["type"], "function": dict(piece["function"])})
        else:
            demand(piece["index"] < len(calls), f"a piece of a tool call that did not begin: {shown(piece)}")
            calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
    return calls
