"""What another process of the user sees of a sidecar: its command line, its environment, its children, its dumps."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_sidecar.settings import take_keys
from tests.end_to_end.profiles_at_the_pipe import KEY, VAULT_KEY, create, greet, spawn_with_descriptor
from tests.hosts import Host

Spawn = Callable[..., Host]
PASSPHRASE = "correct horse battery"
on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="/proc is Linux's: what can be seen of a process from outside"
)


@on_linux
@pytest.mark.parametrize("given", ["vaultKey", "llm:vault:unlock", "--key-fd", "--passphrase-fd"])
def test_no_key_is_on_the_command_line_or_in_the_environment(spawn: Spawn, given: str) -> None:
    if given == "--key-fd":
        host = spawn_with_descriptor(spawn, given, VAULT_KEY)
    elif given == "--passphrase-fd":
        host = spawn_with_descriptor(spawn, given, PASSPHRASE)
    else:
        host = spawn()
    greet(host, VAULT_KEY if given == "vaultKey" else None)
    if given == "llm:vault:unlock":
        host.call(given, {"passphrase": PASSPHRASE})
    create(host, "https://api.example.com")
    assert host.call("llm:vault:status")["state"] == "open"
    seen = Path(f"/proc/{host.pid}/cmdline").read_bytes()
    with contextlib.suppress(PermissionError):  # who is not root may not even look
        seen += Path(f"/proc/{host.pid}/environ").read_bytes()
    for secret in (KEY, VAULT_KEY, PASSPHRASE):
        assert secret.encode() not in seen
    assert base64.b64decode(VAULT_KEY) not in seen


@on_linux
@pytest.mark.parametrize("given", ["--key-fd", "--passphrase-fd", "OPENAI_API_KEY", "LLM_SIDECAR_VAULT_KEY"])
def test_a_process_that_holds_a_secret_is_hardened_before_its_host_says_who_it_is(spawn: Spawn, given: str) -> None:
    if given.startswith("--"):
        host = spawn_with_descriptor(spawn, given, VAULT_KEY)
    else:
        host = spawn(environment={given: VAULT_KEY})
    host.call("ping")
    (core,) = re.findall(r"^Max core file size +(\S+) +(\S+)", Path(f"/proc/{host.pid}/limits").read_text(), re.M)
    assert core == ("0", "0")


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="root looks into everything: who else does")
def test_nobody_of_the_same_user_looks_into_a_hardened_process(spawn: Spawn) -> None:
    host = spawn()
    greet(host)
    create(host, "https://api.example.com")
    for name in ("environ", "mem", "maps"):
        with pytest.raises(PermissionError):
            Path(f"/proc/{host.pid}/{name}").read_bytes()


def test_the_keys_of_the_environment_are_taken_out_of_it_whoever_they_are_for() -> None:
    environment = {"OPENAI_API_KEY": "sk-1", "STRANGE_API_KEY": "sk-2", "odd_api_key": "sk-3", "PATH": "/bin"}
    take_keys(environment)
    assert environment == {"PATH": "/bin"}
