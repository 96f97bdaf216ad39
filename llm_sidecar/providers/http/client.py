"""The one HTTP client of our own: aiohttp, made strict; its exceptions are translated by `errors`.

Law: one request, one response (but a request that met a kept connection just as its server closed it is sent again on
another); no redirect is followed, no netrc or cookie is used, no compressed body is accepted, certificates are always
checked. What is not encrypted stays on this machine unless the caller says `allow_insecure`; a proxy is used only if
the host said so, and never for this machine. Nothing times out here but the connection: how long an answer may take is
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
from typing import TYPE_CHECKING

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.endpoints import host_and_port
from llm_sidecar.providers.http.connector import Classes, Sending, load_classes, open_session, trust_system
from llm_sidecar.providers.http.errors import translate
from llm_sidecar.providers.http.loopback import LookUp, look_up
from llm_sidecar.providers.http.proxies import Proxies
from llm_sidecar.providers.http.response import LINGER_SECONDS, HttpResponse, unacceptable

if TYPE_CHECKING:
    import aiohttp


class HttpClient:
    """Pools of connections, kept alive per origin. Use it from one event loop.

    `proxies` are used for other machines than this one; None: no proxy is.
    """

    def __init__(
        self, limits: Callable[[], Limits], *, look_up: LookUp = look_up, proxies: Proxies | None = None
    ) -> None:
        self._limits_in_force = limits
        self._look_up = look_up
        self._proxies = proxies
        self._loading = asyncio.Lock()
        self._classes: Classes | None = None
        self._tls: ssl.SSLContext | None = None
        self._here: aiohttp.ClientSession | None = None
        self._anywhere: aiohttp.ClientSession | None = None

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._limits_in_force()

    async def warm(self) -> None:
        """Import what the first request needs; the event loop stays responsive."""
        async with self._loading:
            if self._classes is None:
                self._classes = await asyncio.to_thread(load_classes)
                gc.freeze()  # what was imported stays: the collector need not look at it again and again

    async def _trusted(self) -> ssl.SSLContext:
        """The certificates the system trusts: read when the first `https:` asks for them."""
        async with self._loading:
            if self._tls is None:
                self._tls = await asyncio.to_thread(trust_system)
        return self._tls

    async def aclose(self) -> None:
        """Close every connection, also those in use, without waiting for a peer that does not read."""
        sessions = [session for session in (self._here, self._anywhere) if session is not None]
        self._here = self._anywhere = None
        for session in sessions:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await session.close()

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        allow_insecure: bool = False,
        may_repeat: bool = True,
    ) -> HttpResponse:
        """Send a request; return when the headers of its answer have come. Without `may_repeat` it is never sent again,
        also not where a kept connection was just closed.

        Raises `NETWORK_ERROR`, or `PROVIDER_PROTOCOL_ERROR` for what is not HTTP, a redirect or a compressed body;
        `InvalidParams` for `http:` to another machine than this one without `allow_insecure`.
        """
        if self._classes is None:
            await self.warm()
        from aiohttp import ClientTimeout
        from yarl import URL

        is_encrypted = url.startswith("https:")
        session = self._session(only_here=not is_encrypted and not allow_insecure)
        connect_seconds = self.limits.connect_timeout_ms / 1000
        proxy = None
        if self._proxies is not None and session is not self._here:
            proxy = await self._proxies.on_the_way_to(url, self._look_up, connect_seconds)
        sending = Sending()
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
                    ssl=await self._trusted() if is_encrypted or proxy is not None else True,
                    proxy=proxy,
                )
            except SidecarError:
                raise
            except Exception as error:
                if not may_repeat or not sending.may_repeat(error):
                    raise translate(error, host_and_port(url)) from error
        response = HttpResponse(raw, session, url, connect_seconds)
        problem = unacceptable(response)
        if problem is not None:
            response.close()
            raise problem
        return response

    def _session(self, *, only_here: bool) -> aiohttp.ClientSession:
        assert self._classes is not None
        if only_here:
            self._here = self._here or open_session(self._classes, self._look_up, only_here=True)
            return self._here
        self._anywhere = self._anywhere or open_session(self._classes, self._look_up, only_here=False)
        return self._anywhere
