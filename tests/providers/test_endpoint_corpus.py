"""The table of spellings in `endpoint_corpus.json`: which are accepted, what they become, and where names may lead.

A row says `base` and `origin` or why it is `refused` (where Python's versions differ in who notices first: one of
several). `leads` is of `http://` and a name: what the connection decides, with `names` as the resolver's answers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.errors import InvalidParams
from llm_sidecar.limits import Limits
from llm_sidecar.providers.endpoints import REFUSALS, canonical_origin, normalise_base_url
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.http.connector import load_classes, open_session
from llm_sidecar.providers.http.loopback import check_endpoint
from tests.providers.contract import run

CORPUS = json.loads((Path(__file__).parent / "endpoint_corpus.json").read_text("utf-8"))
NAMES: dict[str, list[str]] = CORPUS["names"]
ROWS: list[dict[str, Any]] = CORPUS["rows"]


async def look_up(name: str) -> Sequence[str]:
    if name not in NAMES:
        raise OSError("Name or service not known")
    return NAMES[name]


def of(kind: str) -> pytest.MarkDecorator:
    rows = [row for row in ROWS if kind in row]
    return pytest.mark.parametrize("row", rows, ids=[ascii(row["url"])[1:-1] for row in rows])


def is_allowed(row: dict[str, Any]) -> bool:
    return bool(row.get("allowInsecure", False))


def test_the_table_is_large_and_says_nothing_twice() -> None:
    spellings = [(row["url"], is_allowed(row)) for row in ROWS]
    assert len(set(spellings)) == len(spellings) >= 150
    assert all(("refused" in row) != ("base" in row and "origin" in row) for row in ROWS)
    refusals = {reason for row in ROWS if isinstance(row.get("refused"), str) for reason in [row["refused"]]}
    assert refusals | {"length", "ipv6"} == set(REFUSALS), "every refusal is met"
    undecided = [row for row in ROWS if row.get("base", "").startswith("http:") and "leads" not in row]
    assert all(row["origin"].split("//")[1][0] in "[0123456789" for row in undecided), "every name has an end"


@of("refused")
def test_a_spelling_is_refused_for_its_reason_and_not_quoted(row: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams) as caught:
        normalise_base_url(row["url"], allow_insecure=is_allowed(row))
    reasons = row["refused"] if isinstance(row["refused"], list) else [row["refused"]]
    assert caught.value.details is not None
    (problem,) = caught.value.details["fields"]
    assert problem["path"] == "endpointUrl"
    assert problem["reason"] in [REFUSALS[reason] for reason in reasons]
    assert "canary" not in repr(caught.value)
    assert "evil" not in repr(caught.value)
    if reasons != ["insecure"]:
        with pytest.raises(InvalidParams):
            canonical_origin(row["url"])


@of("base")
def test_a_spelling_becomes_its_base_url_and_its_origin(row: dict[str, Any]) -> None:
    base = normalise_base_url(row["url"], allow_insecure=is_allowed(row))
    assert base == row["base"]
    assert normalise_base_url(base, allow_insecure=is_allowed(row)) == base
    assert canonical_origin(row["url"]) == canonical_origin(base) == canonical_origin(row["origin"]) == row["origin"]


@of("leads")
def test_a_name_is_stored_only_if_it_leads_here_or_may_lead_anywhere(row: dict[str, Any]) -> None:
    async def main() -> str:
        return await check_endpoint(row["url"], allow_insecure=is_allowed(row), look_up=look_up)

    if row["leads"] == "elsewhere":
        with pytest.raises(InvalidParams):
            run(main())
    else:
        assert run(main()) == row["base"]


@of("leads")
def test_a_name_is_connected_to_only_if_it_leads_here_or_may_lead_anywhere(
    row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the socket, which is not opened: the table has addresses of other people."""
    tried: list[str] = []

    def refuse(address: Sequence[Any]) -> Any:
        tried.append(str(address[4][0]))
        raise ConnectionRefusedError(111, "not in a test")

    monkeypatch.setattr("llm_sidecar.providers.http.connector._socket", refuse)

    async def main() -> Exception:
        http = HttpClient(Limits, look_up=look_up)
        try:
            with pytest.raises(Exception) as caught:
                await http.send("GET", row["base"], {"Authorization": "k"}, allow_insecure=is_allowed(row))
            return caught.value
        finally:
            await http.aclose()

    error = run(main())
    name = row["origin"].split("//")[1].rpartition(":")[0]
    if row["leads"] == "elsewhere":
        assert isinstance(error, InvalidParams)
        assert tried == []
    else:
        assert not isinstance(error, InvalidParams)
        assert set(tried) == set(NAMES[name])


def test_a_url_of_any_length_is_refused_or_accepted_without_being_kept_for_long() -> None:
    with pytest.raises(InvalidParams) as caught:
        normalise_base_url("https://example.com/" + "a" * 2_048)
    assert REFUSALS["length"] in caught.value.message
    for host in ("a" * 64, "a" * 63 + ".com" * 70, ".".join(["a" * 63] * 5)):
        with pytest.raises(InvalidParams):
            normalise_base_url(f"https://{host}")
    longest = ".".join(["a" * 63] * 3 + ["a" * 61])
    assert normalise_base_url(f"https://{longest}") == f"https://{longest}/v1"


@pytest.mark.parametrize("address", ["203.0.113.7", "[2001:db8::7]", "[::ffff:203.0.113.7]", "169.254.169.254"])
def test_the_pool_of_this_machine_opens_no_socket_to_an_address_that_no_resolver_saw(address: str) -> None:
    async def main() -> None:
        async with open_session(load_classes(), look_up, only_here=True) as session:
            with pytest.raises(InvalidParams):
                await session.get(f"http://{address}/")

    run(main())
