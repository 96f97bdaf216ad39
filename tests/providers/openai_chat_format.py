"""OpenAI's chat completions, for the tests that run against every adapter."""

from __future__ import annotations

import json

from llm_sidecar.providers.openai.chat import OpenAIChatProvider
from llm_sidecar.providers.openai.stream import ChatDecoder
from tests.providers.fault_server import sse
from tests.providers.openai_fixtures import COMPLETE, FAILING, body, chunk, request_to
from tests.providers.wire_format import WireFormat

FORMAT = WireFormat(
    name="openai chat",
    make=OpenAIChatProvider,
    request=lambda url, model, key: request_to(url, key=key, model_id=model),
    content_type="text/event-stream",
    decoder=lambda most: ChatDecoder("openai-compatible", most),
    recorded={name: body(name) for name in COMPLETE + FAILING},
    complete={name: body(name) for name in ("openai_text.sse", "openai_parallel_tools.sse", "deepseek_reasoning.sse")},
    begun=sse(chunk("a")),
    model_of=lambda request_body, _path: str(json.loads(request_body)["model"]),
    broken_event=sse("{not json"),
    overlong_event=lambda size: b"data: " + b"x" * size,
)
