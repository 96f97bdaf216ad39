"""Small programs that tests run in place of the plain command: sidecars in bad company.

Law: each is the source of a `python -c` program; what follows it on the command line are the sidecar's arguments, or
for WITHOUT_… and PARENT, which only start it, its whole command.
"""

from __future__ import annotations

from typing import Final

_SERVE: Final = """
import sys
from llm_sidecar.cli.main import main
sys.argv[1:] = ["serve", *sys.argv[1:]]
main()
"""

NOISE: Final = "NOISE-THAT-IS-NO-PROTOCOL"

NOISY: Final = (
    """
import ctypes, importlib.abc, importlib.machinery, os, subprocess, sys

def make_noise(where):
    text = "%s %s" % ({noise!r}, where)
    print(text, "print", flush=True)
    sys.__stdout__.write(text + " write\\n")
    sys.__stdout__.flush()
    os.write(1, (text + " os.write\\n").encode())
    libc = ctypes.CDLL(None)
    libc.printf(b"%s\\n", (text + " printf").encode())
    libc.puts((text + " puts").encode())
    libc.fflush(None)
    subprocess.run(["echo", text + " echo"])
    os.system("echo %s os.system" % text)
    taken = subprocess.run(["cat"], stdout=subprocess.PIPE, timeout=20).stdout
    sys.stderr.write("%s child read %d bytes\\n" % (text, len(taken)))
    listing = "import os; [os.write(2, (os.readlink('/proc/self/fd/' + n) + ' is open\\\\n').encode())" \\
        " for n in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + n)]"
    subprocess.run([sys.executable, "-c", listing], close_fds=False)
    sys.stderr.flush()

def make_requests_noisy(module):
    play = module.ScriptedProvider.stream
    def stream(provider, request):
        make_noise("at a request")
        return play(provider, request)
    module.ScriptedProvider.stream = stream

class Banner(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in ("llm_sidecar.cli.serve", "llm_sidecar.sidecar", "llm_sidecar.providers.scripted.adapter"):
            return None
        make_noise("at import of " + name)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if name == "llm_sidecar.providers.scripted.adapter":
            load = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (load(module), make_requests_noisy(module))
        return spec

sys.meta_path.insert(0, Banner())
""".replace("{noise!r}", repr(NOISE))
    + _SERVE
)
"""Prints in every way there is, at imports and at requests, from Python, from C and from children."""

WITHOUT_STDERR: Final = """
import os, sys
os.close(2)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Starts with descriptor 2 closed."""

NOISY_WITHOUT_STDERR: Final = """
import os, sys
os.close(2)
program = '''
import importlib.abc, os, subprocess, sys
class Banner(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "llm_sidecar.sidecar":
            os.write(1, b"{noise} out")
            os.write(2, b"{noise} err")
            subprocess.run(["echo", "{noise} echo"], check=True)
sys.meta_path.insert(0, Banner())
from llm_sidecar.cli.main import main
sys.argv[1:] = ["serve", *sys.argv[1:]]
main()
'''
os.execv(sys.executable, [sys.executable, "-c", program, *sys.argv[1:]])
""".replace("{noise}", NOISE)

WITHOUT_STDIN: Final = WITHOUT_STDERR.replace("os.close(2)", "os.close(0)")
WITHOUT_STDOUT: Final = WITHOUT_STDERR.replace("os.close(2)", "os.close(1)")

NAMES_NEVER_RESOLVE: Final = (
    """
import socket, threading
def resolve(*args, **more):
    threading.Event().wait()
socket.getaddrinfo = resolve
"""
    + _SERVE
)
"""A name server that does not answer."""

STUBBORN: Final = (
    """
import asyncio
from llm_sidecar.providers.scripted import adapter
class Stubborn:
    async def __aenter__(self):
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass
    async def __aexit__(self, *_):
        return None
adapter.ScriptedProvider.stream = lambda provider, request: Stubborn()
"""
    + _SERVE
)
"""A provider that cannot be cancelled."""

PARENT: Final = """
import json, os, subprocess, sys
command, keep_pipes = sys.argv[2:], sys.argv[1] == "with-sibling"
sidecar = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
sibling = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(120)"],
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    pass_fds=[sidecar.stdin.fileno(), sidecar.stdout.fileno()] if keep_pipes else [],
)
for line in sys.stdin.buffer:
    if line == b"\\n":
        break
    sidecar.stdin.write(line)
first = sidecar.stdout.readline()
print(json.dumps({"sidecar": sidecar.pid, "sibling": sibling.pid, "first": json.loads(first)}), flush=True)
sys.stdin.read()
"""
"""A host that starts a sidecar and a sibling of it, passes lines on, tells the first answer, and waits to be killed."""
