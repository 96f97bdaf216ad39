"""`llm-sidecar profiles`: the stored connections, for people.

Law: it asks a sidecar on the same data folder as any host would, and shows the answer; with `--json` that answer is all
that goes to stdout. A key is typed without an echo or comes from stdin; it is never an argument. Keys are encrypted
where the vault's key is given (`--keyring`, `--passphrase`, `--key-fd`); without, the sidecar stores them in plaintext
and says so, unless there is a vault already: then it refuses.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from llm_sidecar.cli.bystander import without_jobs
from llm_sidecar.cli.failure import FAILED, run_command
from llm_sidecar.cli.output import open_screen
from llm_sidecar.cli.printable import printable
from llm_sidecar.cli.screen import Row
from llm_sidecar.cli.secret_input import read_secret
from llm_sidecar.cli.vault_key import add_vault_key, read_vault_key
from llm_sidecar.client import InitializeParams, SidecarError, SidecarProcess
from llm_sidecar.messages.handshake import PROTOCOL_VERSION
from llm_sidecar.messages.profile import Discovery, Profile, ProfileList
from llm_sidecar.messages.profile import TestPromptResult as PromptResult
from llm_sidecar.providers.brands import BRANDS
from llm_sidecar.storage.clock import now_ms

Ask = Callable[[str, dict[str, Any]], Any]
_NO_DEFAULT: Final = "this provider has no address of its own: name it with --url"


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: asyncio.run(_run(options)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="llm-sidecar profiles",
        description="The connections that are stored in the data folder. A key is typed without an echo, or read from "
        "stdin; it is never an argument. Without --keyring, --passphrase or --key-fd keys are stored in plaintext.",
    )
    parser.add_argument("--data-dir", metavar="DIR", help="the sidecar's folder (else as for `serve`)")
    add_vault_key(parser)
    parser.add_argument("--json", action="store_true", help="print the sidecar's answer as one JSON object")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="what is stored")
    add = actions.add_parser("add", help="store a connection")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--provider", metavar="ID", required=True, choices=[name for name in BRANDS if name != "demo"])
    add.add_argument("--url", metavar="URL", help="its address, where it is not the provider's own")
    add.add_argument("--model", metavar="ID")
    add.add_argument("--key", action="store_true", help="ask for a key, also where the provider needs none")
    add.add_argument("--no-key", action="store_true", help="ask for none: it is given later")
    add.add_argument("--agree", action="store_true", help="agree that what is typed is sent to this address")
    add.add_argument("--allow-insecure", action="store_true", help="accept http:// to another machine")
    for name, what in (
        ("remove", "delete a connection and its key"),
        ("activate", "use it where none is named"),
        ("test", "ask it something (the active one without PROFILE)"),
    ):
        action = actions.add_parser(name, help=what)
        action.add_argument("profile", metavar="PROFILE", nargs="?" if name == "test" else None, help="its name or id")
    discover = actions.add_parser("discover", help="look for model servers on this machine")
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    discover.add_argument("--force", action="store_true", help="look again, though that was done just now")
    return parser


async def _run(options: argparse.Namespace) -> int:
    secret = _typed_key(options) if options.action == "add" else None
    given = read_vault_key(options)
    arguments = [*(["--data-dir", options.data_dir] if options.data_dir else []), *given.arguments]
    handshake = InitializeParams(protocol_version=PROTOCOL_VERSION, vault_key=given.vault_key)
    async with SidecarProcess.start(
        arguments=arguments, environment=without_jobs(os.environ), handshake=handshake
    ) as sidecar:
        if given.passphrase is not None:
            await sidecar.request("llm:vault:unlock", {"passphrase": given.passphrase})
        answer, show = await _act(sidecar, options, secret)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(answer)).decode())
    else:
        show(answer)
    return FAILED if options.action == "test" and not answer["success"] else 0


def _typed_key(options: argparse.Namespace) -> str | None:
    if options.no_key or not (options.key or BRANDS[options.provider].needs_key):
        return None
    return read_secret(f"API key of {options.provider}")


async def _act(
    sidecar: SidecarProcess, options: argparse.Namespace, secret: str | None
) -> tuple[Any, Callable[[Any], None]]:
    match options.action:
        case "list":
            return await sidecar.request("llm:profiles:list"), _show_list
        case "add":
            return await sidecar.request("llm:profiles:create", _new_profile(options, secret)), _show_stored
        case "remove":
            found = await _find(sidecar, options.profile)
            return await sidecar.request("llm:profiles:delete", {"id": found}), lambda _: _say("removed")
        case "activate":
            found = await _find(sidecar, options.profile)
            return await sidecar.request("llm:profiles:activate", {"id": found}), lambda _: _say("active")
        case "test":
            params = {"profileId": await _find(sidecar, options.profile)} if options.profile else {}
            return await sidecar.request("llm:profiles:test", params), _show_test
        case _:
            return await sidecar.request("llm:profiles:discover", {"force": options.force}), _show_discovery


def _new_profile(options: argparse.Namespace, secret: str | None) -> dict[str, Any]:
    brand = BRANDS[options.provider]
    if brand.needs_consent and not options.agree:
        message = f"What you type is sent to the address you give: agree to that with --agree ({brand.id})."
        raise SidecarError("VALIDATION_ERROR", message)
    if options.url is None and brand.base_url is None:
        raise SidecarError("VALIDATION_ERROR", f"{brand.id}: {_NO_DEFAULT}.")
    return {
        "name": options.name,
        "providerType": brand.id,
        "endpointUrl": options.url,
        "apiKey": secret,
        "modelId": options.model,
        "consentTimestamp": now_ms() if options.agree else None,
        "allowInsecure": options.allow_insecure,
    }


async def _find(sidecar: SidecarProcess, wanted: str) -> str:
    """The id of the profile of this id or name. Raises `PROFILE_NOT_FOUND` or, where several have it, says so."""
    listed = msgspec.convert(await sidecar.request("llm:profiles:list"), ProfileList)
    found = [profile.id for profile in listed.profiles if wanted.lower() == profile.id]
    found = found or [profile.id for profile in listed.profiles if wanted.casefold() == profile.name.casefold()]
    if len(found) > 1:
        raise SidecarError("VALIDATION_ERROR", f"{len(found)} profiles have this name: use the id (`profiles list`).")
    if not found:
        raise SidecarError("PROFILE_NOT_FOUND", "There is no profile of this name or id: see `profiles list`.")
    return found[0]


# --- showing ---


def _show_list(answer: Any) -> None:
    listed = msgspec.convert(answer, ProfileList)
    screen = open_screen()
    encryption = "keys are encrypted" if listed.encryption_available else "keys cannot be encrypted now"
    screen.heading("profiles", f"{len(listed.profiles)}; {encryption}")
    if listed.profiles:
        screen.rows([Row(printable(profile.name), _facts(profile), _tone(profile)) for profile in listed.profiles])
    _warn(listed.warning)


def _facts(profile: Profile) -> str:
    facts = [
        profile.provider_type,
        profile.endpoint_url,
        profile.model_id or "",
        "key stored" if profile.api_key else "no key",
        "active" if profile.is_active else "",
        profile.id,
    ]
    return printable(", ".join(fact for fact in facts if fact))


def _tone(profile: Profile) -> Any:
    return "good" if profile.is_active else "plain"


def _show_stored(answer: Any) -> None:
    profile = msgspec.convert(answer["profile"], Profile)
    open_screen().rows([Row(printable(profile.name), _facts(profile), "good")])
    _warn(answer.get("warning"))


def _show_test(answer: Any) -> None:
    result = msgspec.convert(answer, PromptResult)
    said = result.response_text if result.success else f"{result.error_message} [{result.error_code}]"
    tone: Any = "good" if result.success else "bad"
    rows = [Row(printable(result.profile_name), printable(said or ""), tone)]
    if result.success:
        rows.append(Row("model", printable(result.model_name or "?")))
        rows.append(Row("time", f"{result.latency_ms} ms to the first token, {result.total_time_ms} ms in all"))
    open_screen().rows(rows)


def _show_discovery(answer: Any) -> None:
    found = msgspec.convert(answer, Discovery)
    ports = ", ".join(map(str, found.probed_ports))
    screen = open_screen()
    screen.heading("servers", f"{len(found.servers)} on ports {ports}")
    if found.servers:
        screen.rows([Row(server.url, printable(_of_server(server.kind, server.models))) for server in found.servers])
    if found.profile_created:
        _say(f"stored a profile for {found.discovered_url}")


def _of_server(kind: str, models: list[str]) -> str:
    more = f" and {len(models) - 3} more" if len(models) > 3 else ""
    return f"{kind}: {', '.join(models[:3]) or 'no model'}{more}"


def _say(text: str) -> None:
    print(text)


def _warn(text: str | None) -> None:
    if text:
        print(f"llm-sidecar: {printable(text)}", file=sys.stderr)
