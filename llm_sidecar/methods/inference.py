"""Answers: `llm:inference` and its kin.

Law: a handler names the service and says what waits for its response.
"""

from __future__ import annotations

import asyncio

from llm_sidecar.messages import chat, generation, inference
from llm_sidecar.rpc.context import Context, Handler, Late
from llm_sidecar.services.completions.generation import TextGeneration
from llm_sidecar.services.completions.service import ChatCompletions
from llm_sidecar.services.inference.service import InferenceService


class InferenceMethods:
    def __init__(self, inferences: InferenceService, texts: TextGeneration, chats: ChatCompletions) -> None:
        self._inferences = inferences
        self._texts = texts
        self._chats = chats
        self.handlers: dict[str, Handler] = {
            "llm:inference": self._infer,
            "llm:cancel": self._cancel,
            "llm:inference:attach": self._attach,
            "llm:generate-text": self._generate_text,
            "llm:chat:completions": self._complete_chat,
        }

    def _infer(self, context: Context, params: inference.InferenceParams) -> inference.InferenceAccepted:
        run = self._inferences.admit(params)
        context.after_reply(lambda: self._inferences.start(run))
        return inference.InferenceAccepted(inference_id=run.inference_id)

    def _cancel(self, context: Context, params: inference.CancelParams) -> inference.Success:
        announce = self._inferences.cancel(params.inference_id)
        if announce is not None:
            context.after_reply(announce)
        return inference.Success(success=announce is not None)

    def _attach(self, _context: Context, params: inference.AttachParams) -> Late:
        return Late(self._inferences.attach(params.inference_id, params.from_seq))

    def _generate_text(
        self, _context: Context, params: generation.GenerateTextParams
    ) -> asyncio.Future[generation.GeneratedText]:
        return self._texts.generate(params)

    def _complete_chat(
        self, context: Context, params: chat.ChatCompletionParams
    ) -> asyncio.Future[chat.ChatCompletion]:
        return self._chats.complete(params, context.request_id)
