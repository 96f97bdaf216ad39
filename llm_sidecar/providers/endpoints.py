"""Endpoint addresses: what a person typed → the base URL a request is built on, or a refusal.

Law: decided from the text alone, before anything is sent; no name is looked up here. `https://` goes anywhere;
`http://` to the addresses of this machine, to names (`loopback` looks them up, and the connection goes where it
looked), and anywhere with `allow_insecure`. One place has one spelling: the URL is rebuilt from its checked parts, so
that no second parser can read another host into it. What readers could take for different hosts (`127.1`, a user, a
backslash) and what may hold a key (a user, a query, a fragment) is refused rather than repaired.
Refusals are `VALIDATION_ERROR` and never quote the address.
Sources: WHATWG, "URL" (a host that ends in a number is an IPv4 address); RFC 3986, 3.2; RFC 6761, 6.3.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from llm_sidecar.errors import FieldProblem, InvalidParams

_MAX_LENGTH: Final = 2_048
_PRINTABLE: Final = re.compile(r"[!-\[\]-~]*")
"""Visible ASCII without the backslash, which some parsers read as a slash; `urlsplit` drops tabs and newlines."""
_AUTHORITY: Final = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?::(?P<port>[^:\[\]]*))?")
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_ENDS_IN_A_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_LOOPBACK_V4: Final = ipaddress.ip_network("127.0.0.0/8")
_THIS_NETWORK: Final = ipaddress.ip_network("0.0.0.0/8")
_BROADCAST: Final = ipaddress.ip_address("255.255.255.255")
_LOOPBACK_V6: Final = ipaddress.ip_address("::1")

REFUSALS: Final = {
    "length": "the URL is too long",
    "characters": "a URL is visible ASCII without spaces or backslashes (write an international name as xn--…)",
    "syntax": "not a URL",
    "scheme": "a URL begins with https:// (or http:// for this machine)",
    "user": "a URL must not hold a user name or password",
    "query": "a base URL has no query and no fragment",
    "host": "the host name is not valid",
    "port": "the port must be a number from 1 to 65535",
    "ipv4": "an IPv4 address is written as four numbers from 0 to 255, without leading zeros",
    "ipv6": "the address in brackets is not IPv6",
    "zone": "the address in brackets must not name an interface",
    "no server": "no server has this address (for one on this machine write localhost, 127.0.0.1 or [::1])",
    "insecure": "http:// is only for this machine (localhost, 127.0.0.1, [::1]); use https://",
}
"""Why an address is refused: a word for tests and tables → the sentence for a person."""


class _Address(NamedTuple):
    """The checked parts: all in one spelling, `host` without brackets, `path` without a trailing slash."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def shown_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


@lru_cache(maxsize=64)
def normalise_base_url(text: str, default_path: str = "/v1", *, allow_insecure: bool = False) -> str:
    """The base URL of an API: no trailing slash, no default port, with a path.

    A bare origin gets `default_path` (`http://127.0.0.1:8080` → `http://127.0.0.1:8080/v1`); any other path stays as it
    is. Idempotent. `http://` and a name is accepted: only the look-up can decide it, when it is connected to (or by
    `http.loopback.check_endpoint`). Raises `InvalidParams`.
    """
    address = _parse(text)
    if address.scheme == "http" and not allow_insecure and is_elsewhere(address.host):
        raise refused("insecure")
    port = "" if address.port == _DEFAULT_PORT[address.scheme] else f":{address.port}"
    return f"{address.scheme}://{address.shown_host}{port}{address.path or default_path}"


def canonical_origin(url: str) -> str:
    """`scheme://host:port`, the port always said: equal for two URLs exactly if they lead to the same server.

    It does not ask whether `http://` is allowed there. Raises `InvalidParams` for what is no address.
    """
    address = _parse(url)
    return f"{address.scheme}://{address.shown_host}:{address.port}"


def host_and_port(url: str) -> str:
    """`host:port` of a checked URL, to be named in messages."""
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORT["https" if parts.scheme == "https" else "http"]
    return f"{parts.netloc.rsplit(':', 1)[0] if parts.port else parts.netloc}:{port}"


def is_loopback_address(address: str) -> bool:
    """Whether a numeric address is this machine's: 127.0.0.0/8 or ::1, also as `::ffff:127.0.0.1`."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        return found == _LOOPBACK_V6 if found.ipv4_mapped is None else found.ipv4_mapped in _LOOPBACK_V4
    return found in _LOOPBACK_V4


def is_elsewhere(host: str) -> bool:
    """Whether a checked host is an address that is not this machine's. (Of a name nobody can say without asking.)"""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return not is_loopback_address(host)


def refused(reason: str) -> InvalidParams:
    """The refusal for a key of `REFUSALS`."""
    return InvalidParams([FieldProblem("endpointUrl", REFUSALS[reason])])


def _parse(text: str) -> _Address:
    text = text.strip()
    if len(text) > _MAX_LENGTH:
        raise refused("length")
    if not _PRINTABLE.fullmatch(text):
        raise refused("characters")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise refused("syntax") from None
    if parts.scheme not in _DEFAULT_PORT:
        raise refused("scheme")
    if "@" in parts.netloc:
        raise refused("user")
    if "?" in text or "#" in text:
        raise refused("query")
    authority = _AUTHORITY.fullmatch(parts.netloc)
    if authority is None:
        raise refused("host")
    host = _ipv6(authority["v6"]) if authority["v6"] is not None else _name_or_ipv4(authority["name"].lower())
    port = _port(authority["port"]) if authority["port"] else _DEFAULT_PORT[parts.scheme]
    return _Address(parts.scheme, host, port, parts.path.rstrip("/"))


def _port(text: str) -> int:
    digits = text.lstrip("0")
    if not text.isdigit() or not 0 < len(digits) <= 5 or int(digits) > 65_535:
        raise refused("port")
    return int(digits)


def _name_or_ipv4(host: str) -> str:
    """A name loses the dot of the root at its end."""
    if _ENDS_IN_A_NUMBER.fullmatch(host):
        try:
            return _reachable(ipaddress.IPv4Address(host))
        except ValueError:
            raise refused("ipv4") from None
    host = host.removesuffix(".")
    if not _DNS_NAME.fullmatch(host):
        raise refused("host")
    return host


def _ipv6(text: str) -> str:
    """The shortest spelling; an IPv4 address in IPv6's clothes becomes what it is."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise refused("ipv6") from None
    if address.scope_id is not None:
        raise refused("zone")
    return _reachable(address.ipv4_mapped or address)


def _reachable(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Connecting to `0.0.0.0` or `[::]` leads to this machine on one system, and fails on another."""
    if address.is_unspecified or address.is_multicast or address == _BROADCAST or address in _THIS_NETWORK:
        raise refused("no server")
    return str(address)
