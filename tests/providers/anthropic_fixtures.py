"""The recorded bodies, events like theirs, and requests to go with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from llm_sidecar.messages.content import Message
from llm_sidecar.providers.base import Endpoint, ProviderRequest

_FOLDER: Final = Path(__file__).parent.parent / "fixtures" / "anthropic"

COMPLETE: Final = sorted(
    path.name for path in _FOLDER.glob("*.sse") if path.name.split("_")[0] not in ("error", "pause")
)
FAILING: Final = sorted(path.name for path in _FOLDER.glob("error_*.sse"))


def body(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def request_to(url: str, provider_id: str = "anthropic", key: str | None = None, **fields: Any) -> ProviderRequest:
    """A small request to a server at `url`."""
    fields = {"model_id": "m", "messages": [Message(role="user", content="hi")], **fields}
    return ProviderRequest(Endpoint(provider_id, url, key), **fields)


def events(*said: dict[str, Any]) -> bytes:
    """Each event under its name, as Anthropic sends them."""
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in said)


def start(model: str = "m", **usage: int) -> dict[str, Any]:
    return {"type": "message_start", "message": {"model": model, "content": [], "usage": usage}}


def begin(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def begin_text(index: int = 0) -> dict[str, Any]:
    return begin(index, "text", text="")


def begin_call(index: int, call_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return begin(index, "tool_use", id=call_id, name=name, input=arguments)


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def text(piece: str, index: int = 0) -> dict[str, Any]:
    return delta(index, "text_delta", text=piece)


def arguments(piece: str, index: int = 0) -> dict[str, Any]:
    return delta(index, "input_json_delta", partial_json=piece)


def end(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def stop(reason: str | None = "end_turn", **usage: int) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}, {"type": "message_stop"}
