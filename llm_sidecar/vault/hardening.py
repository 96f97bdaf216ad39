"""Less of the process's memory in other hands: no core dump, and on Linux no look into it.

Law: best effort, before the first key is read (what is in the environment is readable until then); where a system has
no word for it, nothing happens.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def harden() -> None:
    """Switch core dumps off, and make the process non-dumpable on Linux: programs of the same user can neither attach
    to it nor read its /proc/PID/mem, environ or fd (status and stat stay readable). Children start dumpable. Raises
    nothing."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
