"""A host, the sidecar and a real llama.cpp server: three processes, and nobody here wrote the third."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.hosts import Host, wait_until
from tests.llama_server import LlamaServer


@pytest.fixture
def host(spawn: Callable[..., Host], llama_server: LlamaServer) -> Host:
    """A host whose `llama.cpp` is the real server; its address is given without the `/v1`."""
    return spawn(environment={"LLAMA_CPP_BASE_URL": llama_server.url})


def ask(host: Host, inference_id: str, **params: Any) -> None:
    messages = [{"role": "user", "content": "hello"}]
    host.call(
        "llm:inference",
        {"inferenceId": inference_id, "providerId": "llama.cpp", "messages": messages, "seed": 1, **params},
    )


def terminal_of(host: Host) -> dict[str, Any]:
    return host.read_until(lambda message: message.get("method") in {"llm:done", "llm:error"})["params"]


def test_tokens_usage_and_the_finish_reason_are_the_server_s(host: Host) -> None:
    ask(host, "a", maxTokens=40)
    answer = host.answer("a")
    assert answer.outcome == "done"
    done = answer.terminal
    assert done["finishReason"] == "length"
    assert done["usage"]["source"] == "reported"
    assert done["usage"]["completionTokens"] == 40
    assert done["usage"]["promptTokens"] > 0
    assert done["totalTokens"] == done["usage"]["totalTokens"] == done["usage"]["promptTokens"] + 40
    assert [event["index"] for event in answer.tokens] == sorted({event["index"] for event in answer.tokens})
    assert answer.text != ""


def test_without_streaming_the_same_text_comes_with_the_terminal(host: Host) -> None:
    ask(host, "streamed", maxTokens=30, temperature=0)
    ask(host, "whole", maxTokens=30, temperature=0, stream=False)
    streamed, whole = host.answer("streamed"), host.answer("whole")
    assert whole.tokens == []
    assert whole.terminal["text"] == streamed.text


def test_a_cancel_in_the_middle_frees_the_server_s_slot(host: Host, llama_server: LlamaServer) -> None:
    ask(host, "a", maxTokens=10_000)
    host.read_until(lambda message: message.get("method") == "llm:token")
    assert llama_server.busy_slots() == 1
    assert host.call("llm:cancel", {"inferenceId": "a"}) == {"success": True}
    done = terminal_of(host)
    assert done["cancelled"] is True
    assert done["usage"]["source"] == "partial"
    assert done["usage"]["completionTokens"] > 0
    wait_until(lambda: llama_server.busy_slots() == 0, "the server's slot to be free")


def test_a_host_that_hangs_up_frees_the_server_s_slot(host: Host, llama_server: LlamaServer) -> None:
    ask(host, "a", maxTokens=10_000)
    host.read_until(lambda message: message.get("method") == "llm:token")
    host.close_stdin()
    assert terminal_of(host)["code"] == "SHUTTING_DOWN"
    assert host.wait() == 0
    wait_until(lambda: llama_server.busy_slots() == 0, "the server's slot to be free")


def test_a_prompt_above_the_context_is_a_typed_error(host: Host) -> None:
    messages = [{"role": "user", "content": "x" * 60_000}]
    host.call("llm:inference", {"inferenceId": "a", "providerId": "llama.cpp", "messages": messages})
    terminal = host.answer("a").terminal
    assert (terminal["code"], terminal["retryable"], terminal["attempts"]) == ("CONTEXT_LENGTH_EXCEEDED", False, 1)


def test_a_server_that_is_not_there_is_named_and_tried_again(spawn: Callable[..., Host]) -> None:
    host = spawn(environment={"LLAMA_CPP_BASE_URL": "http://127.0.0.1:9", "LLM_SIDECAR_RETRY_BASE_MS": "0"})
    ask(host, "a", retry={"maxRetries": 1})
    terminal = host.answer("a").terminal
    assert (terminal["code"], terminal["details"]["errno"]) == ("NETWORK_ERROR", "ECONNREFUSED")
    assert terminal["attempts"] == 2
    assert "127.0.0.1:9" in terminal["error"]
    assert "is the server running?" in terminal["error"]
