"""A host for tests: spawns a real sidecar, writes lines to it, reads lines from it, and never waits for ever.

Law: reading happens only where a test asks for it (a host that does not read is a thing to test), every wait has a
deadline, and stderr goes to a file, so that it can neither fill up nor be lost. `PATIENCE` is no measurement: it only
keeps a broken sidecar from hanging the run.

`LLM_SIDECAR_COMMAND` (a path, or a JSON array of a program and its first arguments, as in the Electron example) names
the sidecar to test, such as the packaged one; without it, it is the source, run by this Python.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 30.0
TERMINALS = ("llm:done", "llm:error")
_READ_BYTES = 1 << 20


def _command_under_test(named: str) -> tuple[str, ...]:
    if not named:
        return (sys.executable, "-m", "llm_sidecar")
    program, *arguments = json.loads(named) if named.startswith("[") else [named]
    # No link is followed: the Python of a virtual environment is one.
    return (str(Path(shutil.which(program) or program).absolute()), *arguments)


IS_PACKAGED = bool(os.environ.get("LLM_SIDECAR_COMMAND"))
SIDECAR = _command_under_test(os.environ.get("LLM_SIDECAR_COMMAND", ""))
"""The words that start the command `llm-sidecar`; `serve` and the like come after them."""


into_python = pytest.mark.skipif(IS_PACKAGED, reason="it is about Python's own settings, and the sidecar is packaged")


class HostTimeout(AssertionError):
    """The sidecar did not do in time what was waited for."""


class Host:
    """One sidecar process, and the host's ends of its pipes.

    `stdin` and `stdout` are given to the child as they are; without them each is a new pipe. `stderr` is the path of a
    file; `stderr_to` takes its place (a descriptor, or `subprocess.STDOUT`). `pass_fds` are left open for it.
    `launcher` is the source of a Python program that becomes the command that follows on its command line; `program`
    is one that is itself the sidecar, with a fault put in: there is no such packaged one, the test is skipped.
    """

    def __init__(
        self,
        *options: str,
        data_dir: Path,
        stderr: Path,
        environment: Mapping[str, str] | None = None,
        command: Iterable[str] = ("serve",),
        launcher: str | None = None,
        program: str | None = None,
        stdin: Any = subprocess.PIPE,
        stdout: Any = subprocess.PIPE,
        stderr_to: int | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        words = [*SIDECAR, *command]
        if launcher is not None:
            words = [sys.executable, "-c", launcher, *words]
        if program is not None:
            if IS_PACKAGED:
                pytest.skip("it puts Python code into the sidecar, and LLM_SIDECAR_COMMAND names a packaged one")
            words = [sys.executable, "-c", program]
        self._stderr_path = stderr
        self._received = bytearray()
        self._searched = 0
        self._asked = 0
        self.inbox: deque[Any] = deque()
        with stderr.open("ab") as stderr_file:
            self.process = subprocess.Popen(
                [*words, *options],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr_file if stderr_to is None else stderr_to,
                env=child_environment(data_dir, environment or {}),
                bufsize=0,
                pass_fds=pass_fds,
            )
        self._stdin = self.process.stdin.fileno() if self.process.stdin else None
        self._stdout = self.process.stdout.fileno() if self.process.stdout else None
        for descriptor in (self._stdin, self._stdout):
            if descriptor is not None:
                os.set_blocking(descriptor, False)

    @property
    def pid(self) -> int:
        return self.process.pid

    # --- writing ---

    def send(self, *messages: Any) -> None:
        """Write messages (dicts, or lists for batches), one line each, in one go."""
        self.send_bytes(b"".join(line_of(message) for message in messages))

    def send_bytes(self, data: bytes) -> None:
        rest = self.send_what_fits(data, PATIENCE)
        if rest:
            raise HostTimeout(f"the sidecar left {rest} bytes in stdin\n{self._last_log_lines()}")

    def send_what_fits(self, data: bytes, patience: float) -> int:
        """Write until all is out, or the sidecar takes nothing for `patience` seconds. Returns what is left."""
        assert self._stdin is not None
        rest = memoryview(data)
        while rest:
            if not _wait_for(self._stdin, select.POLLOUT, patience):
                break
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(self._stdin, rest) :]
        return len(rest)

    def ask(self, method: str, params: Any = None) -> str:
        """Send a request; returns its id."""
        self._asked += 1
        request_id = f"host-{self._asked}"
        self.send(request(request_id, method, params))
        return request_id

    def infer(self, text: str, **params: Any) -> str:
        """Ask the demo provider for an answer to `text`; returns the request's id."""
        return self.ask("llm:inference", inference(text, **params))

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._stdin = None

    # --- reading ---

    def read_line(self) -> bytes:
        """The next line, without its ending. Raises `EOFError` at the end of stdout."""
        deadline = time.monotonic() + PATIENCE
        while (end := self._received.find(b"\n", self._searched)) < 0:
            self._searched = len(self._received)
            if not self._receive(deadline):
                raise EOFError
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        self._searched = 0
        return line

    def read_to_end(self) -> bytes:
        """Everything up to the end of stdout."""
        deadline = time.monotonic() + PATIENCE
        while self._receive(deadline):
            pass
        data = bytes(self._received)
        self._received.clear()
        return data

    def _receive(self, deadline: float) -> bool:
        assert self._stdout is not None
        if not _wait_for(self._stdout, select.POLLIN, deadline - time.monotonic()):
            raise HostTimeout(f"no line came\n{self._last_log_lines()}")
        data = os.read(self._stdout, _READ_BYTES)
        self._received += data
        return bool(data)

    def read(self) -> Any:
        """The next message that nobody has taken yet."""
        return self.inbox.popleft() if self.inbox else json.loads(self.read_line())

    def read_until(self, is_wanted: Callable[[Any], bool]) -> Any:
        """The next message that fits; the others stay in `inbox`, in order."""
        for place, message in enumerate(self.inbox):
            if is_wanted(message):
                del self.inbox[place]
                return message
        while not is_wanted(message := json.loads(self.read_line())):
            self.inbox.append(message)
        return message

    def response(self, request_id: Any) -> Any:
        """The response with this id."""
        return self.read_until(lambda m: isinstance(m, dict) and "method" not in m and m["id"] == request_id)

    def call(self, method: str, params: Any = None) -> Any:
        """The result of a request; an error fails the test."""
        response = self.response(self.ask(method, params))
        assert "result" in response, response
        return response["result"]

    def refusal(self, method: str, params: Any = None) -> Any:
        """The error of a request; a result fails the test."""
        response = self.response(self.ask(method, params))
        assert "error" in response, response
        return response["error"]

    def answer(self, inference_id: str) -> Answer:
        """Everything of one inference, to its terminal."""
        answer = Answer()
        while not answer.is_over:
            answer.add(self.read_until(lambda m: is_event_of(m, inference_id)))
        return answer

    def has_message(self) -> bool:
        """Whether `read` has a message without reading stdout."""
        return bool(self.inbox) or b"\n" in self._received

    def await_output(self) -> None:
        """Return when there is something to read in stdout, or its end."""
        assert self._stdout is not None
        if not _wait_for(self._stdout, select.POLLIN, PATIENCE):
            raise HostTimeout(f"nothing came\n{self._last_log_lines()}")

    def unread_bytes(self) -> int:
        """What waits for this host in the pipe of stdout."""
        assert self._stdout is not None
        return _waiting_in(self._stdout)

    def untaken_bytes(self) -> int:
        """What waits for the sidecar in the pipe of stdin."""
        assert self._stdin is not None
        return _waiting_in(self._stdin)

    def close_stdout(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._stdout = None

    # --- the process ---

    def wait(self, patience: float = PATIENCE) -> int:
        """Its exit code, once it has ended."""
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise HostTimeout(f"the sidecar did not exit\n{self._last_log_lines()}") from None

    def wait_for_the_promised_two_seconds(self) -> int:
        """Its exit code; it promises to end within two seconds, and a busy machine is given two more."""
        return self.wait(4.0)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def peak_bytes(self) -> int:
        """The most memory it ever had resident (VmHWM)."""
        return memory_figure(self.pid, "VmHWM")

    def resident_bytes(self) -> int:
        return memory_figure(self.pid, "VmRSS")

    def stderr(self) -> str:
        return self._stderr_path.read_text("utf-8", "replace")

    def logs(self, event: str | None = None) -> list[dict[str, Any]]:
        """The log lines so far, of one event or of all."""
        lines = [json.loads(line) for line in self.stderr().splitlines()]
        return [line for line in lines if event is None or line["event"] == event]

    def _last_log_lines(self) -> str:
        return self.stderr()[-2000:]

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class Answer:
    """The events of one inference, checked for the order that is guaranteed as they are added."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def add(self, message: Any) -> None:
        assert not self.is_over, f"after the terminal: {message}"
        assert message["params"]["seq"] == len(self.events), f"a gap in seq: {message}"
        self.events.append((message["method"], message["params"]))

    @property
    def is_over(self) -> bool:
        return bool(self.events) and self.events[-1][0] in TERMINALS

    @property
    def terminal(self) -> dict[str, Any]:
        assert self.is_over
        return self.events[-1][1]

    @property
    def outcome(self) -> str:
        """`done`, `cancelled`, or the code of the error."""
        if self.events[-1][0] == "llm:error":
            return str(self.terminal["code"])
        return "cancelled" if self.terminal.get("cancelled") else "done"

    @property
    def tokens(self) -> list[dict[str, Any]]:
        return [params for method, params in self.events if method == "llm:token"]

    @property
    def text(self) -> str:
        return "".join(params["token"] for params in self.tokens)


def is_event_of(message: Any, inference_id: str) -> bool:
    return isinstance(message, dict) and message.get("params", {}).get("inferenceId") == inference_id


def request(request_id: Any, method: str, params: Any = None) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return message if params is None else {**message, "params": params}


def notification(method: str, params: Any = None) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "method": method}
    return message if params is None else {**message, "params": params}


def inference(text: str, **params: Any) -> dict[str, Any]:
    """The params of an `llm:inference` by the demo provider."""
    return {"providerId": "demo", "messages": [{"role": "user", "content": text}], **params}


def line_of(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


def child_environment(data_dir: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """This environment without what configures a sidecar, and with `extra`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LLM_SIDECAR_") and not k.endswith("_API_KEY")}
    return {**kept, "LLM_SIDECAR_HOME": str(data_dir), **extra}


def memory_figure(pid: int, name: str) -> int:
    """A line of /proc/PID/status, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name} for process {pid}")


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def wait_until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Return when `condition()` holds: for what no descriptor tells."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise HostTimeout(what)
        time.sleep(0.01)


def _waiting_in(pipe: int) -> int:
    import fcntl  # POSIX only, as are the tests that need it
    import termios

    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0])


def _wait_for(descriptor: int, event: int, patience: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(max(0.0, patience) * 1000))
