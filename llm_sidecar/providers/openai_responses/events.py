"""What OpenAI's Responses API sends: its events, the items of an answer, the response as a whole.

Law: typed and tolerant, as `openai.chunks`: only the fields that are used, each of which may be missing or null. Values
only: what they mean is `stream`'s business. An event is decoded once; what only some events hold (an
item, the response) stays undecoded JSON until it is wanted. Source: the types of the official SDK (`openai.types.
responses`), and llama.cpp's server, which leaves out `output_index`, `sequence_number` and more.
"""

from __future__ import annotations

import json

import msgspec
from msgspec import Raw, Struct

from llm_sidecar.providers.decoding.surrogates import mended
from llm_sidecar.providers.token_counts import Number


class StreamEvent(Struct, gc=False):
    """Any event of a stream. `type` says which of the other fields there are."""

    type: str = ""
    delta: str | None = None
    output_index: int | None = None
    item_id: str | None = None
    summary_index: int | None = None
    item: Raw = Raw()
    response: Raw = Raw()
    error: Raw = Raw()


class ItemKind(Struct, gc=False):
    """What every item of an answer has, whatever its kind."""

    type: str | None = None
    id: str | None = None
    call_id: str | None = None


class Part(Struct, gc=False):
    """A part of a message, of a reasoning summary, or of reasoning."""

    type: str | None = None
    text: str | None = None
    refusal: str | None = None


class OutputItem(ItemKind, gc=False):
    """A message, a function call or a piece of reasoning."""

    name: str | None = None
    arguments: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None

    @property
    def text(self) -> str:
        """What a message says, refusals included."""
        return "".join(part.text or part.refusal or "" for part in self.content or ())

    @property
    def reasoning(self) -> str:
        """What a piece of reasoning says: its summary, else the reasoning itself."""
        return "\n\n".join(part.text for part in self.summary or self.content or () if part.text)


class InputDetails(Struct, gc=False):
    cached_tokens: Number = None
    cache_write_tokens: Number = None


class OutputDetails(Struct, gc=False):
    reasoning_tokens: Number = None


class ResponseUsage(Struct, gc=False):
    input_tokens: Number = None
    output_tokens: Number = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class IncompleteDetails(Struct, gc=False):
    reason: str | None = None


class Response(Struct, gc=False):
    """The answer so far, or whole. `error` is JSON, empty or `null` where there is none."""

    status: str | None = None
    model: str | None = None
    usage: ResponseUsage | None = None
    incomplete_details: IncompleteDetails | None = None
    error: Raw = Raw()
    error_type: str | None = None
    """OpenRouter's name for the error, which says more than the one in it."""
    output: list[Raw] | None = None

    @property
    def reported_error(self) -> bytes:
        """All that it says of its error, as JSON."""
        return _encode({"error": self.error if is_set(self.error) else None, "error_type": self.error_type})


_encode = msgspec.json.encode
decode_event = msgspec.json.Decoder(StreamEvent).decode
decode_item_kind = msgspec.json.Decoder(ItemKind).decode
decode_item = msgspec.json.Decoder(OutputItem).decode
decode_response = msgspec.json.Decoder(Response).decode


def is_set(value: Raw) -> bool:
    """Whether there was such a field, and not null."""
    return bytes(value) not in (b"", b"null")


def decode_odd_event(data: bytes) -> StreamEvent:
    r"""As `decode_event`, but slower and lenient: `NaN` passes, and in a delta half a surrogate pair (`"\ud83d"`).

    Elsewhere, where texts come whole, halves are replaced.
    """
    value = json.loads(data.decode("utf-8"), parse_constant=lambda _: None)
    event = decode_event(mended(json.dumps(value, ensure_ascii=False)).encode())
    if event.delta is not None:
        event.delta = value["delta"]
    return event
