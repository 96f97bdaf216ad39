"""What a host may write, and how much: one answer each, in bounded memory, on both forms of the transport."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.hosts import Host, line_of, request, wait_until

MIB = 1 << 20
on_both_forms = pytest.mark.parametrize("options", [(), ("--force-threads",)], ids=["polled", "threads"])


@on_both_forms
def test_a_line_of_100_mb_costs_constant_memory_and_one_error(spawn: Callable[..., Host], options: tuple) -> None:
    host = spawn(*options)
    host.call("ping")
    before = host.peak_bytes()
    for _ in range(100):
        host.send_bytes(b"a" * 10**6)
    host.send_bytes(b"\n" + line_of(request("next", "ping")))
    error = host.read()
    assert (error["id"], error["error"]["data"]["code"]) == (None, "MESSAGE_TOO_LARGE")
    assert host.read() == {"jsonrpc": "2.0", "id": "next", "result": {}}
    # What is kept until the limit of 16 MiB is known to be passed, and some air.
    assert host.peak_bytes() - before < 40 * MIB


def test_a_line_that_comes_in_drops_costs_no_more_than_itself(spawn: Callable[..., Host]) -> None:
    host = spawn(environment={"LLM_SIDECAR_MAX_MESSAGE_BYTES": str(MIB)})
    host.call("ping")
    before = host.peak_bytes()
    for _ in range(60_000):
        host.send_bytes(b"a" * 7)
    host.send_bytes(b"\n")
    assert host.read()["error"]["code"] == -32700
    assert host.peak_bytes() - before < 8 * MIB


@on_both_forms
def test_a_line_at_the_limit_is_served(spawn: Callable[..., Host], options: tuple) -> None:
    host = spawn(*options)
    line = line_of(request("big", "ping"))[:-2] + b" " * 16 * MIB
    host.send_bytes(line[: 16 * MIB - 1] + b"}\n")
    assert host.read() == {"jsonrpc": "2.0", "id": "big", "result": {}}
    host.send_bytes(line[: 16 * MIB] + b"}\n")
    assert host.read()["error"]["data"]["code"] == "MESSAGE_TOO_LARGE"


@on_both_forms
def test_5_000_requests_are_answered_in_order_to_a_host_that_reads_late(
    spawn: Callable[..., Host], options: tuple
) -> None:
    host = spawn(*options)
    host.call("ping")
    before = host.peak_bytes()
    count = 5_000
    host.send_bytes(b"".join(line_of(request(number, "nowhere")) for number in range(count)))
    # All is read by the sidecar, and its answers are many times what the pipe holds: the rest is in its memory.
    wait_until(lambda: host.untaken_bytes() == 0, "the sidecar stopped reading")
    wait_until(lambda: host.unread_bytes() > 60_000, "the sidecar did not answer")
    answers = [host.read() for _ in range(count)]
    assert [answer["id"] for answer in answers] == list(range(count))
    assert {answer["error"]["code"] for answer in answers} == {-32601}
    assert len(json.dumps(answers)) > 10 * 65_536
    assert host.peak_bytes() - before < 32 * MIB
    host.call("ping")


@on_both_forms
def test_the_specification_s_mixed_batch_is_answered_through_the_process(
    spawn: Callable[..., Host], options: tuple
) -> None:
    host = spawn(*options)
    host.send_bytes(
        b'\xef\xbb\xbf[{"jsonrpc": "2.0", "method": "ping", "params": [], "id": "1"},'
        b'{"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}, {"foo": "boo"}, 1,'
        b'{"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},'
        b'{"jsonrpc": "2.0", "method": "llm:cancel", "params": ["x"], "id": "9"}]\r\n\r\n \t\n'
        b"[]\n"
        b'[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]}]\n'
        b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]\n'
        b'{"jsonrpc": "2.0", "method": 1, "params": "bar"}\n'
    )
    batch = {str(item["id"]) + str(number): item for number, item in enumerate(host.read())}
    assert len(batch) == 5
    outcomes = sorted(
        (repr(item["id"]), item.get("result") or item.get("error", {}).get("code")) for item in batch.values()
    )
    assert outcomes == [
        ("'1'", None),
        ("'5'", -32601),
        ("'9'", {"success": False}),
        ("None", -32600),
        ("None", -32600),
    ]
    assert [host.read()["error"]["code"] for _ in range(3)] == [-32600, -32700, -32600]
    host.call("ping")


def test_no_secret_of_a_refused_request_is_told_anywhere(spawn: Callable[..., Host]) -> None:
    host = spawn("--dev", "--log-level=debug")
    secret = "sk-canary-31337"
    messages = [
        request(1, "llm:inference", {"messages": secret, "providerId": [secret], "apiKey": secret}),
        request(2, "llm:inference", {"messages": [{"role": secret, "content": {"type": secret}}]}),
        request(3, "llm:inference", {"messages": [{"role": "user", "content": "x"}], "providerId": secret}),
        request(4, "llm:inference", {"messages": [{"role": "user", "content": "x"}], "profileId": secret}),
        request(5, "llm:cancel", [secret, secret]),
        request(6, "initialize", {"protocolVersion": secret, "vaultKey": [secret], "limits": {"journalBytes": secret}}),
        request(7, "initialize", {"protocolVersion": 1, "vaultKey": secret * 20}),
        {"jsonrpc": secret, "id": 8, "method": "ping"},
        {"jsonrpc": "2.0", "method": "llm:inference", "params": {"messages": secret}},
    ]
    host.send(*messages)
    answers = [host.read() for _ in range(8)]
    assert all("error" in answer for answer in answers)
    host.send_bytes(json.dumps({"jsonrpc": "2.0", "method": secret})[:-1].encode() + b"\n")
    answers.append(host.read())
    host.close_stdin()
    host.wait()
    assert "canary" not in json.dumps(answers)
    assert "canary" not in host.stderr()


def test_a_developer_is_shown_the_stack_and_nobody_else(spawn: Callable[..., Host]) -> None:
    program = (
        "import sys\n"
        "from llm_sidecar.methods import composition\n"
        "from llm_sidecar.cli.main import main\n"
        "class Failing(composition.Methods):\n"
        "    def __init__(self, *args, **options):\n"
        "        raise RuntimeError('sk-canary-31337')\n"
        "composition.Methods = Failing\n"
        "sys.argv[1:] = ['serve', *sys.argv[1:]]\n"
        "main()\n"
    )
    for options in ((), ("--dev",)):
        host = spawn(*options, program=program)
        error = host.refusal("llm:get-status")
        assert error["code"] == -32603
        (line,) = host.logs("internal error")
        assert error["message"] == f"Internal error; log id {line['logId']}."
        assert ("details" in error["data"]) == bool(options)
        assert "canary" not in json.dumps(error) + host.stderr()
