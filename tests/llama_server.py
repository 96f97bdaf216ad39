"""A real llama.cpp server on this machine, for tests: nobody here wrote it, so it cannot share our mistakes.

Law: session fixture `llama_server` (import it into a `conftest.py`). The model has random weights, 64 wide, 2 layers, a
byte vocabulary, half a megabyte: it loads in milliseconds, writes noise at thousands of tokens a second and never ends
by itself, so `max_tokens` decides. Text is noise; shapes, counts, finish reasons and errors are real.

The server runs in a child process (`python llama_server.py MODEL`) that ends when its stdin does. Without the packages
`xllamacpp`, `gguf` and `numpy` the fixture skips.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

SLOTS: Final = 2
CONTEXT_PER_SLOT: Final = 16_384
"""Tokens: enough that a stream runs for seconds if nobody stops it."""


@dataclass(frozen=True)
class LlamaServer:
    """Where it listens. `url` is its origin, without a path."""

    url: str

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def busy_slots(self) -> int:
        """How many answers it is working on."""
        return sum(bool(slot["is_processing"]) for slot in self.get("/slots"))


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    for package in ("xllamacpp", "gguf", "numpy"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs a real llama.cpp server: the package {package} is not installed")
    model = tmp_path_factory.mktemp("llama") / "random.gguf"
    write_model(model)
    with subprocess.Popen(
        [sys.executable, __file__, str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), "the llama.cpp server did not start"
        yield LlamaServer(address)
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def write_model(path: Path) -> None:
    """Write a llama model of random weights (always the same ones) as GGUF."""
    import numpy
    from gguf import GGUFWriter, TokenType

    width, layers, heads, inner = 64, 2, 4, 128
    tokens: list[tuple[bytes, TokenType]] = [
        (b"<unk>", TokenType.UNKNOWN),
        (b"<s>", TokenType.CONTROL),
        (b"</s>", TokenType.CONTROL),
        *((f"<0x{byte:02X}>".encode(), TokenType.BYTE) for byte in range(256)),
        *((chr(code).encode(), TokenType.NORMAL) for code in range(33, 127)),
        ("\u2581".encode(), TokenType.NORMAL),
    ]
    writer = GGUFWriter(str(path), "llama")
    writer.add_name("random")
    writer.add_context_length(CONTEXT_PER_SLOT)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template("{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>")

    generator = numpy.random.default_rng(0)
    ones = numpy.ones(width, numpy.float32)

    def noise(*shape: int) -> numpy.ndarray:
        return (generator.standard_normal(shape) * 0.05).astype(numpy.float32)

    # The first feature is always on, and counts against the three special tokens: none of them is ever chosen.
    embedding, output = noise(len(tokens), width), noise(len(tokens), width)
    embedding[:, 0], output[:, 0], output[:3, 0] = 1, 0, -10
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", ones)
    for layer in range(layers):
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", ones)
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", noise(width, width))
        writer.add_tensor(f"blk.{layer}.ffn_gate.weight", noise(inner, width))
        writer.add_tensor(f"blk.{layer}.ffn_up.weight", noise(inner, width))
        writer.add_tensor(f"blk.{layer}.ffn_down.weight", noise(width, inner))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _serve(model: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = SLOTS
    params.n_ctx = CONTEXT_PER_SLOT * SLOTS
    params.endpoint_slots = True
    params.warmup = False
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _serve(sys.argv[1])
