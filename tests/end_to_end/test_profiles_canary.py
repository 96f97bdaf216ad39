"""A key that is looked for everywhere it must not be: 200 scenarios, at every log level, in every usual encoding.

Law: the key is in requests good and bad, in every field and shape, and servers echo it. What leaves the process
(stdout, stderr) holds it in no encoding; on the disk is only ciphertext. One process for each log level.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.canary_at_the_pipe import KEY, encodings, hits, hits_in
from tests.end_to_end.profiles_at_the_pipe import QUESTION, answering, create, greet
from tests.end_to_end.providers_at_the_pipe import listening
from tests.hosts import Host
from tests.providers.fault_server import Exchange, answer

FIELDS = ("name", "providerType", "endpointUrl", "apiKey", "modelId", "consentTimestamp", "allowInsecure", "surprise")
SHAPES: tuple[Callable[[str], Any], ...] = (
    lambda key: key,
    lambda key: f"  {key}\n",
    lambda key: f"before {key} after",
    lambda key: f"https://{key}@api.example.com/v1",
    lambda key: f"https://api.example.com/v1?key={key}",
    lambda key: f"http://203.0.113.7/{key}",
    lambda key: [key],
    lambda key: {"key": key},
    lambda key: {key: key},
    lambda key: [[{"a": [key]}]],
    lambda key: key * 30,
)
ECHOES: tuple[Callable[[str], bytes], ...] = (
    lambda key: answer(401, json.dumps({"error": {"message": f"Incorrect API key: {key}", "code": key}}).encode()),
    lambda key: answer(403, key.encode(), content_type="text/plain"),
    lambda key: answer(429, json.dumps({"error": {"message": key}}).encode(), ("Retry-After", key)),
    lambda key: answer(400, json.dumps({"error": {"param": key, "type": key}}).encode(), ("X-Echo", key)),
    lambda key: answer(500, json.dumps({key: key}).encode()),
    lambda key: answer(302, b"", ("Location", f"http://127.0.0.1:9/?key={key}")),
    lambda key: answer(200, f"data: {key}\n\n".encode(), content_type="text/event-stream"),
    lambda key: answer(200, key.encode(), content_type=f"text/{key}"),
    lambda key: f"HTTP/1.1 200 {key}\r\n{key}: {key}\r\n\r\n".encode(),
    lambda key: f"{key}\r\n\r\n".encode(),
)


def requests_with_the_key(profile_id: str) -> Iterator[tuple[str, Any]]:
    """Method and params. (What a user writes to a model is not among them, nor is a request's own id.)"""
    good: dict[str, Any] = {"name": "n", "providerType": "openai", "apiKey": KEY}
    for field in FIELDS:
        for shape in SHAPES:
            yield "llm:profiles:create", {**good, field: shape(KEY)}
            if field != "surprise":
                yield "llm:profiles:update", {"id": profile_id, field: shape(KEY)}
    for method in ("llm:profiles:delete", "llm:profiles:activate", "llm:profiles:test", "llm:profiles:discover",
                   "llm:vault:unlock", "llm:vault:rotate", "llm:models:list", "initialize", "ping", KEY):  # fmt: skip
        yield method, {"id": KEY}
        yield method, {KEY: 1}
        yield method, [KEY]
    for field in ("vaultKey", "passphrase"):
        yield "llm:vault:unlock", {field: KEY[:-1] + "!" if field == "vaultKey" else KEY}
    yield "llm:vault:rotate", {"phase": KEY}
    yield "llm:inference", {"messages": QUESTION, "profileId": KEY}
    yield "llm:inference", {"messages": QUESTION, "providerId": KEY}
    yield "llm:inference", {"messages": QUESTION, "providerId": "openai", "fallbackProfileIds": [KEY]}


@pytest.mark.parametrize("level", ["debug", "info", "error"])
def test_the_key_is_nowhere_but_encrypted(spawn: Callable[..., Host], tmp_path: Path, level: str) -> None:
    echoes = iter(ECHOES * 2)

    async def echo(exchange: Exchange) -> None:
        await exchange.send(next(echoes)(KEY))
        exchange.close()

    scenarios = 0
    said: list[bytes] = []
    with listening(echo) as server, listening(answering(f"You said {KEY}, did you?")) as fine:
        host = spawn("--log-level", level)
        greet(host)
        profile = create(host, server.url, apiKey=KEY, providerType="openai-compatible", consentTimestamp=1)
        for method, params in requests_with_the_key(profile["id"]):
            host.ask(method, params)
            said.append(host.read_line())
            scenarios += 1
        working = create(host, server.url, name="Echo", apiKey=KEY)
        for _ in ECHOES:
            host.ask("llm:profiles:test", {"profileId": working["id"]})
            said.append(host.read_line())
            host.ask("llm:models:list", {"profileId": working["id"]})
            said.append(host.read_line())
            scenarios += 2
        talking = create(host, fine.url, name="Talk", apiKey=KEY)
        host.ask("llm:generate-text", {"prompt": "x", "profileId": talking["id"]})
        said.append(host.read_line())
        assert b"***" in said[-1], "the echo came, but for the key"
        for method in ("llm:profiles:list", "llm:audit:list", "llm:usage:list", "llm:vault:status", "llm:get-status"):
            host.ask(method)
            said.append(host.read_line())
            scenarios += 1
        assert KEY in str([request.headers for request in fine.requests]), "it was sent where it belongs"
        host.close_stdin()
        said.append(host.read_to_end())
        assert host.wait() == 0
    assert scenarios >= 200
    out = b"\n".join([*said, *(json.dumps(m).encode() for m in host.inbox)])
    assert hits(out) == []
    assert hits(host.stderr().encode()) == []
    assert hits_in(tmp_path / "data", KEY) == {}
    assert (tmp_path / "data" / "vault" / "keys.vault.1").exists(), "the backups are looked through, too"


def test_the_search_finds_what_it_looks_for() -> None:
    for name, form in encodings(KEY).items():
        assert name in hits(b"before " + form + b" after"), name
    assert hits(base64.b64encode(b"xx" + KEY.encode() + b"yyy"))
