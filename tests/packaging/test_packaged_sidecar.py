"""The packaged sidecar on a machine that has nothing: what differs from the source, run by a Python.

What does not differ is tested by the process-level tests, run with the same LLM_SIDECAR_COMMAND (`make package-test`).
"""

from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import IS_PACKAGED, SIDECAR, Host, line_of, request
from tests.providers.certificates import Authority

pytestmark = pytest.mark.skipif(not IS_PACKAGED, reason="LLM_SIDECAR_COMMAND names no packaged sidecar (make package)")

FOLDER = Path(SIDECAR[0]).parent
Spawn = Callable[..., Host]


def run_with_nothing(program: Path, *arguments: str, stdin: bytes = b"", cwd: Path) -> bytes:
    """Its stdout, with an empty environment: no PATH, no HOME, no locale."""
    done = subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, env={}, cwd=cwd, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_a_copy_of_the_folder_runs_anywhere_with_an_empty_environment(tmp_path: Path) -> None:
    folder = tmp_path / "Grüße an „Dritte“ (copy)"
    shutil.copytree(FOLDER, folder, symlinks=True)
    program = folder / FOLDER.joinpath(SIDECAR[0]).name
    data = str(tmp_path / "data")
    asked = request(1, "llm:generate-text", {"providerId": "demo", "prompt": '[[demo: text="Grüße 😀"]]'})
    said = run_with_nothing(program, "serve", "--drain", "--data-dir", data, stdin=line_of(asked), cwd=tmp_path)
    assert json.loads(said)["result"]["text"] == "Grüße 😀"
    assert "Markdown" in run_with_nothing(program, "demo", cwd=tmp_path).decode("utf-8")


def test_doctor_finds_no_fault_and_speaks_of_no_pip(tmp_path: Path) -> None:
    report = json.loads(run_with_nothing(Path(SIDECAR[0]), "doctor", "--json", cwd=tmp_path))
    assert report["ok"]
    assert "pip install" not in json.dumps(report)


def test_a_folder_of_modules_beside_it_is_not_looked_at(tmp_path: Path) -> None:
    for name in ("random.py", "sitecustomize.py", "llm_sidecar.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('taken in')")
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "json.py"), "PYTHONHOME": str(tmp_path)}
    done = subprocess.run(
        [SIDECAR[0], "doctor"], cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def test_it_holds_its_licences_and_nothing_that_is_not_needed() -> None:
    names = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*")}
    assert {"licenses/README.txt", "licenses/llm-sidecar/LICENSE", "licenses/aiohttp/LICENSE.txt"} <= names
    unneeded = "pip|setuptools|_?tkinter|pytest|openai|anthropic|ollama|numpy|_?multiprocessing|unittest|(lib)?readline"
    assert [name for name in names if re.match(rf"_internal/(.*/lib-dynload/)?({unneeded})([./-]|$)", name)] == []


def test_a_keyring_can_be_asked(spawn: Spawn) -> None:
    """That there is none here is another matter."""
    host = spawn("--keyring")
    key = {"name": "a", "providerType": "openai", "apiKey": "sk-canary-31337", "consentTimestamp": 1}
    error = host.refusal("llm:profiles:create", key)
    assert error["data"]["code"] == "VAULT_LOCKED"
    assert "needs the package" not in error["message"]


class Answering(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that says the same to everyone."""

    def do_POST(self) -> None:
        events: list[Any] = [
            {"model": "gpt-4o-mini", "choices": [{"index": 0, "delta": {"content": "hello"}, "finish_reason": None}]},
            {"model": "gpt-4o-mini", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}},
        ]
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def trusted_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server behind TLS, and the certificate to trust it by."""
    authority = Authority("the authority")
    (tmp_path / "authority.pem").write_text(authority.pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    context: ssl.SSLContext = authority.server_for("localhost")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://localhost:{server.server_address[1]}", tmp_path / "authority.pem"
    server.shutdown()
    thread.join()
    server.server_close()


def test_tls_is_spoken_certificates_are_checked_and_prices_are_known(
    spawn: Spawn, trusted_server: tuple[str, Path]
) -> None:
    url, authority = trusted_server
    environment = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-canary-31337"}
    asked = {"providerId": "openai", "modelId": "gpt-4o-mini", "inferenceId": "i", "retry": {"maxRetries": 0}}
    trusting = spawn(environment={**environment, "SSL_CERT_FILE": str(authority)})
    trusting.infer("hello", **asked)
    answer = trusting.answer("i")
    assert (answer.outcome, answer.terminal["cost"]) == ("done", pytest.approx(0.00075))
    distrusting = spawn(environment=environment)
    distrusting.infer("hello", **asked)
    assert distrusting.answer("i").terminal["details"] == {"errno": "TLS_ERROR"}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_it_is_one_process(spawn: Spawn) -> None:
    host = spawn()
    host.call("llm:get-status")
    assert Path(f"/proc/{host.pid}/task/{host.pid}/children").read_text() == ""
    assert Path(f"/proc/{host.pid}/comm").read_text().strip() == "llm-sidecar"
