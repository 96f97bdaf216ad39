"""`llm-sidecar vault`: the state of the stored keys' vault, a backup that was put back, another key.

Law: it asks a sidecar on the same data folder as any host would, and shows the answer; with `--json` that answer is all
that goes to stdout. No key is ever an argument, and none is shown. A new key has begun before the old one is dropped:
whatever ends this in between, one of the two that the person has opens the vault.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any, Final

import msgspec

from llm_sidecar.cli.bystander import without_jobs
from llm_sidecar.cli.failure import FAILED, run_command
from llm_sidecar.cli.kept_folder import add_kept_folder
from llm_sidecar.cli.output import open_screen
from llm_sidecar.cli.screen import Row
from llm_sidecar.cli.secret_input import read_descriptor, read_passphrase
from llm_sidecar.cli.vault_key import VaultKey, add_vault_key, read_vault_key
from llm_sidecar.client import InitializeParams, SidecarError, SidecarProcess
from llm_sidecar.messages.handshake import PROTOCOL_VERSION
from llm_sidecar.messages.profile import VaultStatus

_STATES: Final = {
    "absent": "there is none yet: it is made with the first key",
    "open": "open",
    "locked": "locked: its key was not given",
    "wrong-key": "the key given is not the one that wrote it",
    "corrupt": "damaged",
    "tampered": "altered, or set back to an older state",
    "newer": "written by a newer version",
    "unavailable": "it cannot be read",
}


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code: 1 also for a vault that cannot be used with the right key."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: asyncio.run(_run(options)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="llm-sidecar vault",
        description="The vault of the keys that are stored in the data folder. Say where its key is with one of "
        "--keyring, --passphrase, --key-fd and --allow-env-key.",
    )
    add_kept_folder(parser)
    add_vault_key(parser)
    parser.add_argument("--json", action="store_true", help="print the sidecar's answer as one JSON object")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("status", help="its state, and where its key comes from")
    actions.add_parser("accept-older", help="take a backup that you put in its place yourself")
    rotate = actions.add_parser("rotate", help="give it another key: a passphrase that is asked for, or --new-key-fd")
    rotate.add_argument("--new-key-fd", metavar="N", type=int, help="read the new key (32 bytes) from this descriptor")
    return parser


async def _run(options: argparse.Namespace) -> int:
    given = read_vault_key(options)
    if not given.is_given and options.action != "status":
        message = "Say where the vault's key is: --keyring, --passphrase, --key-fd or --allow-env-key."
        raise SidecarError("VALIDATION_ERROR", message)
    new = _new_key(options) if options.action == "rotate" else {}
    arguments = [*(["--data-dir", options.data_dir] if options.data_dir else []), *given.arguments]
    handshake = InitializeParams(protocol_version=PROTOCOL_VERSION, vault_key=given.vault_key)
    async with SidecarProcess.start(
        arguments=arguments, environment=without_jobs(os.environ), handshake=handshake
    ) as sidecar:
        answer = await _act(sidecar, options.action, given, new)
    status = msgspec.convert(answer, VaultStatus)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(answer)).decode())
    else:
        _show(status)
    return 0 if status.state in ("open", "absent", "locked") else FAILED


def _new_key(options: argparse.Namespace) -> dict[str, str]:
    if options.new_key_fd is not None:
        return {"newVaultKey": read_descriptor(options.new_key_fd)}
    return {"newPassphrase": read_passphrase("New passphrase of the vault", twice=True)}


async def _act(sidecar: SidecarProcess, action: str, given: VaultKey, new: dict[str, str]) -> Any:
    unlocking: dict[str, Any] = {"passphrase": given.passphrase} if given.passphrase else {}
    if action == "accept-older":
        return await sidecar.request("llm:vault:unlock", {**unlocking, "acceptOlder": True})
    if unlocking:
        await sidecar.request("llm:vault:unlock", unlocking)
    if action == "rotate":
        await sidecar.request("llm:vault:rotate", {"phase": "begin", **new})
        return await sidecar.request("llm:vault:rotate", {"phase": "commit"})
    return await sidecar.request("llm:vault:status")


def _show(status: VaultStatus) -> None:
    rows = [Row("state", _STATES[status.state], "good" if status.state in ("open", "absent") else "bad")]
    if status.source:
        rows.append(Row("its key", status.source))
    if status.records is not None:
        rows.append(Row("keys in it", str(status.records)))
    if status.plaintext_keys:
        rows.append(Row("keys in plaintext", str(status.plaintext_keys), "warning"))
    if status.rotation_pending:
        rows.append(Row("rotation", "begun, and not ended: two keys open it", "warning"))
    rows.append(Row("backups", str(status.backups)))
    open_screen().rows(rows)
