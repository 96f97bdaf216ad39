"""The one HTTP client of our own: aiohttp, made strict; its exceptions are translated by `http_errors`.

Law: one request, one response (but a request that met a kept connection just as its server closed it is sent again on
another); no redirect is followed, no proxy, netrc or cookie is used, no compressed body is accepted, certificates are
always checked. Nothing times out here but the connection: how long an answer may take is
the inference service's business. Adapters above know no aiohttp type, and this module knows no provider.

aiohttp costs about a quarter of a second to import, so it is imported by the first request (or `warm`), in a thread.
"""

from __future__ import annotations

import asyncio
import gc
import io
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakSet

from llm_sidecar import __version__
from llm_sidecar.errors import ProviderError
from llm_sidecar.limits import KIB, Limits
from llm_sidecar.providers.endpoints import host_and_port
from llm_sidecar.providers.frugal_socket import FrugalSocket
from llm_sidecar.providers.http_errors import protocol_error, translate, truncated

if TYPE_CHECKING:
    import aiohttp

_READ_BUFFER_BYTES: Final = 32 * KIB
"""aiohttp stops reading the socket at twice this; the kernel's window then holds the provider back. Larger ones are
slower: what was parsed has left the processor's cache when it is decoded."""
_KEEP_ALIVE_SECONDS: Final = 30.0
"""A person's pause between two questions, and less than servers and address translators usually allow."""
_MOST_REPETITIONS: Final = 5
"""Kept connections that can be found closed, one after the other, by one request."""
_LINGER_SECONDS: Final = 1.0
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
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._response.close)
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


class HttpClient:
    """A pool of connections, kept alive per origin. Use it from one event loop."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits_in_force = limits
        self._loading = asyncio.Lock()
        self._classes: _Classes | None = None
        self._tls: ssl.SSLContext | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._limits_in_force()

    async def warm(self) -> None:
        """Import what the first request needs; the event loop stays responsive."""
        async with self._loading:
            if self._classes is None:
                self._classes = await asyncio.to_thread(_load)
                gc.freeze()  # what was imported stays: the collector need not look at it again and again

    async def _trusted(self) -> ssl.SSLContext:
        """The certificates the system trusts: read when the first `https:` asks for them."""
        async with self._loading:
            if self._tls is None:
                self._tls = await asyncio.to_thread(_trust_system)
        return self._tls

    async def aclose(self) -> None:
        """Close every connection, also those in use, without waiting for a peer that does not read."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    await session.close()

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> HttpResponse:
        """Send a request; return when the headers of its answer have come.

        Raises `NETWORK_ERROR`, or `PROVIDER_PROTOCOL_ERROR` for what is not HTTP, a redirect or a compressed body.
        """
        session = self._session or await self._open_session()
        from aiohttp import ClientTimeout
        from yarl import URL

        connect_seconds = self.limits.connect_timeout_ms / 1000
        sending = _Sending()
        _now_sending.set(sending)
        raw = None
        while raw is None:
            try:
                raw = await session.request(
                    method,
                    URL(url, encoded=True),
                    headers=headers,
                    data=None if body is None else io.BytesIO(body),
                    allow_redirects=False,
                    timeout=ClientTimeout(total=None, connect=connect_seconds),
                    ssl=await self._trusted() if url.startswith("https:") else True,
                )
            except Exception as error:
                if not sending.may_repeat(error):
                    raise translate(error, host_and_port(url)) from error
        response = HttpResponse(raw, session, url, connect_seconds)
        problem = _unacceptable(response)
        if problem is not None:
            response.close()
            raise problem
        return response

    async def _open_session(self) -> aiohttp.ClientSession:
        await self.warm()
        assert self._classes is not None
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=self._classes.connector(
                    limit=0,
                    keepalive_timeout=_KEEP_ALIVE_SECONDS,
                    resolver=aiohttp.ThreadedResolver(),
                    socket_factory=lambda address: FrugalSocket(*address[:3]),
                ),
                headers={"User-Agent": f"llm-sidecar/{__version__}", "Accept-Encoding": "identity"},
                response_class=self._classes.response,
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=_READ_BUFFER_BYTES,
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


class _Sending:
    """One request on its way. Servers close kept connections when they like, some (llama.cpp) after every answer."""

    def __init__(self) -> None:
        self.connection_is_kept = False
        self._repetitions = 0

    def may_repeat(self, error: Exception) -> bool:
        """Whether `error` is a kept connection that was closed before a byte of the answer, and not one too many."""
        import aiohttp

        is_closed = isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError | BrokenPipeError)
        may = self.connection_is_kept and is_closed and self._repetitions < _MOST_REPETITIONS
        self.connection_is_kept = False
        self._repetitions += 1
        return may


_now_sending: Final[ContextVar[_Sending]] = ContextVar("_now_sending")


class _Classes(NamedTuple):
    """aiohttp's, with habits of ours."""

    response: type[aiohttp.ClientResponse]
    connector: type[aiohttp.TCPConnector]


def _load() -> _Classes:
    import aiohttp

    class AbortingResponse(aiohttp.ClientResponse):
        """Closing means now: aiohttp would first wait for a peer that does not read to take the rest of the request."""

        def close(self) -> None:
            if self.connection is not None and self.connection.transport is not None:
                self.connection.transport.abort()
            super().close()

    class TellingConnector(aiohttp.TCPConnector):
        """Says of a connection whether it was used before."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._used: WeakSet[object] = WeakSet()

        async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
            connection = await super().connect(req, traces, timeout)
            _now_sending.get().connection_is_kept = connection.protocol in self._used
            self._used.add(connection.protocol)
            return connection

    return _Classes(AbortingResponse, TellingConnector)


def _trust_system() -> ssl.SSLContext:
    # Not `create_default_context`: it writes the session keys to the file that SSLKEYLOGFILE names.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_default_certs()
    tls.set_alpn_protocols(["http/1.1"])
    return tls


def _retrieve(lost: asyncio.Future[None]) -> None:
    """Else asyncio reports the reset of an idle connection as an exception that nobody retrieved."""
    if not lost.cancelled():
        lost.exception()


def _unacceptable(response: HttpResponse) -> ProviderError | None:
    if 300 <= response.status < 400:
        return protocol_error(f"{response.where} answered with a redirect, which is refused.", response.status)
    if response.status < 400 and response.status != 200:
        return protocol_error(
            f"{response.where} answered with HTTP {response.status}, which is no answer.", response.status
        )
    if response.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        return protocol_error(f"{response.where} sent a compressed body, which was not asked for.", response.status)
    return None
