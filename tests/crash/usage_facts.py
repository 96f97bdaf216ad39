"""Usage and budgets under SIGKILL: who was told the end of an inference finds its row, once, with what it was told.

The model is what may be found. An inference whose end was told (by its terminal, its answer, or the result of its job)
has one row that says the same; any other that was asked has one or none. A row stays as it is for ever, and sums are
those of the rows. A budget that was set is there; where others were being set, one of them may have taken its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

from tests.crash.kill_machine import Fate, KillMachine

Row = dict[str, Any]
Name = tuple[str, Any]
"""What an inference's row is known by: a field, and its value."""

_KEYS: dict[str, Callable[[Row], str | None]] = {
    "provider": lambda row: row["providerId"],
    "model": lambda row: row["modelId"],
    "profile": lambda row: row.get("profileId"),
    "session": lambda row: row.get("sessionId"),
    "day": lambda row: time.strftime("%Y-%m-%d", time.gmtime(row["at"] / 1000)),
}
_TOKENS = ("promptTokens", "completionTokens", "totalTokens")


class Budget:
    """Of one period. `limit` is what was told last; each of `asked` may have taken its place, in order."""

    def __init__(self) -> None:
        self.limit: float | None = None
        self.asked: list[float | None] = []

    def check(self, found: float | None) -> None:
        assert found in (self.limit, *self.asked), (found, self.limit, self.asked)
        self.limit = found
        self.asked.clear()


class UsageFacts(KillMachine):
    def __init__(self) -> None:
        self.rows: list[Row] = []
        """As they were found, oldest first."""
        self.told: dict[Name, Row] = {}
        """What a host was told since: fields of the row."""
        self.may_have_a_row: set[Name] = set()
        self.scripted: dict[str, tuple[int, int]] = {}
        """The tokens that an inference's answer has when it is whole, by its id."""
        self.ended_jobs: list[str] = []
        self.budgets = {"day": Budget(), "month": Budget()}
        super().__init__()

    # --- what a host does ---

    def work(self, random: Random) -> None:
        super().work(random)
        for _ in range(random.randrange(2, 10)):
            random.choice(self._own_wishes())(random)
            if random.random() < 0.2:
                self.let_it_work(random.randrange(20))

    def wishes(self) -> list[Fate]:
        return [*super().wishes(), *self._own_wishes()]

    def ask(self, method: str, params: dict[str, Any]) -> str:
        """(Whoever asks: sessions and jobs have their rows, too.)"""
        if "inferenceId" in params:
            self.may_have_a_row.add(("inferenceId", params["inferenceId"]))
        elif method == "llm:job:submit":
            self.may_have_a_row.add(("jobId", params["jobId"]))
        return super().ask(method, params)

    def _own_wishes(self) -> list[Fate]:
        return [self._infer, self._infer, self._generate_text, self._chat, self._set_budget]

    def _infer(self, random: Random) -> None:
        number, tokens, text = self._question(random)
        name = f"u{number}"
        self.scripted[name] = (number, tokens)
        options = {"modelId": random.choice(["demo-1", "demo-fast"]), "stream": random.random() < 0.5, "queue": True}
        fault = f"[[demo: error=SERVER_ERROR@{random.randrange(4)}]]" if random.random() < 0.2 else ""
        messages = [{"role": "user", "content": text + fault}]
        retry = {"maxRetries": 0}
        self.ask(
            "llm:inference",
            {"inferenceId": name, "providerId": "demo", "messages": messages, "retry": retry, **options},
        )
        if random.random() < 0.2:
            self.ask("llm:cancel", {"inferenceId": name})

    def _generate_text(self, random: Random) -> None:
        number, _, text = self._question(random)
        self.may_have_a_row.add(("promptTokens", number))
        self.ask("llm:generate-text", {"providerId": "demo", "model": "demo-fast", "prompt": text, "queue": True})

    def _chat(self, random: Random) -> None:
        number, _, text = self._question(random)
        self.may_have_a_row.add(("promptTokens", number))
        messages = [{"role": "user", "content": text}]
        request = {"model": "demo-1", "messages": messages, "stream": random.random() < 0.5}
        self.ask("llm:chat:completions", {"service": "demo", "request": request, "queue": True})

    def _question(self, random: Random) -> tuple[int, int, str]:
        """The tokens of a prompt, which no other has; those of its answer; and the question."""
        number = 1_000_000 + next(self.numbers)
        words = random.randrange(1, 12)
        rate = random.choice(["max", "max", "200"])
        directives = f"tokens={words} rate={rate} connect=0 firstToken=0 usage=prompt:{number},completion:{words}"
        return number, words, f"[[demo: {directives}]]"

    def _set_budget(self, random: Random) -> None:
        period = random.choice(list(self.budgets))
        limit = random.choice([None, random.randrange(1_000_000) / 1_000])
        self.budgets[period].asked.append(limit)
        self.ask("llm:budget:set", {"period": period, "limit": limit})

    # --- what it is told ---

    def heard(self, message: dict[str, Any], method: str | None, params: dict[str, Any]) -> None:
        super().heard(message, method, params)
        event = message.get("method")
        if event in ("llm:done", "llm:error"):
            self._heard_end(message["params"])
        elif event in ("llm:job:done", "llm:job:error"):
            self.ended_jobs.append(message["params"]["jobId"])
        elif method == "llm:generate-text":
            result = message["result"]
            self._tell(result["usage"], outcome="done", modelId=result["modelId"])
        elif method == "llm:chat:completions":
            usage = message["result"]["usage"]
            counts = [usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
            self._tell(dict(zip(_TOKENS, counts, strict=True)), outcome="done", modelId=message["result"]["model"])
        elif method == "llm:budget:set":
            budget = self.budgets[params["period"]]
            assert "result" in message, message
            assert budget.asked.pop(0) == params["limit"], "answered out of order"
            budget.limit = params["limit"]

    def _heard_end(self, end: dict[str, Any]) -> None:
        """A terminal came, or lies in the result of a job."""
        assert "persisted" not in end, end
        name = end["inferenceId"]
        outcome = "error" if "code" in end else "cancelled" if end.get("cancelled") else "done"
        if outcome == "done" and name in self.scripted:
            assert (end["usage"]["promptTokens"], end["usage"]["completionTokens"]) == self.scripted[name]
        self.told["inferenceId", name] = {
            **{token: end["usage"][token] for token in _TOKENS},
            "outcome": outcome,
            "code": end.get("code"),
            "providerId": "demo",
            "modelId": end["modelId"],
            "sessionId": end.get("sessionId"),
        }

    def _tell(self, usage: dict[str, Any], **more: Any) -> None:
        """An answer without its inference's id came."""
        counts = {token: usage[token] for token in _TOKENS}
        self.told["promptTokens", usage["promptTokens"]] = {**counts, "providerId": "demo", "sessionId": None, **more}

    # --- what is there ---

    def check(self) -> None:
        super().check()
        rows, sums = self._rows_and_their_sums()
        assert rows[: len(self.rows)] == self.rows, "a row was changed, or is gone"
        self._check_rows(rows)
        for job in self.ended_jobs:
            self._check_job(job, rows)
        for name, told in self.told.items():
            _check_told(name, told, rows)
        for group_by, summary in sums.items():
            _check_sums(group_by, summary, rows)
        found = {budget["period"]: budget["limit"] for budget in self.host.call("llm:budget:get")["budgets"]}
        for period, budget in self.budgets.items():
            budget.check(found.get(period))
        self.rows = rows
        self.told.clear()
        self.ended_jobs.clear()

    def _rows_and_their_sums(self) -> tuple[list[Row], dict[str, Any]]:
        """Of one moment: jobs go on meanwhile, and add to both."""
        while True:
            rows = self._all_rows()
            sums = {group_by: self.host.call("llm:usage:summary", {"groupBy": group_by}) for group_by in _KEYS}
            if len(rows) == sums["provider"]["total"]["requests"] and rows == self._all_rows():
                return rows, sums

    def _all_rows(self) -> list[Row]:
        """Oldest first."""
        rows: list[Row] = []
        cursor: dict[str, Any] = {}
        while True:
            page = self.host.call("llm:usage:list", {"limit": 150, **cursor})
            rows += page["rows"]
            if page["nextCursor"] is None:
                return rows[::-1]
            cursor = {"cursor": page["nextCursor"]}

    def _check_rows(self, rows: list[Row]) -> None:
        ids = [row["inferenceId"] for row in rows]
        assert len(ids) == len(set(ids)), "an inference is stored twice"
        for row in rows[len(self.rows) :]:
            assert any(
                (field, row.get(field)) in self.may_have_a_row for field in ("inferenceId", "jobId", "promptTokens")
            )
            assert row["cost"] == 0, row
            assert row["totalTokens"] == row["promptTokens"] + row["completionTokens"], row

    def _check_job(self, job: str, rows: list[Row]) -> None:
        """It has no more rows than attempts, and one of them is that of its result."""
        attempts = self.host.call("llm:job:get", {"jobId": job})["attempts"]
        assert sum(row.get("jobId") == job for row in rows) <= attempts
        end = self.host.call("llm:job:result", {"jobId": job}).get("result")
        if end is not None:
            self._heard_end(end)


def _check_told(name: Name, told: Row, rows: list[Row]) -> None:
    field, value = name
    found = [row for row in rows if row[field] == value]
    assert len(found) == 1, (name, told, found)
    said = {field: found[0].get(field) for field in told}
    assert said == told, (name, said, told)


def _check_sums(group_by: str, summary: dict[str, Any], rows: list[Row]) -> None:
    groups: dict[str | None, list[Row]] = {}
    for row in rows:
        groups.setdefault(_KEYS[group_by](row), []).append(row)
    assert {row["key"] for row in summary["rows"]} == set(groups)
    assert len(summary["rows"]) == len(groups)
    for sums in (*summary["rows"], summary["total"]):
        added = rows if sums is summary["total"] else groups[sums["key"]]
        assert sums["requests"] == len(added)
        assert sums["errors"] == sum(row["outcome"] == "error" for row in added)
        assert sums["cancelled"] == sum(row["outcome"] == "cancelled" for row in added)
        for token in _TOKENS:
            assert sums[token] == sum(row[token] for row in added), (group_by, sums, token)
