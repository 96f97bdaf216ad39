"""Whatever is asked, whatever of it is wrong, and in whatever order: each request is answered once, as the schemas and
the catalogue say. `LLM_SIDECAR_ANY_REQUESTS` is how many are sent (400), `LLM_SIDECAR_ANY_SEED` which."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from typing import Any

from jsonschema import Draft202012Validator

from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.messages.method_errors import COMMON_ERRORS
from llm_sidecar.protocol.schemas import standalone_schemas
from tests.end_to_end.arbitrary_params import SECRET, Maker
from tests.end_to_end.profiles_at_the_pipe import VAULT_KEY
from tests.hosts import Host, request

Spawn = Callable[..., Host]
REQUESTS = int(os.environ.get("LLM_SIDECAR_ANY_REQUESTS", "400"))
SEED = int(os.environ.get("LLM_SIDECAR_ANY_SEED", "1"))
AT_ONCE = 20
LIFECYCLE = {"initialize", "shutdown", "exit", "$/cancelRequest"}
SCHEMAS = standalone_schemas()
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in SCHEMAS.items()}
KINDS = {"inference": "llm:inference", "generate-text": "llm:generate-text", "chat:completions": "llm:chat:completions"}
KNOWN_FROM = {"nextCursor": "cursor", "messageId": "atMessageId", "id": "id", "profileId": "profileId"}
"""Fields of results, and whose params they may be."""


class Conversation:
    """What was asked, and what must not have happened."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.chance = random.Random(SEED)
        self.maker = Maker(self.chance)
        self.asked: dict[str, tuple[str, Any]] = {}
        self.answered: set[str] = set()
        self.methods = [name for name in METHODS if name not in LIFECYCLE]

    def ask(self) -> None:
        name = self.chance.choice(self.methods)
        params = self.maker.made(SCHEMAS[METHODS[name].params.__name__])
        if name == "llm:job:submit" and params["kind"] in KINDS:
            params["params"] = self.maker.made(SCHEMAS[METHODS[KINDS[params["kind"]]].params.__name__])
        if self.chance.random() < 0.45:
            params = self.maker.spoilt(params)
        request_id = f"any-{len(self.asked)}"
        self.asked[request_id] = name, params
        self.host.send(request(request_id, name, params))

    def take(self, message: Any) -> None:
        if "method" in message:
            self._check_shape(NOTIFICATIONS[message["method"]].params, message["params"], message)
            return
        name, params = self.asked[message["id"]]
        assert message["id"] not in self.answered, f"answered twice: {name} {params}"
        self.answered.add(message["id"])
        if "error" in message:
            self._check_error(name, params, message["error"])
            return
        fits = not isinstance(params, dict) or VALIDATORS[METHODS[name].params.__name__].is_valid(params)
        assert fits, f"no schema allows it, and it was accepted: {name} {params}"
        self._check_shape(METHODS[name].result, message["result"], (name, params))
        self._learn(message["result"])

    def _check_error(self, name: str, params: Any, error: Any) -> None:
        told = f"{name} {params}: {error}"
        self._check_shape_named("ErrorObject", error, told)
        assert error["data"]["code"] in (*METHODS[name].errors, *COMMON_ERRORS), told
        assert error["data"]["code"] != "INTERNAL_ERROR", told
        assert SECRET not in json.dumps(error), told

    def _check_shape(self, shape: type[Any], value: Any, told: Any) -> None:
        if shape is not dict:
            self._check_shape_named(shape.__name__, value, told)

    def _check_shape_named(self, shape: str, value: Any, told: Any) -> None:
        for problem in VALIDATORS[shape].iter_errors(value):
            raise AssertionError(f"no {shape}: {problem.message} ({told})")

    def _learn(self, result: Any) -> None:
        """Ids and cursors of an answer are asked for again."""
        if isinstance(result, list):
            for item in result:
                self._learn(item)
        elif isinstance(result, dict):
            for field, value in result.items():
                if field in KNOWN_FROM and isinstance(value, str):
                    self.maker.known.setdefault(KNOWN_FROM[field], []).append(value)
                self._learn(value)

    def settle(self) -> None:
        """Until everything that was asked is answered."""
        while len(self.answered) < len(self.asked):
            self.take(self.host.read())


def test_whatever_is_asked_is_answered_once_and_as_the_schemas_say(spawn: Spawn) -> None:
    host = spawn(environment={"OPENAI_BASE_URL": "http://127.0.0.1:9", "OPENAI_API_KEY": "sk-of-the-environment"})
    limits = {"probeTimeoutMs": 200, "maxTestPromptsPerMinute": 1_000, "batchPollMs": 10, "retryBaseMs": 0}
    host.call("initialize", {"protocolVersion": 1, "vaultKey": VAULT_KEY, "limits": limits})
    conversation = Conversation(host)
    for _ in range(0, REQUESTS, AT_ONCE):
        for _ in range(AT_ONCE):
            conversation.ask()
        conversation.settle()
    host.close_stdin()
    for line in host.read_to_end().splitlines():
        conversation.take(json.loads(line))
    assert host.wait() == 0
    assert host.logs("internal error") == []
    assert "sk-of-the-environment" not in host.stderr()
