"""Java's patterns, compiled for Python."""

from __future__ import annotations

import re
import time
import unicodedata
import warnings

import pytest

from brownout.identity.aws.protocol.java_patterns import compiled
from brownout.identity.aws.protocol.services import VERSIONS, load_model

PATTERNS = sorted(
    {
        shape["pattern"]
        for name, version in VERSIONS.items()
        for shape in load_model(name, version)["shapes"].values()
        if "pattern" in shape
    }
)
UNICODE = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]"
LONG = 20_000
# Long values, each ended by a character that makes a pattern try again.
NASTY = [
    unit * (LONG // len(unit)) + end
    for unit in ("a", "a-", "-", "/", "/a", "a/", "a.", ".", "1", "1-a", " ", "a ", ":a", "\u00e9", "http://a?a#")
    for end in ("", "!", "\x00", "\u20ac", "/", "-", "\n")
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_of_the_models_compiles(pattern: str) -> None:
    """None needs a translation that is not known, and none has a meaning that Python doubts."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled(pattern)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_pattern_takes_long(pattern: str) -> None:
    """Long values that nearly match are judged in a time that grows with their length only."""
    matches = compiled(pattern).fullmatch
    started = time.process_time()
    for text in NASTY:
        matches(text)
    assert time.process_time() - started < 1, "about ten milliseconds each would be too long already"


def test_unicode_classes_are_those_of_unicode() -> None:
    r"""`\p{L}\p{Z}\p{N}_` takes letters, separators and numbers of all languages, and nothing else, at every code point."""
    matches = compiled(UNICODE).fullmatch
    others = "_.:/=+-@"
    wrong = [
        hex(code)
        for code in range(0x110000)
        if bool(matches(chr(code))) != (unicodedata.category(chr(code))[0] in "LZN" or chr(code) in others)
    ]
    assert wrong == []


@pytest.mark.parametrize(("pattern", "text"), [(r"[\w]*", "é"), (r"[\d]*", "٣"), (r"\d{12}", "１２３４５６７８９０１２")])
def test_short_classes_are_ascii(pattern: str, text: str) -> None:
    r"""Java's `\w` and `\d` take no letter or digit of other scripts."""
    assert not compiled(pattern).fullmatch(text)


def test_beyond_the_basic_plane_java_reads_escapes_as_we_do() -> None:
    r"""`\u10000` is U+1000 and a zero in both languages, so a policy with an emoji breaks the documents' pattern."""
    pattern = r"[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+"
    assert pattern in PATTERNS
    assert compiled(pattern).fullmatch("漢字")
    assert not compiled(pattern).fullmatch("\U0001f600")


@pytest.mark.parametrize("pattern", [r"\p{Lu}+", r"[\p{L}\w]", r"[\p{L}\p{Z}\p{N}_\d]", "(", "[z-a]"])
def test_a_pattern_that_python_cannot_say_is_refused(pattern: str) -> None:
    """A translation is exact or there is none."""
    with pytest.raises(ValueError, match=re.escape(pattern)):
        compiled(pattern)
