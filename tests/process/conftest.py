"""Real processes: pipes, signals and /proc are POSIX's and Linux's. Elsewhere the tests of the transports remain."""

import sys

collect_ignore_glob = [] if sys.platform.startswith("linux") else ["test_*.py"]
