"""Hints for a misspelt word: the nearest known one, or the list of known ones."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LIST_MAX = 16


def closest(word: str, options: Iterable[str]) -> str | None:
    """The option most like `word`, whatever its case; None when none is near."""
    by_folded = {option.casefold(): option for option in options}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """A hint: the nearest option, else what the options are, else an empty text when there are none."""
    known = sorted(set(options))
    best = closest(word, known)
    if best is not None:
        return f"did you mean {best!r}?"
    if not known:
        return ""
    more = f" and {len(known) - _LIST_MAX} more" if len(known) > _LIST_MAX else ""
    return f"known: {', '.join(known[:_LIST_MAX])}{more}"
