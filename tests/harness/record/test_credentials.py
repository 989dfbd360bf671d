"""Credentials in a request's record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.harness.record.credentials import USES, Credential, parse, told

TEXTS = st.text(max_size=20)
TIMES = st.none() | st.integers(0, 10**10).map(float) | st.integers(0, 10**12).map(lambda ms: ms / 1000)
CREDENTIALS = st.builds(Credential, st.sampled_from(USES), TEXTS, TEXTS, TEXTS, TEXTS, TIMES, TIMES, TEXTS)


@given(st.lists(CREDENTIALS, max_size=4))
def test_what_is_told_is_read_back(every: list[Credential]) -> None:
    """Any text in any part comes back as it was, also one with the separators in it."""
    assert parse(told(*every)) == tuple(every)


@pytest.mark.parametrize("text", ["given", "taken;;;;;;;", "given;a;b;c;d;e;f;g", "given;;;;;nan;;", "given;;;;;;;>"])
def test_what_is_no_credential_is_refused(text: str) -> None:
    """A line with such a part is damaged."""
    with pytest.raises(ValueError, match=r"."):
        parse(text)
