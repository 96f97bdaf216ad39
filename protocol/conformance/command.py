"""The command line: `python protocol/conformance [options] -- COMMAND …`.

Law: exit code 0: all passed; 1: some failed; 2: the runner could not begin; 130: interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance import report
from conformance.faults import UsageError
from conformance.player import Outcome, play
from conformance.shapes import Shapes
from conformance.vectors import Conversation, read_conversations

PROTOCOL = Path(__file__).resolve().parent.parent
_EXAMPLE = "python protocol/conformance -- llm-sidecar serve --drain --log-level off"


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    own, command = _at_the_dashes(arguments)
    options = _parser().parse_args(own)
    try:
        conversations = _chosen(read_conversations(options.vectors), options.k)
        if options.list:
            print("\n".join(conversation.name for conversation in conversations))
            return 0
        _check_command(command)
        shapes = Shapes(PROTOCOL)
        outcomes = asyncio.run(_play_all(conversations, command, options, shapes))
    except UsageError as error:
        sys.stderr.write(f"conformance: {error}\n")
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("conformance: interrupted\n")
        return 130
    print(report.machine_readable(command, outcomes, shapes) if options.json else report.closing(outcomes, shapes))
    return 1 if any(outcome.faults for outcome in outcomes) else 0


async def _play_all(
    conversations: Sequence[Conversation], command: Sequence[str], options: argparse.Namespace, shapes: Shapes
) -> list[Outcome]:
    """In the order of the conversations; each failure is printed as soon as it is known."""
    with contextlib.suppress(NotImplementedError):
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    at_once = asyncio.Semaphore(options.jobs)

    async def one(conversation: Conversation) -> Outcome:
        async with at_once:
            outcome = await play(conversation, command, options.deadline, shapes)
        if options.verbose and not options.json:
            print(report.dialogue(outcome), flush=True)
        elif outcome.faults and not options.json:
            print(report.failure(outcome), flush=True)
        return outcome

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(conversation)) for conversation in conversations]
    except* UsageError as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _at_the_dashes(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The runner's own options, and the command after `--`."""
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def _chosen(conversations: list[Conversation], text: str | None) -> list[Conversation]:
    chosen = [item for item in conversations if text is None or text.lower() in item.name.lower()]
    if not chosen:
        raise UsageError(f"no conversation has “{text}” in its name; --list shows them all")
    return chosen


def _check_command(command: list[str]) -> None:
    if not command:
        raise UsageError(f"which sidecar? Its command comes after `--`, for example: {_EXAMPLE}")
    if shutil.which(command[0]) is None:
        is_there = Path(command[0]).exists()
        reason = "is not executable" if is_there else "is not found (neither in PATH nor as a file)"
        raise UsageError(f"the command {command[0]} {reason}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="conformance",
        usage="python protocol/conformance [options] -- COMMAND [ARGUMENT …]",
        description="Play the conversations of protocol/vectors with a sidecar and hold it to the contract.",
        epilog=f"For example: {_EXAMPLE}. Each conversation has a process and a data folder (LLM_SIDECAR_HOME) of its "
        "own; environment variables LLM_SIDECAR_*, *_API_KEY and *_BASE_URL are not handed on.",
        allow_abbrev=False,
    )
    parser.add_argument("-k", metavar="TEXT", help="only conversations with TEXT in their name")
    parser.add_argument("--list", action="store_true", help="print the names of the conversations and end")
    parser.add_argument("--json", action="store_true", help="print a report for programs")
    parser.add_argument("--verbose", action="store_true", help="print what is said in each conversation")
    parser.add_argument("--jobs", type=_count, default=os.cpu_count() or 1, metavar="N", help="conversations at once "
                        "(default: one for each processor)")  # fmt: skip
    parser.add_argument("--deadline", type=_seconds, default=30.0, metavar="SECONDS", help="of one conversation "
                        "(default: 30)")  # fmt: skip
    parser.add_argument("--vectors", type=Path, default=PROTOCOL / "vectors", metavar="PATH", help="a file of "
                        "conversations, or a folder of such files (default: protocol/vectors)")  # fmt: skip
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds
