"""A conversation goes on: what an answer carried besides its text reaches the provider again in the next turn.

A host does what the protocol says and no more: it appends the assistant's message as `llm:done` gave it (text,
toolCalls, providerState), the results of its tools, a picture and a question, all of it through JSON as a database
would keep it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.providers_at_the_pipe import BRANDS, environment_for, serving
from tests.hosts import Host
from tests.providers.fault_server import LAST_CHUNK, Script, chunked, saying
from tests.providers.test_fixture_corpus import FORMAT_OF, STREAMS
from tests.providers.wire_format import WireFormat, stream_head

BRAND_OF = {
    "openai": "openai-compatible",
    "deepseek": "deepseek",
    "openai_responses": "openai, reasoning",
    "anthropic": "anthropic",
    "google": "google",
    "ollama": "ollama",
}
PICTURE = {"type": "image", "mediaType": "image/png", "data": "iVBORw0KGgo="}
SEALED = re.compile(
    rb'"(?:signature|thoughtSignature|thought_signature|encrypted_content|data)"\s*:\s*"([A-Za-z0-9+/=_.-]{8,})"'
)
"""What a provider signed or sealed, and wants to see again unchanged."""


def answer_of(host: Host, brand: dict[str, Any], messages: list[dict[str, Any]]) -> Any:
    request = {**brand, "modelId": "m", "messages": messages}
    tools = [{"name": name, "parameters": {"type": "object"}} for name in called(messages)]
    return host.answer(host.call("llm:inference", {**request, **({"tools": tools} if tools else {})})["inferenceId"])


def called(messages: list[dict[str, Any]]) -> set[str]:
    return {call["name"] for message in messages for call in message.get("toolCalls", ())}


def saying_in_turn(*bodies: bytes) -> Callable[[WireFormat], Script]:
    """One body a request; signatures are good for one model only, so that all turns ask the same."""
    left = list(bodies)
    return lambda fmt: saying(stream_head(fmt) + chunked(left.pop(0)) + LAST_CHUNK)


def next_turn(text: str, done: dict[str, Any]) -> list[dict[str, Any]]:
    """The conversation after `done`, as a host keeps it."""
    assistant = {"role": "assistant", "content": text}
    assistant |= {name: done[name] for name in ("toolCalls", "providerState") if name in done}
    results = [
        {"role": "tool", "toolCallId": call["id"], "content": json.dumps({"result": f"of {call['name']}"})}
        for call in done.get("toolCalls", ())
    ]
    question = {"role": "user", "content": [{"type": "text", "text": "and this?"}, PICTURE]}
    kept = json.dumps([{"role": "user", "content": "hi"}, assistant, *results, question])
    turn: list[dict[str, Any]] = json.loads(kept)
    return turn


@pytest.mark.parametrize("path", STREAMS, ids=[f"{path.parent.name}/{path.name}" for path in STREAMS])
def test_what_an_answer_carried_reaches_the_provider_again(spawn: Callable[..., Host], path: Path) -> None:
    body = path.read_bytes()
    brand = BRANDS[BRAND_OF[path.parent.name]]
    healthy = next(iter(brand.wire_format.complete.values()))
    with serving({"m": saying_in_turn(body, *([healthy] * 5))}) as server:
        host = spawn(environment=environment_for(server))
        first = answer_of(host, brand.request, [{"role": "user", "content": "hi"}])
        if first.outcome != "done":
            assert "toolCalls" not in first.terminal, "a failed answer is not replayed"
            return
        second = answer_of(host, brand.request, next_turn(first.text, first.terminal))
        assert second.outcome == "done", second.terminal
        sent = server.requests[-1].body
    assert b"iVBORw0KGgo=" in sent, "the picture"
    assert b"and this?" in sent
    compact = re.sub(rb"\s", b"", sent)
    for call in first.terminal.get("toolCalls", ()):
        assert call["name"].encode() in sent
        assert f"of {call['name']}".encode() in sent, "its result"
        assert has_arguments(compact, call["arguments"]), call
    for word in re.findall(r"[a-z]{3,}", first.text):
        assert word.encode() in sent, "its text"
    if "pause" not in path.stem:
        for sealed in SEALED.findall(body):
            assert sealed in sent, "sealed by the provider, and not replayed"


def has_arguments(sent: bytes, arguments: str) -> bool:
    """Whether a request holds these arguments (cut off, maybe), as JSON or as a string of JSON."""
    value = re.sub(r"\s", "", arguments)
    quoted = json.dumps(value, ensure_ascii=False)[1:-1]
    return value.encode() in sent or quoted.encode() in sent


def test_every_folder_of_streams_is_replayed_by_its_provider() -> None:
    assert set(BRAND_OF) == set(FORMAT_OF)
