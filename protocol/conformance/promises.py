"""What the contract promises of every conversation, whatever is said in it.

Law: nothing is taken for granted of what came; a value of a wrong shape is a `Breach`, never a crash of the runner.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from conformance.completion import Completion
from conformance.faults import Breach, demand, shown
from conformance.shapes import Shapes

TERMINALS: Final = ("llm:done", "llm:error")
_ACCEPTING: Final = ("llm:inference", "llm:session:run")


def check(send: list[Any], lines: list[Any], shapes: Shapes, *, is_whole: bool = True) -> None:
    """Raise `Breach` for the first promise that `lines`, the answer to the steps `send`, break. Where they are not the
    whole, none is missed at their end."""
    record = _Record(send, shapes)
    for number, message in _items(lines):
        try:
            record.add(message)
        except Breach as breach:
            raise Breach(f"line {number}: {breach}") from None
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            # Only where `jsonschema`, which would have said it better, is not installed.
            raise Breach(f"line {number}: not of its shape ({error!r}): {shown(message)}") from None
    if is_whole:
        record.end()


def texts(lines: list[Any]) -> dict[str, str]:
    """What the tokens of each accepted inference give when they are joined."""
    joined: dict[str, str] = {}
    for _, message in _items(lines):
        if "inferenceId" in message.get("result", {}):
            joined[message["result"]["inferenceId"]] = ""
        elif message.get("method") == "llm:token":
            joined[message["params"]["inferenceId"]] += message["params"]["token"]
    return joined


class _Record:
    """A conversation as far as it came."""

    def __init__(self, send: list[Any], shapes: Shapes) -> None:
        self._shapes = shapes
        asked = [message for message in _sent(send) if "id" in message and "method" in message]
        self._asked = {json.dumps(message["id"]): message for message in asked}
        self._inferences: dict[str, Inference] = {}
        self._completions: dict[str, Completion] = {}
        self._jobs_over: dict[str, bool] = {}

    def add(self, message: dict[str, Any]) -> None:
        demand(message.get("jsonrpc") == "2.0", f'`jsonrpc` is not "2.0": {shown(message)}')
        kind = next((name for name in ("method", "error", "result") if name in message), None)
        if kind == "method":
            _has_fields(message, {"jsonrpc", "method", "params"})
            self._notification(message["method"], message["params"])
        elif kind == "error":
            _has_fields(message, {"jsonrpc", "id", "error"})
            self._shapes.check("ErrorObject", message["error"], "the error")
            self._completion(message["id"]).is_over = True
        else:
            _has_fields(message, {"jsonrpc", "id", "result"})
            self._result(message["id"], message["result"])

    def _notification(self, name: str, params: Any) -> None:
        demand(name in self._shapes.notifications, f"a notification that openrpc.json does not know: {shown(name)}")
        self._shapes.check(self._shapes.notifications[name], params, name)
        if name == "llm:chat:chunk":
            method = self._asked.get(json.dumps(params["requestId"]), {}).get("method")
            demand(
                method == "llm:chat:completions", f"a chunk nobody asked for: requestId {shown(params['requestId'])}"
            )
            self._completion(params["requestId"]).add(params["chunk"])
        elif name.startswith("llm:job:"):
            job = params["jobId"]
            demand(job in self._jobs_over, f"{name} of job {shown(job)} before its acceptance")
            demand(not self._jobs_over[job], f"{name} of job {shown(job)}, which is over")
            self._jobs_over[job] = name != "llm:job:progress"
        else:
            inference = params["inferenceId"]
            demand(inference in self._inferences, f"{name} of inference {shown(inference)} before its acceptance")
            self._inferences[inference].add(name, params)

    def _result(self, request_id: Any, result: Any) -> None:
        request = self._asked.get(json.dumps(request_id), {})
        method = request.get("method")
        is_known = method in self._shapes.results
        demand(is_known, f"a result of a request that was not made: id {shown(request_id)}")
        self._shapes.check(self._shapes.results[str(method)], result, f"the result of {method}")
        if method == "llm:chat:completions":
            self._completion(request_id).end(result)
        elif method in _ACCEPTING:
            inference = result["inferenceId"]
            demand(inference not in self._inferences, f"inference {shown(inference)} is accepted a second time")
            self._inferences[inference] = Inference(inference)
        elif method == "llm:job:submit":
            self._jobs_over[result["jobId"]] = False
        elif method == "llm:cancel" and result["success"]:
            params: Any = request["params"]
            cancelled = params["inferenceId"] if isinstance(params, dict) else params[0]
            if cancelled in self._inferences:
                self._inferences[cancelled].is_cancelled = True

    def _completion(self, request_id: Any) -> Completion:
        return self._completions.setdefault(json.dumps(request_id), Completion())

    def end(self) -> None:
        for inference in self._inferences.values():
            inference.end()


class Inference:
    """The events of one inference: `seq` counts from 0, `index` is the sum of the `count`s, one terminal ends it."""

    def __init__(self, name: str) -> None:
        self._name = shown(name)
        self._seq = 0
        self._deltas = 0
        self._terminal: str | None = None
        self.is_cancelled = False
        """Whether `llm:cancel` was answered with success."""

    def add(self, name: str, params: dict[str, Any]) -> None:
        demand(self._terminal is None, f"{name} of inference {self._name} after its {self._terminal}")
        is_next = params["seq"] == self._seq
        demand(is_next, f"{name} of inference {self._name} has seq {shown(params['seq'])}, expected {self._seq}")
        self._seq += 1
        if name == "llm:token":
            demand(not self.is_cancelled, f"a token of inference {self._name} after its llm:cancel was answered")
            is_next = params["index"] == self._deltas
            demand(is_next, f"a token of {self._name} has index {shown(params['index'])}, expected {self._deltas}")
            self._deltas += params["count"]
        elif name in TERMINALS:
            self._terminal = name
            is_told = not self.is_cancelled or (name == "llm:done" and params.get("cancelled") is True)
            demand(is_told, f"inference {self._name} was cancelled, and its {name} does not say so")

    def end(self) -> None:
        demand(self._terminal is not None, f"inference {self._name} has no llm:done or llm:error")


def _has_fields(message: dict[str, Any], names: set[str]) -> None:
    demand(message.keys() == names, f"a message has {', '.join(sorted(names))} and nothing else: {shown(message)}")


def _sent(send: list[Any]) -> Iterator[dict[str, Any]]:
    """The messages of the steps, those written as text included where they are JSON."""
    for step in send:
        message = step
        if isinstance(step, str):
            try:
                message = json.loads(step.removeprefix("\ufeff"))
            except ValueError:
                continue
        for _, item in _items([message]):
            yield item


def _items(messages: list[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each message with the number of its line; those of a batch have the same."""
    for number, message in enumerate(messages, 1):
        for item in message if isinstance(message, list) else [message]:
            if isinstance(item, dict):
                yield number, item
