"""Anthropic's Messages, for the tests that run against every adapter."""

from __future__ import annotations

import json

from llm_sidecar.providers.anthropic.adapter import AnthropicProvider
from llm_sidecar.providers.anthropic.stream import MessageDecoder
from tests.providers.anthropic_fixtures import COMPLETE, FAILING, begin_text, body, events, request_to, start, text
from tests.providers.fault_server import sse
from tests.providers.wire_format import WireFormat

FORMAT = WireFormat(
    name="anthropic",
    make=AnthropicProvider,
    request=lambda url, model, key: request_to(url, key=key, model_id=model),
    content_type="text/event-stream",
    decoder=lambda most: MessageDecoder("anthropic", most),
    recorded={name: body(name) for name in COMPLETE + FAILING},
    complete={name: body(name) for name in ("text.sse", "parallel_tools.sse", "interleaved_thinking.sse")},
    begun=events(start(), begin_text(), text("a")),
    model_of=lambda request_body, _path: str(json.loads(request_body)["model"]),
    broken_event=sse("{not json"),
    overlong_event=lambda size: b"event: content_block_delta\ndata: " + b"x" * size,
)
