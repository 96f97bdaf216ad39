"""From a line to its answer: the only place where an exception becomes a wire error.

Law:
1.  Every request gets exactly one response, whatever its handler does; a notification never gets any.
2.  A place for the response is reserved in the outbox before the handler runs.
3.  An id is in flight from admission until its response is queued; a second request with it is refused meanwhile.
4.  A batch is answered together; what its requests start, starts after that answer is queued.
It knows methods by the catalogue and handlers by name; it knows no service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from llm_sidecar import log
from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.method import Method
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.rpc.in_flight import InFlight, Ticket
from llm_sidecar.rpc.outbox import Outbox, Reply
from llm_sidecar.rpc.params import decode_params
from llm_sidecar.rpc.replies import BatchReply, ReplyFactory
from llm_sidecar.wire import envelope
from llm_sidecar.wire.envelope import Batch, Invalid, Notification, Request, RequestId, Response
from llm_sidecar.wire.framing import LineTooLong


class _Exchange:
    """One request on its way to its response."""

    __slots__ = ("context", "method", "reply", "request_id", "succeeded", "ticket")

    def __init__(self, request_id: RequestId, method: str) -> None:
        self.request_id = request_id
        self.method = method
        self.context = Context(request_id)
        self.ticket: Ticket | None = None
        self.reply: Reply | None = None
        self.succeeded = False


_Deliver = Callable[[_Exchange], None]
"""Takes an exchange whose reply is known."""


class Dispatcher:
    """Answers lines.

    `admit(method)` is asked before a handler runs and raises `SidecarError` to refuse; `on_response` takes what the
    peer answers to requests of ours; `limits()` are the limits in force now.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        handlers: Mapping[str, Handler],
        outbox: Outbox,
        limits: Callable[[], Limits],
        *,
        admit: Callable[[str], None] = lambda _: None,
        on_response: Callable[[Response], None] = lambda _: None,
        show_stacks: bool = False,
    ) -> None:
        self._methods = methods
        self._handlers = handlers
        self._outbox = outbox
        self._limits = limits
        self._admit = admit
        self._on_response = on_response
        self._replies = ReplyFactory(show_stacks)
        self._in_flight = InFlight()
        self._notified: set[asyncio.Future[Any]] = set()
        self._stopping = False

    def handle_line(self, line: bytes | LineTooLong) -> int:
        """Take one line. Returns how many messages in it could not even be attributed (their errors have id null)."""
        limits = self._limits()
        self._replies.max_message_bytes = limits.max_message_bytes
        if isinstance(line, LineTooLong):
            message: envelope.Message | Batch = Invalid(None, self._replies.too_large("The line"))
        else:
            message = envelope.decode_line(line, limits.max_batch_items)
        if isinstance(message, Batch):
            self._start_batch(message)
            return sum(isinstance(item, Invalid) and item.id is None for item in message.items)
        self._handle(message, self._deliver_alone)
        return int(isinstance(message, Invalid) and message.id is None)

    def cancel_request(self, request_id: RequestId) -> None:
        """Cancel a request in flight; it is answered `CANCELLED`. Unknown ids are ignored: just answered, perhaps."""
        self._in_flight.cancel(request_id)

    def refuse_all(self) -> None:
        """Answer everything in flight, but for the caller's own request, with `SHUTTING_DOWN`."""
        self._stopping = True
        for task in [*self._in_flight.tasks(), *self._notified]:
            if task is not asyncio.current_task():
                task.cancel()

    async def settled(self) -> None:
        """Return when every request in flight has been answered, and every notification handled."""
        while tasks := [task for task in [*self._in_flight.tasks(), *self._notified] if not task.done()]:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    # --- one message ---

    def _handle(self, message: envelope.Message, deliver: _Deliver) -> None:
        if isinstance(message, Request):
            self._start(message, deliver)
        elif isinstance(message, Invalid):
            exchange = _Exchange(message.id, "")
            exchange.reply = self._replies.failure(message.id, message.error, "")
            self._outbox.reserve()
            deliver(exchange)
        elif isinstance(message, Notification):
            self._notify(message)
        else:
            self._on_response(message)

    def _start(self, request: Request, deliver: _Deliver) -> None:
        exchange = _Exchange(request.id, request.method)
        self._outbox.reserve()
        try:
            exchange.ticket = self._in_flight.admit(request.id, self._limits().max_in_flight_requests)
            outcome = self._call(request.method, request.params, exchange.context, is_notification=False)
        except Exception as error:
            self._fail(exchange, error, deliver)
            return
        if isinstance(outcome, Awaitable):
            # A callback, not a coroutine around it: a task cancelled before its first step runs no code of its own.
            task = exchange.ticket.task = asyncio.ensure_future(outcome)
            task.add_done_callback(lambda done: self._finish(exchange, done, deliver))
        else:
            self._succeed(exchange, outcome, deliver)

    def _finish(self, exchange: _Exchange, task: asyncio.Future[Any], deliver: _Deliver) -> None:
        if task.cancelled():
            self._fail(exchange, _stopping() if self._stopping else _cancelled(), deliver)
        elif (error := task.exception()) is not None:
            self._fail(exchange, error, deliver)
        else:
            self._succeed(exchange, task.result(), deliver)

    def _succeed(self, exchange: _Exchange, result: Any, deliver: _Deliver) -> None:
        try:
            exchange.reply = self._replies.success(exchange.request_id, result, exchange.method)
            exchange.succeeded = True
        except Exception as error:
            exchange.reply = self._replies.failure(exchange.request_id, error, exchange.method)
        deliver(exchange)

    def _fail(self, exchange: _Exchange, error: BaseException, deliver: _Deliver) -> None:
        exchange.reply = self._replies.failure(exchange.request_id, error, exchange.method)
        deliver(exchange)

    def _call(self, name: str, params: Any, context: Context, *, is_notification: bool) -> Any:
        method = self._methods.get(name)
        if method is None or (method.is_notification and not is_notification):
            raise SidecarError("METHOD_NOT_FOUND", "There is no such method.", details={"method": name[:100]})
        self._admit(name)
        return self._handlers[name](context, decode_params(params, method.params))

    def _notify(self, message: Notification) -> None:
        context = Context()
        try:
            outcome = self._call(message.method, message.params, context, is_notification=True)
        except Exception as error:
            self._log_refused(message.method, error)
            return
        if not isinstance(outcome, Awaitable):
            context.replied()
            return
        task = asyncio.ensure_future(outcome)
        self._notified.add(task)
        task.add_done_callback(lambda done: self._finish_notification(message.method, context, done))

    def _finish_notification(self, method: str, context: Context, task: asyncio.Future[Any]) -> None:
        self._notified.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            context.replied()
        else:
            self._log_refused(method, error)

    def _log_refused(self, method: str, error: BaseException) -> None:
        log.warning("notification refused", method=method[:100], code=self._replies.translate(error, method).code)

    # --- delivery ---

    def _deliver_alone(self, exchange: _Exchange) -> None:
        assert exchange.reply is not None
        self._outbox.answer(exchange.reply)
        self._settle(exchange)

    def _start_batch(self, batch: Batch) -> None:
        """Start every item, and answer when the last one that is owed an answer has it."""
        owed = sum(isinstance(item, Request | Invalid) for item in batch.items)
        finished: list[_Exchange] = []

        def deliver(exchange: _Exchange) -> None:
            finished.append(exchange)
            if len(finished) == owed:
                replies = [(item.request_id, item.reply) for item in finished if item.reply is not None]
                self._outbox.answer(BatchReply(replies, self._replies), owed)
                for item in finished:
                    self._settle(item)

        for item in batch.items:
            self._handle(item, deliver)

    def _settle(self, exchange: _Exchange) -> None:
        if exchange.ticket is not None:
            self._in_flight.release(exchange.ticket)
        if exchange.succeeded:
            exchange.context.replied()


def _cancelled() -> SidecarError:
    return SidecarError("CANCELLED", "The request was cancelled.")


def _stopping() -> SidecarError:
    return SidecarError("SHUTTING_DOWN", "The sidecar is stopping.")
