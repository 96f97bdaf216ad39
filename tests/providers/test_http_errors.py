"""The table of network failures, row by row (those that a loopback server cannot produce among them)."""

from __future__ import annotations

import errno
import os
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from llm_sidecar.providers.http.errors import translate

KEY = ConnectionKey("example.com", 443, True, True, None, None, None, None)


def connecting(error: OSError) -> Exception:
    return aiohttp.ClientConnectorError(KEY, error)


def system_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def several(*numbers: int) -> OSError:
    """What is raised where each address of a host failed in its own way."""
    return OSError(f"Multiple exceptions: {', '.join(str(system_error(number)) for number in numbers)}")


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (connecting(system_error(errno.ECONNREFUSED)), "ECONNREFUSED"),
        (connecting(system_error(errno.EHOSTUNREACH)), "EHOSTUNREACH"),
        (connecting(system_error(errno.ENETUNREACH)), "ENETUNREACH"),
        (connecting(system_error(errno.ETIMEDOUT)), "ETIMEDOUT"),
        (connecting(system_error(errno.ECONNRESET)), "ECONNRESET"),
        (connecting(several(errno.EADDRNOTAVAIL, errno.ECONNREFUSED)), "ECONNREFUSED"),
        (connecting(several(errno.EADDRNOTAVAIL, errno.EHOSTUNREACH)), "EHOSTUNREACH"),
        (connecting(OSError("Multiple exceptions: odd")), "ECONNREFUSED"),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name or service not known")), "ENOTFOUND"),
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError(1, "self-signed")), "TLS_ERROR"),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "wrong version number")), "TLS_ERROR"),
        (ssl.SSLError(1, "x"), "TLS_ERROR"),
        (aiohttp.ConnectionTimeoutError("https://example.com/?key=sk-canary"), "ETIMEDOUT"),
        (aiohttp.ServerDisconnectedError("sk-canary"), "ECONNRESET"),
        (aiohttp.ClientOSError(errno.EPIPE, "sk-canary"), "ECONNRESET"),
        (ConnectionResetError(errno.ECONNRESET, "sk-canary"), "ECONNRESET"),
        (RuntimeError("sk-canary"), "ECONNRESET"),
    ],
)
def test_an_exception_becomes_a_network_error_that_names_only_the_host(error: Exception, name: str) -> None:
    translated = translate(error, "example.com:443")
    assert translated.code == "NETWORK_ERROR"
    assert translated.retryable
    assert translated.details == {"errno": name}
    assert "example.com:443" in translated.message
    assert "sk-canary" not in translated.message
