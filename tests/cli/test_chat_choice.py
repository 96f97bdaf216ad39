"""Who answers a chat, and why."""

from __future__ import annotations

import pytest

from llm_sidecar.cli.choice import choose
from llm_sidecar.cli.conversation import Conversation
from llm_sidecar.cli.local_servers import LocalServer
from llm_sidecar.client import DoneEvent
from llm_sidecar.messages.events import Timings, Usage

OLLAMA = LocalServer("ollama", "http://127.0.0.1:11434/v1", ["qwen"])
LLAMA = LocalServer("llama.cpp", "http://127.0.0.1:9931/v1", ["tiny"])
VLLM = LocalServer("openai-compatible", "http://127.0.0.1:8000/v1", ["big"])
KEYS = {"OPENAI_API_KEY": "sk-1", "DEEPSEEK_API_KEY": "sk-2"}


def test_a_local_server_comes_before_a_key() -> None:
    choice = choose([OLLAMA, LLAMA], KEYS, None)
    assert (choice.provider_id, choice.model_id) == ("ollama", "qwen")
    assert choice.because == "a local server answers at http://127.0.0.1:11434/v1"


def test_a_server_without_a_model_cannot_answer() -> None:
    assert choose([OLLAMA._replace(models=[]), LLAMA], {}, None).provider_id == "llama.cpp"


def test_a_model_that_embeds_is_not_one_that_talks() -> None:
    assert choose([OLLAMA._replace(models=["nomic-embed-text", "qwen"])], {}, None).model_id == "qwen"
    assert choose([OLLAMA._replace(models=["nomic-embed-text"])], {}, None).model_id == "nomic-embed-text"


@pytest.mark.parametrize(
    ("environment", "provider_id", "variable"),
    [
        (KEYS, "openai", "OPENAI_API_KEY"),
        ({"DEEPSEEK_API_KEY": "sk"}, "deepseek", "DEEPSEEK_API_KEY"),
        ({"OPENAI_COMPATIBLE_BASE_URL": "https://x.example"}, "openai-compatible", "OPENAI_COMPATIBLE_BASE_URL"),
        ({"OPENAI_API_KEY": "  ", "DEEPSEEK_API_KEY": "sk"}, "deepseek", "DEEPSEEK_API_KEY"),
    ],
)
def test_the_environment_comes_next_and_is_named_not_quoted(
    environment: dict[str, str], provider_id: str, variable: str
) -> None:
    choice = choose([], environment, None)
    assert choice.provider_id == provider_id
    assert choice.because == f"{variable} is set"
    assert choice.model_id is None


def test_the_demo_provider_is_always_there() -> None:
    assert choose([], {"OPENAI_BASE_URL": "https://x.example"}, None).provider_id == "demo"


@pytest.mark.parametrize(("servers", "environment"), [([OLLAMA], {}), ([], KEYS), ([], {})])
def test_a_model_that_was_asked_for_is_kept_whoever_answers(
    servers: list[LocalServer], environment: dict[str, str]
) -> None:
    assert choose(servers, environment, "mine").model_id == "mine"


def test_the_sidecar_is_told_where_the_found_server_is() -> None:
    assert choose([VLLM], {"PATH": "/bin"}, None).environment == {
        "PATH": "/bin",
        "OPENAI_COMPATIBLE_BASE_URL": VLLM.base_url,
    }


def test_a_key_for_another_address_is_not_sent_to_a_server_found_by_its_port() -> None:
    gateway = {"OPENAI_COMPATIBLE_BASE_URL": "https://gateway.example/v1", "OPENAI_COMPATIBLE_API_KEY": "sk-gateway"}
    chosen = choose([VLLM], gateway, None).environment
    assert chosen == {"OPENAI_COMPATIBLE_BASE_URL": VLLM.base_url}
    moved = choose([LLAMA], {"LLAMA_CPP_API_KEY": "sk-8080"}, None).environment
    assert moved == {"LLAMA_CPP_BASE_URL": LLAMA.base_url}


def test_a_key_for_this_very_server_is_kept() -> None:
    for environment in (
        {"OLLAMA_API_KEY": "sk"},
        {"OLLAMA_API_KEY": "sk", "OLLAMA_BASE_URL": "http://127.0.0.1:11434/"},
    ):
        assert choose([OLLAMA], environment, None).environment == environment


def done(*, cancelled: bool = False) -> DoneEvent:
    return DoneEvent(
        inference_id="a",
        seq=0,
        total_tokens=2,
        usage=Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2, source="reported"),
        cost=None,
        finish_reason="stop",
        raw_finish_reason=None,
        cancelled=cancelled,
        provider_state={"signature": "s"},
        provider_id="demo",
        model_id="demo-1",
        attempts=1,
        timings=Timings(queued_ms=0, first_token_ms=1, total_ms=2),
    )


def test_a_long_conversation_still_fits_a_request_and_begins_with_a_question() -> None:
    conversation = Conversation(None)
    for number in range(80):
        conversation.keep(f"question {number}", f"answer {number}", done())
    messages = conversation.ask("last")["messages"]
    assert len(messages) == 99
    assert messages[0]["role"] == "user"
    assert messages[-2]["content"] == "answer 79"
    assert messages[-1] == {"role": "user", "content": "last"}


def test_an_answer_without_a_word_leaves_no_trace() -> None:
    conversation = Conversation("Be brief.")
    conversation.keep("question", "", done(cancelled=True))
    assert conversation.ask("next") == {"messages": [{"role": "user", "content": "next"}], "systemPrompt": "Be brief."}


def test_what_the_provider_wants_to_see_again_is_sent_again() -> None:
    conversation = Conversation(None)
    conversation.keep("question", "answer", done())
    assert conversation.ask("next")["messages"][1]["providerState"] == {"signature": "s"}


def test_an_answer_above_the_limit_of_a_message_is_cut() -> None:
    conversation = Conversation(None)
    conversation.keep("question", "x" * 100_001, done())
    assert len(conversation.ask("next")["messages"][1]["content"]) == 100_000
