"""The timers of one inference: first token, between tokens, whole. (Connecting has the adapter's own.)

Law: they say that something took too long, and what; what follows is the run's to decide. While paused no time passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.services.inference.deadline import Deadline

OnExpiry = Callable[[SidecarError], None]


class Timers:
    """`on_whole` is called with `TIMEOUT`; `on_content` with `FIRST_TOKEN_TIMEOUT` or `STREAM_TIMEOUT`."""

    def __init__(self, params: InferenceParams, limits: Limits, on_whole: OnExpiry, on_content: OnExpiry) -> None:
        self._whole_ms = _or(params.timeout_ms, limits.inference_timeout_ms)
        self._first_ms = _or(params.first_token_timeout_ms, limits.first_token_timeout_ms)
        self._chunk_ms = _or(params.chunk_timeout_ms, limits.chunk_timeout_ms)
        self._on_whole = on_whole
        self._on_content = on_content
        self._has_content = False
        self._whole = Deadline(self._whole_expired)
        self._content = Deadline(self._content_expired)

    @property
    def seconds_left(self) -> float:
        """Of the whole."""
        return self._whole.remaining

    def begin(self) -> None:
        """The whole begins, or begins anew."""
        self._whole.start(self._whole_ms / 1000)

    def await_content(self) -> None:
        """A request is sent: its first token is waited for."""
        self._content.start(self._first_ms / 1000)

    def content_came(self) -> None:
        """Wait for the next token."""
        if self._has_content:
            self._content.push_back()
        else:
            self._has_content = True
            self._content.start(self._chunk_ms / 1000)

    def stop_content(self) -> None:
        """No token is waited for."""
        self._content.stop()

    def stop(self) -> None:
        """It is over."""
        self._whole.stop()
        self._content.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No time passes inside."""
        self._whole.pause()
        self._content.pause()
        try:
            yield
        finally:
            self._whole.resume()
            self._content.resume()

    def _whole_expired(self) -> None:
        self._on_whole(SidecarError("TIMEOUT", f"The inference took longer than {self._whole_ms} ms."))

    def _content_expired(self) -> None:
        if self._has_content:
            error = SidecarError("STREAM_TIMEOUT", f"No content came for {self._chunk_ms} ms.")
        else:
            error = SidecarError("FIRST_TOKEN_TIMEOUT", f"No content came within {self._first_ms} ms.")
        self._on_content(error)


def _or(asked_ms: int | None, default_ms: int) -> int:
    return default_ms if asked_ms is None else asked_ms
