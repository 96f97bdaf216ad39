"""The vault's key, as a person gives it to a command.

Law: never an argument. It is in the system's keyring, typed without an echo (or read from stdin), on a descriptor, or
in the environment. A passphrase is taken as it is, with its spaces.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

from llm_sidecar.cli.secret_input import read_descriptor, read_passphrase


class VaultKey(NamedTuple):
    """What was given: options of `serve`, `initialize.vaultKey`, or a passphrase for `llm:vault:unlock`."""

    arguments: list[str]
    vault_key: str | None
    passphrase: str | None

    @property
    def is_given(self) -> bool:
        return bool(self.arguments or self.vault_key or self.passphrase)


def add_vault_key(parser: argparse.ArgumentParser) -> None:
    """The options that say where it is."""
    parser.add_argument("--keyring", action="store_true", help="the vault's key is in the system's keyring")
    parser.add_argument("--passphrase", action="store_true", help="ask for the vault's passphrase")
    parser.add_argument("--key-fd", metavar="N", type=int, help="read the vault's key from this descriptor")
    parser.add_argument("--allow-env-key", action="store_true", help="the vault's key is in LLM_SIDECAR_VAULT_KEY")


def read_vault_key(options: argparse.Namespace) -> VaultKey:
    """What these options name. Raises `VALIDATION_ERROR` where it is not there."""
    return VaultKey(
        [*(["--keyring"] if options.keyring else []), *(["--allow-env-key"] if options.allow_env_key else [])],
        None if options.key_fd is None else read_descriptor(options.key_fd),
        read_passphrase("Passphrase of the vault") if options.passphrase else None,
    )
