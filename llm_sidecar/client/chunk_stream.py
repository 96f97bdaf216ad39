"""The chunks of one chat completion, as the host iterates them.

Law: every chunk once, in order, then the end: the whole completion, or what went wrong. What has not been read yet is
kept: at most one answer, which the sidecar bounds (`maxAnswerBytes`).
"""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from llm_sidecar.messages.chat import ChatCompletion, ChatCompletionChunk


class ChunkStream:
    """Iterate it once; `completion` is there when it has ended. Raises the request's error after the chunks so far."""

    completion: ChatCompletion

    def __init__(self) -> None:
        self._chunks: deque[ChatCompletionChunk] = deque()
        self._reply: asyncio.Future[bytes] | None = None
        self._arrived = asyncio.Event()

    def __aiter__(self) -> ChunkStream:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        while not self._chunks:
            if self._reply is not None:
                self.completion = msgspec.json.decode(self._reply.result(), type=ChatCompletion)
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._chunks.popleft()

    # --- the connection's side ---

    def put(self, chunk: ChatCompletionChunk) -> None:
        """The next chunk."""
        self._chunks.append(chunk)
        self._arrived.set()

    def end(self, reply: asyncio.Future[bytes]) -> None:
        """The request has been answered, or given up."""
        if not reply.cancelled():
            reply.exception()  # seen, though a host that leaves early never asks
        self._reply = reply
        self._arrived.set()
