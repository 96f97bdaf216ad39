"""A host in the test's own process: the real dispatcher, methods, service and outbox between it and a `FakeProvider`.

Law: the host sees what a host sees, one ordered stream of responses and notifications, and every notification is
checked as it comes: after its inference's response, `seq` without a gap, one terminal, nothing after it. `settle` lets
everything happen that can happen without time passing; time passes only by `asyncio.sleep`, on the virtual clock.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from llm_sidecar.limits import Limits
from llm_sidecar.messages.catalogue import METHODS
from llm_sidecar.methods.composition import Methods
from llm_sidecar.providers.brands import EnvironmentKeys
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.rpc.dispatcher import Dispatcher
from llm_sidecar.rpc.memory import MemorySink
from llm_sidecar.rpc.outbox import Outbox
from tests.services.fake_provider import Call, FakeProvider
from tests.virtual_time import run_virtual

Event = dict[str, Any]
"""A notification's params, with its method as `method`."""

TERMINALS = ("llm:done", "llm:error")
USER = [{"role": "user", "content": "Hello there"}]


class Refused(Exception):
    """The sidecar answered a request with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error
        self.code: str = error["data"]["code"]
        self.data: dict[str, Any] = error["data"]


class Host:
    """Make it inside a running loop; `close` it at the end."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.provider = FakeProvider()
        self.sink = MemorySink()
        self.outbox = Outbox(self.sink, lambda: self.limits)
        self.methods = Methods(
            self.outbox,
            lambda: self.limits,
            keys=EnvironmentKeys({}, {}),
            started_at=0.0,
            loop_lag_ms=lambda: 0.0,
            folder=None,
            key_source=None,
        )
        self.methods._registry.adapter = lambda _: self.provider  # type: ignore[method-assign]
        self.service = self.methods.inferences
        self.service.recorders.remove(self.methods.usage.record)  # the database's thread is not on the virtual clock
        self.gate = asyncio.Event()
        """What an unanswered `ping` waits for: a request that keeps its batch unanswered."""
        self.handlers: dict[str, Handler] = {**self.methods.handlers, "ping": self._ping}
        self.dispatcher = Dispatcher(METHODS, self.handlers, self.outbox, lambda: self.limits)
        self.received: list[dict[str, Any]] = []
        """Every response and notification, in order; a batch's responses one by one."""
        self.on_message: Callable[[dict[str, Any]], None] = lambda _: None
        self._next_seq: dict[str, int] = {}
        self._over: set[str] = set()
        self._methods_of_requests: dict[int, str] = {}
        self._ids = itertools.count(1)
        self._reader = asyncio.create_task(self._read())

    # --- speaking ---

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        """A request to be sent by `send`, with the next free id."""
        request_id = next(self._ids)
        self._methods_of_requests[request_id] = method
        return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}

    def inference(self, **params: Any) -> dict[str, Any]:
        """A request for an inference."""
        return self.request("llm:inference", **{"messages": USER, "providerId": "demo", **params})

    def send(self, message: dict[str, Any] | list[dict[str, Any]]) -> None:
        """One line: a request, or a batch."""
        self.dispatcher.handle_line(msgspec.json.encode(message))

    async def ask(self, request: dict[str, Any]) -> Any:
        """Send a request and return its result. Raises `Refused`."""
        self.send(request)
        await settle()
        return self.result(request)

    async def infer(self, **params: Any) -> str:
        """Start an inference; returns its id. Raises `Refused`."""
        return (await self.ask(self.inference(**params)))["inferenceId"]

    async def begin(self, **params: Any) -> tuple[str, Call]:
        """Start an inference whose provider has accepted it; returns its id and the call."""
        inference_id = await self.infer(**params)
        call = self.provider.last
        call.accept()
        await settle()
        return inference_id, call

    async def cancel(self, inference_id: str) -> bool:
        return (await self.ask(self.request("llm:cancel", inferenceId=inference_id)))["success"]

    async def attach(self, inference_id: str, from_seq: int) -> dict[str, Any]:
        return await self.ask(self.request("llm:inference:attach", inferenceId=inference_id, fromSeq=from_seq))

    async def status(self) -> dict[str, Any]:
        return await self.ask(self.request("llm:get-status"))

    # --- listening ---

    def response(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The response to `request`, if it has come."""
        self._raise_what_the_reader_found()
        return next((m for m in self.received if "method" not in m and m["id"] == request["id"]), None)

    def result(self, request: dict[str, Any]) -> Any:
        """The result of `request`, which has been answered. Raises `Refused`."""
        response = self.response(request)
        assert response is not None, f"unanswered: {request['method']}"
        if "error" in response:
            raise Refused(response["error"])
        return response["result"]

    def events(self, inference_id: str) -> list[Event]:
        """The notifications of an inference so far (of the last one of that id)."""
        self._raise_what_the_reader_found()
        found: list[Event] = []
        for message in self.received:
            if "method" in message and message["params"].get("inferenceId") == inference_id:
                if message["params"]["seq"] == 0:
                    found.clear()
                found.append({"method": message["method"], **message["params"]})
        return found

    def chunks(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunks of a chat completion so far."""
        self._raise_what_the_reader_found()
        events = [message["params"] for message in self.received if message.get("method") == "llm:chat:chunk"]
        return [event["chunk"] for event in events if event["requestId"] == request["id"]]

    def kinds(self, inference_id: str) -> list[str]:
        """The events of an inference in short: `thinking processing`, `token`, `done`, …"""
        return [_kind(event) for event in self.events(inference_id)]

    def text(self, inference_id: str) -> str:
        return text_of(self.events(inference_id))

    def terminal(self, inference_id: str) -> Event:
        """The terminal, which has come."""
        events = self.events(inference_id)
        assert events, f"no event of {inference_id}"
        assert events[-1]["method"] in TERMINALS, f"{inference_id} has not ended: {self.kinds(inference_id)}"
        return events[-1]

    def is_over(self, inference_id: str) -> bool:
        self._raise_what_the_reader_found()
        return inference_id in self._over

    # --- the end ---

    async def close(self) -> None:
        """Hang up, after everything queued has come."""
        await settle()
        self.sink.close()
        await self._reader

    # --- inside ---

    def _raise_what_the_reader_found(self) -> None:
        if self._reader.done():
            self._reader.result()

    async def _read(self) -> None:
        while (line := await self.sink.read_line()) is not None:
            assert len(line) <= self.limits.max_message_bytes, f"a line of {len(line)} bytes"
            decoded = msgspec.json.decode(line)
            for message in decoded if isinstance(decoded, list) else [decoded]:
                self._check(message)
                self.received.append(message)
                self.on_message(message)

    def _check(self, message: dict[str, Any]) -> None:
        if message.get("method") == "llm:chat:chunk":
            request_id = message["params"]["requestId"]
            assert self._methods_of_requests.get(request_id) == "llm:chat:completions", f"a chunk for {request_id!r}"
            assert all(m.get("id") != request_id for m in self.received if "method" not in m), "a chunk too late"
        elif "method" in message:
            self._check_event(message["method"], message["params"])
        elif "result" in message and self._methods_of_requests.get(message["id"]) == "llm:inference":
            inference_id = message["result"]["inferenceId"]
            self._next_seq[inference_id] = 0
            self._over.discard(inference_id)

    def _check_event(self, method: str, params: dict[str, Any]) -> None:
        inference_id = params["inferenceId"]
        assert inference_id in self._next_seq, f"{method} before the response of {inference_id}"
        assert inference_id not in self._over, f"{method} after the terminal of {inference_id}"
        assert params["seq"] == self._next_seq[inference_id], f"gap before {params['seq']} of {inference_id}"
        self._next_seq[inference_id] += 1
        if method in TERMINALS:
            self._over.add(inference_id)

    async def _ping(self, _context: Context, _params: Any) -> dict[str, Any]:
        await self.gate.wait()
        return {}


def play(scenario: Callable[[Host], Awaitable[None]], **limits: int) -> None:
    """Run a scenario on the virtual clock with these limits changed; nothing of it may be left running."""

    async def main() -> None:
        host = Host(Limits(**limits))
        try:
            await scenario(host)
            await host.close()
        finally:
            await end(host)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"left running: {left}"
        assert not timers(), f"left ticking: {timers()}"

    run_virtual(main())


async def end(host: Host) -> None:
    """End whatever still runs, and let every call go."""
    host.sink.unstall()
    host.gate.set()
    host.service.end_all()
    for call in host.provider.calls:
        call.finish_cleanup()
        call.accept()
        call.finish()
    host.sink.close()
    await host.methods.jobs.pool.aclose()
    await settle()


async def settle() -> None:
    """Return when nothing more happens without time passing."""
    loop: Any = asyncio.get_running_loop()
    quiet = 0
    while quiet < 2:
        await asyncio.sleep(0)
        quiet = 0 if loop._ready else quiet + 1


def timers() -> list[asyncio.TimerHandle]:
    """The timers of the loop that can still fire."""
    loop: Any = asyncio.get_running_loop()
    return [timer for timer in loop._scheduled if not timer.cancelled()]


def now() -> float:
    """Seconds on the virtual clock."""
    return asyncio.get_running_loop().time()


def text_of(events: list[Event]) -> str:
    """The answer's text in these events."""
    return "".join(event["token"] for event in events if event["method"] == "llm:token")


def _kind(event: Event) -> str:
    name = event["method"].removeprefix("llm:")
    return f"{name} {event['status']}" if name == "thinking" else name
