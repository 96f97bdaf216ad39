"""Why and how the process ends: distinct exit codes, a last line that says why, and never later than promised."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts import Host, inference, line_of, notification, request, wait_until
from tests.process.programs import NAMES_NEVER_RESOLVE, STUBBORN, WITHOUT_STDERR, WITHOUT_STDIN, WITHOUT_STDOUT

ENDLESS = "[[demo: connect=0 firstToken=0 tokens=1 stall=1]]"
FINISHED = "[[demo: connect=0 firstToken=50 rate=max text=finished]]"
on_both_forms = pytest.mark.parametrize("options", [(), ("--force-threads",)], ids=["polled", "threads"])


def last_words(host: Host) -> tuple[str, int]:
    """Why it ended, by its last line on stderr."""
    line = host.logs()[-1]
    assert line["event"] == "stopped"
    return line["reason"], line["exitCode"]


@on_both_forms
@pytest.mark.parametrize(
    ("how", "code", "reason"),
    [
        ("end of input", 0, "end of input"),
        ("exit", 0, "end of input"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 143, "terminated"),
        (signal.SIGINT, 130, "interrupted"),
    ],
    ids=str,
)
def test_every_end_tells_the_streams_the_log_and_the_caller(
    spawn: Callable[..., Host], options: tuple, how: object, code: int, reason: str
) -> None:
    host = spawn(*options)
    host.infer(ENDLESS, inferenceId="streaming")
    host.infer("[[demo: hang]]", inferenceId="hanging")
    host.read_until(lambda m: m.get("method") == "llm:token")
    if how == "end of input":
        host.close_stdin()
    elif how == "exit":
        host.send(notification("exit"))
    else:
        host.signal(how)  # type: ignore[arg-type]
    ends = [host.read_until(lambda m: m.get("method") == "llm:error")["params"] for _ in range(2)]
    assert {end["inferenceId"] for end in ends} == {"streaming", "hanging"}
    assert {end["code"] for end in ends} == {"SHUTTING_DOWN"}
    assert host.read_to_end() == b""
    assert host.wait_for_the_promised_two_seconds() == code
    assert last_words(host) == (reason, code)


@on_both_forms
def test_half_a_line_and_the_end_of_input_is_no_message(spawn: Callable[..., Host], options: tuple) -> None:
    host = spawn(*options)
    host.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
    host.close_stdin()
    assert host.read_to_end() == b""
    assert host.wait() == 0


@on_both_forms
def test_requests_before_the_end_of_input_are_answered_before_the_exit(
    spawn: Callable[..., Host], options: tuple
) -> None:
    host = spawn(*options)
    host.send_bytes(b"".join(line_of(request(number, "ping")) for number in range(1_000)))
    host.close_stdin()
    answers = [json.loads(line)["id"] for line in host.read_to_end().splitlines()]
    assert answers == list(range(1_000))
    assert host.wait() == 0


@on_both_forms
def test_draining_finishes_what_was_asked_and_takes_a_last_line_without_its_ending(
    spawn: Callable[..., Host], options: tuple
) -> None:
    host = spawn("--drain", *options)
    asked = [inference(FINISHED, inferenceId=f"i{number}") for number in range(3)]
    lines = b"".join(line_of(request(number, "llm:inference", params)) for number, params in enumerate(asked))
    host.send_bytes(lines.removesuffix(b"\n"))
    host.close_stdin()
    for params in asked:
        answer = host.answer(params["inferenceId"])
        assert (answer.outcome, answer.text) == ("done", "finished")
    assert host.read_to_end() == b""
    assert host.wait() == 0


def test_draining_does_the_jobs_that_were_submitted(spawn: Callable[..., Host]) -> None:
    host = spawn("--drain", environment={"LLM_SIDECAR_MAX_RUNNING_JOBS": "1"})
    for number in range(5):
        params = inference("hello", modelId="demo-fast")
        host.ask("llm:job:submit", {"kind": "inference", "jobId": f"j{number}", "params": params})
    host.close_stdin()
    told = [json.loads(line) for line in host.read_to_end().splitlines()]
    done = [message["params"]["jobId"] for message in told if message.get("method") == "llm:job:done"]
    assert done == ["j0", "j1", "j2", "j3", "j4"]
    assert host.wait() == 0


def test_draining_does_not_wait_for_a_disk(spawn: Callable[..., Host], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    host = spawn("--drain", data_dir=tmp_path / "file")
    host.ask("llm:job:list", {})
    host.close_stdin()
    assert len(host.read_to_end().splitlines()) == 1
    assert host.wait() == 0


def test_draining_waits_for_a_slow_reader(spawn: Callable[..., Host], tmp_path: Path) -> None:
    count = 3_000
    (tmp_path / "requests").write_bytes(b"".join(line_of(request(number, "nowhere")) for number in range(count)))
    limits = {"LLM_SIDECAR_EXIT_FLUSH_MS": "0", "LLM_SIDECAR_MAX_REPLY_BYTES": "65536"}
    with (tmp_path / "requests").open("rb") as requests:
        host = spawn("--drain", environment=limits, stdin=requests)
    wait_until(lambda: host.unread_bytes() > 60_000, "the sidecar did not answer")
    answers = [json.loads(line)["id"] for line in host.read_to_end().splitlines()]
    assert answers == list(range(count))
    assert host.wait() == 0


@pytest.mark.parametrize("how", ["exit", "SIGTERM"])
def test_only_the_end_of_input_is_drained(spawn: Callable[..., Host], how: str) -> None:
    host = spawn("--drain")
    host.infer(ENDLESS)
    host.read_until(lambda m: m.get("method") == "llm:token")
    if how == "exit":
        host.send(notification("exit"))
    else:
        host.signal(signal.SIGTERM)
    assert host.wait_for_the_promised_two_seconds() == (0 if how == "exit" else 143)


@on_both_forms
def test_a_closed_stdout_ends_the_process_with_a_code_of_its_own(spawn: Callable[..., Host], options: tuple) -> None:
    host = spawn(*options)
    host.call("ping")
    host.close_stdout()
    host.ask("ping")
    assert host.wait_for_the_promised_two_seconds() == 4
    assert last_words(host) == ("output closed", 4)


@on_both_forms
def test_a_stdout_closed_under_a_stream_ends_the_process(spawn: Callable[..., Host], options: tuple) -> None:
    host = spawn(*options)
    host.infer("[[demo: connect=0 firstToken=0 rate=max tokens=1000000]]")
    host.read()
    host.close_stdout()
    assert host.wait_for_the_promised_two_seconds() == 4


def test_a_full_disk_under_stdout_ends_the_process(spawn: Callable[..., Host]) -> None:
    with Path("/dev/full").open("wb") as full:
        host = spawn(stdout=full)
    host.ask("ping")
    assert host.wait_for_the_promised_two_seconds() == 4


@on_both_forms
def test_without_a_stderr_it_serves_and_ends_as_ever(spawn: Callable[..., Host], options: tuple) -> None:
    host = spawn(*options, launcher=WITHOUT_STDERR)
    assert host.call("ping") == {}
    host.infer("[[demo: connect=0 firstToken=0 rate=max text=hello]]", inferenceId="i")
    assert host.answer("i").text == "hello"
    host.close_stdin()
    assert host.wait() == 0
    host = spawn("--nonsense", *options, launcher=WITHOUT_STDERR)
    assert host.wait() == 2


@pytest.mark.parametrize("launcher", [WITHOUT_STDIN, WITHOUT_STDOUT], ids=["stdin", "stdout"])
def test_without_stdin_or_stdout_it_does_not_start_and_says_so(spawn: Callable[..., Host], launcher: str) -> None:
    host = spawn(launcher=launcher)
    assert host.wait() == 2
    assert "stdin and stdout must be open" in host.stderr()
    assert "Traceback" not in host.stderr()


def test_a_name_look_up_that_hangs_does_not_keep_the_process_alive(spawn: Callable[..., Host]) -> None:
    environment = {"OPENAI_COMPATIBLE_BASE_URL": "https://provider.test/v1"}
    host = spawn(program=NAMES_NEVER_RESOLVE, environment=environment)
    asked = {**inference("hello", inferenceId="i"), "providerId": "openai-compatible", "modelId": "m"}
    host.call("llm:inference", asked)
    host.read_until(lambda m: m.get("method") == "llm:thinking")
    host.call("ping")
    host.close_stdin()
    assert host.wait_for_the_promised_two_seconds() == 0
    assert last_words(host) == ("end of input", 0)


def test_a_provider_that_cannot_be_cancelled_does_not_keep_the_process_alive(spawn: Callable[..., Host]) -> None:
    host = spawn(program=STUBBORN, environment={"LLM_SIDECAR_EXIT_FLUSH_MS": "200"})
    host.infer("hello", inferenceId="i")
    host.call("ping")
    host.close_stdin()
    assert host.answer("i").outcome == "SHUTTING_DOWN"
    assert host.wait_for_the_promised_two_seconds() == 0


def test_a_terminal_of_an_inference_is_on_stdout_before_the_process_ends(spawn: Callable[..., Host]) -> None:
    """Also when the answer is long and the host reads it only afterwards."""
    host = spawn()
    host.infer("[[demo: connect=0 firstToken=0 rate=max tokens=5000 stall=5000]]", inferenceId="i")
    host.read_until(lambda m: m.get("method") == "llm:token")
    host.close_stdin()
    assert host.wait_for_the_promised_two_seconds() == 0
    last = json.loads(host.read_to_end().splitlines()[-1])
    assert (last["method"], last["params"]["code"]) == ("llm:error", "SHUTTING_DOWN")
    assert len(last["params"]["partialText"]) > 10_000
