"""Core dumps are off, and on Linux nobody of the same user looks into the process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, json, resource
from llm_sidecar.vault.hardening import harden

dumpable = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
before = dumpable()
harden()
harden()
import subprocess
child = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
print(json.dumps([before, dumpable(), resource.getrlimit(resource.RLIMIT_CORE), "Name" in child]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's: whether a process can be dumped")
def test_a_hardened_process_leaves_no_dump_and_still_starts_children() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [1, 0, [0, 0], True]
