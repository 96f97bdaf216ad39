"""An HTTP answer whose headers have come: its body, read piece by piece, and its end.

Law: a body that stops before its end is never a complete one; what answers that nobody asked for (a redirect, a
compressed body, another success than 200) is refused before a byte of it is read. It knows no provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.endpoints import host_and_port
from llm_sidecar.providers.http.errors import protocol_error, truncated

if TYPE_CHECKING:
    import aiohttp

LINGER_SECONDS: Final = 1.0
"""How long the last bytes of a finished answer may take before its connection is closed instead of reused."""


class HttpResponse:
    """An answer whose headers have come. Whoever got it must `close` it."""

    def __init__(
        self, response: aiohttp.ClientResponse, session: aiohttp.ClientSession, url: str, patience_seconds: float
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._url = url
        self._patience_seconds = patience_seconds
        self._is_finished = False
        self._watch_connection(session)

    @property
    def content_type(self) -> str:
        """`application/json`, lower case, without parameters; "" where none was sent."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def where(self) -> str:
        """The host and port it came from, for messages."""
        return host_and_port(self._url)

    async def read(self) -> bytes:
        """What has arrived, at least one byte; b"" once the body is complete. Raises `STREAM_TRUNCATED`."""
        try:
            return await self._response.content.readany()
        except ProviderError:
            raise
        except Exception as error:
            raise truncated(self.where) from error

    async def read_all(self, max_bytes: int) -> bytes:
        """The whole body. Raises `PROVIDER_PROTOCOL_ERROR` above `max_bytes`, `STREAM_TRUNCATED` for a short one."""
        body = bytearray()
        while chunk := await self.read():
            body += chunk
            if len(body) > max_bytes:
                raise ProviderError("PROVIDER_PROTOCOL_ERROR", f"{self.where} sent more than {max_bytes} bytes.")
        return bytes(body)

    async def read_prefix(self, max_bytes: int) -> bytes:
        """What came of an error's body, at most `max_bytes`, waiting no longer than for a connection. Never fails."""
        body = bytearray()
        with suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(self._patience_seconds):
                while len(body) < max_bytes and (chunk := await self.read()):
                    body += chunk
        return bytes(body[:max_bytes])

    def finish(self) -> None:
        """The answer is complete: `close` leaves its last bytes a moment to come, so that the connection is reused."""
        self._is_finished = True

    def close(self) -> None:
        """Close the socket at once, unless the body was read to its end (then the connection is already pooled)."""
        if self._is_finished and not self._response.closed:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._response.close)
        else:
            self._response.close()

    def _watch_connection(self, session: aiohttp.ClientSession) -> None:
        """Wake the reader when the framing of the body breaks, or the session closes: aiohttp 3.14 lets it wait on."""
        connection, content = self._response.connection, self._response.content
        if connection is None or connection.protocol is None or connection.protocol.closed is None:
            return
        lost = connection.protocol.closed

        def on_lost(_: asyncio.Future[None]) -> None:
            if not content.is_eof() and content.exception() is None:
                broken = protocol_error(f"{self.where} broke the framing of HTTP.")
                content.set_exception(truncated(self.where) if session.closed else broken)

        def on_eof() -> None:
            lost.remove_done_callback(on_lost)

        lost.remove_done_callback(_retrieve)
        lost.add_done_callback(_retrieve)
        lost.add_done_callback(on_lost)
        content.on_eof(on_eof)


def _retrieve(lost: asyncio.Future[None]) -> None:
    """Else asyncio reports the reset of an idle connection as an exception that nobody retrieved."""
    if not lost.cancelled():
        lost.exception()


def unacceptable(response: HttpResponse) -> ProviderError | None:
    """Why an answer is none, or None."""
    if 300 <= response.status < 400:
        return protocol_error(f"{response.where} answered with a redirect, which is refused.", response.status)
    if response.status < 400 and response.status != 200:
        return protocol_error(
            f"{response.where} answered with HTTP {response.status}, which is no answer.", response.status
        )
    if response.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        return protocol_error(f"{response.where} sent a compressed body, which was not asked for.", response.status)
    return None
