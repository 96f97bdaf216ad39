"""Keys that are looked for in what is kept: sessions, jobs, batches, usage, the audit log, the vault and its backups.

Law: every server says the key back, and the person pastes it into what they ask. The files are looked through while the
sidecar runs (its write-ahead log, too), after it was killed, and by a new one that has decrypted nothing yet, so that
what it tells is what was stored.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import run_to_end
from tests.end_to_end.canary_at_the_pipe import KEY, hits, hits_in
from tests.end_to_end.profiles_at_the_pipe import OTHER_KEY, answering, create, greet
from tests.end_to_end.providers_at_the_pipe import listening
from tests.end_to_end.test_jobs_killed import ended
from tests.hosts import Host
from tests.providers.batch_server import KEY as BATCH_KEY
from tests.providers.batch_server import BatchServer, BatchServerThread

PASTED = [{"role": "user", "content": f"Is {KEY} a good key? And {BATCH_KEY}?"}]
QUICK = {"LLM_SIDECAR_BATCH_POLL_MS": "10"}
COMMANDS = (
    ("profiles", "list"), ("sessions", "list"), ("sessions", "show", "s"), ("sessions", "export", "s"),
    ("usage",), ("vault", "status"), ("profiles", "--json", "list"), ("profiles", "remove", "Work"),
)  # fmt: skip


def use_everything(host: Host, url: str, batch_url: str) -> None:
    """Each kind of thing that leaves something behind, with a profile whose key comes back."""
    work = create(host, url, apiKey=KEY)["id"]
    batched = create(host, batch_url, name="Batch", apiKey=BATCH_KEY)["id"]
    for name in ("replaced", "deleted"):
        other = create(host, url, name=name, apiKey=f"{KEY}-{name}")["id"]
        if name == "replaced":
            host.call("llm:profiles:update", {"id": other, "apiKey": KEY})
        else:
            host.call("llm:profiles:delete", {"id": other})
    host.call("llm:budget:set", {"period": "day", "limit": 1_000_000})
    host.call("llm:session:create", {"sessionId": "s", "profileId": work, "systemPrompt": KEY, "metadata": {"k": KEY}})
    for _ in range(2):
        run = host.call("llm:session:run", {"sessionId": "s", "messages": PASTED})
        assert "***" in host.answer(run["inferenceId"]).text
    host.call("llm:session:fork", {"sessionId": "s", "newSessionId": "t"})
    asked: dict[str, dict[str, Any]] = {
        "inference": {"messages": PASTED, "profileId": work},
        "generate-text": {"prompt": KEY, "profileId": work},
        "chat:completions": {"request": {"model": KEY, "messages": PASTED}, "profileId": work},
    }
    for kind, params in asked.items():
        job = host.call("llm:job:submit", {"kind": kind, "params": params, "metadata": {"k": KEY}})["jobId"]
        assert ended(host, job)["state"] == "done", kind
    requests = [{"customId": f"r{n}", "request": {"messages": PASTED}} for n in range(3)]
    params = {"profileId": batched, "modelId": "gpt-4o-mini", "requests": requests}
    host.call("llm:job:submit", {"kind": "batch", "params": params, "jobId": "batch"})
    assert ended(host, "batch")["state"] == "done"
    host.call("llm:vault:rotate", {"phase": "begin", "newVaultKey": OTHER_KEY})
    host.call("llm:vault:rotate", {"phase": "abort"})


def everything_told(host: Host) -> bytes:
    """All that can be asked of what is kept, without a key being used."""
    jobs = host.call("llm:job:list")["jobs"]
    questions = [
        *((f"llm:{name}", {}) for name in ("profiles:list", "session:list", "job:list", "usage:list", "audit:list",
          "usage:summary", "budget:get", "vault:status", "get-status")),
        *((f"llm:session:{name}", {"sessionId": session}) for name in ("get", "history") for session in "st"),
        *((f"llm:job:{name}", {"jobId": job["jobId"]}) for name in ("get", "result") for job in jobs),
    ]  # fmt: skip
    return b"\n".join(json.dumps(host.call(method, params)).encode() for method, params in questions)


@pytest.mark.parametrize("level", ["debug", "error"])
def test_a_key_that_comes_back_is_kept_nowhere(spawn: Callable[..., Host], tmp_path: Path, level: str) -> None:
    folder, keys = tmp_path / "data", (KEY, BATCH_KEY)
    with listening(answering(f"You said {KEY}, did you?")) as fine, BatchServerThread(BatchServer()) as batches:
        host = spawn("--log-level", level, "--dev", environment=QUICK)
        greet(host)
        use_everything(host, fine.url, batches.url)
        assert any(KEY in request.body.decode() for request in fine.requests), "what was pasted was asked"
        told = everything_told(host)
        assert b"***" in told
        assert (folder / "llm-sidecar.sqlite3-wal").stat().st_size > 0
        assert hits_in(folder, *keys) == {}, "while it runs"
        host.signal(signal.SIGKILL)
        host.wait()
        assert hits_in(folder, *keys) == {}, "after it was killed"
        bare = spawn("--log-level", level, data_dir=folder)
        greet(bare, None)
        told += everything_told(bare)
        bare.close_stdin()
        assert bare.wait() == 0
        for command in COMMANDS if level == "debug" else ():  # they have no level
            said = run_to_end(folder, *command)
            assert said.returncode == 0, said.stderr
            told += (said.stdout + said.stderr).encode()
    for key in keys:
        assert hits(told, key) == []
        assert hits((host.stderr() + bare.stderr()).encode(), key) == []
    assert hits_in(folder, *keys) == {}, "in the end"
