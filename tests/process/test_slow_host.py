"""A host that does not read: bounded memory, control requests served, and everything there when it reads again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts import Answer, Host, inference, request, wait_until

MIB = 1 << 20
STREAMS = 32
TOKENS = 100_000
QUICK = {"LLM_SIDECAR_EXIT_FLUSH_MS": "100"}
on_both_forms = pytest.mark.parametrize("options", [(), ("--force-threads",)], ids=["polled", "threads"])


def endless_rate(seed: int) -> str:
    return f"[[demo: connect=0 firstToken=0 rate=max tokens={TOKENS} seed={seed}]]"


def wait_until_it_rests(host: Host) -> None:
    """Return when the sidecar uses no processor time any more: it has done all it can without being read."""
    stat = Path(f"/proc/{host.pid}/stat")
    ticks = [-1] * 10

    def rests() -> bool:
        fields = stat.read_text().rpartition(")")[2].split()
        ticks.append(int(fields[11]) + int(fields[12]))
        return fields[0] == "S" and len(set(ticks[-20:])) == 1

    wait_until(rests, "the sidecar never came to rest")


@on_both_forms
def test_32_streams_at_full_speed_cost_a_host_that_does_not_read_no_more_than_64_mib(
    spawn: Callable[..., Host], options: tuple
) -> None:
    host = spawn(*options)
    limits = {"maxConcurrentInferences": STREAMS}
    host.call("initialize", {"protocolVersion": 1, "limits": limits, "prewarm": ["demo"]})
    references = {}
    for seed in range(4):
        host.call("llm:inference", inference(endless_rate(seed), inferenceId=f"reference-{seed}"))
        references[seed] = host.answer(f"reference-{seed}").text
    assert len(set(references.values())) == 4
    before = host.peak_bytes()

    ids = [f"stream-{number}" for number in range(STREAMS)]
    asked = [inference(endless_rate(number % 4), inferenceId=i) for number, i in enumerate(ids)]
    host.send(*(request(i, "llm:inference", params) for i, params in zip(ids, asked, strict=True)))
    wait_until_it_rests(host)
    assert host.peak_bytes() - before <= 64 * MIB

    host.send(
        request("cancel", "llm:cancel", {"inferenceId": "stream-7"}),
        request("ping", "ping"),
        request("status", "llm:get-status"),
        request("down", "shutdown", {"deadlineMs": 60_000}),
    )
    wait_until_it_rests(host)

    answers = {inference_id: Answer() for inference_id in ids}
    responses = {}
    while len(responses) < STREAMS + 4 or not all(answer.is_over for answer in answers.values()):
        message = host.read()
        if "method" in message:
            answers[message["params"]["inferenceId"]].add(message)
        else:
            assert message["id"] not in responses
            responses[message["id"]] = message["result"]

    assert responses["cancel"] == {"success": True}
    assert responses["ping"] == responses["down"] == {}
    assert responses["status"]["activeInferences"] == STREAMS - 1
    assert responses["status"]["outboxBytes"] > 7 * MIB
    for number, inference_id in enumerate(ids):
        answer, whole = answers[inference_id], references[number % 4]
        if inference_id == "stream-7":
            assert answer.outcome == "cancelled"
            assert whole.startswith(answer.text)
        else:
            assert answer.outcome == "done"
            assert answer.text == whole
            assert sum(token["count"] for token in answer.tokens) == TOKENS
    host.close_stdin()
    assert host.wait() == 0
    assert host.read_to_end() == b""


def test_replies_that_nobody_reads_cost_what_their_limit_says_and_not_a_multiple_of_it(
    spawn: Callable[..., Host],
) -> None:
    """The smallest replies: what is around each of them in memory is more than they are."""
    limit = 8 * MIB
    host = spawn(environment={"LLM_SIDECAR_MAX_REPLY_BYTES": str(limit)} | QUICK)
    host.call("ping")
    before = host.peak_bytes()
    assert host.send_what_fits(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n' * 400_000, patience=0.5) > 0
    assert host.peak_bytes() - before < 2 * limit + 4 * MIB


@on_both_forms
@pytest.mark.parametrize("how", ["end of input", "SIGTERM", "exit"])
def test_a_host_that_reads_nothing_does_not_keep_the_process_alive(
    spawn: Callable[..., Host], options: tuple, how: str
) -> None:
    # One way with the time that is left by default, the others quickly.
    host = spawn(*options, environment={} if how == "end of input" else QUICK)
    host.infer("[[demo: connect=0 firstToken=0 rate=max tokens=1000000]]", inferenceId="a")
    host.read_until(lambda m: m.get("method") == "llm:token")
    wait_until_it_rests(host)
    if how == "exit":
        host.send({"jsonrpc": "2.0", "method": "exit"})
    elif how == "SIGTERM":
        host.process.terminate()
    else:
        host.close_stdin()
    assert host.wait_for_the_promised_two_seconds() == (143 if how == "SIGTERM" else 0)
    assert host.logs()[-1]["event"] == "stopped"


@pytest.mark.parametrize("line", [b"garbage\n", b'{"jsonrpc":"2.0","id":1,"method":"nowhere"}\n'])
def test_a_host_that_reads_no_replies_and_closes_stdin_does_not_keep_the_process_alive(
    spawn: Callable[..., Host], line: bytes
) -> None:
    """The sidecar has stopped reading, for want of room or because of the garbage, and notices the end all the same."""
    limits = {"LLM_SIDECAR_MAX_REPLY_BYTES": "65536", "LLM_SIDECAR_INVALID_MESSAGES_PER_SECOND": "100"}
    host = spawn(environment=QUICK | limits)
    host.call("ping")
    assert host.send_what_fits(line * 100_000, patience=0.5) > 0
    host.close_stdin()
    assert host.wait_for_the_promised_two_seconds() == 0


def test_garbage_before_the_end_of_input_does_not_delay_the_exit(spawn: Callable[..., Host]) -> None:
    """One chunk of garbage would take more than six seconds to answer at the pace it is answered."""
    host = spawn(environment=QUICK)
    host.call("ping")
    host.send_bytes(b"x\n" * 32_000)
    host.close_stdin()
    assert host.wait_for_the_promised_two_seconds() == 0
