"""The log: one JSON object a line on stderr.

Law: a log line never blocks the program, never holds a secret, a prompt or a completion, and never goes to stdout.
A line is an event name and a few small fields the caller chose; exception texts of other libraries are not among
them (their class name is). What a host does not read is dropped and counted, not waited for. Every secret that is
live in the process is masked wherever it turns up (`redaction`).
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
import time
from types import TracebackType
from typing import Any, Final

import msgspec

from llm_sidecar.redaction import redact

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "off": 100}
_MAX_LINE: Final = 4096
"""PIPE_BUF on Linux: a line up to this size is written whole or not at all, and a writable pipe takes it at once."""
_MAX_FIELD: Final = 400

_encode = msgspec.json.Encoder(enc_hook=repr).encode


class _Log:
    def __init__(self) -> None:
        self.level = _LEVELS["info"]
        self.dropped = 0


_state = _Log()


def configure(level: str) -> None:
    """Set the lowest level written: `debug`, `info`, `warning`, `error` or `off`. Raises `ValueError` for others."""
    if level not in _LEVELS:
        raise ValueError(f"log level must be one of {', '.join(_LEVELS)}")
    _state.level = _LEVELS[level]


def debug(event: str, **fields: Any) -> None:
    _write("debug", event, fields)


def info(event: str, **fields: Any) -> None:
    _write("info", event, fields)


def warning(event: str, **fields: Any) -> None:
    _write("warning", event, fields)


def error(event: str, **fields: Any) -> None:
    _write("error", event, fields)


def _write(level: str, event: str, fields: dict[str, Any]) -> None:
    if _LEVELS[level] < _state.level:
        return
    line: dict[str, Any] = {"time": int(time.time() * 1000), "level": level, "event": event}
    for name, value in fields.items():
        line[name] = redact(value)[:_MAX_FIELD] if isinstance(value, str) else value
    if _state.dropped:
        line["droppedLines"] = _state.dropped
    data = redact(_encode(line).decode("utf-8", "replace")).encode() + b"\n"
    if len(data) > _MAX_LINE:
        data = _encode({"time": line["time"], "level": level, "event": event[:200], "tooLong": len(data)}) + b"\n"
    if _write_without_waiting(data):
        _state.dropped = 0
    else:
        _state.dropped += 1


def _write_without_waiting(data: bytes) -> bool:
    try:
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(2, select.POLLOUT)
            ready = poll.poll(0)
            if not ready or not ready[0][1] & select.POLLOUT:
                return False
        return os.write(2, data) == len(data)
    except (OSError, ValueError):
        return False


class _ForeignLogs(logging.Handler):
    """Lines of other libraries' loggers: their name, level and place, never their text (it may hold a URL or a key)."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= 40 else "warning" if record.levelno >= 30 else "debug"
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        _write(level, "library", {"logger": record.name, "at": f"{record.module}:{record.lineno}", "exception": kind})


def capture_foreign_logs() -> None:
    """Route the standard `logging` and `warnings` of every library here, and what Python says of exceptions that nobody
    caught, so that it can neither print raw text nor be lost."""
    root = logging.getLogger()
    root.handlers[:] = [_ForeignLogs()]
    root.setLevel(logging.DEBUG if _state.level <= 10 else logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = lambda kind, value, trace: _uncaught(kind, trace)
    sys.unraisablehook = lambda said: _uncaught(said.exc_type, said.exc_traceback)
    threading.excepthook = lambda said: _uncaught(said.exc_type, said.exc_traceback)


def _uncaught(kind: type[BaseException], trace: TracebackType | None) -> None:
    at = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    error("uncaught", exception=kind.__name__, at=at)
