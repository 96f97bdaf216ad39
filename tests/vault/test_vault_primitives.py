"""The primitives against Wycheproof's vectors, through the functions that the vault itself uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.vault import sealed_box
from llm_sidecar.vault.key_wrap import derive
from llm_sidecar.vault.sealed_box import BadSealError, bind, seal, unseal


def cases(path: Path, is_fit: Callable[[dict[str, Any]], bool]) -> Iterator[dict[str, Any]]:
    for group in json.loads(path.read_text())["testGroups"]:
        if is_fit(group):
            yield from group["tests"]


def test_wycheproof_aes_gcm_with_256_bit_keys_and_nonces_of_12_bytes(conformance_data: Callable[[str], Path]) -> None:
    path = conformance_data("wycheproof") / "aes_gcm_test.json"
    outcomes = {"valid": 0, "invalid": 0}
    for case in cases(path, lambda group: (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128)):
        key, aad, message = (bytes.fromhex(case[name]) for name in ("key", "aad", "msg"))
        box = bytes.fromhex(case["iv"] + case["ct"] + case["tag"])
        if case["result"] == "valid":
            assert unseal(key, box, aad) == message, case["tcId"]
            assert unseal(key, seal(key, message, aad), aad) == message, case["tcId"]
        else:
            with pytest.raises(BadSealError):
                unseal(key, box, aad)
        outcomes[case["result"]] += 1
    assert outcomes["valid"] > 30
    assert outcomes["invalid"] > 20


def test_sealing_gives_wycheproofs_ciphertext_for_its_nonce(
    conformance_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = conformance_data("wycheproof") / "aes_gcm_test.json"
    for case in cases(path, lambda group: (group["keySize"], group["ivSize"]) == (256, 96)):
        if case["result"] == "valid":
            nonce = bytes.fromhex(case["iv"])
            monkeypatch.setattr(sealed_box.os, "urandom", lambda length, nonce=nonce: nonce[:length])
            box = seal(*(bytes.fromhex(case[name]) for name in ("key", "msg", "aad")))
            assert box.hex() == case["iv"] + case["ct"] + case["tag"], case["tcId"]


def test_wycheproof_hkdf_sha256(conformance_data: Callable[[str], Path]) -> None:
    path = conformance_data("wycheproof") / "hkdf_sha256_test.json"
    outcomes = {"valid": 0, "invalid": 0}
    for case in cases(path, lambda group: True):
        ikm, salt, info = (bytes.fromhex(case[name]) for name in ("ikm", "salt", "info"))
        if case["result"] == "valid":
            assert derive(ikm, salt, info, case["size"]).hex() == case["okm"], case["tcId"]
        else:
            with pytest.raises(ValueError):
                derive(ikm, salt, info, case["size"])
        outcomes[case["result"]] += 1
    assert outcomes["valid"] > 50
    assert outcomes["invalid"] > 0


def test_the_nonce_is_made_inside_and_never_twice() -> None:
    key = bytes(32)
    boxes = {seal(key, b"the same", b"") for _ in range(1_000)}
    assert len({box[:12] for box in boxes}) == 1_000
    assert "nonce" not in seal.__code__.co_varnames[: seal.__code__.co_argcount]


def test_no_two_lists_of_parts_bind_to_the_same_bytes() -> None:
    lists = [[b"ab", b"c"], [b"a", b"bc"], [b"abc"], [b"abc", b""], [b"", b"abc"], []]
    assert len({bind(*parts) for parts in lists}) == len(lists)


@pytest.mark.parametrize("length", range(28))
def test_a_box_too_short_for_a_nonce_and_a_tag_is_a_bad_seal(length: int) -> None:
    with pytest.raises(BadSealError):
        unseal(bytes(32), bytes(length), b"")
