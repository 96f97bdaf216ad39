"""What a provider sends, on its two ways: into the answer, and to who listens.

Law: everything goes both ways, in the provider's order; a listener of `stream: false` is told no content. It decides
nothing and measures no time.
"""

from __future__ import annotations

from llm_sidecar.limits import Limits
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.events import PromptProgress, ProviderEvent, ReasoningDelta, TextDelta, ToolCallDelta
from llm_sidecar.services.inference.answer import Answer
from llm_sidecar.services.inference.listener import Listener
from llm_sidecar.services.inference.recording import RecordedAnswer, Recording


class Relay:
    """Of one inference; `begin` for each attempt. `answer` is what has come of the present one."""

    def __init__(self, params: InferenceParams, listener: Listener, limits: Limits, model_id: str) -> None:
        self.params = params
        self._listener = listener
        self._limits = limits
        self.begin(model_id)

    def begin(self, model_id: str) -> None:
        """Forget what came; a new answer begins."""
        self.answer = Answer(self.params, model_id, self._limits)
        self._recording = Recording() if self.params.cache else None

    @property
    def recorded(self) -> RecordedAnswer | None:
        """The answer, which is complete, as it came; None where it is not to be kept."""
        return None if self._recording is None else self._recording.answer()

    def take(self, batch: list[ProviderEvent]) -> bool:
        """Pass a batch on. Returns whether there was content in it. Raises `PROVIDER_PROTOCOL_ERROR`."""
        answer, listener, streams, has_content = self.answer, self._listener, self.params.stream, False
        for event in batch:
            if isinstance(event, TextDelta):
                has_content = True
                answer.add_text(event.text, event.count)
                if streams:
                    listener.text(event.text, event.count)
            elif isinstance(event, ReasoningDelta):
                has_content = True
                answer.add_reasoning(event.text)
                if streams:
                    listener.reasoning(event.text)
            elif isinstance(event, ToolCallDelta):
                has_content = True
                call_id = answer.add_tool_call(event.index, event.id, event.name, event.arguments)
                if streams:
                    listener.tool_call(event.index, call_id, event.name, event.arguments)
            elif isinstance(event, PromptProgress):
                listener.progress(event.current, event.total, "prompt")
            else:
                answer.add(event)
        if self._recording is not None:
            self._recording.add(batch)
        return has_content
