"""Which proxy leads to an address: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, read as other programs do.

Law: made only where the host said that proxies are to be used. What leads to this machine never goes through one,
whatever the variables say; a variable that is not understood is refused by name, not passed over: requests that a
company wants to see must not take another way. The lower-case name counts first.
Source: curl, "Environment variables" and "--noproxy" (networks in NO_PROXY may be written `10.0.0.0/8`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.providers.http.loopback import LookUp, leads_here
from llm_sidecar.redaction import hide

_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_MOST_HOSTS: Final = 1_000


class Proxies:
    """The proxies that an environment names."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._of_scheme = {scheme: _proxy(environment, scheme) for scheme in _DEFAULT_PORT}
        self._exceptions = re.split(r"[\s,]+", (_value(environment, "no_proxy") or ("", ""))[1].strip().lower())
        self._leads_here: dict[str, bool] = {}

    async def on_the_way_to(self, url: str, look_up: LookUp, patience_seconds: float) -> str | None:
        """The proxy for a checked URL; None: there is none. Raises `InvalidParams` for a variable that is no proxy.

        A name is looked up once: where only the proxy can find it, it is not this machine.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        named = self._of_scheme[parts.scheme]
        if named is None or self._is_excepted(host, parts.port or _DEFAULT_PORT[parts.scheme]):
            return None
        here = self._leads_here.get(host)
        if here is None:
            try:
                async with asyncio.timeout(patience_seconds):
                    here = await leads_here(host, look_up)
            except TimeoutError:
                here = False
            if len(self._leads_here) >= _MOST_HOSTS:
                self._leads_here.clear()
            self._leads_here[host] = here
        return None if here else _checked(*named)

    def _is_excepted(self, host: str, port: int) -> bool:
        return any(_fits(exception, host, port) for exception in self._exceptions if exception)


def _value(environment: Mapping[str, str], name: str) -> tuple[str, str] | None:
    """The name and value of the variable that counts: set to nothing, it is set."""
    for spelt in (name, name.upper()):
        if spelt in environment:
            return spelt, environment[spelt].strip()
    return None


def _proxy(environment: Mapping[str, str], scheme: str) -> tuple[str, str] | None:
    for name in (f"{scheme}_proxy", "all_proxy"):
        found = _value(environment, name)
        if found is not None:
            variable, text = found
            password = text.rpartition("@")[0].rpartition(":")[2]
            for secret in (password, unquote(password)):
                hide(secret)
            return (variable, text) if text else None
    return None


def _checked(variable: str, text: str) -> str:
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in _DEFAULT_PORT and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or not url.isprintable() or " " in url:
        raise InvalidParams([FieldProblem(variable, "must be the http:// or https:// address of a proxy")])
    return url


def _fits(exception: str, host: str, port: int) -> bool:
    """`example.com`, `.example.com` and `*.example.com` mean the name and all below it."""
    if exception == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(exception.strip("[]"), strict=False)
    except ValueError:
        pass
    name, colon, number = exception.rpartition(":")
    if colon and number.isdigit():
        if int(number) != port:
            return False
        exception = name
    exception = exception.strip("[]").removeprefix("*").strip(".")
    return bool(exception) and (host == exception or host.endswith(f".{exception}"))
