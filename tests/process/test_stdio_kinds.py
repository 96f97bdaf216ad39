"""Whatever stdin and stdout are: files, devices, terminals, sockets, one pipe for two."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts import PATIENCE, Host, HostTimeout, inference, line_of, request, wait_until

HELLO = "[[demo: connect=0 firstToken=0 rate=max text=hello]]"
on_both_forms = pytest.mark.parametrize("options", [(), ("--force-threads",)], ids=["polled", "threads"])


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a pseudo-terminal: the person's and the process's."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def read_lines(descriptor: int, count: int) -> list[bytes]:
    """The next lines of a terminal or a socket."""
    data = b""
    while data.count(b"\n") < count:
        if not select.select([descriptor], [], [], PATIENCE)[0]:
            raise HostTimeout(f"only {data!r} came")
        data += os.read(descriptor, 65_536)
    return data.splitlines()[:count]


def test_stdin_may_be_a_file(spawn: Callable[..., Host], tmp_path: Path) -> None:
    asked = [request("p", "ping"), request("i", "llm:inference", inference(HELLO, inferenceId="i"))]
    (tmp_path / "requests.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(line_of(m).rstrip() for m in asked))
    with (tmp_path / "requests.jsonl").open("rb") as requests:
        host = spawn("--drain", stdin=requests)
    assert host.read() == {"jsonrpc": "2.0", "id": "p", "result": {}}
    assert host.answer("i").text == "hello"
    assert host.read_to_end() == b""
    assert host.wait() == 0


def test_stdin_and_stdout_may_both_be_files(spawn: Callable[..., Host], tmp_path: Path) -> None:
    (tmp_path / "requests.jsonl").write_bytes(b"".join(line_of(request(n, "ping")) for n in range(5_000)))
    with (tmp_path / "requests.jsonl").open("rb") as requests, (tmp_path / "answers.jsonl").open("wb") as answers:
        host = spawn("--drain", stdin=requests, stdout=answers)
    assert host.wait() == 0
    lines = (tmp_path / "answers.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(5_000))


def test_stdout_may_be_a_file_that_is_appended_to(spawn: Callable[..., Host], tmp_path: Path) -> None:
    (tmp_path / "answers").write_bytes(b"before\n")
    with (tmp_path / "answers").open("ab") as answers:
        host = spawn(stdout=answers)
    host.send(request(1, "ping"))
    host.close_stdin()
    assert host.wait() == 0
    assert (tmp_path / "answers").read_bytes() == b'before\n{"jsonrpc":"2.0","id":1,"result":{}}\n'


@pytest.mark.parametrize("options", [(), ("--drain",)])
def test_stdin_may_be_the_null_device(spawn: Callable[..., Host], options: tuple) -> None:
    host = spawn(*options, stdin=subprocess.DEVNULL)
    assert host.read_to_end() == b""
    assert host.wait() == 0


def test_stdout_may_be_the_null_device(spawn: Callable[..., Host]) -> None:
    host = spawn(stdout=subprocess.DEVNULL)
    host.send(request(1, "ping"), {"jsonrpc": "2.0", "method": "exit"})
    assert host.wait() == 0


@pytest.mark.parametrize("how", ["end of file", "hang-up"])
def test_stdin_may_be_a_terminal(spawn: Callable[..., Host], terminal: tuple[int, int], how: str) -> None:
    person, process = terminal
    host = spawn(stdin=process)
    os.close(process)
    os.write(person, line_of(request(1, "ping")))
    assert host.read() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    if how == "end of file":
        os.write(person, b"\x04")
    else:
        os.close(person)
    assert host.wait() == 0


def test_stdout_may_be_a_terminal(spawn: Callable[..., Host], terminal: tuple[int, int]) -> None:
    person, process = terminal
    host = spawn(stdout=process)
    os.close(process)
    host.send(request(1, "ping"))
    assert json.loads(read_lines(person, 1)[0]) == {"jsonrpc": "2.0", "id": 1, "result": {}}
    host.close_stdin()
    assert host.wait() == 0


@on_both_forms
def test_stdin_and_stdout_may_be_sockets_as_node_makes_them(spawn: Callable[..., Host], options: tuple) -> None:
    to_child, child_in = socket.socketpair()
    from_child, child_out = socket.socketpair()
    with to_child, from_child:
        with child_in, child_out:
            host = spawn(*options, stdin=child_in, stdout=child_out)
        to_child.sendall(line_of(request(1, "ping")))
        assert json.loads(read_lines(from_child.fileno(), 1)[0])["id"] == 1
        to_child.shutdown(socket.SHUT_WR)
        assert host.wait() == 0


def test_the_end_of_a_socket_is_noticed_while_nothing_is_read_from_it(spawn: Callable[..., Host]) -> None:
    """Node ends a child's stdin by half closing a socket: that is no hang-up, and it still has to be seen."""
    to_child, child_in = socket.socketpair()
    limits = {"LLM_SIDECAR_MAX_REPLY_BYTES": "65536"}
    with to_child:
        with child_in:
            host = spawn(stdin=child_in, environment=limits)
        to_child.settimeout(0.5)
        with pytest.raises(TimeoutError):
            to_child.sendall(line_of(request(1, "nowhere")) * 100_000)
        to_child.shutdown(socket.SHUT_WR)
        assert host.wait_for_the_promised_two_seconds() == 0


def test_one_socket_may_be_both_stdin_and_stdout(spawn: Callable[..., Host]) -> None:
    mine, both = socket.socketpair()
    with mine:
        with both:
            host = spawn(stdin=both, stdout=both)
        mine.sendall(line_of(request(1, "ping")) + line_of(request(2, "ping")))
        assert [json.loads(line)["id"] for line in read_lines(mine.fileno(), 2)] == [1, 2]
        mine.shutdown(socket.SHUT_WR)
        assert host.wait() == 0


def test_stdout_and_stderr_may_be_one_pipe(spawn: Callable[..., Host]) -> None:
    host = spawn("--log-level=debug", stderr_to=subprocess.STDOUT)
    host.infer("[[demo: connect=0 firstToken=0 rate=max tokens=50000]]", inferenceId="i")
    host.send(*({"jsonrpc": "2.0", "method": "nowhere"} for _ in range(50)), request("p", "ping"))
    host.close_stdin()
    messages = [json.loads(line) for line in host.read_to_end().splitlines()]
    assert host.wait() == 0
    assert {"jsonrpc": "2.0", "id": "p", "result": {}} in messages
    assert [m["event"] for m in messages if "event" in m][-1] == "stopped"


def test_the_descriptors_are_handed_back_as_they_were(spawn: Callable[..., Host], tmp_path: Path) -> None:
    """A pipe shared with a shell must not be left non-blocking: the next program in it would fail."""
    child_in, mine = os.pipe()
    with open(child_in, "rb", buffering=0) as stdin, open(mine, "wb", buffering=0) as writer:
        host = spawn(stdin=stdin)
        writer.write(line_of(request(1, "ping")))
        assert host.read()["id"] == 1
        assert not os.get_blocking(stdin.fileno())
        host.signal(signal.SIGTERM)
        assert host.wait() == 143
        assert os.get_blocking(stdin.fileno())


def test_it_serves_without_a_command_where_stdin_is_no_terminal(spawn: Callable[..., Host]) -> None:
    host = spawn(command=())
    assert host.call("ping") == {}
    host.close_stdin()
    assert host.wait() == 0


def test_it_explains_itself_without_a_command_where_stdin_is_a_terminal(
    spawn: Callable[..., Host], terminal: tuple[int, int]
) -> None:
    host = spawn(command=(), stdin=terminal[1])
    assert b"usage: llm-sidecar" in host.read_to_end()
    assert host.wait() == 0


def test_a_pipe_shared_by_stdout_and_stderr_stays_blocking(spawn: Callable[..., Host]) -> None:
    """Whoever else writes to stderr (a child, a C library) does not expect to be told to try again. (The test's end is
    the same open file. A hardened process's own may not be looked at by just anybody.)"""
    reading, writing = os.pipe()
    try:
        host = spawn("--log-level=off", stdout=writing, stderr_to=writing)
        host.send(request(1, "ping"))
        assert json.loads(read_lines(reading, 1)[0])["id"] == 1
        assert os.get_blocking(writing)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_stderr_that_nobody_reads_holds_nothing_up(spawn: Callable[..., Host]) -> None:
    """Once it is full, log lines are dropped; requests are served."""
    reading, writing = os.pipe()
    try:
        host = spawn(stderr_to=writing)
        os.close(writing)
        host.send(*({"jsonrpc": "2.0", "method": "nowhere"} for _ in range(2_000)))
        assert host.call("ping") == {}
        host.close_stdin()
        assert host.wait() == 0
    finally:
        os.close(reading)


def test_a_stopped_process_goes_on_where_it_was(spawn: Callable[..., Host]) -> None:
    host = spawn()
    host.call("ping")
    host.signal(signal.SIGSTOP)
    stat = Path(f"/proc/{host.pid}/stat")
    wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it did not stop")
    asked = host.ask("ping")
    host.signal(signal.SIGCONT)
    assert host.response(asked)["result"] == {}
