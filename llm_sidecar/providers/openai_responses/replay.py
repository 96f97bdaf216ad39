"""What OpenAI wants to see again of an answer: its items, in their order, as they came.

A reasoning model's answer is a list of items (reasoning, message, function call, …) that belong together: reasoning is
encrypted, and a message or call that names its id is refused without the reasoning before it, and the reverse (400
"provided without its required …"). So an answer is replayed whole, or as the plain text and calls it came to.

Law: the state holds no text twice. What the conversation holds already (a message's text, a call's name and arguments)
is left out and put back on replay: a text is replaced by its length, and does not fit any more once it was edited.
It is replayed only where it came from: Azure and OpenAI cannot decrypt, and refuse, each other's reasoning. The same
model must see it again. Another one there may: it leaves out what it cannot use, unless it is one that does not reason,
which refuses all of it. Whatever else a state holds is ignored.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from llm_sidecar.messages.content import Message, TextPart
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.endpoints import host_and_port
from llm_sidecar.providers.events import ProviderState
from llm_sidecar.providers.openai.endpoint import openai_url

_KEY: Final = "openai_responses"
_TEXT_FIELD: Final = {"output_text": "text", "refusal": "refusal"}
"""Where the parts of a message hold their text."""

Item = dict[str, Any]


class Origin(Struct, frozen=True):
    """Where an answer came from: provider and host, and the model that was asked."""

    place: str
    model: str


class _Saved(Struct):
    origin: Origin
    items: list[Item]


def origin_of(endpoint: Endpoint, model_id: str) -> Origin:
    """The origin of what `model_id` answers at `endpoint`. Raises `InvalidParams` for an address that is none."""
    return Origin(f"{endpoint.provider_id} {host_and_port(openai_url(endpoint, '/responses'))}", model_id)


class AnswerRecord:
    """The finished items of one answer, as far as they fit into `max_bytes`."""

    def __init__(self, origin: Origin, max_bytes: int) -> None:
        self._origin = origin
        self._room = max_bytes
        self._items: list[Item] = []

    def add(self, item_json: bytes) -> None:
        """An item the answer has come to, in its order."""
        self._room -= len(item_json)
        if self._room >= 0:
            item = msgspec.json.decode(item_json)
            self._items.append(_without_known({name: value for name, value in item.items() if value is not None}))

    def state(self) -> ProviderState | None:
        """What must be replayed; None where the text and the calls say it all, or replaying is impossible."""
        items = self._items
        while items and items[-1].get("type") == "reasoning":
            items = items[:-1]  # cut off by a limit: refused without the item it was for
        if self._room < 0 or _is_plain(items) or not all(map(_is_readable, items)):
            return None
        return ProviderState({_KEY: msgspec.to_builtins(_Saved(self._origin, items))})


def replayed_items(message: Message, origin: Origin) -> list[Item] | None:
    """The items of an assistant's `message` for another request to `origin`.

    None where it has none from there, or was edited since.
    """
    saved = _saved(message)
    if saved is None or saved.origin.place != origin.place:
        return None
    try:
        return _with_known(saved.items, message)
    except (TypeError, AttributeError, KeyError, ValueError):
        return None


def must_be_replayed(message: Message, origin: Origin) -> bool:
    """Whether there are items, and of the very model that is asked again."""
    saved = _saved(message)
    return saved is not None and saved.origin == origin and replayed_items(message, origin) is not None


def _saved(message: Message) -> _Saved | None:
    try:
        return msgspec.convert((message.provider_state or {}).get(_KEY), _Saved)
    except msgspec.ValidationError:
        return None


def _is_plain(items: list[Item]) -> bool:
    """Whether it is at most one message and then calls, which need nothing but what the conversation holds."""
    kinds = [item.get("type") for item in items]
    calls = kinds[1:] if kinds[:1] == ["message"] else kinds
    return all(kind == "function_call" for kind in calls) and not any("phase" in item for item in items)


def _is_readable(item: Item) -> bool:
    """Nothing is stored at the provider: reasoning that is not in the item itself cannot be found again."""
    return item.get("type") != "reasoning" or bool(item.get("encrypted_content"))


def _without_known(item: Item) -> Item:
    if item.get("type") == "message":
        return {**item, "content": [_with_length(part) for part in item.get("content") or ()]}
    if item.get("type") == "function_call":
        return {name: value for name, value in item.items() if name not in ("name", "arguments")}
    return item


def _with_length(part: Item) -> Item:
    field = _TEXT_FIELD.get(part.get("type", ""))
    return part if field is None else {**part, field: len(part.get(field) or "")}


def _with_known(items: list[Item], message: Message) -> list[Item]:
    """Raises `ValueError` (or what a malformed state leads to) where the conversation does not fit the items."""
    text = _Text(message)
    calls = iter(message.tool_calls or ())
    replayed: list[Item] = []
    for item in items:
        if item.get("type") == "message":
            replayed.append({**item, "content": [text.put_into(part) for part in item["content"]]})
        elif item.get("type") == "function_call":
            call = next(calls, None)
            if call is None or call.id != item["call_id"]:
                raise ValueError("another call")
            replayed.append({**item, "name": call.name, "arguments": call.arguments})
        else:
            replayed.append(item)
    if text.rest or next(calls, None) is not None:
        raise ValueError("there is more than there was")
    return replayed


class _Text:
    """What an assistant's message says, to be given back piece by piece."""

    def __init__(self, message: Message) -> None:
        if isinstance(message.content, str):
            self.rest = message.content
        else:
            self.rest = "".join(part.text if isinstance(part, TextPart) else _no_text() for part in message.content)

    def put_into(self, part: Item) -> Item:
        field = _TEXT_FIELD.get(part.get("type", ""))
        if field is None:
            return part
        length = part[field]
        if not 0 <= length <= len(self.rest):
            raise ValueError("the text is shorter")
        text, self.rest = self.rest[:length], self.rest[length:]
        return {**part, field: text}


def _no_text() -> str:
    raise ValueError("an image")
