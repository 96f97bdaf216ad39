"""Endpoint addresses: what a person typed → the base URL a request is built on, or a refusal.

Law: decided before anything is sent, from the text alone (no name is resolved here). `https://` goes anywhere,
`http://` only to this machine. The URL is rebuilt from its checked parts, so that no second parser can read another
host into it; a URL that holds a user, a query or a fragment is refused rather than repaired: a key may be in it.
Refusals are `VALIDATION_ERROR` and never quote the address.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, urlsplit

from llm_sidecar.errors import FieldProblem, InvalidParams

_MAX_LENGTH: Final = 2_048
_PRINTABLE: Final = re.compile(r"[!-\[\]-~]+")
"""Visible ASCII without the backslash, which some parsers read as a slash; `urlsplit` drops tabs and newlines."""
_DNS_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_-]{1,63})*\.?")
_LOOPBACK_V4: Final = ipaddress.ip_network("127.0.0.0/8")
_LOOPBACK_V6: Final = ipaddress.ip_address("::1")


@lru_cache(maxsize=64)
def normalise_base_url(text: str, default_path: str = "/v1") -> str:
    """The base URL of an API: no trailing slash, with a path.

    A bare origin gets `default_path` (`http://127.0.0.1:8080` → `http://127.0.0.1:8080/v1`); any other path stays as it
    is. Idempotent. Raises `InvalidParams`.
    """
    parts = _split(text.strip())
    host = _host(parts)
    if parts.scheme == "http" and not _is_loopback(host):
        raise _refused("http:// is only for this machine (localhost, 127.0.0.1, [::1]); use https://")
    try:
        port = parts.port
    except ValueError:
        raise _refused("the port must be a number from 1 to 65535") from None
    if port == 0:
        raise _refused("the port must be a number from 1 to 65535")
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if port is None else f":{port}"
    return f"{parts.scheme}://{shown_host}{shown_port}{parts.path.rstrip('/') or default_path}"


def host_and_port(url: str) -> str:
    """`host:port` of a checked URL, to be named in messages."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.netloc.rsplit(':', 1)[0] if parts.port else parts.netloc}:{port}"


def _split(text: str) -> SplitResult:
    if len(text) > _MAX_LENGTH:
        raise _refused("the URL is too long")
    if not _PRINTABLE.fullmatch(text):
        raise _refused("a URL is visible ASCII without spaces or backslashes (write an international name as xn--…)")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _refused("not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise _refused("a URL begins with https:// (or http:// for this machine)")
    if "@" in parts.netloc:
        raise _refused("a URL must not hold a user name or password")
    if "?" in text or "#" in text:
        raise _refused("a base URL has no query and no fragment")
    return parts


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if parts.netloc.startswith("["):
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            raise _refused("the address in brackets is not IPv6") from None
        if address.scope_id is not None:
            raise _refused("the address in brackets must not name an interface")
        return str(address)
    if not _DNS_NAME.fullmatch(host):
        raise _refused("the host name is not valid")
    return host


def _is_loopback(host: str) -> bool:
    """Only spellings that every resolver reads alike: `127.1`, `0x7f.1` or `localhost.` are not among them."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address == _LOOPBACK_V6 or address in _LOOPBACK_V4


def _refused(reason: str) -> InvalidParams:
    return InvalidParams([FieldProblem("endpointUrl", reason)])
