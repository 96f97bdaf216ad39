"""The conformance runner (`protocol/conformance`) as tests use it: in this process, or as people run it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from conformance.player import Outcome, play
from conformance.shapes import Shapes
from conformance.vectors import Conversation, read_conversations
from tests import hosts

PROTOCOL = Path(__file__).parents[2] / "protocol"
SHAPES = Shapes(PROTOCOL)
CONVERSATIONS = {item.name: item for item in read_conversations(PROTOCOL / "vectors")}
SIDECAR = (*hosts.SIDECAR, "serve", "--drain", "--log-level", "off")
_PATIENCE = 30.0


def outcome_of(conversation: Conversation, *command: str) -> Outcome:
    """What comes of a conversation with a fresh process of `command`."""
    return asyncio.run(play(conversation, command, _PATIENCE, SHAPES))


def run_as_people_do(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python protocol/conformance ARGUMENTS`, from another folder."""
    command = [sys.executable, str(PROTOCOL / "conformance"), *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
