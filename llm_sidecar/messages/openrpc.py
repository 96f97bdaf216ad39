"""Where `rpc.discover` finds its document; see `protocol.openrpc`, which makes it."""

from llm_sidecar.protocol.openrpc import document

__all__ = ["document"]
