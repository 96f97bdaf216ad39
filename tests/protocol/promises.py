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
    for message in _items(lines):
        assert message.get("jsonrpc") == "2.0", message
        if "method" in message:
            assert message.keys() == {"jsonrpc", "method", "params"}, message
            params = message["params"]
            _fits(NOTIFICATIONS[message["method"]].params, params)
            assert params["inferenceId"] in inferences, f"an event before the acceptance: {message!r}"
            inferences[params["inferenceId"]].append(message)
        elif "error" in message:
            assert message.keys() == {"jsonrpc", "id", "error"}, message
            _fits_schema("ErrorObject", message["error"])
        else:
            assert message.keys() == {"jsonrpc", "id", "result"}, message
            method = METHODS[methods[json.dumps(message["id"])]]
            _fits(method.result, message["result"])
            if method.name == "llm:inference":
                inferences[message["result"]["inferenceId"]] = []
    for events in inferences.values():
        _check_events(events)


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
