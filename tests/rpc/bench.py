"""A small catalogue of methods for tests of the dispatcher: the specification's own, and handlers that can be steered.

Law: nothing of an LLM is in it. `Bench.gates` holds what each `wait` request waits for, by its `name`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from llm_sidecar.messages.method import Method
from llm_sidecar.messages.shape import NoParams, Params
from llm_sidecar.rpc.context import Context, Handler, Late
from tests.peers import BenchPeer, open_bench

SECRET = "sk-never-shown-5309"


class Subtract(Params, kw_only=True):
    minuend: int
    subtrahend: int


class Three(Params, kw_only=True):
    a: int
    b: int
    c: int


class Five(Three, kw_only=True):
    d: int
    e: int


class One(Params, kw_only=True):
    value: int


class Named(Params, kw_only=True):
    name: str


class Sized(Params, kw_only=True):
    size: int


class CancelRequest(Params, kw_only=True):
    id: str | int | float


class Bench:
    """The handlers, and what they were asked."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Event] = {}
        self.updates: list[Five] = []
        self.greetings: list[int] = []
        self.cancelled: list[str] = []
        self.actions: list[str] = []
        self.peer: BenchPeer

    def gate(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())

    async def wait(self, _context: Context, params: Named) -> str:
        try:
            await self.gate(params.name).wait()
        except asyncio.CancelledError:
            self.cancelled.append(params.name)
            raise
        return params.name

    async def fail_later(self, _context: Context, _params: NoParams) -> None:
        await asyncio.sleep(0)
        raise RuntimeError(SECRET)

    def fail(self, _context: Context, _params: NoParams) -> None:
        raise RuntimeError(SECRET)

    def fail_when_written(self, _context: Context, _params: NoParams) -> Late:
        return Late(lambda: self.fail(_context, _params))

    def fail_after_reply(self, context: Context, _params: NoParams) -> str:
        context.after_reply(lambda: self.fail(context, _params))
        return "done"

    def act_after_reply(self, context: Context, params: Sized) -> str:
        context.after_reply(lambda: self.actions.append("acted"))
        return "x" * params.size

    def handlers(self) -> dict[str, Handler]:
        return {
            "ping": lambda _c, _p: {},
            "subtract": lambda _c, p: p.minuend - p.subtrahend,
            "sum": lambda _c, p: p.a + p.b + p.c,
            "get_data": lambda _c, _p: ["hello", 5],
            "update": lambda _c, p: self.updates.append(p),
            "notify_hello": lambda _c, p: self.greetings.append(p.value),
            "wait": self.wait,
            "fail": self.fail,
            "fail_later": self.fail_later,
            "fail_when_written": self.fail_when_written,
            "fail_after_reply": self.fail_after_reply,
            "unencodable": lambda _c, _p: object(),
            "text": lambda _c, p: "x" * p.size,
            "late_text": lambda _c, p: Late(lambda: "x" * p.size),
            "act_after_reply": self.act_after_reply,
            "$/cancelRequest": lambda _c, p: self.peer.dispatcher.cancel_request(p.id),
        }


PARAMS: Mapping[str, type[Any]] = {
    "subtract": Subtract,
    "sum": Three,
    "update": Five,
    "notify_hello": One,
    "wait": Named,
    "text": Sized,
    "late_text": Sized,
    "act_after_reply": Sized,
    "$/cancelRequest": CancelRequest,
}
NOTIFICATIONS = ("update", "notify_hello", "$/cancelRequest")


@asynccontextmanager
async def serve_bench(kind: str = "memory", **options: Any) -> AsyncIterator[tuple[BenchPeer, Bench]]:
    """The catalogue above on a transport; options are those of `open_bench`."""
    bench = Bench()
    handlers = bench.handlers()
    methods = {
        name: Method(name, PARAMS.get(name, NoParams), dict, name, is_notification=name in NOTIFICATIONS)
        for name in handlers
    }
    async with open_bench(methods, handlers, kind, **options) as peer:
        bench.peer = peer
        yield peer, bench
