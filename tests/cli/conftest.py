"""A real server to find."""

from tests.llama_server import llama_server

__all__ = ["llama_server"]
