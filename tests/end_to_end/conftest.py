"""The real llama.cpp server, for the tests of this folder."""

from tests.llama_server import llama_server

__all__ = ["llama_server"]
