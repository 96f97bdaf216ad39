"""The recorded bodies, and requests to go with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from llm_sidecar.messages.content import Message
from llm_sidecar.providers.base import Endpoint, ProviderRequest

_FOLDER: Final = Path(__file__).parent.parent / "fixtures" / "google"

COMPLETE: Final = sorted(path.name for path in _FOLDER.glob("*.sse") if not path.name.startswith("error_"))
FAILING: Final = sorted(path.name for path in _FOLDER.glob("error_*.sse"))
WHOLE: Final = sorted(path.name for path in _FOLDER.glob("*.json") if not path.name.startswith("error_"))
WHOLE_FAILING: Final = sorted(path.name for path in _FOLDER.glob("error_*.json"))


def body(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def request_to(url: str, key: str | None = None, **fields: Any) -> ProviderRequest:
    """A small request to a server at `url`."""
    fields = {"model_id": "m", "messages": [Message(role="user", content="hi")], **fields}
    return ProviderRequest(Endpoint("google", url, key), **fields)


def chunk(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A response with these parts, as an event of `sse`."""
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **more}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"text": said, **more}


def call(name: str, args: dict[str, Any] | None = None, signature: str | None = None, **more: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {"name": name, **({} if args is None else {"args": args}), **more}}
    return part if signature is None else {**part, "thoughtSignature": signature}
