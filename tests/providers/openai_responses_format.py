"""OpenAI's Responses format, for the tests that run against every adapter."""

from __future__ import annotations

import json

from llm_sidecar.messages.content import ReasoningOptions
from llm_sidecar.providers.openai.adapter import OpenAIProvider
from llm_sidecar.providers.openai_responses.replay import Origin
from llm_sidecar.providers.openai_responses.stream import ResponsesDecoder
from tests.providers.fault_server import sse
from tests.providers.openai_fixtures import request_to
from tests.providers.openai_responses_fixtures import COMPLETE, FAILING, body, delta
from tests.providers.wire_format import WireFormat

FORMAT = WireFormat(
    name="openai responses",
    make=OpenAIProvider,
    request=lambda url, model, key: request_to(url, "openai", key, model_id=model, reasoning=ReasoningOptions()),
    content_type="text/event-stream",
    decoder=lambda most: ResponsesDecoder(Origin("openai api.openai.com:443", "m"), most),
    recorded={name: body(name) for name in COMPLETE + FAILING},
    complete={name: body(name) for name in ("text.sse", "reasoning_summary.sse", "reasoning_parallel_tools.sse")},
    begun=sse(delta("a")),
    model_of=lambda request_body, _path: str(json.loads(request_body)["model"]),
    broken_event=sse("{not json"),
    overlong_event=lambda size: b"data: " + b"x" * size,
)
