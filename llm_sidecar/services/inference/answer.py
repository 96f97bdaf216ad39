"""What has come of one answer so far, put together from a provider's events.

Law: sums only; sends nothing. Bounded: text, reasoning and tool calls above `max_answer_bytes` are a protocol error of
the provider, however they are spread; so is a call whose id and name could not be sent on, or back. Of the short words
beside them, what is no name of a model is ignored, and a reason is cut.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from llm_sidecar.errors import ProviderError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import LONGEST_CALL_ID, LONGEST_CALL_NAME, ToolCall
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.events import Finish, ModelNamed, ProviderState, UsageReport
from llm_sidecar.services.inference.token_stream import longest_text
from llm_sidecar.services.inference.usage_meter import UsageMeter

_CALL_BYTES: Final = 64
"""What a tool call takes in a message besides what it says."""
_LONGEST_MODEL_ID: Final = 300
"""What a request may name."""
_LONGEST_REASON: Final = 200


class Answer:
    """Text, tool calls, usage, and how it ended. `finish` is None until the provider said so."""

    def __init__(self, params: InferenceParams, model_id: str, limits: Limits) -> None:
        self.meter = UsageMeter(params.messages, params.system_prompt)
        self.model_id = model_id
        self.finish: Finish | None = None
        self.provider_state: dict[str, Any] | None = None
        self.has_content = False
        self._max_bytes = limits.max_answer_bytes
        self._longest_head = longest_text(limits) // 2
        """Of a call: the other half of an event is for what comes beside it."""
        self._text: list[str] = []
        self._calls: dict[int, tuple[str, str, list[str]]] = {}
        self._heads_bytes = 0

    @property
    def size(self) -> int:
        """Bytes of everything so far, about."""
        return self.meter.bytes_received + self._heads_bytes

    @property
    def text(self) -> str:
        """The text so far."""
        if len(self._text) > 1:
            self._text[:] = ["".join(self._text)]
        return self._text[0] if self._text else ""

    @property
    def tool_calls(self) -> list[ToolCall] | None:
        """The tool calls so far, in order; None where there are none."""
        calls = [self._calls[index] for index in sorted(self._calls)]
        return [ToolCall(id=i, name=n, arguments="".join(pieces)) for i, n, pieces in calls] or None

    def add_text(self, text: str, deltas: int) -> None:
        self._received(text, deltas)
        self._text.append(text)

    def add_reasoning(self, text: str) -> None:
        self._received(text, 1)

    def add_tool_call(self, index: int, call_id: str | None, name: str | None, arguments: str) -> str | None:
        """A piece of the call at `index`. Returns the call's id if this is its first piece (made here if need be)."""
        _check_unicode(call_id, name)
        self._check_head(call_id or "", name or "")
        known_id, known_name, pieces = self._calls.get(index, ("", "", []))
        final_id, final_name = known_id or call_id or f"call-{index}", known_name or name or ""
        if (final_id, final_name) != (known_id, known_name):
            self._heads_bytes += _CALL_BYTES + len(final_id.encode()) + len(final_name.encode())
        self._received(arguments, 1)
        pieces.append(arguments)
        self._calls[index] = (final_id, final_name, pieces)
        return None if known_id else final_id

    def add(self, event: UsageReport | ProviderState | ModelNamed | Finish) -> None:
        """Everything that is no content."""
        if isinstance(event, UsageReport):
            self.meter.report(event)
        elif isinstance(event, Finish):
            _check_unicode(event.raw)
            self.finish = Finish(event.reason, event.raw and event.raw[:_LONGEST_REASON])
        elif isinstance(event, ModelNamed):
            _check_unicode(event.model_id)
            if len(event.model_id) <= _LONGEST_MODEL_ID:
                self.model_id = event.model_id
        else:
            _check_sendable(event.state)
            self.provider_state = {**(self.provider_state or {}), **event.state}

    def _received(self, text: str, deltas: int) -> None:
        size = _utf8_size(text)
        self.has_content = True
        self.meter.received(size, deltas)
        if self.meter.bytes_received + self._heads_bytes > self._max_bytes:
            raise ProviderError("PROVIDER_PROTOCOL_ERROR", f"The answer is longer than {self._max_bytes} bytes.")

    def _check_head(self, call_id: str, name: str) -> None:
        """Raises `PROVIDER_PROTOCOL_ERROR` for what a host could not send back, or no event carry."""
        is_too_long = len(call_id) > LONGEST_CALL_ID or len(name) > LONGEST_CALL_NAME
        if is_too_long or len(call_id) + len(name) > self._longest_head:
            raise ProviderError("PROVIDER_PROTOCOL_ERROR", "The id or the name of a tool call is too long.")


def _utf8_size(text: str) -> int:
    """Bytes. Raises `PROVIDER_PROTOCOL_ERROR` for half a surrogate pair: no JSON message could carry it on."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise ProviderError("PROVIDER_PROTOCOL_ERROR", "The provider sent half a character.") from None


def _check_unicode(*texts: str | None) -> None:
    """Raises as `_utf8_size` does."""
    for text in texts:
        _utf8_size(text or "")


def _check_sendable(state: dict[str, Any]) -> None:
    """Raises `PROVIDER_PROTOCOL_ERROR` for what no JSON message could carry."""
    try:
        msgspec.json.encode(state)
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        raise ProviderError("PROVIDER_PROTOCOL_ERROR", "The provider's state cannot be sent on.") from None
