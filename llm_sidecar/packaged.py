"""Whether this process is the packaged `llm-sidecar` (made by `packaging/`): there is no Python to start, and no pip.

Law: it is told by the packaged program's own main module, not by `sys.frozen`: somebody else's frozen application may
use `llm_sidecar.client`, and its executable is no sidecar.
"""

from __future__ import annotations

import sys


def is_packaged() -> bool:
    """Whether `sys.executable` is the command `llm-sidecar` itself."""
    return bool(getattr(sys.modules.get("__main__"), "IS_PACKAGED_LLM_SIDECAR", False))
