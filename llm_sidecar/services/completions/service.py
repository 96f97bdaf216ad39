"""`llm:chat:completions`: an inference for hosts that speak OpenAI's chat completions.

Law: an inference like any other; only the words differ. The whole completion is the result; with `stream` its pieces
come before it as chunks.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.chat import (
    ChatAnswer,
    ChatChoice,
    ChatCompletion,
    ChatCompletionParams,
    ChatCompletionTokens,
    ChatPromptTokens,
    ChatUsage,
    RequestId,
)
from llm_sidecar.messages.chat_request import ChatFunctionCall, ChatToolCall
from llm_sidecar.messages.content import ToolCall
from llm_sidecar.messages.events import DoneEvent
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.brands import BRANDS
from llm_sidecar.services.completions.chunks import ChunkStream
from llm_sidecar.services.completions.request import inference_params
from llm_sidecar.services.inference.event_sink import EventSink
from llm_sidecar.services.inference.service import InferenceService
from llm_sidecar.services.inference.whole_answer import WholeAnswer


class ChatCompletions:
    """Used from the event loop only."""

    def __init__(self, inferences: InferenceService, sink: EventSink, limits: Callable[[], Limits]) -> None:
        self._inferences = inferences
        self._sink = sink
        self._limits = limits

    def complete(self, params: ChatCompletionParams, request_id: RequestId) -> asyncio.Future[ChatCompletion]:
        """The completion, when it is whole; its chunks name `request_id`. Raises `InvalidParams`, `SERVICE_NOT_FOUND`
        and what `InferenceService.admit` raises; the future, what ends an inference. Cancelling it cancels that."""
        answer = self.answer(params)
        if params.request.stream:
            options = params.request.stream_options
            answer.stream_to(request_id, self._sink, self._limits(), bool(options and options.include_usage))
        return answer.ask(self._inferences)

    def answer(self, params: ChatCompletionParams) -> ChatAnswerListener:
        """What is to be asked, without chunks. Raises `InvalidParams`, `SERVICE_NOT_FOUND`."""
        if params.service is not None and params.service not in BRANDS:
            raise SidecarError("SERVICE_NOT_FOUND", "There is no service of this name.")
        return ChatAnswerListener(inference_params(params, f"chatcmpl-{os.urandom(9).hex()}"))


class ChatAnswerListener(WholeAnswer[ChatCompletion]):
    def __init__(self, params: InferenceParams) -> None:
        super().__init__(params)
        self._created = int(time.time())
        self._reasoning: list[str] = []
        self._chunks: ChunkStream | None = None
        self._tells_usage = False

    def stream_to(self, request_id: RequestId, sink: EventSink, limits: Limits, tells_usage: bool) -> None:
        """Send chunks, too."""
        self._tells_usage = tells_usage
        self._chunks = ChunkStream(
            request_id,
            self.inference_id,
            self._created,
            model=lambda: self.run.answer.model_id,
            sink=sink,
            limits=limits,
        )

    def text(self, text: str, count: int) -> None:
        if self._chunks is not None:
            self._chunks.text(text, count)

    def reasoning(self, text: str) -> None:
        self._reasoning.append(text)
        if self._chunks is not None:
            self._chunks.reasoning(text)

    def tool_call(self, index: int, call_id: str | None, name: str | None, arguments: str) -> None:
        if self._chunks is not None:
            self._chunks.tool_call(index, call_id, name, arguments)

    def stop(self) -> None:
        if self._chunks is not None:
            self._chunks.stop()

    def result(self, done: DoneEvent) -> ChatCompletion:
        usage = _usage(done)
        if self._chunks is not None:
            self._chunks.finish(done.finish_reason, usage if self._tells_usage else None)
        text, calls = self.run.answer.text, done.tool_calls
        message = ChatAnswer(
            role="assistant",
            content=None if calls and not text else text,
            refusal=None,
            tool_calls=[_tool_call(call) for call in calls] if calls else None,
            reasoning_content="".join(self._reasoning) or None,
            provider_state=done.provider_state,
        )
        return ChatCompletion(
            id=self.inference_id,
            object="chat.completion",
            created=self._created,
            model=done.model_id,
            choices=[ChatChoice(index=0, message=message, finish_reason=done.finish_reason, logprobs=None)],
            usage=usage,
        )


def _tool_call(call: ToolCall) -> ChatToolCall:
    return ChatToolCall(
        id=call.id, type="function", function=ChatFunctionCall(name=call.name, arguments=call.arguments)
    )


def _usage(done: DoneEvent) -> ChatUsage:
    usage = done.usage
    prompt = ChatPromptTokens(cached_tokens=usage.cached_prompt_tokens, cache_write_tokens=usage.cache_write_tokens)
    completion = ChatCompletionTokens(reasoning_tokens=usage.reasoning_tokens)
    return ChatUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=None if prompt == ChatPromptTokens() else prompt,
        completion_tokens_details=None if completion == ChatCompletionTokens() else completion,
        source=usage.source,
        cost=done.cost,
    )
