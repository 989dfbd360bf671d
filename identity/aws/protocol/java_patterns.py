r"""The regular expressions of service models: Java's, compiled for Python.

Both languages read them alike but for three things. Java's `\w`, `\d` and `\s` are ASCII. Java has classes of Unicode's
categories (`\p{L}`), which `re` lacks. And a pattern is matched against the whole value, anchors or none.
"""

from __future__ import annotations

import re
from functools import cache

# L, N and the underscore are `\w` of Python's str patterns; what is in Z stands here in full.
_LETTERS_DIGITS_SEPARATORS = r"\p{L}\p{Z}\p{N}_"
_AS_PYTHON = r"\w \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, to be used with `fullmatch`; raises ValueError for one that cannot be said in Python."""
    if r"\p" not in pattern:
        return _compile(pattern, re.ASCII)
    unicode = pattern.replace(_LETTERS_DIGITS_SEPARATORS, _AS_PYTHON)
    if r"\p" in unicode or re.search(r"\\[wds]", pattern):  # ASCII and Unicode classes do not mix in one pattern of Python
        raise ValueError(f"no translation of the pattern {pattern}")
    return _compile(unicode, re.NOFLAG)


def _compile(pattern: str, flags: re.RegexFlag) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except re.error as wrong:
        raise ValueError(f"no translation of the pattern {pattern}: {wrong}") from None
