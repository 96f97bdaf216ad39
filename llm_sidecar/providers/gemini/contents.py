"""Messages as Gemini's `contents`: turns of parts, the roles `user` and `model`, and what belongs on a part.

Law: a pure mapping, in the host's order. System messages are not in it (`system_parts`). The results of one turn's
calls are one turn; the API wants the name of the function beside each, so a result of an unknown call is an
`INVALID_REQUEST`.

Signatures (`signatures`) go back on the parts they came on. If the host changed the text, the text goes unsigned
and the calls keep theirs; if it added or dropped calls, nothing is signed. A step of the current turn whose first call
has none then (or never had: another vendor's model made it) bears the value that Google documents for that case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from llm_sidecar.errors import ProviderError
from llm_sidecar.messages.content import ImagePart, Message, TextPart, ToolCall
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.exchange import UNREADABLE
from llm_sidecar.providers.gemini.model import GeminiModel
from llm_sidecar.providers.gemini.signatures import SignedPart, signed_parts

_UNSIGNED_ON_PURPOSE: Final = "skip_thought_signature_validator"
"""Google, "Thought signatures", FAQ: for calls that this model did not make itself."""
_IMAGE_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
}
"""The images Gemini reads, by the ending of their URL."""

_Part = dict[str, Any]


def system_parts(request: ProviderRequest) -> list[_Part]:
    """The parts of `systemInstruction`: the system prompt, then the system messages."""
    parts: list[_Part] = [] if request.system_prompt is None else [{"text": request.system_prompt}]
    for message in request.messages:
        if message.role == "system":
            parts += _content_parts(message)
    return parts


def contents_of(messages: Sequence[Message], model: GeminiModel) -> list[dict[str, Any]]:
    """The turns. Raises `INVALID_REQUEST` for a tool message that answers no call before it."""
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    results: list[_Part] | None = None
    current_turn = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    for at, message in enumerate(messages):
        if message.role == "system":
            continue
        if message.role == "tool":
            if results is None:
                results = []
                turns.append({"role": "user", "parts": results})
            results.append(_result(message, names))
            continue
        results = None
        if message.role == "user":
            turns.append({"role": "user", "parts": _content_parts(message)})
        else:
            names.update((call.id, call.name) for call in message.tool_calls or ())
            parts = _answer_parts(message, model)
            if model.needs_signatures and at > current_turn:
                _sign_first_call(parts)
            turns.append({"role": "model", "parts": parts})
    return turns


def _content_parts(message: Message) -> list[_Part]:
    if isinstance(message.content, str):
        return [{"text": message.content}]
    return [{"text": part.text} if isinstance(part, TextPart) else _image(part) for part in message.content]


def _image(part: ImagePart) -> _Part:
    if part.url is None:
        return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
    path = part.url.partition("#")[0].partition("?")[0]
    media_type = _IMAGE_TYPES.get(path.rpartition(".")[2].lower())
    return {"fileData": {"fileUri": part.url, **({"mimeType": media_type} if media_type else {})}}


def _answer_parts(message: Message, model: GeminiModel) -> list[_Part]:
    calls = message.tool_calls or []
    recorded = signed_parts(message.provider_state, model.name)
    text = _text_of(message)
    numbers = [part.call for part in recorded if part.call is not None]
    if numbers != list(range(len(calls))):
        recorded = []
    if recorded and text is not None and sum(part.text or 0 for part in recorded) == len(text):
        return _recorded_parts(recorded, text, calls)
    parts = [] if calls and not message.content else _content_parts(message)
    signatures = {part.call: part.signature for part in recorded}
    return parts + [_signed(_call(call), signatures.get(number)) for number, call in enumerate(calls)]


def _recorded_parts(recorded: list[SignedPart], text: str, calls: list[ToolCall]) -> list[_Part]:
    parts: list[_Part] = []
    at = 0
    for place in recorded:
        if place.call is not None:
            part = _call(calls[place.call])
        elif place.thought is not None:
            part = {"text": place.thought, "thought": True}
        else:
            end = at + (place.text or 0)
            part, at = {"text": text[at:end]}, end
        parts.append(_signed(part, place.signature))
    return parts


def _signed(part: _Part, signature: str | None) -> _Part:
    return {**part, "thoughtSignature": signature} if signature else part


def _sign_first_call(parts: list[_Part]) -> None:
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", _UNSIGNED_ON_PURPOSE)


def _text_of(message: Message) -> str | None:
    """The whole text; None where there is more than text."""
    if isinstance(message.content, str):
        return message.content
    texts = [part.text for part in message.content if isinstance(part, TextPart)]
    return "".join(texts) if len(texts) == len(message.content) else None


def _call(call: ToolCall) -> _Part:
    arguments = _json_object(call.arguments) if call.arguments else {}
    sent = {"name": call.name, "args": {"arguments": call.arguments} if arguments is None else arguments}
    return {"functionCall": {**sent, "id": call.id} if call.id else sent}


def _result(message: Message, names: dict[str, str]) -> _Part:
    call_id = message.tool_call_id
    if call_id is None or call_id not in names:
        raise ProviderError("INVALID_REQUEST", "A tool message answers no call: its toolCallId is in none before it.")
    parts = [TextPart(text=message.content)] if isinstance(message.content, str) else message.content
    text = "\n".join(part.text for part in parts if isinstance(part, TextPart))
    answer = _json_object(text)
    sent: dict[str, Any] = {"name": names[call_id], "response": {"result": text} if answer is None else answer}
    images = [_image(part) for part in parts if isinstance(part, ImagePart)]
    if images:
        sent["parts"] = images
    return {"functionResponse": {**sent, "id": call_id} if call_id else sent}


def _json_object(text: str) -> dict[str, Any] | None:
    """None for what is no JSON object."""
    try:
        value = msgspec.json.decode(text)
    except UNREADABLE:
        return None
    return value if isinstance(value, dict) else None
