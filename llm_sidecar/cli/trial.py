"""A trial run: `doctor` spawns a real sidecar, shakes hands, asks the demo provider, and lets it go.

Law: every finding is what a host would see, but for what is kept: the trial keeps nothing. A sidecar that cannot
start is a finding, not an exception.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from llm_sidecar import __version__
from llm_sidecar.cli.checks import Check
from llm_sidecar.cli.failure import describe
from llm_sidecar.cli.received import ReceivedAnswer, duration
from llm_sidecar.client import ErrorEvent, SidecarError, SidecarProcess

_SENTENCE: Final = "All is well."
_QUESTION: Final = {
    "providerId": "demo",
    "modelId": "demo-fast",
    "messages": [{"role": "user", "content": f'[[demo: text="{_SENTENCE}"]]'}],
}
_PATIENCE_SECONDS: Final = 10.0


async def run_trial(environment: Mapping[str, str]) -> list[Check]:
    """Start-to-handshake time, a round trip, the purity of stdout, and the exit."""
    checks: list[Check] = []
    try:
        async with SidecarProcess.start(arguments=["--in-memory"], environment=environment) as sidecar:
            checks.append(_handshake(sidecar))
            checks.append(await _round_trip(sidecar))
    except SidecarError as error:
        return [*checks, Check("sidecar", "failed", " ".join(describe(error)))]
    return [*checks, _purity(sidecar.unreadable_lines), _exit(sidecar.exit_code)]


def _handshake(sidecar: SidecarProcess) -> Check:
    version = sidecar.server.server.version
    facts = {"handshakeMs": round(sidecar.handshake_ms), "version": version}
    detail = f"version {version}, ready {duration(sidecar.handshake_ms / 1000)} after its start"
    if version != __version__:
        return Check("sidecar", "warning", f"{detail}; this command is {__version__}", facts)
    return Check("sidecar", "ok", detail, facts)


async def _round_trip(sidecar: SidecarProcess) -> Check:
    received = ReceivedAnswer()
    begun_at = time.monotonic()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), sidecar.inference(_QUESTION) as events:
            async for event in events:
                received.take(event)
    except TimeoutError:
        return Check("demo answer", "failed", f"none within {_PATIENCE_SECONDS:.0f} s")
    seconds = time.monotonic() - begun_at
    if isinstance(received.terminal, ErrorEvent):
        return Check("demo answer", "failed", " ".join(describe(received.terminal)))
    if received.text != _SENTENCE:
        return Check("demo answer", "failed", "not the text that was asked for")
    return Check("demo answer", "ok", f"complete after {duration(seconds)}", {"roundTripMs": round(seconds * 1000)})


def _purity(unreadable_lines: int) -> Check:
    if unreadable_lines:
        detail = (
            f"{unreadable_lines} lines on it were no protocol: something prints when Python starts "
            "(a .pth file or sitecustomize)"
        )
        return Check("stdout", "failed", detail, {"unreadableLines": unreadable_lines})
    return Check("stdout", "ok", "nothing but protocol", {"unreadableLines": 0})


def _exit(exit_code: int | None) -> Check:
    facts = {"exitCode": exit_code}
    if exit_code == 0:
        return Check("exit", "ok", "clean", facts)
    return Check("exit", "failed", f"exit code {exit_code} after `exit`", facts)
