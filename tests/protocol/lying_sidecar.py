"""A little sidecar for the tests of the conformance runner: honest, unless its first argument names a lie."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

LIE = sys.argv[1] if len(sys.argv) > 1 else ""
USAGE = {"promptTokens": 1, "completionTokens": 2, "totalTokens": 3, "source": "reported"}


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def say(message: dict[str, Any]) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")


class Answer:
    """The answer to one inference: two tokens, and the rest when it is cancelled or stdin ends."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seq = 0
        self.event("llm:thinking", status="processing")
        self.event("llm:token", token="Hel", index=0, count=1)
        self.event("llm:token", token="lo", index=2 if LIE == "skip an index" else 1, count=1)

    def event(self, method: str, **params: Any) -> None:
        if LIE == "an event without seq" and method == "llm:token":
            say({"method": method, "params": {"inferenceId": self._name, **params}})
            return
        say({"method": method, "params": {"inferenceId": self._name, "seq": self._seq, **params}})
        self._seq += 0 if LIE == "repeat a seq" and method == "llm:token" else 1

    def end(self, **more: Any) -> None:
        tokens = "3" if LIE == "a string for a number" else 3
        told = {"totalTokens": tokens, "usage": USAGE, "cost": None, "finishReason": "stop", "rawFinishReason": "stop"}
        told |= {"providerId": "demo", "modelId": "demo", "attempts": 1}
        told |= {"timings": {"queuedMs": 0, "firstTokenMs": 0, "totalMs": 0}}
        if LIE == "a field of its own":
            told["mood"] = "fine"
        if LIE != "no terminal":
            self.event("llm:done", **told, **more)
        if LIE == "two terminals":
            self.event("llm:done", **told, **more)


def main() -> int:
    answers: dict[str, Answer] = {}
    for line in sys.stdin:
        message = json.loads(line)
        method, request_id = message["method"], message["id"]
        if method == "ping":
            ping(request_id)
        elif method == "llm:inference":
            name = message["params"]["inferenceId"]
            if LIE == "an event before the acceptance":
                answers[name] = Answer(name)
            say({"id": request_id, "result": {"inferenceId": name}})
            answers[name] = answers.get(name) or Answer(name)
            if LIE == "exit with 1":
                sys.stderr.write("Traceback: the model fell over\n")
                return 1
            if LIE == "die of a signal":
                os.kill(os.getpid(), signal.SIGKILL)
        elif method == "llm:cancel":
            say({"id": request_id, "result": {"success": True}})
            answer = answers.pop(message["params"]["inferenceId"])
            if LIE == "a token after the cancel":
                answer.event("llm:token", token="!", index=2, count=1)
            answer.end(**({} if LIE == "a cancel that is not told" else {"cancelled": True}))
    for answer in answers.values():
        answer.end()
    return at_the_end()


def ping(request_id: Any) -> None:
    if LIE == "a line of noise":
        write("Loading model...\n")
    if LIE == "hang":
        time.sleep(3600)
    if LIE == "close stdout":
        os.close(1)
        time.sleep(3600)
    if LIE == "end stdout and exit":
        os.close(1)
        os._exit(0)
    if LIE == "drop a reply":
        return
    if LIE == "answer twice":
        say({"id": request_id, "result": {}})
    if LIE == "a bare number":
        write("7\n")
    if LIE == "not a number":
        write('{"jsonrpc": "2.0", "id": 1, "result": NaN}\n')
    if LIE == "carriage returns":
        write(json.dumps({"jsonrpc": "2.0", "id": request_id, "result": {}}) + "\r\n")
    elif LIE == "an answer to nobody":
        say({"id": 99, "result": {}})
    elif LIE == "a notification of its own":
        say({"method": "llm:weather", "params": {}})
    elif LIE == "a flood":
        while True:
            write("[" * 1_000_000)
    else:
        say({"id": request_id, "result": {}})


def at_the_end() -> int:
    if LIE == "no line end":
        write('{"jsonrpc": "2.0"')
    if LIE == "stay":
        time.sleep(3600)
    if LIE == "leave a child that holds stdout":
        subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(3600)"])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        os._exit(0)
