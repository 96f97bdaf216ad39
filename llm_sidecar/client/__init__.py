"""The Python host side: spawn a sidecar, ask, and iterate the events of its answers.

async with SidecarProcess.start() as sidecar:
    async with sidecar.inference({"providerId": "demo", "messages": [{"role": "user", "content": "Hi"}]}) as events:
        async for event in events:
            if isinstance(event, TokenEvent):
                print(event.token, end="")
"""

from llm_sidecar.client.chunk_stream import ChunkStream
from llm_sidecar.client.event_stream import AnswerEvent, EventStream
from llm_sidecar.client.process import SidecarDied, SidecarProcess
from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.chat import ChatCompletion, ChatCompletionChunk
from llm_sidecar.messages.events import (
    DoneEvent,
    ErrorEvent,
    ProgressEvent,
    ThinkingEvent,
    TokenEvent,
    ToolCallEvent,
)
from llm_sidecar.messages.generation import GeneratedText
from llm_sidecar.messages.handshake import InitializeParams

__all__ = [
    "AnswerEvent",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChunkStream",
    "DoneEvent",
    "ErrorEvent",
    "EventStream",
    "GeneratedText",
    "InitializeParams",
    "ProgressEvent",
    "SidecarDied",
    "SidecarError",
    "SidecarProcess",
    "ThinkingEvent",
    "TokenEvent",
    "ToolCallEvent",
]
