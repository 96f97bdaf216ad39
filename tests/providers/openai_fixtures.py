"""The recorded bodies, and requests to go with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from llm_sidecar.messages.content import Message
from llm_sidecar.providers.base import Endpoint, ProviderRequest

_FOLDER: Final = Path(__file__).parent.parent / "fixtures" / "openai"

COMPLETE: Final = sorted(path.name for path in _FOLDER.glob("*.sse") if not path.name.startswith("error_"))
FAILING: Final = sorted(path.name for path in _FOLDER.glob("error_*.sse"))


def body(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def request_to(
    url: str, provider_id: str = "openai-compatible", key: str | None = None, **fields: Any
) -> ProviderRequest:
    """A small request to a server at `url`."""
    fields = {"model_id": "m", "messages": [Message(role="user", content="hi")], **fields}
    return ProviderRequest(Endpoint(provider_id, url, key), **fields)


def chunk(content: str | None = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """A chat completion chunk, as an event of `sse`."""
    if content is not None:
        delta["content"] = content
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
