"""`python protocol/conformance [options] -- COMMAND …`."""

import sys
from pathlib import Path

if not __package__:
    # Run as a folder: what Python put first is the folder itself, and its modules are `conformance.…`.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

if sys.version_info < (3, 11):  # noqa: UP036 - this file is all that an older one can read
    sys.stderr.write("conformance: it needs Python 3.11 or newer, and this is " + sys.version.split()[0] + "\n")
    sys.exit(2)

from conformance.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
