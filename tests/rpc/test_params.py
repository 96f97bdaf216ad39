"""Params that do not fit: every field at fault is named with its path and the rule, and no value is ever told."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_sidecar.errors import InvalidParams
from llm_sidecar.messages.catalogue import METHODS
from llm_sidecar.messages.handshake import InitializeParams
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.messages.profile import ProfileParams
from llm_sidecar.rpc.params import decode_params

SECRET = "sk-canary-4242'`\"5757"
FULL: dict[str, Any] = {
    "inferenceId": "a",
    "messages": [
        {"role": "user", "content": "hello"},
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image", "url": "https://x.test/a.png"}]},
        {"role": "assistant", "content": "", "toolCalls": [{"id": "1", "name": "f", "arguments": "{}"}]},
        {"role": "tool", "content": "1", "toolCallId": "1"},
    ],
    "providerId": "demo",
    "modelId": "m",
    "systemPrompt": "s",
    "temperature": 1,
    "maxTokens": 5,
    "topP": 0.5,
    "stop": ["x"],
    "seed": 1,
    "stream": True,
    "timeoutMs": 1000,
    "firstTokenTimeoutMs": 1,
    "chunkTimeoutMs": 1,
    "tools": [{"name": "f", "parameters": {}}],
    "toolChoice": {"name": "f"},
    "responseFormat": {"type": "jsonSchema", "name": "n", "schema": {}},
    "reasoning": {"effort": "low", "budgetTokens": 5},
    "retry": {"maxRetries": 1},
    "fallbackProfileIds": ["p"],
    "cache": False,
    "queue": True,
    "windowId": "w",
    "metadata": {"a": 1},
}
ANYTHING_GOES = {"parameters", "schema", "metadata"}


def problems(params: Any, shape: type[Any] = InferenceParams) -> dict[str, str]:
    """The reason by path."""
    with pytest.raises(InvalidParams) as caught:
        decode_params(params, shape)
    fields = (caught.value.details or {})["fields"]
    assert all(field.keys() == {"path", "reason"} and field["reason"] for field in fields)
    return {field["path"]: field["reason"] for field in fields}


def refusal(params: Any, shape: type[Any]) -> str:
    """All that is told about params: the message and the details, or nothing if they are accepted."""
    try:
        decode_params(params, shape)
    except InvalidParams as error:
        return f"{error.message} {json.dumps(error.details)}"
    return ""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a value that has a type of its own."""
    if path:
        yield path
    if path and path[-1] in ANYTHING_GOES:
        return
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def dotted(path: tuple[Any, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def with_value(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """`FULL` with another value at `path`."""
    changed = copy.deepcopy(FULL)
    parent: Any = changed
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = value
    return changed


def test_params_that_fit_are_accepted() -> None:
    assert decode_params(FULL, InferenceParams).inference_id == "a"


@pytest.mark.parametrize("path", list(places(FULL)), ids=dotted)
def test_a_wrong_value_is_named_by_its_place_and_not_by_itself(path: tuple[Any, ...]) -> None:
    wrong = {"nobody": SECRET, "knows": [SECRET]} if path[-1] not in ANYTHING_GOES else SECRET
    found = problems(with_value(path, wrong))
    parent = dotted(path)
    assert any(place == parent or place.startswith((parent + ".", parent + "[")) for place in found), found
    assert "canary" not in json.dumps(found)


@pytest.mark.parametrize("wrong", [SECRET, [SECRET], {"type": SECRET}, {"role": SECRET}, [{"type": SECRET}], 10**15])
@pytest.mark.parametrize("path", list(places(FULL)), ids=dotted)
def test_no_value_is_ever_echoed(path: tuple[Any, ...], wrong: Any) -> None:
    told = refusal(with_value(path, wrong), InferenceParams)
    assert "canary" not in told
    assert str(10**15) not in told


def test_every_field_at_fault_is_listed_at_once() -> None:
    found = problems(
        {
            "messages": [
                {"role": "user", "content": "fine"},
                {"role": "robot", "content": 5},
                {"content": [{"type": "text"}, {"type": "film"}, {"type": "image", "data": "x"}]},
            ],
            "temperature": 3,
            "maxTokens": 0,
            "modell": "typo",
            "retry": {"maxRetries": 11, "forever": True},
            "toolChoice": "sometimes",
            "responseFormat": {"type": "jsonSchema"},
        }
    )
    assert {place.removesuffix(".type") for place in found} == {
        "messages[1].role",
        "messages[1].content",
        "messages[2].role",
        "messages[2].content[0].text",
        "messages[2].content[1]",
        "messages[2].content[2]",
        "temperature",
        "maxTokens",
        "modell",
        "retry.maxRetries",
        "retry.forever",
        "toolChoice",
        "responseFormat.name",
        "responseFormat.schema",
    }


def test_a_list_that_is_too_long_is_named_besides_its_items() -> None:
    found = problems({"messages": [{"role": "user", "content": "x"}] * 100 + [{"role": "robot", "content": "x"}]})
    assert found.keys() == {"messages", "messages[100].role"}


def test_a_reason_says_the_rule() -> None:
    found = problems({"messages": [], "temperature": 3, "toolChoice": "x", "inferenceId": "i" * 101, "modell": 1})
    assert "2" in found["temperature"]
    assert "auto" in found["toolChoice"]
    assert "none" in found["toolChoice"]
    assert "100" in found["inferenceId"]
    assert "1" in found["messages"]
    assert found["modell"] == "unknown field"


def test_a_missing_field_is_named() -> None:
    assert problems({}) == {"messages": "is required"}
    assert problems(None, InitializeParams) == {"protocolVersion": "is required"}


def test_a_million_problems_are_told_in_a_short_list() -> None:
    found = problems({f"f{number}": 1 for number in range(100_000)} | {"messages": [{}] * 100})
    assert 0 < len(found) <= 100


def test_too_many_positional_values_are_refused() -> None:
    assert "at most" in problems([1, 2], METHODS["llm:cancel"].params)[""]


def test_positional_values_fill_the_fields_in_order() -> None:
    assert decode_params(["abc", 3], METHODS["llm:inference:attach"].params).from_seq == 3
    assert problems(["", -1], METHODS["llm:inference:attach"].params).keys() == {"inferenceId", "fromSeq"}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_without_required_params_takes_none_an_empty_object_or_an_empty_list(name: str) -> None:
    assert len({refusal(params, METHODS[name].params) == "" for params in (None, {}, [])}) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "name", "id", "messages"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.sampled_from(list(METHODS)), st.dictionaries(st.sampled_from([*FULL, "id", "limits", "client"]), json_values))
def test_any_params_of_any_method_are_accepted_or_refused_by_field(name: str, params: dict[str, Any]) -> None:
    told = refusal(params, METHODS[name].params)
    assert told == "" or '"path"' in told
    assert "canary" not in told


def test_a_pattern_is_told_in_words() -> None:
    image = {"type": "image", "mediaType": "png", "data": "AA=="}
    found = problems({"messages": [{"role": "user", "content": [image]}], "tools": [{"name": "a b"}]})
    assert found == {
        "messages[0].content[0].mediaType": "must be such as `image/png`",
        "tools[0].name": "must be 1 to 64 letters, digits, `_` or `-`",
    }
    assert problems({"id": "1"}, ProfileParams) == {"id": "must be a version 4 UUID"}
