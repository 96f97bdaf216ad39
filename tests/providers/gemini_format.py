"""Gemini's own format, for the tests that run against every adapter."""

from __future__ import annotations

import re

from llm_sidecar.providers.gemini.adapter import GeminiProvider
from llm_sidecar.providers.gemini.stream import GeminiDecoder
from tests.providers.fault_server import sse
from tests.providers.gemini_fixtures import COMPLETE, FAILING, body, chunk, request_to, text
from tests.providers.wire_format import WireFormat


def model_of(_body: bytes, path: str) -> str:
    match = re.fullmatch(r"/v1beta/models/([^/:]+):streamGenerateContent\?alt=sse", path)
    assert match is not None, path
    return match[1]


FORMAT = WireFormat(
    name="gemini",
    make=GeminiProvider,
    request=lambda url, model, key: request_to(url, key=key, model_id=model),
    content_type="text/event-stream",
    decoder=lambda most: GeminiDecoder("gemini-3-flash-preview", most),
    recorded={name: body(name) for name in COMPLETE + FAILING},
    complete={name: body(name) for name in ("text.sse", "thoughts.sse", "parallel_tool_calls.sse")},
    begun=sse(chunk(text("a"))),
    model_of=model_of,
    broken_event=sse("{not json"),
    overlong_event=lambda size: b"data: " + b"x" * size,
)
