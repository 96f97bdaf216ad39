"""Which addresses are accepted, and what they become."""

from __future__ import annotations

import pytest

from llm_sidecar.errors import SidecarError
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
    "host",
    [
        "example.com",
        "10.0.0.1",
        "0.0.0.0",
        "127.1",
        "127.0.0.1.",
        "127.0.0.01",
        "0127.0.0.1",
        "0x7f.0.0.1",
        "2130706433",
        "localhost.",
        "localhost.example.com",
        "evil-localhost",
        "127.0.0.1.example.com",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::1.2.3.4]",
        "[fe80::1]",
        "169.254.169.254",
        "192.168.1.7:8080",
    ],
)
def test_plain_http_is_refused_beyond_this_machine(host: str) -> None:
    with pytest.raises(SidecarError) as refused:
        normalise_base_url(f"http://{host}")
    assert refused.value.code == "VALIDATION_ERROR"
    assert "https://" in refused.value.message


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "api.openai.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "demo:",
        "javascript:alert(1)",
        "https://",
        "https:///v1",
        "http://127.0.0.1@example.com",
        "http://example.com@127.0.0.1",
        "https://user:sk-canary@example.com",
        "https://example.com/v1?key=sk-canary",
        "https://example.com/v1?",
        "https://example.com/#sk-canary",
        "https://example.com/v1#",
        "http://127.0.0.1\\@example.com",
        "https://example.com\\v1",
        "http://127.0.0.1\t.example.com",
        "https://exa mple.com",
        "https://example.com/\r\nHost: evil",
        "https://bücher.example",
        "https://example.com/ü",
        "https://ⓛocalhost",
        "http://127。0。0。1",
        "https://exam%70le.com",
        "https://[::1",
        "https://[v1.x]",
        "https://[fe80::1%25eth0]",
        "https://host:0",
        "https://host:65536",
        "https://host:port",
        "https://host:-1",
        "https://-host",
        "https://a..b",
        "https://" + "a" * 254,
        "https://example.com/" + "a" * 2_048,
    ],
)
def test_what_is_not_a_plain_address_is_refused_without_being_quoted(typed: str) -> None:
    with pytest.raises(SidecarError) as refused:
        normalise_base_url(typed)
    assert refused.value.code == "VALIDATION_ERROR"
    assert "sk-canary" not in repr(refused.value) + str(refused.value.details)


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
