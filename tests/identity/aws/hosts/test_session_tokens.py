"""Session tokens of IMDSv2 hold their own end, and none can be made without the host's secret."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.identity.aws.hosts.session_tokens import SessionTokens, lifetime

TOKENS = SessionTokens("secret")
MADE = TOKENS.make("web-1", ends_s=1_720_742_460.0, nonce="n")


@pytest.mark.parametrize(("given_text", "seconds"), [("1", 1), ("60", 60), ("21600", 21600), ("00060", 60)])
def test_a_lifetime_is_from_one_second_to_six_hours(given_text: str, seconds: int) -> None:
    """Both ends are let in."""
    assert lifetime(given_text) == seconds


@pytest.mark.parametrize("wrong", ["", "0", "-1", "21601", "1.5", "1e3", "abc", " 60", "60, 60", "٣", "9" * 5000])
def test_any_other_lifetime_is_none(wrong: str) -> None:
    """Nothing, too little, too much, and what is no number in ASCII digits."""
    assert lifetime(wrong) is None


def test_a_token_looks_like_one_of_the_real_service() -> None:
    """56 characters of URL-safe base 64 that begin with AQAAA and end in two signs of padding."""
    assert len(MADE) == 56
    assert MADE.startswith("AQAAA")
    assert MADE.endswith("==")


def test_a_token_tells_its_end_to_its_own_machine_only() -> None:
    """The end comes back for the machine that it was made for; for another, and with another secret, it is no token."""
    assert TOKENS.ends_s(MADE, "web-1") == 1_720_742_460.0
    assert TOKENS.ends_s(MADE, "web-2") is None
    assert SessionTokens("other").ends_s(MADE, "web-1") is None


def test_two_tokens_of_one_moment_differ() -> None:
    """The nonce makes them differ."""
    assert TOKENS.make("web-1", ends_s=60.0, nonce="a") != TOKENS.make("web-1", ends_s=60.0, nonce="b")


@given(st.integers(0, 39), st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_none(place: int, change: int) -> None:
    """The seal covers every byte."""
    raw = bytearray(base64.urlsafe_b64decode(MADE))
    raw[place] ^= change
    assert TOKENS.ends_s(base64.urlsafe_b64encode(bytes(raw)).decode(), "web-1") is None


@given(st.text(max_size=80))
def test_no_text_at_all_breaks_the_check(text: str) -> None:
    """Whatever a client sends, the answer is an end or None."""
    assert TOKENS.ends_s(text, "web-1") is None
