"""llm-sidecar: one child process that speaks to every LLM, over newline-delimited JSON-RPC 2.0 on stdio."""

__version__ = "0.1.0"
