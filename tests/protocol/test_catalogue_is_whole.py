"""The catalogue, the handlers, the examples and the table of errors name the same things."""

from __future__ import annotations

import ast
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import llm_sidecar
from llm_sidecar.errors import ERROR_KINDS
from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.messages.method_errors import COMMON_ERRORS
from llm_sidecar.protocol import examples
from llm_sidecar.sidecar import Exit
from llm_sidecar.wire.error_codes import NUMBER_OF_CODE
from tests.hosts import notification
from tests.peers import open_sidecar

Run = Callable[[Coroutine[Any, Any, Any]], Any]

_RAISERS = {"SidecarError", "ProviderError"}
_REQUESTS = [name for name, method in METHODS.items() if not method.is_notification]


@pytest.mark.parametrize("name", _REQUESTS)
def test_every_method_has_a_handler_that_takes_its_example(name: str, run: Run) -> None:
    async def main() -> dict[str, Any]:
        async with open_sidecar() as peer:
            return dict(await peer.response(await peer.ask(name, examples.HOST[name].params)))

    answer = run(main())
    if "error" in answer:
        assert answer["error"]["data"]["code"] in METHODS[name].errors
    else:
        msgspec.convert(answer["result"], METHODS[name].result)


def test_exit_has_a_handler(run: Run) -> None:
    async def main() -> Exit:
        async with open_sidecar() as peer:
            await peer.send(notification("exit"))
            return await peer.exit_code()

    assert run(main()) is Exit.END_OF_INPUT


def test_cancel_request_has_a_handler(run: Run) -> None:
    async def main() -> Any:
        async with open_sidecar() as peer:
            await peer.infer("[[demo: hang]]")
            request_id = await peer.ask("shutdown", {"deadlineMs": 60_000})
            await peer.send(notification("$/cancelRequest", {"id": request_id}))
            return await peer.response(request_id)

    assert run(main())["error"]["data"]["code"] == "CANCELLED"


def test_every_handler_is_for_a_method_of_the_catalogue(run: Run) -> None:
    async def main() -> set[str]:
        async with open_sidecar() as peer:
            return {*peer.sidecar._handlers(), *peer.sidecar._methods.handlers}

    assert run(main()) == METHODS.keys()


def test_there_is_one_example_of_everything() -> None:
    assert examples.HOST.keys() == METHODS.keys()
    assert examples.SIDECAR.keys() == NOTIFICATIONS.keys()


@pytest.mark.parametrize("name", METHODS)
def test_an_example_fits_its_method_and_loses_nothing(name: str) -> None:
    method, example = METHODS[name], examples.HOST[name]
    assert msgspec.to_builtins(msgspec.convert(example.params, method.params)) == example.params
    assert (example.result is None) is method.is_notification
    if example.result is not None:
        assert msgspec.to_builtins(msgspec.convert(example.result, method.result)) == example.result


@pytest.mark.parametrize("name", NOTIFICATIONS)
def test_an_example_fits_its_notification_and_loses_nothing(name: str) -> None:
    example = examples.SIDECAR[name]
    assert msgspec.to_builtins(msgspec.convert(example, NOTIFICATIONS[name].params)) == example


def test_every_code_that_is_raised_is_in_the_table_of_errors() -> None:
    raised = {code: place for place, code in _raised_codes()}
    assert {"PARSE_ERROR", "INFERENCE_EXISTS", "STREAM_TRUNCATED"} <= raised.keys()
    assert {code: place for code, place in raised.items() if code not in ERROR_KINDS} == {}


def test_every_code_the_catalogue_names_is_in_the_table_of_errors() -> None:
    named = {*COMMON_ERRORS, *NUMBER_OF_CODE, *(code for method in METHODS.values() for code in method.errors)}
    assert named <= ERROR_KINDS.keys()


def _raised_codes() -> Iterator[tuple[str, str]]:
    """Each literal code of a `SidecarError` or `ProviderError`, after the place where it is."""
    package = Path(llm_sidecar.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            code = node.args[0]
            if name in _RAISERS and isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield f"{path.relative_to(package)}:{node.lineno}", code.value
