"""OpenAI's and Anthropic's batch endpoints on this machine, as the vendors' documentation says, faults included.

Law: it keeps files and batches as the vendors do and moves a batch on with every look at it. What becomes of a request
is in its last message: `ERROR` fails, `EXPIRED` expires, `MISSING` has no result at all, anything else is answered.
`faults` are used up in order, each by the first request it fits.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.providers.fault_server import Exchange, FaultServer, Request, answer, fault_server

KEY = "sk-of-the-batch-server-0123456789"
_JSONL = "application/octet-stream"


@dataclass
class Fault:
    """What happens instead to requests like `POST /files`. `kind`: a status; `reset` (before it is done) or `lost` (it
    is done, the answer is not heard); `cut` (half of the answer, then the end); `hang`."""

    method: str
    path: str
    kind: int | Literal["reset", "lost", "cut", "hang"]
    times: int = 1
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class BatchServer:
    """`looks` at a batch until it has ended; `ends_as` is OpenAI's word for how."""

    looks: int = 2
    ends_as: str = "completed"
    faults: list[Fault] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    extra_lines: list[bytes] = field(default_factory=list)
    """Put before the results."""
    url: str = ""
    on_request: Callable[[int, str], None] = lambda _number, _moment: None
    """Told of every request, `before` it is done and `after` that, before it is answered."""

    def asked(self, method: str, path: str) -> list[Request]:
        """The requests of this kind so far."""
        return [request for request in self.requests if request.method == method and _path(request).endswith(path)]

    async def script(self, exchange: Exchange) -> None:
        request = exchange.request
        self.requests.append(request)
        fault = next((f for f in self.faults if f.method == request.method and _path(request).endswith(f.path)), None)
        if fault is None:
            number = len(self.requests)
            self.on_request(number, "before")
            response = self.respond(request)
            self.on_request(number, "after")
            await exchange.send(response)
            return
        fault.times -= 1
        if not fault.times:
            self.faults.remove(fault)
        if isinstance(fault.kind, int):
            body = {"error": {"type": "server_error", "message": "no"}}
            await exchange.send(answer(fault.kind, json.dumps(body).encode(), *fault.headers))
        elif fault.kind == "cut":
            data = self.respond(request)
            await exchange.send(data[: len(data) - len(data.partition(b"\r\n\r\n")[2]) // 2])
            exchange.close()
        elif fault.kind != "hang":
            if fault.kind == "lost":
                self.respond(request)
            exchange.reset()

    def respond(self, request: Request) -> bytes:
        key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if key != KEY:
            return _error(401, "invalid_api_key")
        path = _path(request).removeprefix("/v1")
        match [request.method, *path.strip("/").split("/")]:
            case ["POST", "files"]:
                return self._take_file(request)
            case ["GET", "files", name, "content"]:
                return answer(200, self.files[name], content_type=_JSONL) if name in self.files else _gone()
            case ["POST", "batches"]:
                return self._create(request.json)
            case ["GET", "batches"]:
                return self._list(request)
            case ["GET", "batches", name]:
                return _json(self._look(self.batches[name])) if name in self.batches else _gone()
            case ["POST", "batches", name, "cancel"]:
                return self._cancel(self.batches[name])
            case ["GET", "messages", "batches"]:
                return _json({"data": [], "has_more": False, "first_id": None, "last_id": None})
            case ["POST", "messages", "batches"]:
                return self._create_messages(request.json)
            case ["GET", "messages", "batches", name]:
                return _json(self._look_at_messages(self.messages[name])) if name in self.messages else _gone()
            case ["POST", "messages", "batches", name, "cancel"]:
                batch = self.messages[name]
                if batch["processing_status"] != "ended":
                    batch["processing_status"], batch["cancel_initiated_at"] = "canceling", "2026-01-01T00:00:00Z"
                    self.looks = 1
                return _json(batch)
            case ["GET", "messages", "batches", name, "results"]:
                return answer(200, self._message_results(name), content_type="application/x-jsonl")
            case _:
                return _gone()

    # --- OpenAI ---

    def _take_file(self, request: Request) -> bytes:
        boundary = request.headers["content-type"].partition("boundary=")[2].strip('"').encode()
        parts: dict[str, bytes] = {}
        for part in request.body.split(b"--" + boundary)[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            parts[head.decode().partition('name="')[2].partition('"')[0]] = content.removesuffix(b"\r\n")
        assert parts["purpose"] == b"batch"
        name = f"file-{len(self.files)}"
        self.files[name] = parts["file"]
        file = {"id": name, "object": "file", "bytes": len(parts["file"]), "created_at": 1, "filename": "batch.jsonl"}
        return _json({**file, "purpose": "batch", "status": "processed"})

    def _create(self, asked: dict[str, Any]) -> bytes:
        name = f"batch_{len(self.batches)}"
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines() if line.strip()]
        assert asked["completion_window"] == "24h"
        assert {line["url"] for line in lines} == {asked["endpoint"]}
        assert len({line["body"]["model"] for line in lines}) == 1
        assert not any("stream" in line["body"] for line in lines)
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": asked["endpoint"],
            "errors": None,
            "input_file_id": asked["input_file_id"],
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": 1,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            "metadata": asked.get("metadata"),
            "_looks": 0,
            "_lines": lines,
        }
        return _json(self.batches[name])

    def _list(self, request: Request) -> bytes:
        after = request.path.partition("after=")[2]
        names = list(reversed(self.batches))
        rest = names[names.index(after) + 1 :] if after else names
        page = [self.batches[name] for name in rest[:2]]
        return _json({"object": "list", "data": page, "has_more": len(rest) > 2})

    def _cancel(self, batch: dict[str, Any]) -> bytes:
        if batch["status"] in ("completed", "failed", "expired", "cancelled"):
            return _error(409, "batch_already_ended")
        batch["status"], self.looks = "cancelling", 1
        return _json(batch)

    def _look(self, batch: dict[str, Any]) -> dict[str, Any]:
        if batch["status"] in ("completed", "failed", "expired", "cancelled"):
            return batch
        batch["_looks"] += 1
        if batch["_looks"] < self.looks:
            batch["status"] = "in_progress" if batch["status"] == "validating" else batch["status"]
            return batch
        end = "cancelled" if batch["status"] == "cancelling" else self.ends_as
        batch["status"] = end
        if end == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": "invalid_json_line", "message": "line 1"}]}
            return batch
        answered, failed = list(self.extra_lines), []
        for at, line in enumerate(batch["_lines"]):
            is_cut = end in ("expired", "cancelled") and at % 2 == 1
            result = openai_result(
                line, {"expired": "batch_expired", "cancelled": "batch_cancelled"}[end] if is_cut else None
            )
            if result is not None:
                (failed if result["error"] or result["response"]["status_code"] >= 400 else answered).append(
                    json.dumps(result).encode()
                )
        batch["request_counts"] = {"total": len(batch["_lines"]), "completed": len(answered), "failed": len(failed)}
        for name, lines in (("output_file_id", answered), ("error_file_id", failed)):
            if lines:
                batch[name] = f"file-{len(self.files)}"
                self.files[batch[name]] = b"\n".join(lines) + b"\n"
        return batch

    # --- Anthropic ---

    def _create_messages(self, asked: dict[str, Any]) -> bytes:
        name = f"msgbatch_{len(self.messages)}"
        assert not any("stream" in item["params"] for item in asked["requests"])
        self.messages[name] = {
            "id": name,
            "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": {
                "processing": len(asked["requests"]),
                "succeeded": 0,
                "errored": 0,
                "canceled": 0,
                "expired": 0,
            },
            "created_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-02T00:00:00Z",
            "ended_at": None,
            "cancel_initiated_at": None,
            "archived_at": None,
            "results_url": None,
            "_looks": 0,
            "_requests": asked["requests"],
        }
        return _json(self.messages[name])

    def _look_at_messages(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch["_looks"] += 1
        if batch["processing_status"] != "ended" and batch["_looks"] >= self.looks:
            batch["_is_cancelled"] = batch["processing_status"] == "canceling"
            batch["processing_status"] = "ended"
            batch["results_url"] = f"{self.url}/v1/messages/batches/{batch['id']}/results"
            kinds = [result["result"]["type"] for result in self._results_of(batch["id"])]
            counts = {kind: kinds.count(kind) for kind in ("succeeded", "errored", "canceled", "expired")}
            batch["request_counts"] = {"processing": 0, **counts}
        return batch

    def _results_of(self, name: str) -> list[dict[str, Any]]:
        batch = self.messages[name]
        results = (
            anthropic_result(item, canceled=batch.get("_is_cancelled", False) and at % 2 == 1)
            for at, item in enumerate(batch["_requests"])
        )
        return [result for result in results if result is not None]

    def _message_results(self, name: str) -> bytes:
        lines = [json.dumps(result).encode() for result in self._results_of(name)]
        return b"\n".join([*self.extra_lines, *lines]) + b"\n"


def openai_result(line: dict[str, Any], end: str | None) -> dict[str, Any] | None:
    """A line of an output or error file."""
    text = _last_text(line["body"].get("messages") or line["body"]["input"])
    result: dict[str, Any] = {"id": "batch_req_1", "custom_id": line["custom_id"], "response": None, "error": None}
    if "MISSING" in text:
        return None
    if end is not None or "EXPIRED" in text:
        result["error"] = {"code": end or "batch_expired", "message": "This request could not be executed."}
        return result
    if "ERROR" in text:
        body: dict[str, Any] = {
            "error": {"message": "Too long", "type": "invalid_request_error", "code": "context_length_exceeded"}
        }
        result["response"] = {"status_code": 400, "request_id": "r", "body": body}
        return result
    if line["url"] == "/v1/responses":
        output = [{"type": "message", "id": "m", "role": "assistant", "status": "completed",
                   "content": [{"type": "output_text", "text": f"Answer to {text}", "annotations": []}]}]  # fmt: skip
        body = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "error": None,
                "model": line["body"]["model"], "output": output, "parallel_tool_calls": True, "tool_choice": "auto",
                "tools": [],
                "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15,
                          "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                          "output_tokens_details": {"reasoning_tokens": 2}}}  # fmt: skip
    else:
        choice = {"index": 0, "finish_reason": "stop", "logprobs": None,
                  "message": {"role": "assistant", "content": f"Answer to {text}", "refusal": None}}  # fmt: skip
        body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": line["body"]["model"],
                "choices": [choice],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}  # fmt: skip
    result["response"] = {"status_code": 200, "request_id": "r", "body": body}
    return result


def anthropic_result(item: dict[str, Any], *, canceled: bool) -> dict[str, Any] | None:
    """A line of a results file."""
    text = _last_text(item["params"]["messages"])
    result: dict[str, Any]
    if "MISSING" in text:
        return None
    if canceled:
        result = {"type": "canceled"}
    elif "EXPIRED" in text:
        result = {"type": "expired"}
    elif "ERROR" in text:
        error = {"type": "invalid_request_error", "message": "prompt is too long: 300000 tokens > 200000 maximum"}
        result = {"type": "errored", "error": {"type": "error", "request_id": None, "error": error}}
    else:
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": item["params"]["model"],
                   "content": [{"type": "text", "text": f"Answer to {text}", "citations": None}],
                   "stop_reason": "end_turn", "stop_sequence": None,
                   "usage": {"input_tokens": 10, "output_tokens": 5}}  # fmt: skip
        result = {"type": "succeeded", "message": message}
    return {"custom_id": item["custom_id"], "result": result}


def _last_text(messages: Any) -> str:
    if isinstance(messages, str):
        return messages
    content = messages[-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def _path(request: Request) -> str:
    return request.path.partition("?")[0]


def _json(value: Any) -> bytes:
    return answer(
        200,
        json.dumps(
            {k: v for k, v in value.items() if not k.startswith("_") and k != "data"}
            | (
                {"data": [{k: v for k, v in item.items() if not k.startswith("_")} for item in value["data"]]}
                if "data" in value
                else {}
            )
        ).encode(),
    )


def _error(status: int, code: str) -> bytes:
    return answer(
        status, json.dumps({"error": {"code": code, "message": "no", "type": "invalid_request_error"}}).encode()
    )


def _gone() -> bytes:
    return _error(404, "not_found")


class BatchServerThread:
    """A `BatchServer` for other processes: on a thread of its own, while the context is open."""

    def __init__(self, server: BatchServer) -> None:
        self.server = server
        self._is_up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self) -> BatchServer:
        self._thread.start()
        assert self._is_up.wait(10)
        return self.server

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        async with fault_server(self.server.script) as listener:
            self.server.url = listener.url
            self._is_up.set()
            await self._end.wait()


__all__ = ["KEY", "BatchServer", "BatchServerThread", "Fault", "FaultServer", "fault_server"]
