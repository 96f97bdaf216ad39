"""A host's picker: the two lists, from a real sidecar process and a real llama.cpp server."""

from __future__ import annotations

from collections.abc import Callable

from tests.hosts import Host
from tests.llama_server import CONTEXT_PER_SLOT, SLOTS, LlamaServer


def test_the_models_of_a_real_server_are_listed_with_their_context(
    spawn: Callable[..., Host], llama_server: LlamaServer
) -> None:
    host = spawn(environment={"LLAMA_CPP_BASE_URL": llama_server.url})
    result = host.call("llm:models:list", {"providerId": "llama.cpp"})
    (model,) = result["data"]
    assert result["object"] == "list"
    assert (model["object"], model["providerId"]) == ("model", "llama.cpp")
    assert model["id"] == llama_server.get("/v1/models")["data"][0]["id"]
    assert model["contextWindow"] in {CONTEXT_PER_SLOT, CONTEXT_PER_SLOT * SLOTS}
    assert "prices" not in model
    host.call(
        "llm:inference",
        {
            "inferenceId": "a",
            "providerId": "llama.cpp",
            "modelId": model["id"],
            "messages": [{"role": "user", "content": "hello"}],
            "maxTokens": 5,
        },
    )
    assert host.answer("a").outcome == "done"


def test_a_key_in_the_environment_makes_a_provider_ready_and_is_told_nowhere(spawn: Callable[..., Host]) -> None:
    key = "sk-canary-0123456789abcdef"
    host = spawn(environment={"OPENAI_API_KEY": key})
    host.send({"jsonrpc": "2.0", "id": 1, "method": "llm:providers:list"})
    line = host.read_line()
    assert b'"id":"openai"' in line
    assert b'"hasKey":true' in line
    assert key.encode() not in line
