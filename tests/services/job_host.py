"""The services of a sidecar in the test's own process, on the real clock, with what they tell the host.

Law: nothing here waits for time: `told` returns as soon as something was said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.catalogue import METHODS
from llm_sidecar.methods.composition import Methods
from llm_sidecar.providers.brands import EnvironmentKeys
from llm_sidecar.rpc.context import Context
from llm_sidecar.rpc.params import decode_params

USER = [{"role": "user", "content": "Hello"}]
Notice = dict[str, Any]


class HeardEvents:
    """An `EventSink` that keeps what it hears."""

    congested = False

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.something = asyncio.Event()

    def publish(self, event: Any) -> None:
        method, params = event.take()
        self.heard.append((method, msgspec.to_builtins(params)))
        self.something.set()

    def grew(self, by: int) -> None:
        pass

    def flush(self) -> None:
        pass

    async def room(self) -> None:
        pass


class JobHost:
    """Make it inside a running loop; `folder` None keeps nothing."""

    def __init__(
        self, folder: str | None = None, *, urls: dict[str, str] | None = None, key: str | None = None, **limits: int
    ) -> None:
        self.limits = Limits(**{"batch_poll_ms": 10, "retry_base_ms": 0, **limits})
        self.sink = HeardEvents()
        names = urls or {}
        self.methods = Methods(
            self.sink,  # type: ignore[arg-type]
            lambda: self.limits,
            keys=EnvironmentKeys(names, dict.fromkeys(names, key) if key else {}),  # type: ignore[arg-type]
            started_at=0.0,
            loop_lag_ms=lambda: 0.0,
            folder=folder,
            key_source=None,
        )

    async def call(self, method: str, **params: Any) -> Any:
        """The result. Raises what the method does."""
        context = Context(1)
        result = self.methods.handlers[method](context, decode_params(params, METHODS[method].params))
        if asyncio.iscoroutine(result) or asyncio.isfuture(result):
            result = await result
        context.replied()
        return msgspec.to_builtins(result)

    async def submit(self, kind: str = "inference", **more: Any) -> str:
        """A job that the demo provider answers; returns its id."""
        more.setdefault("params", {"providerId": "demo", "messages": USER})
        return (await self.call("llm:job:submit", kind=kind, **more))["jobId"]

    async def refused(self, method: str, **params: Any) -> SidecarError:
        """Why the method is refused."""
        try:
            await self.call(method, **params)
        except SidecarError as error:
            return error
        raise AssertionError(f"{method} was not refused")

    async def get(self, job_id: str) -> dict[str, Any]:
        return await self.call("llm:job:get", jobId=job_id)

    async def result(self, job_id: str, **page: Any) -> dict[str, Any]:
        return await self.call("llm:job:result", jobId=job_id, **page)

    async def cancel(self, job_id: str) -> bool:
        return (await self.call("llm:job:cancel", jobId=job_id))["success"]

    def notices(self, job_id: str) -> list[str]:
        """What was told of a job, in short: `running`, `done`, `cancelled`, `error JOB_INTERRUPTED`."""
        return [_short(method, notice) for method, notice in self.sink.heard if notice.get("jobId") == job_id]

    async def told(self, is_wanted: Callable[[str, Notice], bool]) -> Notice:
        """The first notice of that kind, once it has come."""
        while True:
            for method, notice in self.sink.heard:
                if is_wanted(method, notice):
                    return notice
            self.sink.something.clear()
            await self.sink.something.wait()

    async def ended(self, job_id: str) -> dict[str, Any]:
        """The job, once its end has been told."""
        ends = {"llm:job:done", "llm:job:error"}
        await self.told(lambda method, notice: method in ends and notice["jobId"] == job_id)
        return await self.get(job_id)

    async def running(self, job_id: str) -> None:
        """Return when it has been told that it runs."""
        await self.told(lambda method, notice: notice.get("jobId") == job_id and method == "llm:job:progress")

    async def usage(self) -> list[dict[str, Any]]:
        return (await self.call("llm:usage:list"))["rows"]

    async def close(self) -> None:
        """As the sidecar ends."""
        self.methods.end_all()
        await self.methods.idle()
        await self.methods.aclose()


def _short(method: str, notice: Notice) -> str:
    if method == "llm:job:done":
        return "cancelled" if notice.get("cancelled") else "done"
    if method == "llm:job:error":
        return f"error {notice['error']['code']}"
    return str(notice["state"])
