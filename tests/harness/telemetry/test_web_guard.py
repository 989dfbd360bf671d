"""Who may talk to the load's web pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from brownout.harness.telemetry.web_guard import guarded

Headers = dict[str, str]


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answers as Locust does: whoever asks may read."""
    origin = environ.get("HTTP_ORIGIN", "*")
    start_response(
        "200 OK", [("Access-Control-Allow-Origin", origin), ("access-control-allow-methods", "POST"), ("x-own", "1")]
    )
    return [b"the page"]


def asked(method: str = "GET", **headers: str) -> tuple[str, Headers, bytes]:
    """Status, headers and body of the answer to a request with these headers (`HTTP_` left off)."""
    environ = {"REQUEST_METHOD": method} | {f"HTTP_{name}": value for name, value in headers.items()}
    found: list[Any] = []
    body = b"".join(guarded(application)(environ, lambda status, sent, *_: found.extend((status, dict(sent)))))
    return found[0], found[1], body


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8089", "localhost:8089", "localhost", "[::1]:8089", "192.0.2.7:20131", "LOCALHOST:8089"]
)
def test_programs_and_the_person_here_are_served(host: str) -> None:
    """A program sends no Origin, the page's own scripts send their own one; no answer lets another origin read it."""
    own: list[Headers] = [{}, {"ORIGIN": f"http://{host}", "SEC_FETCH_SITE": "same-origin"}, {"SEC_FETCH_SITE": "none"}]
    for headers in own:
        for method in ("GET", "POST"):
            assert asked(method, HOST=host, **headers) == ("200 OK", {"x-own": "1"}, b"the page"), headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8089", "", "127.0.0.1.evil.example", "localhost.evil.example", "[::1"]
)
def test_another_name_is_refused(host: str) -> None:
    """A name that somebody points at this machine makes a page of theirs one of the same site."""
    status, _, body = asked(HOST=host)
    assert status.startswith("403")
    assert b"localhost" in body


@pytest.mark.parametrize(
    "headers",
    [
        {"ORIGIN": "http://evil.example"},
        {"ORIGIN": "null"},
        {"ORIGIN": "http://127.0.0.1:9999"},
        {"ORIGIN": "http://127.0.0.1:8089.evil.example"},
        {"SEC_FETCH_SITE": "cross-site"},
        {"SEC_FETCH_SITE": "same-site", "SEC_FETCH_MODE": "no-cors"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
def test_a_page_of_another_site_is_refused(method: str, headers: Headers) -> None:
    """It may neither read nor change anything, and a preflight gives it no permission."""
    status, sent, _ = asked(method, HOST="127.0.0.1:8089", **headers)
    assert status.startswith("403")
    assert not [name for name in sent if name.lower().startswith("access-control-")]


def test_a_link_may_lead_to_the_page() -> None:
    """A person who follows a link from elsewhere sees the page; a form of another site changes nothing."""
    visit = {"HOST": "localhost:8089", "SEC_FETCH_SITE": "cross-site", "SEC_FETCH_MODE": "navigate"}
    assert asked("GET", **visit)[0] == "200 OK"
    assert asked("POST", **visit)[0].startswith("403")
