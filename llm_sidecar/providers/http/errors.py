"""Exceptions of aiohttp and the operating system → `ProviderError`, by one table.

Law: a message names the host and port, and nothing else that was sent or received. The first row that fits decides;
what is in no row is a lost connection.
"""

from __future__ import annotations

import errno
import re
import ssl
from typing import Final

from llm_sidecar.errors import ProviderError, network_error

_SENTENCES: Final = {
    "ECONNREFUSED": "Unable to connect to {}; is the server running?",
    "ENOTFOUND": "Unable to find the host of {}; check the address and the network.",
    "ETIMEDOUT": "Unable to connect to {} in time.",
    "ECONNRESET": "{} closed the connection before it answered.",
    "EHOSTUNREACH": "There is no route to {}.",
    "ENETUNREACH": "There is no network that leads to {}.",
    "PROXY_ERROR": "The proxy does not lead to {}; check the proxy variables of the environment.",
    "TLS_ERROR": "No secure connection to {}: its certificate is not trusted, or it does not speak TLS.",
}


def translate(error: Exception, where: str) -> ProviderError:
    """What `error`, raised before the headers of an answer had come, means."""
    import aiohttp

    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return network_error("PROXY_ERROR", _SENTENCES["PROXY_ERROR"].format(where))
    if isinstance(error, aiohttp.ClientResponseError):
        return protocol_error(f"{where} did not answer with valid HTTP.")
    table: tuple[tuple[type[Exception], str], ...] = (
        (aiohttp.ServerTimeoutError, "ETIMEDOUT"),
        (aiohttp.ClientConnectorDNSError, "ENOTFOUND"),
        (aiohttp.ClientConnectorCertificateError, "TLS_ERROR"),
        (aiohttp.ClientConnectorSSLError, "TLS_ERROR"),
        (ssl.SSLError, "TLS_ERROR"),
        (aiohttp.ClientConnectorError, _socket_error(error, otherwise="ECONNREFUSED")),
        (OSError, _socket_error(error, otherwise="ECONNRESET")),
    )
    name = next((name for kind, name in table if isinstance(error, kind)), "ECONNRESET")
    return network_error(name, _SENTENCES[name].format(where))


def _socket_error(error: Exception, *, otherwise: str) -> str:
    """The symbolic errno. Where several addresses failed differently, there is none, but the text lists them."""
    cause = getattr(error, "os_error", error)
    numbers = [getattr(cause, "errno", None), *(int(n) for n in re.findall(r"\[Errno (\d+)\]", str(cause)))]
    names = [errno.errorcode.get(n, "").removeprefix("WSA") for n in numbers if n is not None]
    return next((name for name in names if name in _SENTENCES), otherwise)


def truncated(where: str) -> ProviderError:
    """A body that stopped before its end."""
    return ProviderError("STREAM_TRUNCATED", f"The connection to {where} broke before the answer was complete.")


def protocol_error(message: str, status: int | None = None) -> ProviderError:
    """An answer that HTTP, or our use of it, does not allow."""
    return ProviderError("PROVIDER_PROTOCOL_ERROR", message, status=status)
