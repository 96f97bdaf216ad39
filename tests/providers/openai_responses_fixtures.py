"""The recorded bodies of the Responses format, and requests and events to go with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).parent.parent / "fixtures" / "openai_responses"

COMPLETE: Final = sorted(path.name for path in _FOLDER.glob("*.sse") if not path.name.startswith("error_"))
FAILING: Final = sorted(path.name for path in _FOLDER.glob("error_*.sse"))


def body(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def named(*events: dict[str, Any]) -> bytes:
    """Each event as OpenAI sends it: its type as the name, then the JSON."""
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def delta(text: str, index: int = 0, kind: str = "response.output_text.delta", **more: Any) -> dict[str, Any]:
    return {"type": kind, "output_index": index, "delta": text, **more}


def done(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def end(status: str = "completed", **response: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": {"status": status, **response}}
