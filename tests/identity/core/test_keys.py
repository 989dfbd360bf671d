"""Store keys: what a signature covers, and which requests a ring accepts."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.core.keys import KeyRing, signature, signed
from brownout.identity.core.messages import Request
from brownout.identity.core.records import MANUAL, StoreKey

KEY = StoreKey("sydney", "manual-sydney-1", MANUAL, "secret one")
ASKED = Request("PUT", "/identities/x", body={"b": 1, "a": [2]})


def ring(*keys: StoreKey) -> KeyRing:
    return KeyRing({key.key_id: key for key in keys or (KEY,)})


def test_a_signed_request_is_accepted() -> None:
    """A signature by a valid key over method, target, date and payload is accepted, as it was made and as it arrives."""
    request = signed(ASKED, KEY, "1.0")
    arrived = Request.raw(request.method, request.target, request.raw_headers, request.payload)
    assert ring().accepts(request, 5.0) == ""
    assert ring().accepts(arrived, 5.0) == ""


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "DELETE"},
        {"path": "/identities/y"},
        {"body": {"b": 2, "a": [2]}},
        {"body": None},
        {"headers": {"x-store-date": "2.0"}},
    ],
)
def test_anything_changed_after_signing_is_refused(changed: dict[str, Any]) -> None:
    """The signature covers method, target, date and payload."""
    request = signed(ASKED, KEY, "1.0")
    known = {"method": request.method, "path": request.path, "body": request.body}
    parts = {**known, **changed, "headers": {**request.headers, **changed.get("headers", {})}}
    assert "does not match" in ring().accepts(Request(**parts), 5.0)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "StoreKey",
        "StoreKey ",
        "StoreKey manual-sydney-1",
        "StoreKey manual-sydney-1:",
        "Bearer x",
        "Basic manual-sydney-1:x",
    ],
)
def test_an_unsigned_request_is_refused(authorization: str) -> None:
    """What is not `StoreKey id:signature` counts as not signed."""
    request = Request("GET", "/identities/x", headers={"authorization": authorization})
    assert ring().accepts(request, 5.0) == "the request is not signed"


@pytest.mark.parametrize("given", ["00", "ü", "x" * 64])
def test_a_wrong_signature_is_refused(given: str) -> None:
    """A wrong signature is refused, also one that is no ASCII text."""
    request = Request(
        "GET", "/identities/x", headers={"authorization": f"StoreKey manual-sydney-1:{given}", "x-store-date": "1"}
    )
    assert "does not match" in ring().accepts(request, 5.0)


def test_another_secret_and_another_id_are_refused() -> None:
    """Neither a known id with another secret nor an unknown id gets in."""
    forged = StoreKey("sydney", KEY.key_id, MANUAL, "guess")
    stranger = StoreKey("sydney", "managed-sydney-9", MANUAL, KEY.secret)
    assert "does not match" in ring().accepts(signed(ASKED, forged, "1"), 5.0)
    assert ring().accepts(signed(ASKED, stranger, "1"), 5.0) == "no key managed-sydney-9"


def test_signatures_differ_by_secret() -> None:
    """Two secrets never sign alike."""
    assert signature("a", ASKED, "1") != signature("b", ASKED, "1")
