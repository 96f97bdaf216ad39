"""`llm-sidecar demo`: spawn a sidecar as a host would, and stream one answer into the terminal.

Law: everything shown came over the wire. It needs no key and no network, unless another provider is named.
"""

from __future__ import annotations

import argparse
import asyncio

from llm_sidecar.cli.answer_view import stream_answer
from llm_sidecar.cli.failure import FAILED, INTERRUPTED, run_command
from llm_sidecar.cli.output import open_screen
from llm_sidecar.cli.received import duration
from llm_sidecar.cli.screen import Row, Screen
from llm_sidecar.cli.summary import summary
from llm_sidecar.client import ErrorEvent, InitializeParams, SidecarError, SidecarProcess
from llm_sidecar.messages.handshake import PROTOCOL_VERSION

_PROMPT = "Introduce yourself in a few words, and then show me how Markdown, a list and a piece of code look here."


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code: 0, 1 for an error, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="llm-sidecar demo", description="Spawn a sidecar as a host would and stream an answer into the terminal."
    )
    parser.add_argument("--prompt", default=_PROMPT, metavar="TEXT", help="what to ask")
    parser.add_argument("--provider", default="demo", metavar="ID", help="who answers (default: %(default)s)")
    parser.add_argument("--model", metavar="ID", help="which model (default: the provider's)")
    options = parser.parse_args(arguments)
    return run_command(lambda: asyncio.run(_demo(options, open_screen())))


async def _demo(options: argparse.Namespace, screen: Screen) -> int:
    handshake = InitializeParams(protocol_version=PROTOCOL_VERSION, prewarm=[options.provider])
    async with SidecarProcess.start(arguments=["--in-memory"], handshake=handshake) as sidecar:
        ready = f"ready {duration(sidecar.handshake_ms / 1000)} after its start"
        screen.heading(f"llm-sidecar {sidecar.server.server.version}", ready)
        screen.question(options.prompt)
        params = {"providerId": options.provider, "messages": [{"role": "user", "content": options.prompt}]}
        if options.model:
            params["modelId"] = options.model
        view = screen.view(options.model or options.provider, framed=True)
        try:
            terminal = await stream_answer(sidecar, params, view)
        except SidecarError as refusal:
            screen.failure(refusal)
            return FAILED
    if isinstance(terminal, ErrorEvent):
        screen.failure(terminal)
    screen.rows([*summary(terminal), Row("sidecar", ready)])
    if isinstance(terminal, ErrorEvent):
        return FAILED
    return INTERRUPTED if terminal.cancelled else 0
