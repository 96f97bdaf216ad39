"""Ollama's chat format, for the tests that run against every adapter."""

from __future__ import annotations

import json
from typing import Any, Final

from llm_sidecar.messages.content import Message
from llm_sidecar.providers.base import Endpoint, ProviderRequest
from llm_sidecar.providers.ollama.adapter import OllamaProvider
from llm_sidecar.providers.ollama.stream import OllamaDecoder
from tests.providers.wire_format import FIXTURES, WireFormat

FOLDER: Final = FIXTURES / "ollama"
COMPLETE: Final = sorted(path.name for path in FOLDER.glob("*.ndjson") if not path.name.startswith("error_"))
FAILING: Final = sorted(path.name for path in FOLDER.glob("error_*.ndjson"))


def body(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def request_to(url: str, key: str | None = None, **fields: Any) -> ProviderRequest:
    """A small request to a server at `url`."""
    fields = {"model_id": "m", "messages": [Message(role="user", content="hi")], **fields}
    return ProviderRequest(Endpoint("ollama", url, key), **fields)


def line(content: str = "", *, done: bool = False, **fields: Any) -> bytes:
    """A piece of an answer; `fields` beside `message`, but `thinking` and `tool_calls` in it."""
    inner = {name: fields.pop(name) for name in ("thinking", "tool_calls") if name in fields}
    message = {"role": "assistant", "content": content, **inner}
    return json.dumps({"model": "m", "message": message, "done": done, **fields}).encode() + b"\n"


FORMAT = WireFormat(
    name="ollama",
    make=OllamaProvider,
    request=lambda url, model, key: request_to(url, key, model_id=model),
    content_type="application/x-ndjson",
    decoder=OllamaDecoder,
    recorded={name: body(name) for name in COMPLETE + FAILING},
    complete={name: body(name) for name in ("text.ndjson", "thinking.ndjson", "thinking_and_tools.ndjson")},
    begun=line("a"),
    model_of=lambda request_body, _path: str(json.loads(request_body)["model"]),
    broken_event=b"{not json}\n",
    overlong_event=lambda size: b'{"model":"' + b"x" * size,
)
