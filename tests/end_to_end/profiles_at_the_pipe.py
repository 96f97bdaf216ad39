"""Sidecars with a vault, and servers of the test behind their profiles."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.hosts import Host
from tests.providers.fault_server import LAST_CHUNK, STREAM_HEAD, Script, chunked, saying
from tests.providers.formats import FORMATS
from tests.providers.wire_format import WireFormat

KEY: Final = "sk-canary-5b1e0c77a94d4f2e8c63"
VAULT_KEY: Final = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY: Final = base64.b64encode(bytes(range(1, 33))).decode()
CHAT: Final[WireFormat] = FORMATS["openai chat"]
URL: Final = "https://api.example.com"
QUESTION: Final = [{"role": "user", "content": "Hello"}]


def greet(host: Host, vault_key: str | None = VAULT_KEY) -> Any:
    """The handshake, with a key for the vault or without."""
    return host.call("initialize", {"protocolVersion": 1, **({"vaultKey": vault_key} if vault_key else {})})


def create(host: Host, url: str, **more: Any) -> Any:
    """A stored OpenAI profile that leads to a server of the test."""
    params = {"name": "Work", "providerType": "openai", "endpointUrl": url, "apiKey": KEY, "modelId": "m", **more}
    return host.call("llm:profiles:create", params)["profile"]


def answering(text: str = "Hello!") -> Script:
    """A server that streams `text` to every chat, in OpenAI's format."""
    delta = json.dumps({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})
    end = '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
    body = "".join(f"data: {line}\n\n" for line in (delta, end, "[DONE]")).encode()
    return saying(STREAM_HEAD + chunked(body) + LAST_CHUNK)


def ask(host: Host, **params: Any) -> Any:
    """The whole answer of an inference."""
    return host.answer(host.call("llm:inference", {"messages": QUESTION, **params})["inferenceId"])


def actions(host: Host) -> list[str]:
    """What the audit log tells, newest first."""
    return [entry["action"] for entry in host.call("llm:audit:list")["entries"]]


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def stop(host: Host) -> None:
    host.close_stdin()
    assert host.wait() == 0


def ask_again(spawn: Callable[..., Host], tmp_path: Path, key: str) -> Any:
    """The answer that a new sidecar gives on the same folder."""
    host = spawn(data_dir=tmp_path / "data")
    greet(host, key)
    text = ask(host).text
    stop(host)
    return text


def spawn_with_descriptor(spawn: Callable[..., Host], option: str, text: str, **more: Any) -> Host:
    """A sidecar whose `option` names a descriptor that holds `text`."""
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    try:
        return spawn(option, str(reading), pass_fds=(reading,), **more)
    finally:
        os.close(reading)
