"""`llm-sidecar sessions`: list, show and export the conversations in a data folder.

Law: it asks a sidecar on that folder as any host would (`llm:session:list`, `:get`, `:history`). An export is whole,
and is all that goes to stdout; what is shown in the terminal is made harmless for it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

import msgspec

from llm_sidecar.cli.bystander import without_jobs
from llm_sidecar.cli.failure import run_command
from llm_sidecar.cli.kept_folder import add_kept_folder
from llm_sidecar.cli.output import open_screen
from llm_sidecar.cli.printable import printable
from llm_sidecar.cli.screen import Row
from llm_sidecar.cli.session_markdown import heading_of, markdown_of
from llm_sidecar.client import SidecarProcess
from llm_sidecar.messages.session import SessionHistory, SessionInfo, SessionList

_PAGE: Final = 100
_SHOWN: Final = 30
_LONGEST_TITLE: Final = 48


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="llm-sidecar sessions",
        description="The conversations that are kept. A data folder that an application uses right now can be asked "
        "through that application only.",
    )
    folder = argparse.ArgumentParser(add_help=False)
    add_kept_folder(folder)
    commands = parser.add_subparsers(dest="command", metavar="list | show | export", required=True)
    listing = commands.add_parser("list", parents=[folder], help="the sessions, latest first")
    listing.add_argument("--all", action="store_true", help=f"every session, not the latest {_SHOWN}")
    listing.add_argument("--json", action="store_true", help="print one JSON array")
    showing = commands.add_parser("show", parents=[folder], help="what was said in one")
    showing.add_argument("session", metavar="ID")
    exporting = commands.add_parser("export", parents=[folder], help="one session, whole, to stdout")
    exporting.add_argument("session", metavar="ID")
    exporting.add_argument("--format", choices=("md", "json"), default="md", help="Markdown (default) or JSON")
    options = parser.parse_args(arguments)
    work = {"list": _list, "show": _show, "export": _export}[options.command]
    return run_command(lambda: asyncio.run(_run(work, options)))


async def _run(work: Any, options: argparse.Namespace) -> int:
    arguments = ["--data-dir", options.data_dir] if options.data_dir else []
    async with SidecarProcess.start(arguments=arguments, environment=without_jobs(os.environ)) as sidecar:
        await work(sidecar, options)
    return 0


async def _list(sidecar: SidecarProcess, options: argparse.Namespace) -> None:
    sessions: list[SessionInfo] = []
    async for page in _pages(sidecar, "llm:session:list", {}):
        sessions += msgspec.convert(page, SessionList).sessions
        if len(sessions) > _SHOWN and not options.all and not options.json:
            break
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(sessions)).decode())
        return
    screen = open_screen()
    shown = sessions if options.all else sessions[:_SHOWN]
    more = "" if len(shown) == len(sessions) else f"the latest {_SHOWN}; --all lists every one; "
    note = more + "`llm-sidecar sessions show ID` tells what was said in one" if shown else "none is kept here"
    screen.heading("sessions", note)
    if shown:
        screen.rows([Row(_in_one_line(info.session_id), _facts(info)) for info in shown])


async def _show(sidecar: SidecarProcess, options: argparse.Namespace) -> None:
    info = msgspec.convert(await sidecar.request("llm:session:get", {"sessionId": options.session}), SessionInfo)
    screen = open_screen()
    screen.text(printable(heading_of(info)))
    async for page in _pages(sidecar, "llm:session:history", {"sessionId": options.session}):
        for message in msgspec.convert(page, SessionHistory).messages:
            screen.text(printable(markdown_of(message)))


async def _export(sidecar: SidecarProcess, options: argparse.Namespace) -> None:
    info = msgspec.convert(await sidecar.request("llm:session:get", {"sessionId": options.session}), SessionInfo)
    pages = _pages(sidecar, "llm:session:history", {"sessionId": options.session})
    if options.format == "json":
        messages = [message async for page in pages for message in page["messages"]]
        whole = {"session": msgspec.to_builtins(info), "messages": messages}
        print(msgspec.json.format(msgspec.json.encode(whole)).decode())
        return
    sys.stdout.write(heading_of(info) + "\n")
    async for page in pages:
        for message in msgspec.convert(page, SessionHistory).messages:
            sys.stdout.write(markdown_of(message) + "\n")


async def _pages(sidecar: SidecarProcess, method: str, params: dict[str, Any]) -> AsyncIterator[Any]:
    """Every page, from the first on."""
    cursor: str | None = None
    while True:
        page = await sidecar.request(method, {**params, "limit": _PAGE, **({"cursor": cursor} if cursor else {})})
        yield page
        cursor = page["nextCursor"]
        if cursor is None:
            return


def _facts(info: SessionInfo) -> str:
    at = datetime.fromtimestamp(info.last_activity / 1000).strftime("%Y-%m-%d %H:%M")
    facts = [
        _title(info),
        at,
        f"{info.message_count} messages",
        f"{info.total_tokens:,} tokens",
        f"${info.total_cost:.4f}" if info.total_cost is not None else "",
        info.model_id or info.provider_id or "",
    ]
    return _in_one_line(", ".join(fact for fact in facts if fact))


def _title(info: SessionInfo) -> str:
    """What the application calls it, where it says so in the usual place."""
    title = (info.metadata or {}).get("title")
    if not isinstance(title, str) or not title:
        return ""
    return f"“{title}”" if len(title) <= _LONGEST_TITLE else f"“{title[: _LONGEST_TITLE - 1]}…”"


def _in_one_line(text: str) -> str:
    return printable(" ".join(text.split()))
