"""Suggestions for misspelt words."""

from __future__ import annotations

import pytest

from brownout.harness.base.hints import closest, did_you_mean


@pytest.mark.parametrize(
    ("word", "options", "best"),
    [("basline", ["baseline", "fault"], "baseline"), ("SYDNEY", ["sydney"], "sydney"), ("zzz", ["baseline"], None)],
)
def test_the_closest_word(word: str, options: list[str], best: str | None) -> None:
    """A slip or a change of case finds the word, anything else nothing."""
    assert closest(word, options) == best


def test_hints_name_the_word_or_the_words() -> None:
    """One likely word is suggested, else all are named, but never too many."""
    assert did_you_mean("basline", ["baseline"]) == "did you mean 'baseline'?"
    assert did_you_mean("zzz", ["b", "a"]) == "known: a, b"
    assert did_you_mean("zzz", [f"n{n:02d}" for n in range(20)]).endswith("n15 and 4 more")
    assert did_you_mean("zzz", []) == ""
