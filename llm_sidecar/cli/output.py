"""The right screen for this process's stdout."""

from __future__ import annotations

import os
import sys

from llm_sidecar.cli.plain_screen import PlainScreen
from llm_sidecar.cli.screen import Screen


def open_screen() -> Screen:
    """A screen that redraws where stdout is a terminal that can, and the plain one anywhere else."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return PlainScreen()
    from llm_sidecar.cli.rich_screen import RichScreen  # rich costs a tenth of a second: only where it is shown

    return RichScreen()
