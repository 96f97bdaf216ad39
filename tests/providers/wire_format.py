"""What the tests that run against every adapter need to know of one wire format.

Law: data and one factory; each `tests/providers/<format>_format.py` describes its own, `FORMATS` lists them all. A new
adapter is tested by every such test as soon as its line is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llm_sidecar.providers.base import Provider, ProviderRequest
from llm_sidecar.providers.exchange import AnswerDecoder
from llm_sidecar.providers.http.client import HttpClient

FIXTURES = Path(__file__).parents[1] / "fixtures"


@dataclass(frozen=True)
class WireFormat:
    name: str
    make: Callable[[HttpClient], Provider]
    request: Callable[[str, str, str | None], ProviderRequest]
    """A small request: (the server's URL, the model's id, the key) → what an adapter is given."""
    content_type: str
    """What its streams are sent as."""
    decoder: Callable[[int], AnswerDecoder]
    """A new decoder of its streams; the most bytes an event may have."""
    recorded: dict[str, bytes]
    """Every recorded stream, complete ones and failures, by fixture name."""
    complete: dict[str, bytes]
    """Bodies of complete answers, by fixture name: text, reasoning, tool calls. Each is sent with HTTP 200."""
    begun: bytes
    """The beginning of a body: one whole delta of text, "a", and no end."""
    model_of: Callable[[bytes, str], str]
    """The model a request asks for, from its body and its path."""
    broken_event: bytes
    """A whole event (or line) that is not what the format allows."""
    overlong_event: Callable[[int], bytes]
    """The beginning of an event (or line) of so many bytes, which never ends."""


def stream_head(wire_format: WireFormat) -> bytes:
    """The headers of a streamed answer."""
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % wire_format.content_type.encode()
    )
