"""Addresses: which may be used, and that none of them is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.notify.channel_secret import address_problem, parse_addresses
from telemetry.errors import ConfigurationError

HOOK = "https://hooks.slack.example/services/T000/B000/secretpart"


@pytest.mark.parametrize(
    ("url", "local", "words"),
    [
        (HOOK, False, ""),
        ("https://example.com:8443/x?sig=secretpart", False, ""),
        ("http://127.0.0.1:8000/x", True, ""),
        ("http://[::1]:8000/x", True, ""),
        # On AWS it would be the runtime's own interface.
        ("http://127.0.0.1:9001/x", False, "https://"),
        ("http://example.com/x", True, "https://"),
        ("http://127.0.0.1.example.com/x", True, "https://"),
        ("ftp://example.com/secretpart", False, "https://"),
        ("https:///secretpart", False, "no host"),
        ("secretpart", False, "no host"),
        ("https://user:secretpart@example.com", False, "password"),
        ("https://example.com:secretpart/", False, "as a URL"),
        ("https://[secretpart/", False, "as a URL"),
        ("https://example.com/secretpart\r\nX: y", False, "characters"),
        ("https://example.com/secret part", False, "characters"),
        ("https://exämple.com/secretpart", False, "characters"),
        ("https://example.com/" + "x" * 2_048, False, "characters"),
        ("", False, "no host"),
    ],
)
def test_which_addresses_can_be_used(url: str, local: bool, words: str) -> None:
    problem = address_problem(url, local=local)
    assert (words in problem) if words else problem == ""
    assert "secretpart" not in problem


@pytest.mark.parametrize("text", ["secretpart", "[]", '"secretpart"', ""])
def test_a_secret_that_is_no_object_is_not_quoted(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_addresses(text, local=False)
    assert "secretpart" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        {"slack": "secretpart"}, {"slack": {"url": 7}},
        {"slack": {"url": "http://example.com/secretpart"}},
        {"pagerduty": {"url": "https://example.com/secretpart"}},
    ],
)  # fmt: skip
def test_a_wrong_secret_is_not_quoted(content: dict[str, Any]) -> None:
    usable = {"teams": {"url": "https://example.com/teams"}}
    found = parse_addresses(json.dumps(content | usable), local=False)
    assert [one.channel for one in found.channels] == ["teams"]
    assert found.problems.keys() == content.keys()
    (problem,) = found.problems.values()
    assert "secretpart" not in problem
    assert "Enter it again: etl channels set" in problem


def test_no_object_shows_an_address() -> None:
    entries = {
        "signing_key": "secretpart-of-the-webhook",
        "slack": {"url": HOOK},
        "pagerduty": {"url": "https://example.com/", "routing_key": "secretpart-of-pagerduty"},
    }
    found = parse_addresses(json.dumps(entries), local=False)
    assert [one.host for one in found.channels] == ["hooks.slack.example", "example.com"]
    assert "secretpart" not in repr(found)
    assert {HOOK, "secretpart"} <= {*found.channels[0].secrets}


def test_an_address_that_a_server_shows_decoded_is_a_secret_too() -> None:
    url = "https://example.com/hooks%2Fsecretpart/x?sig=%73ecretquery"
    content = json.dumps({"webhook": {"url": url}})
    (address,) = parse_addresses(content, local=False).channels
    assert {"secretpart", "secretquery"} <= set(address.secrets)
