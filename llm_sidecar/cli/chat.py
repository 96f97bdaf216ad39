"""`llm-sidecar chat`: a conversation in the terminal, through a sidecar.

Law: on a terminal a person types, Ctrl-C stops an answer (or empties the line), Ctrl-D or /quit leaves; otherwise every
line of stdin is a question and its answer's text is all that goes to stdout. The event loop runs only while an answer
streams, so that typing is the terminal's business, with everything that belongs to it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

from llm_sidecar.cli.answer_view import stream_answer
from llm_sidecar.cli.bystander import without_jobs
from llm_sidecar.cli.choice import Choice, active_profile, choose
from llm_sidecar.cli.conversation import Conversation
from llm_sidecar.cli.failure import FAILED, INTERRUPTED, run_command
from llm_sidecar.cli.local_servers import find_local_servers
from llm_sidecar.cli.output import open_screen
from llm_sidecar.cli.screen import Screen
from llm_sidecar.cli.vault_key import VaultKey, add_vault_key, read_vault_key
from llm_sidecar.client import ErrorEvent, InitializeParams, SidecarDied, SidecarError, SidecarProcess
from llm_sidecar.messages.handshake import PROTOCOL_VERSION

_LEAVE = "/quit"
_KEYS = "Ctrl-C stops an answer, Ctrl-D leaves"


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code: 0, 1 if a question got no answer, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="llm-sidecar chat",
        description="Talk to the best model at hand: the active profile, a local server, a provider whose key is in "
        "the environment, or the demo provider. Ctrl-C stops an answer; Ctrl-D or /quit leaves. Without a terminal, "
        "every line of stdin is a question.",
    )
    parser.add_argument("--provider", metavar="ID", help="who answers")
    parser.add_argument("--model", metavar="ID", help="which model")
    parser.add_argument("--system", metavar="TEXT", help="a system prompt")
    add_vault_key(parser)
    options = parser.parse_args(arguments)
    return run_command(lambda: _chat(options, open_screen()))


def _chat(options: argparse.Namespace, screen: Screen) -> int:
    given = read_vault_key(options)
    with asyncio.Runner() as runner:
        opening = _Opening(given)
        try:
            choice = runner.run(_choice(options, opening))
            screen.heading(choice.title, choice.because + (f"; {_KEYS}" if _is_interactive() else ""))
            return _converse(runner, _Chat(opening.sidecar, choice, screen, Conversation(options.system)))
        finally:
            runner.run(opening.aclose())


class _Opening:
    """A sidecar on the data folder; one that keeps nothing, where another (an application's, or another chat's) has
    it."""

    sidecar: SidecarProcess

    def __init__(self, given: VaultKey) -> None:
        self._given = given
        self._stack = AsyncExitStack()

    async def start(self, environment: Mapping[str, str], prewarm: list[str]) -> bool:
        """Start it, in the place of one that was started before. Returns whether it has the data folder."""
        await self.aclose()
        try:
            await self._start(environment, prewarm, [])
        except SidecarError as error:
            if error.code != "DATA_DIR_LOCKED":
                raise
            await self._start(environment, prewarm, ["--in-memory"])
            return False
        if self._given.passphrase is not None:
            await self.sidecar.request("llm:vault:unlock", {"passphrase": self._given.passphrase})
        return True

    async def _start(self, environment: Mapping[str, str], prewarm: list[str], arguments: list[str]) -> None:
        handshake = InitializeParams(
            protocol_version=PROTOCOL_VERSION, prewarm=prewarm, vault_key=self._given.vault_key
        )
        arguments = [*arguments, *self._given.arguments]
        starting = SidecarProcess.start(arguments=arguments, environment=without_jobs(environment), handshake=handshake)
        self.sidecar = await self._stack.enter_async_context(starting)

    async def aclose(self) -> None:
        await self._stack.aclose()


async def _choice(options: argparse.Namespace, opening: _Opening) -> Choice:
    """Who answers; its sidecar is started."""
    if options.provider:
        choice = Choice(options.provider, options.model, "as you asked", os.environ)
        await opening.start(choice.environment, [choice.provider_id])
        return choice
    passed_over: Choice | str = "your profiles are in another program's hands"
    if await opening.start(os.environ, []):
        passed_over = await active_profile(opening.sidecar, options.model)
    if isinstance(passed_over, Choice):
        return passed_over
    choice = choose(await find_local_servers(), os.environ, options.model)
    if choice.environment is not os.environ:
        await opening.start(choice.environment, [choice.provider_id])
    return choice._replace(because="; ".join(filter(None, (choice.because, passed_over))))


def _converse(runner: asyncio.Runner, chat: _Chat) -> int:
    if _is_interactive():
        for question in _typed():
            runner.run(chat.turn(question))
        return 0
    exit_code = 0
    for question in _piped():
        outcome = runner.run(chat.turn(question))
        if outcome == INTERRUPTED:
            return INTERRUPTED
        exit_code = outcome or exit_code
    return exit_code


def _is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _typed() -> Iterator[str]:
    """What a person types, line by line, until they leave."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  # gives `input` editing and a history
    while True:
        try:
            question = input("❯ ").strip()
        except KeyboardInterrupt:
            print()
            continue
        except EOFError:
            print()
            return
        if question == _LEAVE:
            return
        if question:
            yield question


def _piped() -> Iterator[str]:
    for line in sys.stdin:
        if question := line.strip():
            yield question


class _Chat:
    """One conversation with one provider."""

    def __init__(self, sidecar: SidecarProcess, choice: Choice, screen: Screen, conversation: Conversation) -> None:
        self._sidecar = sidecar
        self._screen = screen
        self._conversation = conversation
        self._title = choice.title
        self._fields: dict[str, Any] = choice.asked

    async def turn(self, question: str) -> int:
        """Ask, show, remember. Returns 0, `FAILED` or `INTERRUPTED`. Raises `SidecarDied`."""
        view = self._screen.view(self._title, framed=False)
        try:
            terminal = await stream_answer(self._sidecar, {**self._fields, **self._conversation.ask(question)}, view)
        except SidecarDied:
            raise
        except SidecarError as refusal:
            self._screen.failure(refusal)
            return FAILED
        if isinstance(terminal, ErrorEvent):
            self._screen.failure(terminal)
            return FAILED
        self._conversation.keep(question, view.received.text, terminal)
        return INTERRUPTED if terminal.cancelled else 0
