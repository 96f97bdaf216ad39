"""How connections are made: where they may lead, over which sockets, and what aiohttp may not do on them.

Law: where a connection leads is decided when it is made, by the addresses it is made to; there is no look-up after the
one that was checked, and a kept connection needs none. The pool of `only_here` never holds a connection to another
machine: what may only be sent to this one is sent over that pool, and no mistake above can change it.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakSet

from llm_sidecar import __version__
from llm_sidecar.limits import KIB
from llm_sidecar.providers.endpoints import is_loopback_address, refused
from llm_sidecar.providers.http.frugal_socket import FrugalSocket
from llm_sidecar.providers.http.loopback import LookUp, loopback_addresses

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import ResolveResult

_READ_BUFFER_BYTES: Final = 32 * KIB
"""aiohttp stops reading the socket at twice this; the kernel's window then holds the provider back. Larger ones are
slower: what was parsed has left the processor's cache when it is decoded."""
_KEEP_ALIVE_SECONDS: Final = 30.0
"""A person's pause between two questions, and less than servers and address translators usually allow."""
_MOST_REPETITIONS: Final = 5
"""Kept connections that can be found closed, one after the other, by one request."""


class Sending:
    """One request on its way. Servers close kept connections when they like, some (llama.cpp) after every answer."""

    def __init__(self) -> None:
        self.connection_is_kept = False
        self._repetitions = 0
        _now_sending.set(self)

    def may_repeat(self, error: Exception) -> bool:
        """Whether `error` is a kept connection that was closed before a byte of the answer, and not one too many."""
        import aiohttp

        is_closed = isinstance(
            error,
            aiohttp.ServerDisconnectedError
            | aiohttp.ClientOSError  # "Can not write request body"
            | ConnectionResetError
            | BrokenPipeError,
        )
        may = self.connection_is_kept and is_closed and self._repetitions < _MOST_REPETITIONS
        self.connection_is_kept = False
        self._repetitions += 1
        return may


_now_sending: Final[ContextVar[Sending]] = ContextVar("_now_sending")


class Classes(NamedTuple):
    """aiohttp's, with habits of ours."""

    response: type[aiohttp.ClientResponse]
    connector: type[aiohttp.TCPConnector]
    resolver: Any


@lru_cache(maxsize=1)
def load_classes() -> Classes:
    """Takes a quarter of a second the first time: call it in a thread."""
    import aiohttp
    from aiohttp.abc import AbstractResolver

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

    class Resolver(AbstractResolver):
        """Numeric addresses: aiohttp connects to them as they are."""

        def __init__(self, look_up: LookUp, only_here: bool) -> None:
            self._look_up = look_up
            self._only_here = only_here

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            ask = self._look_up
            addresses = await (loopback_addresses(host, ask) if self._only_here else ask(host))
            return [_resolved(host, address, port) for address in addresses]

        async def close(self) -> None:
            """It holds nothing."""

    return Classes(AbortingResponse, TellingConnector, Resolver)


def open_session(classes: Classes, look_up: LookUp, *, only_here: bool) -> aiohttp.ClientSession:
    """A pool of connections: to this machine only, or to anywhere."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=classes.connector(
            limit=0,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            resolver=classes.resolver(look_up, only_here),
            socket_factory=_socket_to_loopback if only_here else _socket,
        ),
        headers={"User-Agent": f"llm-sidecar/{__version__}", "Accept-Encoding": "identity"},
        response_class=classes.response,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=_READ_BUFFER_BYTES,
        auto_decompress=False,
        trust_env=False,
    )


def trust_system() -> ssl.SSLContext:
    """The certificates the system trusts; every one is checked, and so is its name."""
    # Not `create_default_context`: it writes the session keys to the file that SSLKEYLOGFILE names.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_default_certs()
    tls.set_alpn_protocols(["http/1.1"])
    return tls


def _resolved(name: str, address: str, port: int) -> ResolveResult:
    return {
        "hostname": name,
        "host": address,
        "port": port,
        "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
        "proto": 0,
        "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    }


def _socket(address: Sequence[Any]) -> socket.socket:
    return FrugalSocket(*address[:3])


def _socket_to_loopback(address: Sequence[Any]) -> socket.socket:
    """The last word before a connection: addresses in digits reach no resolver."""
    if not is_loopback_address(str(address[4][0])):
        raise refused("insecure")
    return _socket(address)
