"""Whether proxies are used: no, unless `config.toml` or the environment says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from llm_sidecar.errors import InvalidParams
from llm_sidecar.settings import load_use_proxy


@pytest.mark.parametrize(
    ("file", "environment", "used"),
    [
        (None, {}, False),
        (None, {"HTTPS_PROXY": "http://p:1"}, False),
        ("[limits]\n", {}, False),
        ("[network]\n", {}, False),
        ("[network]\nproxy = true\n", {}, True),
        ("[network]\nproxy = false\n", {}, False),
        (None, {"LLM_SIDECAR_USE_PROXY": "1"}, True),
        ("[network]\nproxy = true\n", {"LLM_SIDECAR_USE_PROXY": "0"}, False),
    ],
)
def test_the_environment_counts_before_the_file(
    file: str | None, environment: Mapping[str, str], used: bool, tmp_path: Path
) -> None:
    if file is not None:
        (tmp_path / "config.toml").write_text(file)
    assert load_use_proxy(str(tmp_path), environment) is used


@pytest.mark.parametrize(
    ("file", "environment", "named"),
    [
        ("[network]\nproxy = 1\n", {}, "network.proxy"),
        ("[network]\nproxi = true\n", {}, "network.proxi"),
        ("network = true\n", {}, "config.toml network"),
        ("", {"LLM_SIDECAR_USE_PROXY": "yes"}, "LLM_SIDECAR_USE_PROXY"),
        ("", {"LLM_SIDECAR_USE_PROXY": ""}, "LLM_SIDECAR_USE_PROXY"),
    ],
)
def test_what_is_not_understood_stops_the_start_by_name(
    file: str, environment: Mapping[str, str], named: str, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(file)
    with pytest.raises(InvalidParams) as refused:
        load_use_proxy(str(tmp_path), environment)
    assert named in refused.value.message
