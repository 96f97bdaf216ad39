"""The kinds of response that wait in the outbox, and what an exception looks like from outside.

Law: encoding a reply never raises; a result above `max_message_bytes` becomes the error that says so.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from typing import Any, Final

from llm_sidecar import log
from llm_sidecar.errors import SidecarError
from llm_sidecar.rpc.context import Late
from llm_sidecar.rpc.outbox import Reply
from llm_sidecar.wire import envelope
from llm_sidecar.wire.envelope import RequestId

_LATE_WEIGHT: Final = 4096
"""Counted for a result that is not known yet."""
_OBJECTS_BYTES: Final = 128
"""What a waiting reply takes in memory besides its bytes, about: more than a small one itself."""


class EncodedReply(Reply):
    """Bytes ready to go."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.weight = len(data) + _OBJECTS_BYTES

    def encode(self) -> bytes:
        return self._data


class LateReply(Reply):
    """A result computed when it is written."""

    __slots__ = ("_late", "_replies", "_request_id", "_where")

    def __init__(self, replies: ReplyFactory, request_id: RequestId, late: Late, where: str) -> None:
        self._replies = replies
        self._request_id = request_id
        self._late = late
        self._where = where
        self.weight = _LATE_WEIGHT

    def encode(self) -> bytes:
        try:
            return self._replies.success(self._request_id, self._late.compute(), self._where).encode()
        except Exception as error:
            return self._replies.failure(self._request_id, error, self._where).encode()


class BatchReply(Reply):
    """The responses of a batch: one array, or several where one would be too long a line."""

    __slots__ = ("_factory", "_replies")

    def __init__(self, replies: Sequence[tuple[RequestId, Reply]], factory: ReplyFactory) -> None:
        self._replies = replies
        self._factory = factory
        self.weight = sum(reply.weight for _, reply in replies)

    def encode(self) -> bytes:
        lines: list[bytes] = []
        items: list[bytes] = []
        size = 1  # the brackets, less the comma that the first item does not have
        most = self._factory.max_message_bytes
        for request_id, reply in self._replies:
            data = reply.encode()
            if len(data) + 2 > most:
                data = self._factory.failure(request_id, self._factory.too_large("The result"), "").encode()
            if items and size + 1 + len(data) > most:
                lines.append(envelope.encode_batch(items))
                items, size = [], 1
            items.append(data)
            size += len(data) + 1
        lines.append(envelope.encode_batch(items))
        return b"\n".join(lines)


class ReplyFactory:
    """Makes replies of results and exceptions. `show_stacks` (for developers) puts a stack into `details`."""

    def __init__(self, show_stacks: bool) -> None:
        self._show_stacks = show_stacks
        self.max_message_bytes = 0

    def success(self, request_id: RequestId, result: Any, where: str) -> Reply:
        """The response with `result`; `where` names the method in the log. Raises what keeps it from being sent."""
        if isinstance(result, Late):
            return LateReply(self, request_id, result, where)
        data = envelope.encode_result(request_id, result)
        if len(data) > self.max_message_bytes:
            raise self.too_large("The result")
        return EncodedReply(data)

    def too_large(self, what: str) -> SidecarError:
        """The error for a message above the limit; `what` begins its sentence."""
        limit = self.max_message_bytes
        message = f"{what} is longer than {limit} bytes."
        return SidecarError("MESSAGE_TOO_LARGE", message, details={"maxMessageBytes": limit})

    def failure(self, request_id: RequestId, error: BaseException, where: str) -> Reply:
        """The error response for `error`, without its details where they would make it too long."""
        translated = self.translate(error, where)
        data = envelope.encode_error(request_id, translated)
        if len(data) > self.max_message_bytes - 2:
            short = SidecarError(translated.code, "The details are too long to send.", retryable=translated.retryable)
            data = envelope.encode_error(request_id, short)
        return EncodedReply(data)

    def translate(self, error: BaseException, where: str) -> SidecarError:
        """`error` as the peer may see it: unexpected ones are logged under an id, and only the id is told."""
        if isinstance(error, SidecarError):
            return error
        log_id = os.urandom(6).hex()
        frames = traceback.extract_tb(error.__traceback__)
        stack = [f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
        log.error("internal error", logId=log_id, where=where, exception=type(error).__name__, stack=stack[-8:])
        details = {"exception": type(error).__name__, "stack": stack} if self._show_stacks else None
        return SidecarError("INTERNAL_ERROR", f"Internal error; log id {log_id}.", details=details)
