"""What another program answers in Toxiproxy's place is told as that, before anything is made of it."""

from __future__ import annotations

import json

import pytest

from brownout.harness.worlds.toxiproxy.answers import problem_of

PROXY = {"name": "a", "listen": "127.0.0.1:1", "upstream": "127.0.0.1:2", "enabled": True, "toxics": [], "logger": {}}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/version", {"version": "2.12.0"}),
        ("GET", "/proxies", {"a": PROXY}),
        ("GET", "/proxies/a", PROXY),
        ("GET", "/proxies/a/toxics", []),
        ("POST", "/populate", {"proxies": [PROXY]}),
    ],
)
def test_its_own_answers_are_taken(method: str, path: str, body: object) -> None:
    """Also those of a later version that say more."""
    assert problem_of(method, path, json.dumps(body).encode()) == ""


def test_a_deletion_has_no_content() -> None:
    """Nothing is expected of it."""
    assert problem_of("DELETE", "/proxies/a", b"") == ""


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("GET", "/version", b"<html>", "Invalid JSON"),
        ("GET", "/version", b"[]", "Input should be an object"),
        ("GET", "/proxies", b'{"a": null}', "a: Input should be an object"),
        ("GET", "/proxies/a", json.dumps({**PROXY, "enabled": "false"}).encode(), "enabled: Input should be a valid boolean"),
        ("GET", "/proxies/a", json.dumps({**PROXY, "toxics": None}).encode(), "toxics: Input should be a valid array"),
        ("POST", "/populate", b"", "Invalid JSON"),
    ],
)
def test_other_answers_are_told(method: str, path: str, body: bytes, problem: str) -> None:
    """With the place in them that is wrong."""
    assert problem_of(method, path, body).startswith(problem)
