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


class EncodedReply(Reply):
    """Bytes ready to go."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.weight = len(data)

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
            result = self._late.compute()
        except Exception as error:
            return self._replies.failure(self._request_id, error, self._where).encode()
        return self._replies.success(self._request_id, result, self._where).encode()


class BatchReply(Reply):
    """The responses of a batch: one array, or several where one would be too long a line."""

    __slots__ = ("_max_bytes", "_replies")

    def __init__(self, replies: Sequence[Reply], max_bytes: int) -> None:
        self._replies = replies
        self._max_bytes = max_bytes
        self.weight = sum(reply.weight for reply in replies)

    def encode(self) -> bytes:
        lines: list[bytes] = []
        items: list[bytes] = []
        size = 2
        for reply in self._replies:
            data = reply.encode()
            if items and size + len(data) > self._max_bytes:
                lines.append(envelope.encode_batch(items))
                items, size = [], 2
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
        """The response with `result`; `where` names the method in the log."""
        if isinstance(result, Late):
            return LateReply(self, request_id, result, where)
        try:
            data = envelope.encode_result(request_id, result)
        except Exception as error:
            return self.failure(request_id, error, where)
        if len(data) > self.max_message_bytes:
            return self.too_large(request_id, f"The result has {len(data)} bytes")
        return EncodedReply(data)

    def too_large(self, request_id: RequestId, what: str) -> Reply:
        """The error for a message above the limit; `what` begins its sentence."""
        limit = self.max_message_bytes
        error = SidecarError("MESSAGE_TOO_LARGE", f"{what}; the limit is {limit}.", details={"maxMessageBytes": limit})
        return EncodedReply(envelope.encode_error(request_id, error))

    def failure(self, request_id: RequestId, error: BaseException, where: str) -> Reply:
        """The error response for `error`."""
        return EncodedReply(envelope.encode_error(request_id, self.translate(error, where)))

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
