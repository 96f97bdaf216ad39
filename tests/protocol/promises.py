"""What the contract promises of every conversation, whatever is said in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from tests.hosts import TERMINALS

SCHEMAS = Path(__file__).parents[2] / "protocol" / "schemas"


def check(send: list[Any], lines: list[Any]) -> None:
    """Raises `AssertionError` for the first promise that is broken."""
    methods = {json.dumps(item["id"]): item["method"] for item in _sent(send) if "id" in item and "method" in item}
    inferences: dict[str, list[dict[str, Any]]] = {}
    completions: dict[str, Completion] = {}
    jobs: dict[str, list[str]] = {}
    for message in _items(lines):
        assert message.get("jsonrpc") == "2.0", message
        if "method" in message:
            assert message.keys() == {"jsonrpc", "method", "params"}, message
            params = message["params"]
            _fits(NOTIFICATIONS[message["method"]].params, params)
            if message["method"] == "llm:chat:chunk":
                request_id = json.dumps(params["requestId"])
                assert methods[request_id] == "llm:chat:completions", f"a chunk nobody asked for: {message!r}"
                completions.setdefault(request_id, Completion()).add(params["chunk"])
            elif message["method"].startswith("llm:job:"):
                assert params["jobId"] in jobs, f"an event before the acceptance: {message!r}"
                jobs[params["jobId"]].append(message["method"])
            else:
                assert params["inferenceId"] in inferences, f"an event before the acceptance: {message!r}"
                inferences[params["inferenceId"]].append(message)
        elif "error" in message:
            assert message.keys() == {"jsonrpc", "id", "error"}, message
            _fits_schema("ErrorObject", message["error"])
            completions.setdefault(json.dumps(message["id"]), Completion()).is_over = True
        else:
            assert message.keys() == {"jsonrpc", "id", "result"}, message
            method = METHODS[methods[json.dumps(message["id"])]]
            _fits(method.result, message["result"])
            if method.name == "llm:chat:completions":
                completions.setdefault(json.dumps(message["id"]), Completion()).end(message["result"])
            if method.name in ("llm:inference", "llm:session:run"):
                inferences[message["result"]["inferenceId"]] = []
            if method.name == "llm:job:submit":
                jobs[message["result"]["jobId"]] = []
    for events in inferences.values():
        _check_events(events)
    for told in jobs.values():
        assert set(told[:-1]) <= {"llm:job:progress"}, f"a job goes on after its end: {told!r}"


class Completion:
    """A chat completion, put together from its chunks and held against the whole one."""

    def __init__(self) -> None:
        self.chunks: list[dict[str, Any]] = []
        self.is_over = False

    def add(self, chunk: dict[str, Any]) -> None:
        assert not self.is_over, f"a chunk after the response: {chunk!r}"
        self.chunks.append(chunk)

    def end(self, whole: dict[str, Any]) -> None:
        assert not self.is_over
        self.is_over = True
        if not self.chunks:
            return
        head = {"id", "created", "model"}
        assert all(
            {name: chunk[name] for name in head} == {name: whole[name] for name in head} for chunk in self.chunks
        )
        choices = [choice for chunk in self.chunks for choice in chunk["choices"]]
        deltas = [choice["delta"] for choice in choices]
        assert ["role" in delta for delta in deltas] == [True] + [False] * (len(deltas) - 1)
        ends = [choice["finish_reason"] for choice in choices]
        assert ends == [None] * (len(ends) - 1) + [whole["choices"][0]["finish_reason"]]
        message = whole["choices"][0]["message"]
        for name in ("content", "reasoning_content"):
            assert "".join(delta.get(name) or "" for delta in deltas) == (message.get(name) or "")
        assert _tool_calls(deltas) == message.get("tool_calls", [])
        assert all(chunk["usage"] == whole["usage"] for chunk in self.chunks if "usage" in chunk)


def _tool_calls(deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    for piece in (piece for delta in deltas for piece in delta.get("tool_calls", ())):
        if "id" in piece:
            assert piece["index"] == len(calls)
            calls.append({"id": piece["id"], "type": piece["type"], "function": dict(piece["function"])})
        else:
            calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
    return calls


def texts(lines: list[Any]) -> dict[str, str]:
    """What the tokens of each accepted inference give when they are joined."""
    joined: dict[str, str] = {}
    for message in _items(lines):
        if "inferenceId" in message.get("result", {}):
            joined[message["result"]["inferenceId"]] = ""
        elif message.get("method") == "llm:token":
            joined[message["params"]["inferenceId"]] += message["params"]["token"]
    return joined


def _check_events(events: list[dict[str, Any]]) -> None:
    assert [event["params"]["seq"] for event in events] == list(range(len(events)))
    terminals = [event["method"] in TERMINALS for event in events]
    assert terminals == [False] * (len(events) - 1) + [True]
    deltas = 0
    for event in events:
        if event["method"] == "llm:token":
            assert event["params"]["index"] == deltas
            deltas += event["params"]["count"]


def _sent(send: list[Any]) -> Iterator[dict[str, Any]]:
    """The messages of the steps, those written as text included where they are JSON."""
    for step in send:
        message = step
        if isinstance(step, str):
            try:
                message = json.loads(step.removeprefix("\ufeff"))
            except ValueError:
                continue
        yield from _items([message])


def _items(messages: list[Any]) -> Iterator[dict[str, Any]]:
    for message in messages:
        for item in message if isinstance(message, list) else [message]:
            if isinstance(item, dict):
                yield item


def _fits(shape: type[Any], value: Any) -> None:
    if shape is not dict:
        _fits_schema(shape.__name__, value)


def _fits_schema(name: str, value: Any) -> None:
    validator = _validator(name)
    validator.validate(value)
    unknown = value.keys() - validator.schema["$defs"][name]["properties"].keys()
    assert not unknown, f"{name} does not tell of {unknown}"


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text("utf-8")))
