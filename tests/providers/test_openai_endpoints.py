"""What an address becomes. (Which are accepted: `test_endpoint_corpus`.)"""

from __future__ import annotations

import pytest

from llm_sidecar.providers.endpoints import host_and_port, normalise_base_url


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1"),
        ("  http://127.0.0.1:8080/v1//\n", "http://127.0.0.1:8080/v1"),
        ("http://localhost:1234", "http://localhost:1234/v1"),
        ("HTTP://LocalHost:1234/V1", "http://localhost:1234/V1"),
        ("http://[::1]:8080", "http://[::1]:8080/v1"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]/v1"),
        ("http://127.255.0.1/v1", "http://127.255.0.1/v1"),
        ("http://localhost", "http://localhost/v1"),
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.deepseek.com", "https://api.deepseek.com/v1"),
        ("https://host/openai/v1", "https://host/openai/v1"),
        ("https://res.openai.azure.com/openai/v1/", "https://res.openai.azure.com/openai/v1"),
        ("https://ark.cn-beijing.volces.com/api/v3", "https://ark.cn-beijing.volces.com/api/v3"),
        ("https://10.0.0.7:8443", "https://10.0.0.7:8443/v1"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example/v1"),
        ("https://[2001:db8::7]:8443/x", "https://[2001:db8::7]:8443/x"),
        ("https://host/a%20b", "https://host/a%20b"),
    ],
)
def test_an_address_becomes_a_base_url_with_a_path_and_no_trailing_slash(typed: str, meant: str) -> None:
    assert normalise_base_url(typed) == meant
    assert normalise_base_url(meant) == meant


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("http://127.0.0.1:8080/v1", "127.0.0.1:8080"),
        ("https://api.openai.com/v1/chat", "api.openai.com:443"),
        ("http://localhost/v1", "localhost:80"),
        ("http://[::1]:9/v1", "[::1]:9"),
        ("http://[::1]/v1", "[::1]:80"),
    ],
)
def test_messages_name_the_host_and_its_port(url: str, where: str) -> None:
    assert host_and_port(url) == where
