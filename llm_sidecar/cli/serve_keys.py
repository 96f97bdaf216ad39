"""Where `serve` is told to find the vault's key: descriptors, the keyring, the environment. Never an argument.

Law: the first source that is given decides, in the order of `serve --help`. Descriptors are read at the start and
closed; the variable leaves the environment, whether it is used or not. Without any of them nothing is imported.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Final

from llm_sidecar import log
from llm_sidecar.redaction import hide

if TYPE_CHECKING:
    from llm_sidecar.vault.key_sources import KeySource

_VARIABLE: Final = "LLM_SIDECAR_VAULT_KEY"


def take_key_source(
    *,
    key_fd: str | None,
    passphrase_fd: str | None,
    keyring: bool,
    allow_env_key: bool,
    environment: MutableMapping[str, str],
) -> KeySource | None:
    """What the options of `serve` give. Raises `InvalidParams` or `ValueError` for what cannot be read or is no key."""
    hide(environment.get(_VARIABLE, "").strip())
    if _VARIABLE in environment and not allow_env_key:
        log.warning("the variable is not used: see --allow-env-key", variable=_VARIABLE)
        del environment[_VARIABLE]
    if key_fd is None and passphrase_fd is None and not keyring and _VARIABLE not in environment:
        return None
    from llm_sidecar.vault import key_sources

    return key_sources.first_of(
        None if key_fd is None else key_sources.key_from_descriptor(_number(key_fd, "--key-fd")),
        key_sources.Keyring() if keyring else None,
        None
        if passphrase_fd is None
        else key_sources.passphrase_from_descriptor(_number(passphrase_fd, "--passphrase-fd")),
        key_sources.key_from_environment(environment, allowed=allow_env_key),
    )


def _number(text: str, option: str) -> int:
    if not text.isdigit() or not 2 < int(text) < 2**31:
        raise ValueError(f"`{option}` takes the number of an open file descriptor above 2")
    return int(text)
