"""The minimal hosts of `examples/hosts`, each with the real sidecar and with broken ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.hosts import SIDECAR, child_environment, is_running, wait_until

_HOSTS = Path(__file__).parents[2] / "examples" / "hosts"
_PATIENCE = 30.0
_LONG = "[[demo: tokens=5000 rate=50]]"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the hosts' Ctrl-C is tested with POSIX signals")


class Running:
    """One run of a host, in a session of its own, as in a terminal: Ctrl-C reaches its whole process group."""

    def __init__(self, command: list[str], prompt: str, folder: Path, **environment: str) -> None:
        env = child_environment(folder / "data", {"LLM_SIDECAR": _words(SIDECAR), **environment})
        self._stderr = folder / "stderr"
        with self._stderr.open("ab") as stderr:
            arguments = [*command, prompt] if prompt else command
            self.process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=env,
                start_new_session=True,
            )
        self._watch = threading.Timer(_PATIENCE, self.process.kill)
        self._watch.start()
        self._said = b""

    def wait_for_output(self) -> None:
        """Return when the first piece of the answer has been printed."""
        assert self.process.stdout is not None
        self._said += os.read(self.process.stdout.fileno(), 65_536)
        assert self._said, f"it ended without a word: {self.stderr()}"

    def sidecar(self) -> int:
        """The process of the sidecar it started."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        found = [child.pid for child in children if "--in-memory" in child.cmdline()]
        assert len(found) == 1, children
        return found[0]

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> tuple[int, str, str]:
        """Its exit code, stdout and stderr, once it has ended."""
        rest, _ = self.process.communicate()
        self._watch.cancel()
        return self.process.returncode, (self._said + rest).decode(), self.stderr()

    def stderr(self) -> str:
        return self._stderr.read_text("utf-8", "replace")

    def close(self) -> None:
        self._watch.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


class Starter:
    """Starts one of the hosts, as often as a test asks."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._runs: list[Running] = []

    def __call__(self, prompt: str, **environment: str) -> Running:
        folder = self._folder / f"run-{len(self._runs)}"
        folder.mkdir()
        self._runs.append(Running(self._command, prompt, folder, **environment))
        return self._runs[-1]

    def close(self) -> None:
        for run in self._runs:
            run.close()


@pytest.fixture(scope="session")
def rust_host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Rust host, built once."""
    compiler = shutil.which("rustc")
    if compiler is None:
        pytest.skip("there is no rustc here: the Rust host is not run")
    program = tmp_path_factory.mktemp("rust-host") / "host"
    source = _HOSTS / "rust" / "src" / "main.rs"
    subprocess.run([compiler, "--edition", "2021", "-D", "warnings", "-o", program, source], check=True, timeout=120)
    return program


@pytest.fixture(params=["bash", "node", "rust"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Starter]:
    """`start(prompt, **environment)` runs one of the hosts; each test is run with each of them."""
    starter = Starter(_command_of(request), tmp_path)
    yield starter
    starter.close()


def _command_of(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "rust":
        return [str(request.getfixturevalue("rust_host"))]
    needed = {"bash": ("bash", "jq"), "node": ("node",)}[request.param]
    missing = [name for name in needed if shutil.which(name) is None]
    if missing:
        pytest.skip(f"there is no {' and no '.join(missing)} here: the {request.param} host is not run")
    file = {"bash": "bash/host.sh", "node": "node/host.mjs"}[request.param]
    return [needed[0], str(_HOSTS / file)]


def _words(command: tuple[str, ...]) -> str:
    assert not any(" " in word for word in command), "LLM_SIDECAR is split at spaces"
    return " ".join([*command, "serve", "--in-memory", "--log-level", "off"])


def test_an_answer_is_printed_as_it_was_said(start: Starter) -> None:
    text = 'one "two" \\n \\\\ €\n\tשלום 👩‍🚀 %s $(x) `y`'
    assert start(f"[[demo: echo rate=max]] {text}").end() == (0, text + "\n", "")


def test_an_answer_of_many_tokens_is_printed_in_order(start: Starter) -> None:
    text = " ".join(str(number) for number in range(2_000))
    assert start(f"[[demo: echo rate=5000]] {text}").end() == (0, text + "\n", "")


def test_what_a_model_says_does_not_paint_the_terminal(start: Starter) -> None:
    code, said, _ = start("[[demo: echo rate=max]] a\x1b]0;title\x07\x1b[31mb\x9b1mc\x7f\rd").end()
    assert (code, said) == (0, "a]0;title[31mb1mcd\n")


def test_the_error_of_an_answer_is_told(start: Starter) -> None:
    code, _, told = start("[[demo: error=AUTH_ERROR]]").end()
    assert code == 1
    assert "host: AUTH_ERROR: " in told


def test_a_refusal_is_told(start: Starter) -> None:
    code, said, told = start("hello", LLM_PROVIDER="nobody").end()
    assert (code, said.strip()) == (1, "")
    assert "host: INVALID_PROVIDER: " in told


def test_the_model_can_be_named(start: Starter) -> None:
    code, _, told = start("hello", LLM_MODEL="no-such-model").end()
    assert code == 1
    assert "host: INVALID_MODEL: " in told


def test_ctrl_c_cancels_the_answer_and_the_sidecar_is_seen_off(start: Starter) -> None:
    running = start(_LONG)
    running.wait_for_output()
    sidecar = running.sidecar()
    running.interrupt()
    code, said, told = running.end()
    assert code == 130
    assert said.endswith("\n")
    assert "host: cancelled after " in told
    assert not is_running(sidecar)


def test_ctrl_c_before_the_handshake_is_over_ends_it_too(start: Starter, tmp_path: Path) -> None:
    """Nothing is asked then; a host that reads the answer first asks, and cancels."""
    asked, go = tmp_path / "asked", tmp_path / "go"
    fake = _fake(
        tmp_path,
        f"""
        import os, time
        open({str(asked)!r}, "w").close()
        while not os.path.exists({str(go)!r}): time.sleep(0.01)
        hello()
        line = sys.stdin.readline()
        if line: accept(); take("llm:cancel"); done(0, cancelled=True)
        """,
    )
    running = start("hello", LLM_SIDECAR=fake)
    wait_until(asked.exists, "the sidecar was not asked")
    running.interrupt()
    go.touch()
    assert running.end()[0] == 130


def test_a_second_ctrl_c_ends_the_host_and_the_sidecar_goes_with_it(start: Starter, tmp_path: Path) -> None:
    """For a sidecar that does not answer the cancel."""
    told = tmp_path / "pid"
    fake = _fake(
        tmp_path,
        f"""
        hello()
        take("llm:inference")
        accept()
        token(0, "so")
        take("llm:cancel")
        import os
        open({str(told)!r}, "w").write(str(os.getpid()))
        sys.stdin.read()
        """,
    )
    running = start("hello", LLM_SIDECAR=fake)
    running.wait_for_output()
    running.interrupt()
    wait_until(lambda: told.exists() and bool(told.read_text()), "the cancel did not come")
    running.interrupt()
    assert running.end()[0] in (130, -signal.SIGINT)
    wait_until(lambda: not is_running(int(told.read_text())), "the sidecar is still there")


def test_a_host_that_is_killed_leaves_no_sidecar(start: Starter) -> None:
    running = start(_LONG)
    running.wait_for_output()
    sidecar = running.sidecar()
    running.process.kill()
    wait_until(lambda: not is_running(sidecar), "the sidecar is still there")


def test_a_sidecar_that_is_killed_midway_is_told(start: Starter) -> None:
    running = start(_LONG)
    running.wait_for_output()
    os.kill(running.sidecar(), signal.SIGKILL)
    code, _, told = running.end()
    assert code == 3
    assert "host: the sidecar ended before the answer did, with " in told
    assert "137" in told or "SIGKILL" in told


def test_the_exit_code_of_a_sidecar_that_ends_midway_is_told(start: Starter, tmp_path: Path) -> None:
    fake = _fake(tmp_path, 'hello(); take("llm:inference"); accept(); token(0, "so"); sys.exit(7)')
    code, said, told = start("hello", LLM_SIDECAR=fake).end()
    assert (code, said.strip()) == (3, "so")
    assert "host: the sidecar ended before the answer did, with exit code 7" in told


def test_a_sidecar_that_ends_at_once_is_told(start: Starter) -> None:
    code, _, told = start("hello", LLM_SIDECAR=f"{sys.executable} -c exit(5)").end()
    assert (code, "with exit code 5" in told) == (3, True)


def test_another_version_of_the_protocol_is_refused(start: Starter, tmp_path: Path) -> None:
    code, said, told = start("hello", LLM_SIDECAR=_fake(tmp_path, "hello(2); sys.stdin.read()")).end()
    assert (code, said) == (3, "")
    assert "host: the sidecar speaks version 2" in told


def test_a_gap_in_the_events_is_told(start: Starter, tmp_path: Path) -> None:
    fake = _fake(
        tmp_path, 'hello(); take("llm:inference"); accept(); token(0, "so"); token(2, "far"); done(3); sys.stdin.read()'
    )
    code, _, told = start("hello", LLM_SIDECAR=fake).end()
    assert code == 3
    assert "host: event 2 came, not 1" in told


def test_noise_on_stdout_is_not_taken_for_an_answer(start: Starter, tmp_path: Path) -> None:
    fake = _fake(tmp_path, 'hello(); take("llm:inference"); print("Loading model...", flush=True); sys.stdin.read()')
    code, _, told = start("hello", LLM_SIDECAR=fake).end()
    assert code == 3
    assert "host: the sidecar sent what is no message" in told


def test_a_sidecar_that_is_not_there_is_told(start: Starter) -> None:
    code, said, told = start("hello", LLM_SIDECAR="/no/such/sidecar serve").end()
    assert (code, said) == (2, "")
    assert "host: cannot start /no/such/sidecar" in told


def test_a_host_without_a_prompt_says_what_it_needs(start: Starter) -> None:
    code, _, told = start("").end()
    assert (code, "what should be asked?" in told) == (2, True)


_FAKE = """\
import json, sys

def say(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

def take(method):
    assert json.loads(sys.stdin.readline())["method"] == method

def hello(version=1):
    say({"id": 0, "result": {"protocolVersion": version}})

def accept():
    say({"id": 1, "result": {"inferenceId": "answer"}})

def event(method, seq, **params):
    say({"method": method, "params": {"inferenceId": "answer", "seq": seq, **params}})

def token(seq, text):
    event("llm:token", seq, token=text, index=seq, count=1)

def done(seq, **more):
    event("llm:done", seq, usage={"completionTokens": 2}, **more)

take("initialize")
"""


def _fake(folder: Path, program: str) -> str:
    """The command of a sidecar that does as `program` says, once it was asked to `initialize`."""
    lines = [line.strip() for line in program.strip().splitlines()]
    file = folder / "fake_sidecar.py"
    file.write_text(_FAKE + "\n".join(lines) + "\n")
    return f"{sys.executable} -S {file}"
