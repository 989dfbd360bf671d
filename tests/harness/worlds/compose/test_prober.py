"""Who may use a prober: nobody without the stack's token."""

from __future__ import annotations

import asyncio

import pytest

from brownout.harness.worlds.compose.prober import Prober
from brownout.identity.core.messages import Request


@pytest.mark.parametrize("shown", [None, "", "Bearer ", "Bearer secre", "Bearer secretx", "secret", "Bearer s\xe9cret"])
def test_a_stranger_gets_no_probe(shown: str | None) -> None:
    """Without the token nothing is dialled, and the answer tells nothing of what there is."""
    headers = {} if shown is None else {"authorization": shown}
    for path in ("/probe", "/other"):
        answer = asyncio.run(
            Prober("client", "secret").handle(Request("GET", path, {"address": "x", "timeout_ms": "1"}, headers))
        )
        assert answer.status == 401


def test_whoever_has_the_token_is_answered() -> None:
    """The control: the same requests with it are looked at."""
    headers = {"authorization": "Bearer secret"}
    for path, status in (("/probe", 400), ("/other", 404)):
        assert asyncio.run(Prober("client", "secret").handle(Request("GET", path, {}, headers))).status == status
