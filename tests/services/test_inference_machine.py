"""The inference service under everything at once, in any order.

Hypothesis drives a host and a provider through a real dispatcher, service and outbox on the virtual clock: several
inferences, batches of every kind, failures, crashes, fallbacks, circuits, the cache, cancels, timeouts, windows, a host
that stalls, attaches, forgets and attaches again, and a shutdown, with small limits, and with or without a pause for
the loop between two steps. After every step the books must agree; at the end every accepted inference has had exactly
one terminal and nothing is left.

`LLM_SIDECAR_MACHINE_EXAMPLES` is how many stories are told.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from llm_sidecar.errors import ProviderError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.events import DoneEvent
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.events import (
    Finish,
    ModelNamed,
    PromptProgress,
    ProviderState,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.rpc.outbox import Reply
from llm_sidecar.services.inference.run import InferenceRun
from tests.services.fake_provider import Call
from tests.services.host import TERMINALS, Host, end, settle
from tests.virtual_time import VirtualTimeLoop

EXAMPLES = int(os.environ.get("LLM_SIDECAR_MACHINE_EXAMPLES", "250"))
STEPS = int(os.environ.get("LLM_SIDECAR_MACHINE_STEPS", "40"))

IDS = st.sampled_from(["a", "b", "c"])
WINDOWS = st.sampled_from([None, None, "w1", "w2"])
WHICH = st.integers(0, 3)
PACE = st.sampled_from([None, 0, 1, 2, 5, None, 0])
"""Turns of the loop after a step; None until nothing more happens."""

TEXT = st.text(st.sampled_from('abc "\\\n\x01é€😀'), min_size=1, max_size=30)
CONTENT = st.one_of(
    *[st.builds(TextDelta, TEXT, st.integers(1, 3)) for _ in range(4)],
    st.builds(ReasoningDelta, TEXT),
    st.builds(ToolCallDelta, st.integers(0, 1), TEXT, st.just("call"), st.just("name")),
)
OTHER = st.one_of(
    st.builds(UsageReport, st.none() | st.integers(1, 99), st.none() | st.integers(1, 99)),
    st.builds(PromptProgress, st.integers(0, 9), st.none() | st.just(9)),
    st.just(ProviderState({"k": 1})),
    st.just(ModelNamed("named")),
)
BATCH = st.one_of(
    st.lists(CONTENT, min_size=1, max_size=3),
    st.lists(CONTENT, min_size=1, max_size=3),
    st.lists(CONTENT | OTHER, max_size=4),
    st.lists(OTHER, max_size=2),
)
FAILURE = st.one_of(
    st.builds(
        ProviderError,
        st.sampled_from(["SERVER_ERROR", "RATE_LIMIT", "NETWORK_ERROR", "AUTH_ERROR", "INVALID_REQUEST"]),
        st.just("Failed."),
        retry_after_ms=st.sampled_from([None, None, 0, 10, 5_000, 10**7]),
    ),
    st.builds(ValueError),
    st.builds(TimeoutError),
    st.builds(asyncio.CancelledError),
)
MANNERS = st.sampled_from(["hang", "raise", "raise retryable", "suppress", "go on", "end", "translate"])
SPEECH = st.lists(st.tuples(BATCH, PACE), min_size=1, max_size=6)
"""Batches, each with what follows it."""
ENDING = st.one_of(st.sampled_from(["finish", "finish", "finish", "end"]), st.just("finish"), FAILURE)
SOME_LIMITS = st.builds(
    Limits,
    max_concurrent_inferences=st.integers(1, 3),
    max_queued_inferences=st.integers(0, 2),
    max_event_bytes=st.sampled_from([100_000, 1_000, 300]),
    max_token_event_bytes=st.sampled_from([5_000, 200, 64]),
    max_answer_bytes=st.sampled_from([100_000, 100_000, 1_000, 100]),
    max_requests_per_minute=st.sampled_from([0, 0, 20]),
    journal_bytes=st.sampled_from([100_000, 2_000, 500, 0]),
    journal_total_bytes=st.sampled_from([100_000, 4_000, 1_000, 0]),
    journal_finished=st.sampled_from([3, 1, 0]),
    token_batch_delay_ms=st.sampled_from([0, 0, 50]),
    token_batch_tokens=st.sampled_from([0, 3]),
    retry_base_ms=st.sampled_from([0, 100, 1_000]),
    circuit_failures=st.sampled_from([5, 3, 1, 0]),
    circuit_cooldown_ms=st.sampled_from([10_000, 100, 0]),
)
OPTIONS = st.fixed_dictionaries(
    {
        "stream": st.sampled_from([True, True, True, False]),
        "queue": st.booleans(),
        "retry": st.builds(lambda retries: {"maxRetries": retries}, st.integers(0, 3)),
    },
    optional={
        "timeoutMs": st.sampled_from([600_000, 5_000, 1_000]),
        "firstTokenTimeoutMs": st.sampled_from([20_000, 20_000, 500, 1]),
        "chunkTimeoutMs": st.sampled_from([20_000, 20_000, 500, 1]),
        "providerId": st.just("ollama"),
        "fallbackProfileIds": st.sampled_from([["demo"], ["ollama"], ["lmstudio", "demo"], ["ollama", "ollama"]]),
        "cache": st.just(True),
    },
)
"""Nothing of it changes an answer but who is asked."""


def has_an_open_call(machine: InferenceMachine) -> bool:
    return bool(machine.host.provider.open_calls)


def has_a_live_inference(machine: InferenceMachine) -> bool:
    return any(life.run.outcome is None for life in machine.lives)


class Life:
    """One accepted inference: what the provider gave, and what came of it on the wire."""

    def __init__(self, run: InferenceRun, params: InferenceParams, earlier: list[Life]) -> None:
        self.run = run
        self.params = params
        self.kept = [life for life in earlier if run.cached is not None and life.may_answer(params)]
        """Those whose answer this one may be, if it is one from the cache."""
        self.calls: list[Call] = []
        self.events: list[dict[str, Any]] = []
        self.cancel_was_answered = False

    @property
    def is_over(self) -> bool:
        return bool(self.events) and self.events[-1]["method"] in TERMINALS

    @property
    def asked(self) -> list[str]:
        """Whom it turned to, in order, as the host was told."""
        told = [event["params"].get("providerId") for event in self.events if event["method"] == "llm:thinking"]
        return [str(self.params.provider_id), *filter(None, told)]

    def may_answer(self, params: InferenceParams) -> bool:
        """Whether its answer is kept, and one to the question of `params`."""
        outcome = self.run.outcome
        is_kept = self.params.cache and isinstance(outcome, DoneEvent) and not outcome.cancelled
        is_same = self.params.messages == params.messages and self.run.route.endpoint.provider_id == params.provider_id
        return is_kept and is_same and self.run.cached is None

    def delivered(self, method: str, field: str) -> str:
        return "".join(e["params"].get(field, "") for e in self.events if e["method"] == method)

    def cancel_is_answered(self) -> None:
        """Only where it had not begun, its own batch being unanswered, may its terminal be there by now."""
        assert not self.is_over or len(self.events) == 1, "the terminal came before the reply"
        self.cancel_was_answered = True

    def receive(self, message: dict[str, Any]) -> None:
        """The next event on the wire; the order and the numbers are the host's to check."""
        if self.cancel_was_answered:
            assert message["method"] == "llm:done", f"{message['method']} after the reply to the cancel"
            assert message["params"]["cancelled"] is True
        self.events.append(message)
        if message["method"] in TERMINALS:
            self._check_terminal(message["method"], message["params"])

    def _check_terminal(self, method: str, terminal: dict[str, Any]) -> None:
        assert terminal["attempts"] == len(self.calls)
        assert terminal["providerId"] == self.asked[-1]
        assert self.asked == [self.params.provider_id, *(self.params.fallback_profile_ids or ())][: len(self.asked)]
        assert terminal.get("cached", False) is (method == "llm:done" and self.run.cached is not None)
        if self.run.cached is not None:
            self._check_hit(method, terminal)
            return
        usage = terminal["usage"]
        assert terminal.get("totalTokens", usage["totalTokens"]) == usage["totalTokens"]
        assert usage["totalTokens"] == usage["promptTokens"] + usage["completionTokens"]
        assert usage["promptTokens"] > 0 or not self.calls or not self.calls[-1].accepted
        for failed in self.calls[:-1]:
            if not failed.ignored_a_cancellation:
                assert not failed.text + failed.reasoning, "tried again after content"
        last = self.calls[-1] if self.calls else None
        text = last.text if last else ""
        if self.params.stream:
            self._check_content(last, terminal)
            partial = self.delivered("llm:token", "token")
        else:
            assert not self.delivered("llm:token", "token")
            partial = terminal.get("text" if method == "llm:done" else "partialText", "")
            assert self._agrees(partial, text, last, terminal)
        if partial:
            assert usage["completionTokens"] > 0
        if method == "llm:error":
            assert terminal.get("partialText", "") == partial
            code, spent = terminal["code"], terminal["timings"]["totalMs"]
            if code == "TIMEOUT":
                assert spent >= (self.params.timeout_ms or 0)
            elif code == "STREAM_TIMEOUT":
                assert last is not None
                assert last.taken
            elif code == "FIRST_TOKEN_TIMEOUT":
                assert not partial
        elif not terminal.get("cancelled"):
            assert last is not None
            assert any(isinstance(event, Finish) for batch in last.taken for event in batch)
            assert usage["source"] != "partial"

    def _check_hit(self, method: str, terminal: dict[str, Any]) -> None:
        """All of an answer that was kept, or nothing."""
        assert not self.calls
        streamed = self.delivered("llm:token", "token"), self.delivered("llm:thinking", "text")
        if method == "llm:error" or terminal.get("cancelled"):
            assert streamed == ("", "")
            assert terminal["usage"]["totalTokens"] == 0
        elif self.params.stream:
            assert streamed in [(life.calls[-1].text, life.calls[-1].reasoning) for life in self.kept]
        else:
            assert terminal["text"] in [life.calls[-1].text for life in self.kept]

    def _check_content(self, last: Call | None, terminal: dict[str, Any]) -> None:
        delivered = self.delivered("llm:token", "token")
        assert self._agrees(delivered, last.text if last else "", last, terminal)
        assert self._agrees(self.delivered("llm:thinking", "text"), last.reasoning if last else "", last, terminal)
        pieces: dict[int, str] = {}
        index = 0
        for event in self.events:
            params = event["params"]
            if event["method"] == "llm:tool-call":
                pieces[params["index"]] = pieces.get(params["index"], "") + params["argumentsDelta"]
            elif event["method"] == "llm:token":
                assert params["index"] == index
                index += params["count"]
        for number in (0, 1):
            given = "".join(piece for at, piece in last.arguments if at == number) if last else ""
            assert self._agrees(pieces.get(number, ""), given, last, terminal)

    def _agrees(self, delivered: str, given: str, last: Call | None, terminal: dict[str, Any]) -> bool:
        """Everything the provider gave was delivered; less of it only where the service stopped listening before the
        provider stopped speaking."""
        stopped_early = terminal.get("code") == "PROVIDER_PROTOCOL_ERROR" or (last is not None and last.cancellations)
        return given.startswith(delivered) if stopped_early else delivered == given


class InferenceMachine(RuleBasedStateMachine):
    """See the module's docstring."""

    @initialize(limits=SOME_LIMITS)
    def begin(self, limits: Limits) -> None:
        self.loop = VirtualTimeLoop(limit=10**9)
        self.lives: list[Life] = []
        self.on_the_wire: dict[str, Life] = {}
        self.asked: deque[dict[str, Any]] = deque()
        """Requests sent and not yet handled."""
        self.decision: Any = None
        """What the service decided about the request that is being handled."""
        self.promises: dict[int, tuple[str, Any]] = {}
        """What the response to a request must agree with, by its id."""
        self.requests = 0
        self.is_stopping = False
        self.loop.run_until_complete(self._make(limits))

    async def _make(self, limits: Limits) -> None:
        self.host = Host(limits)
        self.host.on_message = self.receive
        self.host.provider.prepare = self.connect
        for name in ("llm:inference", "llm:cancel", "llm:inference:attach", "llm:window:closed"):
            self.host.handlers[name] = self.overheard(self.host.handlers[name])
        service = self.host.service
        self.admit, self.attach_to = service.admit, service.attach
        self.stop, self.stop_window = service.cancel, service.cancel_window
        service.admit, service.attach = self.admitted, self.attached  # type: ignore[method-assign]
        service.cancel, service.cancel_window = self.cancelled, self.window_cancelled  # type: ignore[method-assign]

    # --- what the service decides, overheard ---

    def overheard(self, handler: Handler) -> Handler:
        def handle(context: Context, params: Any) -> Any:
            request = self.asked.popleft()
            self.decision = None
            try:
                return handler(context, params)
            finally:
                self.promises[request["id"]] = (request["method"], self.decision)

        return handle

    def admitted(self, params: InferenceParams) -> InferenceRun:
        run = self.admit(params)
        life = Life(run, params, self.lives)
        self.lives.append(life)
        self.decision = life
        return run

    def attached(self, inference_id: str, from_seq: int) -> Any:
        journal = self.host.service._journals.find(inference_id)
        compute = self.attach_to(inference_id, from_seq)
        self.decision = (next(life for life in self.lives if life.run.listener.journal is journal), from_seq)
        return compute

    def cancelled(self, inference_id: str) -> Any:
        run = self.host.service._runs.get(inference_id)
        announce = self.stop(inference_id)
        self.decision = [] if announce is None else [life for life in self.lives if life.run is run]
        return announce

    def window_cancelled(self, window_id: str) -> Any:
        live = [run for run in self.host.service._runs.values() if run.outcome is None]
        announcements = self.stop_window(window_id)
        self.decision = [life for life in self.lives if life.run in live and life.params.window_id == window_id]
        return announcements

    def connect(self, call: Call) -> None:
        life = next(life for life in self.lives if life.run.task is asyncio.current_task())
        assert life.run.cached is None, "a provider was asked for what is kept"
        assert not any(not earlier.closed for earlier in life.calls), "two attempts at once"
        assert life.run.outcome is None, "an attempt after the end"
        life.calls.append(call)
        if len(self.host.provider.calls) % 3:  # the others are kept waiting
            call.accept()

    # --- what comes on the wire ---

    def receive(self, message: dict[str, Any]) -> None:
        if "method" in message:
            self.on_the_wire[message["params"]["inferenceId"]].receive(message)
            return
        method, decision = self.promises.pop(message["id"], ("ping", None))
        if method == "llm:inference":
            assert ("result" in message) is (decision is not None)
            if decision is not None:
                self.on_the_wire[message["result"]["inferenceId"]] = decision
        elif method == "llm:inference:attach" and decision is not None:
            self._check_replay(message, *decision)
        elif method == "llm:cancel":
            assert message["result"]["success"] is bool(decision)
            for life in decision:
                life.cancel_is_answered()
        elif method == "llm:window:closed":
            assert message["result"]["cancelled"] == len(decision)
            for life in decision:
                life.cancel_is_answered()

    def _check_replay(self, message: dict[str, Any], life: Life, from_seq: int) -> None:
        if "error" in message:
            data = message["error"]["data"]
            assert data["code"] == "REPLAY_GAP"
            first, following = data["details"]["firstSeq"], data["details"]["nextSeq"]
            assert following == len(life.events)
            assert not first <= from_seq <= following
            return
        result = message["result"]
        assert result["nextSeq"] == len(life.events), "the replay does not meet the live events"
        assert result["terminal"] is life.is_over
        sent = [{"method": event["method"], "params": event["params"]} for event in life.events[from_seq:]]
        assert result["events"] == sent

    # --- steps ---

    def step(self, action: Any, pace: int | None) -> None:
        async def act() -> None:
            action()
            if pace is None:
                await settle()
            else:
                for _ in range(pace):
                    await asyncio.sleep(0)

        self.loop.run_until_complete(act())

    def send(self, requests: list[dict[str, Any]], pace: int | None, *, as_batch: bool = False) -> None:
        def action() -> None:
            self.asked += [request for request in requests if request["method"] != "ping"]
            for message in [requests] if as_batch else requests:
                self.host.send(message)

        self.step(action, pace)

    def inference(self, inference_id: str, window: str | None, options: dict[str, Any]) -> dict[str, Any]:
        """A request whose prompt tells it from every other, unless it may be answered from the cache."""
        self.requests += 1
        prompt = "cached" if "cache" in options else str(self.requests)
        params: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}], **options}
        if window is not None:
            params["windowId"] = window
        return self.host.inference(inferenceId=inference_id, **params)

    @precondition(lambda self: not self.is_stopping)
    @rule(inference_id=IDS, window=WINDOWS, options=OPTIONS, pace=PACE)
    def start(self, inference_id: str, window: str | None, options: dict[str, Any], pace: int | None) -> None:
        self.send([self.inference(inference_id, window, options)], pace)

    @precondition(lambda self: not self.is_stopping)
    @rule(
        items=st.lists(
            st.tuples(st.sampled_from(["start", "start", "attach", "start", "cancel", "attach", "window"]), IDS),
            max_size=4,
        ),
        options=OPTIONS,
        answered=st.booleans(),
        as_batch=st.booleans(),
        pace=PACE,
    )
    def send_several_requests(
        self, items: list[tuple[str, str]], options: dict[str, Any], answered: bool, as_batch: bool, pace: int | None
    ) -> None:
        requests = [] if answered else [self.host.request("ping")]
        for action, name in items:
            if action == "start":
                requests.append(self.inference(name, "w1", options))
            elif action == "cancel":
                requests.append(self.host.request("llm:cancel", inferenceId=name))
            elif action == "attach":
                requests.append(self.host.request("llm:inference:attach", inferenceId=name, fromSeq=0))
            else:
                requests.append(self.host.request("llm:window:closed", windowId="w1"))
        if requests:
            self.send(requests, pace, as_batch=as_batch)

    @precondition(lambda self: self.host.gate._waiters)
    @rule(pace=PACE)
    def answer_what_is_unanswered(self, pace: int | None) -> None:
        def open_the_gate() -> None:
            self.host.gate.set()
            self.host.gate.clear()  # who waits is woken all the same

        self.step(open_the_gate, pace)

    @precondition(has_a_live_inference)
    @rule(inference_id=IDS, window=st.sampled_from([None, None, None, "w1"]), pace=PACE)
    def cancel(self, inference_id: str, window: str | None, pace: int | None) -> None:
        if window is None:
            self.send([self.host.request("llm:cancel", inferenceId=inference_id)], pace)
        else:
            self.send([self.host.request("llm:window:closed", windowId=window)], pace)

    @precondition(lambda self: self.lives)
    @rule(inference_id=IDS, from_seq=st.integers(0, 12), pace=PACE)
    def attach(self, inference_id: str, from_seq: int, pace: int | None) -> None:
        self.send([self.host.request("llm:inference:attach", inferenceId=inference_id, fromSeq=from_seq)], pace)

    @precondition(has_an_open_call)
    @rule(which=WHICH, speech=SPEECH)
    def speak(self, which: int, speech: list[tuple[list[Any], int | None]]) -> None:
        call = self.call(which)
        call.accept()
        for batch, pace in speech:
            self.step(lambda batch=batch: call.send(*batch), pace)

    @precondition(has_an_open_call)
    @rule(which=WHICH, speech=SPEECH, ending=ENDING, pace=PACE)
    def speak_and_end(
        self, which: int, speech: list[tuple[list[Any], int | None]], ending: Any, pace: int | None
    ) -> None:
        call = self.call(which)
        self.speak(which, speech)
        if isinstance(ending, BaseException):
            self.step(lambda: call.fail(ending), pace)
        else:
            self.step(getattr(call, ending), pace)

    @precondition(has_an_open_call)
    @rule(which=WHICH, error=st.none() | FAILURE, pace=PACE)
    def connect_or_refuse(self, which: int, error: BaseException | None, pace: int | None) -> None:
        call = self.call(which)
        self.step(call.accept if error is None else lambda: call.refuse(error), pace)

    @precondition(has_an_open_call)
    @rule(which=WHICH, manners=MANNERS)
    def misbehave(self, which: int, manners: str) -> None:
        call = self.call(which)
        if manners == "hang":
            call.hang_in_cleanup()
        elif manners == "raise":
            call.cleanup_error = OSError()
        elif manners == "raise retryable":
            call.cleanup_error = ProviderError("SERVER_ERROR", "Late.", retry_after_ms=0)
        elif manners == "suppress":
            call.suppresses_errors = True
        elif manners == "translate":
            call.on_cancel = ProviderError("SERVER_ERROR", "Translated.", retry_after_ms=0)
        else:
            call.on_cancel = "go on" if manners == "go on" else "end"

    @precondition(lambda self: any(call.closing for call in self.host.provider.open_calls))
    @rule(pace=PACE)
    def let_the_cleanups_finish(self, pace: int | None) -> None:
        self.step(lambda: [call.finish_cleanup() for call in self.host.provider.calls], pace)

    @rule(reads=st.booleans(), pace=PACE)
    def stall_or_resume(self, reads: bool, pace: int | None) -> None:
        self.step(self.host.sink.unstall if reads else self.host.sink.stall, pace)

    @precondition(has_a_live_inference)
    @rule(seconds=st.sampled_from([0.03, 0.06, 0.03, 0.001, 0.1, 0.1, 0.5, 1, 5, 700]))
    def let_time_pass(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @precondition(lambda self: len(self.lives) > 5)
    @rule(really=st.sampled_from([False, False, False, True]), pace=PACE)
    def shut_down(self, really: bool, pace: int | None) -> None:
        if really:
            self.is_stopping = True
            self.step(self.host.service.end_all, pace)

    def call(self, which: int) -> Call:
        calls = self.host.provider.open_calls
        return calls[which % len(calls)]

    # --- what must always hold ---

    @invariant()
    def the_reader_found_nothing_wrong(self) -> None:
        self.host.is_over("")

    @invariant()
    def the_slots_agree_with_who_runs_and_who_waits(self) -> None:
        slots = self.host.service.slots
        live = [life.run for life in self.lives if life.run.outcome is None and life.run.cached is None]
        waiting = [run for run in live if run._slot.is_waiting]
        assert slots.waiting == len(waiting) <= self.host.limits.max_queued_inferences
        assert slots.active == len(live) - len(waiting) <= self.host.limits.max_concurrent_inferences

    @invariant()
    def the_journals_agree_with_what_they_keep(self) -> None:
        journals, limits = self.host.service._journals, self.host.limits
        for journal in journals._by_id.values():
            assert journal.bytes == sum(entry.weight for entry in journal._entries) <= limits.journal_bytes
            numbers = [entry.event.seq for entry in journal._entries]
            assert numbers == list(range(journal.next_seq - len(numbers), journal.next_seq))
        total = sum(journal.bytes for journal in journals._by_id.values())
        assert journals.total_bytes == total <= limits.journal_total_bytes
        assert len(journals._finished) <= limits.journal_finished

    @invariant()
    def the_outbox_weighs_what_it_holds(self) -> None:
        events = [item for item in self.host.outbox._queue if not isinstance(item, Reply)]
        assert self.host.outbox._event_bytes == sum(event.weight for event in events)

    @invariant()
    def a_circuit_waits_for_nobody_who_is_gone(self) -> None:
        passages = [life.run._passage for life in self.lives if life.run.outcome is None]
        for circuit in self.host.service.circuits._circuits.values():
            assert circuit._probing is None or circuit._probing in passages

    # --- the end of a story ---

    def teardown(self) -> None:
        if not hasattr(self, "host"):
            return
        try:
            self.loop.run_until_complete(self._end())
        finally:
            left = self.loop.run_until_complete(self._leave())
            self.loop.close()
        assert not left, f"left running: {left}"

    async def _leave(self) -> set[asyncio.Task[Any]]:
        await end(self.host)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return left

    async def _end(self) -> None:
        """Time alone must end everything once the host reads and its batches are answered."""
        host = self.host
        host.sink.unstall()
        host.gate.set()
        await asyncio.sleep(2_000)
        await settle()
        assert host.is_over("") is False
        for life in self.lives:
            assert life.is_over, f"no terminal: {[event['method'] for event in life.events]}"
            assert [event["params"]["seq"] for event in life.events] == list(range(len(life.events)))
        assert (host.service.slots.active, host.service.slots.waiting) == (0, 0)
        assert host.service._runs == {}
        assert host.outbox.queued_bytes == 0
        assert self.promises == {}
        self._check_figures()
        self.the_journals_agree_with_what_they_keep()
        for call in host.provider.calls:
            assert call.closed or call.closing or call.ignored_a_cancellation, "an upstream is still open"
            call.finish_cleanup()
            call.finish()
        await asyncio.wait_for(host.service.closed(), 10)
        assert host.provider.open_calls == []

    def _check_figures(self) -> None:
        requests, failures, cancelled, tokens = (Counter[str]() for _ in range(4))
        for life in self.lives:
            terminal = life.events[-1]["params"]
            if life.run.cached is None:
                requests.update(life.asked)
                failures.update(life.asked[:-1] + life.asked[-1:] * (life.events[-1]["method"] == "llm:error"))
                cancelled.update(life.asked[-1:] * ("cancelled" in terminal))
                tokens[life.asked[-1]] += terminal["usage"]["totalTokens"]
        service = self.host.service
        assert service.total_inferences == len(self.lives)
        assert service.total_tokens == sum(tokens.values())
        assert set(service.providers) == set(requests)
        for name, figures in service.providers.items():
            assert (figures.requests, figures.failures) == (requests[name], failures[name])
            assert (figures.cancelled, figures.tokens) == (cancelled[name], tokens[name])
        assert service.cache.figures.hits >= sum(life.run.cached is not None for life in self.lives)


TestInference = InferenceMachine.TestCase
TestInference.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize="LLM_SIDECAR_MACHINE_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
