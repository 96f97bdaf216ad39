"""`python protocol/conformance [options] -- COMMAND …`."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    # Run as a folder: what Python put first is the folder itself, and its modules are `conformance.…`.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from conformance.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
