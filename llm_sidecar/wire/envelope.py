"""JSON-RPC 2.0: one line ↔ request, notification, response or batch.

Law: every line is classified, none raises anything but `SidecarError`; what is refused keeps the id where one can be
read, so that the sender's promise is settled. JSON is strict: UTF-8 without lone surrogates, no NaN, no infinite
numbers, nesting bounded by the decoder. Params stay plain values here; their types are the dispatcher's business.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from llm_sidecar.errors import SidecarError
from llm_sidecar.wire.error_codes import ErrorObject, error_object

RequestId = str | int | float | None
_MAX_ID_LENGTH: Final = 256
"""Characters of an id, or digits: it comes back in the answer, which must stay within the limit of a line."""
_SURROGATES: Final = tuple(f"\\u{first}{second}".encode() for first in "dD" for second in "89abcdefABCDEF")
"""How the escape of half a character begins."""
_NO_SURROGATE: Final = b"\\uff"
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class Request(msgspec.Struct, frozen=True):
    """A request: the peer waits for one response with `id`. `params` is a dict, a list, or None where absent."""

    id: RequestId
    method: str
    params: dict[str, Any] | list[Any] | None


class Notification(msgspec.Struct, frozen=True):
    """A request without an id: never answered."""

    method: str
    params: dict[str, Any] | list[Any] | None


class Response(msgspec.Struct, frozen=True):
    """An answer of the peer to a request of ours. Never answered."""

    id: RequestId
    result: Any
    error: Any


class Invalid(msgspec.Struct, frozen=True):
    """Not a request: to be answered with `error`, under `id` (None where none could be read)."""

    id: RequestId
    error: SidecarError


class Batch(msgspec.Struct, frozen=True):
    """Several messages in one line, to be answered together."""

    items: list[Request | Notification | Response | Invalid]


Message = Request | Notification | Response | Invalid


def decode_line(line: bytes, max_batch_items: int) -> Message | Batch:
    """Classify one line."""
    try:
        # The decoder skips what it does not need without looking at its bytes: check the encoding of all of them.
        line.decode("utf-8")
        value = _decode(line)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return _cut_in_half(line) or Invalid(None, SidecarError("PARSE_ERROR", "The line is not valid JSON in UTF-8."))
    if not isinstance(value, list):
        return _classify(value)
    if not value:
        return Invalid(None, SidecarError("INVALID_MESSAGE", "An empty batch is not a request."))
    if len(value) > max_batch_items:
        message = f"The batch has {len(value)} items; the limit is {max_batch_items}."
        return Invalid(None, SidecarError("MESSAGE_TOO_LARGE", message))
    return Batch([_classify(item) for item in value])


def _cut_in_half(line: bytes) -> Invalid | None:
    """What is unreadable only for half a surrogate pair: who cuts a text in JavaScript sends such. It keeps its id."""
    readable = line
    for escape in _SURROGATES:
        readable = readable.replace(escape, _NO_SURROGATE)
    try:
        value = _decode(readable) if readable != line else None
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        value = None
    if not (isinstance(value, dict) and isinstance(value.get("method"), str)):
        return None
    request_id = value.get("id")
    if isinstance(request_id, str) and any(character == "\\" or character >= "\uff00" for character in request_id):
        request_id = None  # it may have been another before
    message = "A text of the line is cut in the middle of a character: it holds half of a surrogate pair."
    return Invalid(request_id if _is_id(request_id) else None, SidecarError("PARSE_ERROR", message))


def _classify(value: Any) -> Message:
    if not isinstance(value, dict):
        return Invalid(None, SidecarError("INVALID_MESSAGE", "A request is a JSON object."))
    request_id = value.get("id")
    id_is_valid = _is_id(request_id)
    known_id: RequestId = request_id if id_is_valid else None
    if "method" not in value and ("result" in value or "error" in value):
        return Response(known_id, value.get("result"), value.get("error"))
    problem = _problem(value, id_is_valid)
    if problem is not None:
        return Invalid(known_id, SidecarError("INVALID_MESSAGE", problem))
    if "id" in value:
        return Request(known_id, value["method"], value.get("params"))
    return Notification(value["method"], value.get("params"))


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _MAX_ID_LENGTH
    if isinstance(value, int) and not isinstance(value, bool):
        return value.bit_length() <= 3 * _MAX_ID_LENGTH
    return value is None or isinstance(value, float)


def _problem(value: dict[str, Any], id_is_valid: bool) -> str | None:
    if value.get("jsonrpc") != "2.0":
        return 'The member `jsonrpc` must be "2.0".'
    if not isinstance(value.get("method"), str):
        return "The member `method` must be a string."
    if not id_is_valid:
        return f"The member `id` must be a number, null, or a string of at most {_MAX_ID_LENGTH} characters."
    if "params" in value and not isinstance(value["params"], dict | list):
        return "The member `params` must be an object or an array."
    return None


class _ResultResponse(msgspec.Struct, tag_field="jsonrpc", tag="2.0"):
    id: RequestId
    result: Any


class _ErrorResponse(msgspec.Struct, tag_field="jsonrpc", tag="2.0"):
    id: RequestId
    error: ErrorObject


class _NotificationMessage(msgspec.Struct, tag_field="jsonrpc", tag="2.0"):
    method: str
    params: Any


def encode_result(request_id: RequestId, result: Any) -> bytes:
    """A response's bytes, without the line ending."""
    return _encode(_ResultResponse(request_id, result))


def encode_error(request_id: RequestId, error: SidecarError) -> bytes:
    """An error response's bytes, without the line ending."""
    return _encode(_ErrorResponse(request_id, error_object(error)))


def encode_notification(method: str, params: Any) -> bytes:
    """A notification's bytes, without the line ending."""
    return _encode(_NotificationMessage(method, params))


def encode_batch(responses: list[bytes]) -> bytes:
    """Several encoded responses as one batch."""
    return b"[" + b",".join(responses) + b"]"
