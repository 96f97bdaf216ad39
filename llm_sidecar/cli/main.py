"""The command `llm-sidecar`: chooses a subcommand, and imports nothing else.

Law: `serve` takes over the file descriptors before anything more is imported, so that no import can write to stdout.
"""

from __future__ import annotations

import os
import sys

_USAGE = """\
usage: llm-sidecar [COMMAND] [OPTIONS]

One child process that speaks to every LLM: JSON-RPC 2.0, one message a line, on stdin and stdout.
Without a command it serves if stdin is not a terminal, and prints this if it is.

commands:
  serve    speak the protocol on stdin / stdout
  demo     spawn a sidecar as a host would and stream an answer into the terminal
  chat     talk to the best model at hand
  models   which providers can be used, what they offer at which price
  profiles the stored connections: list, add, remove, activate, test, discover
  vault    the vault of their keys: status, accept-older, rotate
  sessions the conversations that are kept: list, show, export
  usage    what was used and what it cost, and the budgets
  doctor   check this installation
  schema   print the protocol: OpenRPC, JSON Schema, TypeScript

`llm-sidecar COMMAND --help` tells more; `--version` prints the version.
"""


def main() -> None:
    """Run the command line of this process, and exit."""
    arguments = sys.argv[1:]
    command = arguments[0] if arguments else ""
    if command in ("-h", "--help", "help") or (not arguments and os.isatty(0)):
        sys.stdout.write(_USAGE)
        return
    if command in ("-V", "--version"):
        from llm_sidecar import __version__

        sys.stdout.write(f"llm-sidecar {__version__}\n")
        return
    if command == "serve":
        _serve(arguments[1:])
    if not arguments or command.startswith("-"):
        _serve(arguments)
    _run_for_people(command, arguments[1:])


def _serve(arguments: list[str]) -> None:
    if "-h" in arguments or "--help" in arguments:
        from llm_sidecar.cli.serve import USAGE

        sys.stdout.write(USAGE)
        sys.exit(0)
    from llm_sidecar.rpc.descriptors import claim_stdio

    try:
        descriptors = claim_stdio()
    except OSError:
        from llm_sidecar.cli.complaint import complain

        complain("stdin and stdout must be open")
        sys.exit(2)
    from llm_sidecar.cli.serve import serve

    serve(arguments, descriptors)


def _run_for_people(command: str, arguments: list[str]) -> None:
    if command == "demo":
        from llm_sidecar.cli.demo import main as run
    elif command == "chat":
        from llm_sidecar.cli.chat import main as run
    elif command == "models":
        from llm_sidecar.cli.models import main as run
    elif command == "profiles":
        from llm_sidecar.cli.profiles import main as run
    elif command == "vault":
        from llm_sidecar.cli.vault import main as run
    elif command == "sessions":
        from llm_sidecar.cli.sessions import main as run
    elif command == "usage":
        from llm_sidecar.cli.usage import main as run
    elif command == "doctor":
        from llm_sidecar.cli.doctor import main as run
    elif command == "schema":
        from llm_sidecar.cli.schema import main as run
    else:
        from llm_sidecar.cli.complaint import complain

        complain(f"there is no command `{command}`\n\n{_USAGE}")
        sys.exit(2)
    sys.exit(run(arguments))
