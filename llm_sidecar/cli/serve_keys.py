"""Where `serve` is told to find the vault's key: descriptors, the keyring, the environment. Never an argument.

Law: a descriptor is read once, at the start, within two seconds, and closed: no child inherits it. The variable leaves
the environment, whether it is used or not.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import MutableMapping
from typing import Final

from llm_sidecar import log
from llm_sidecar.errors import InvalidParams
from llm_sidecar.redaction import hide
from llm_sidecar.settings import KeySources, vault_key_bytes

_VARIABLE: Final = "LLM_SIDECAR_VAULT_KEY"
_SECONDS: Final = 2.0
_MOST_BYTES: Final = 1_024


def take_key_sources(
    *,
    key_fd: str | None,
    passphrase_fd: str | None,
    keyring: bool,
    allow_env_key: bool,
    environment: MutableMapping[str, str],
) -> KeySources:
    """What the options of `serve` give. Raises `ValueError` with a sentence for what cannot be read or is no key."""
    key = None if key_fd is None else _checked(_read(key_fd, "--key-fd"), "--key-fd")
    passphrase = None if passphrase_fd is None else _read(passphrase_fd, "--passphrase-fd")
    variable = environment.pop(_VARIABLE, "").strip() or None
    hide(variable)
    if variable is not None and not allow_env_key:
        log.warning("the variable is not used: see --allow-env-key", variable=_VARIABLE)
        variable = None
    return KeySources(
        key=key,
        keyring=keyring,
        passphrase=passphrase,
        environment_key=None if variable is None else _checked(variable, _VARIABLE),
    )


def _checked(text: str, where: str) -> str:
    try:
        vault_key_bytes(text, where)
    except InvalidParams as error:
        raise ValueError(str(error)) from None
    return text


def _read(number: str, option: str) -> str:
    """A line, or all there is to the end."""
    if not number.isdigit() or not 2 < int(number) < 2**31:
        raise ValueError(f"`{option}` takes the number of an open file descriptor above 2")
    descriptor = int(number)
    data = b""
    try:
        os.set_inheritable(descriptor, False)
        deadline = time.monotonic() + _SECONDS
        while b"\n" not in data and len(data) <= _MOST_BYTES:
            if not _is_readable(descriptor, deadline - time.monotonic()):
                raise ValueError(f"`{option}`: nothing came within {_SECONDS:.0f} s")
            piece = os.read(descriptor, _MOST_BYTES)
            if not piece:
                break
            data += piece
        os.close(descriptor)
        text = data.partition(b"\n")[0].decode("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"`{option}`: descriptor {number} cannot be read") from None
    hide(text)
    if not text or len(data) > _MOST_BYTES:
        raise ValueError(f"`{option}`: descriptor {number} holds nothing, or more than a line")
    return text


def _is_readable(descriptor: int, seconds: float) -> bool:
    if sys.platform == "win32":
        return True
    return bool(select.select([descriptor], [], [], max(0.0, seconds))[0])
