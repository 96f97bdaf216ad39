"""Jobs under SIGKILL: what was acknowledged is there, what was told to have ended has, the rest goes on or says why.

The model of a job is what may be found of it. One that was told to be done is done, with its answer word for word; one
whose cancel was acknowledged never ends otherwise; one that may restart is never interrupted.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.crash.kill_machine import Fate, KillMachine

_ENDS = {"done", "failed", "cancelled", "interrupted"}


class Job:
    """`state`: `asked`, `accepted`, or how it was told to have ended."""

    def __init__(self, answer: str, *, fails: bool, may_restart: bool) -> None:
        self.answer = answer
        self.fails = fails
        self.may_restart = may_restart
        self.state = "asked"
        self.cancel = ""
        """`asked` or `accepted`."""

    def check(self, found: dict[str, Any]) -> None:
        """It is there, as `found`."""
        state = found["state"]
        if self.state in _ENDS:
            assert state == self.state, (self.state, found)
        if self.cancel == "accepted":
            assert state in ("cancelled", "running"), found
        if not self.cancel:
            assert state != "cancelled", found
        if self.may_restart:
            assert state != "interrupted", found
        assert state != ("done" if self.fails else "failed"), found
        assert "mayHaveBeenPaid" not in found  # nobody pays for the demo


class JobFacts(KillMachine):
    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        super().__init__()

    def work(self, random: Random) -> None:
        super().work(random)
        for _ in range(random.randrange(1, 6)):
            self._submit(random)
            if random.random() < 0.3:
                self._cancel_one(random)
            if random.random() < 0.3:
                self.let_it_work(random.randrange(30))

    def wishes(self) -> list[Fate]:
        return [*super().wishes(), self._submit, self._cancel_one]

    def _submit(self, random: Random) -> None:
        number = next(self.numbers)
        answer = f"answer {number} " * random.randrange(1, 5)
        fails = random.random() < 0.2
        fault = " error=AUTH_ERROR@1" if fails else ""
        text = f'[[demo: text="{answer}" connect=0 firstToken=0 rate={random.choice(["max", "200"])}{fault}]]'
        may_restart = random.random() < 0.5
        self.jobs[f"j{number}"] = Job(answer, fails=fails, may_restart=may_restart)
        params = {"providerId": "demo", "messages": [{"role": "user", "content": text}]}
        self.ask(
            "llm:job:submit",
            {
                "jobId": f"j{number}",
                "kind": "inference",
                "priority": random.randrange(-2, 3),
                "ifInterrupted": "restart" if may_restart else "fail",
                "params": params,
            },
        )

    def _cancel_one(self, random: Random) -> None:
        accepted = [name for name, job in self.jobs.items() if job.state == "accepted"]
        if accepted:
            name = random.choice(accepted)
            self.jobs[name].cancel = self.jobs[name].cancel or "asked"
            self.ask("llm:job:cancel", {"jobId": name})

    def heard(self, message: dict[str, Any], method: str | None, params: dict[str, Any]) -> None:
        super().heard(message, method, params)
        event = message.get("method") or ""
        if event.startswith("llm:job:"):
            self._heard_of_job(event, message["params"])
        elif method == "llm:job:submit":
            assert "result" in message, message
            job = self.jobs[params["jobId"]]
            job.state = "accepted" if job.state == "asked" else job.state
        elif method == "llm:job:cancel" and message["result"]["success"]:
            self.jobs[params["jobId"]].cancel = "accepted"

    def _heard_of_job(self, event: str, params: dict[str, Any]) -> None:
        job = self.jobs[params["jobId"]]
        assert job.state not in _ENDS, (job.state, event)
        if event == "llm:job:done":
            job.state = "cancelled" if params.get("cancelled") else "done"
        elif event == "llm:job:error":
            job.state = "interrupted" if params["error"]["code"] == "JOB_INTERRUPTED" else "failed"

    def check(self) -> None:
        super().check()
        for name, job in list(self.jobs.items()):
            response = self.host.response(self.host.ask("llm:job:get", {"jobId": name}))
            if "error" in response:
                assert job.state == "asked", (name, job.state, response)
                del self.jobs[name]
                continue
            found = response["result"]
            job.check(found)
            if job.state == "asked":
                job.state = "accepted"
            if found["state"] == "done":
                result = self.host.call("llm:job:result", {"jobId": name})["result"]
                assert result["text"] == job.answer, (result["text"], job.answer)
            if job.state in _ENDS and len(self.jobs) > 60:
                del self.jobs[name]  # so that a long run looks at the newest
