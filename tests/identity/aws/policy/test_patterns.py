"""Wildcards and variables: what matches, against a matcher that tries everything, and in time that no pattern can blow up."""

from __future__ import annotations

import itertools
import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brownout.identity.aws.policy.patterns import (
    ActionSet,
    PatternSet,
    TextSet,
    Variable,
    Wildcard,
    matches,
    split_pieces,
)

KEYS = {"aws:username": ("eve",), "aws:tagkeys": ("a", "b"), "aws:principaltag/team": ("r*d",), "aws:empty": ("",)}


@cache
def tried(pattern: str, text: str) -> bool:
    """Whether the text matches, by trying every way; `*` and `?` are wildcards."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(tried(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and tried(pattern[1:], text[1:])


def test_every_short_pattern_matches_as_tried_by_hand() -> None:
    """All patterns of up to four signs over all texts of up to four letters."""
    texts = ["".join(text) for length in range(5) for text in itertools.product("ab", repeat=length)]
    for length in range(5):
        for signs in itertools.product("ab*?", repeat=length):
            pattern = "".join(signs)
            pieces = split_pieces(pattern, variables=False)
            assert [matches(pieces, text, {}) for text in texts] == [tried(pattern, text) for text in texts], pattern


@settings(deadline=None)
@given(st.text("ab*?:\n.[$", max_size=12), st.text("ab:\n.[$", max_size=14))
def test_longer_patterns_match_as_tried_by_hand(pattern: str, text: str) -> None:
    """Line ends and signs of regular expressions are plain characters."""
    pieces = split_pieces(pattern, variables=False)
    assert matches(pieces, text, {}) == tried(pattern, text)
    assert TextSet([pieces]).matches(text) == tried(pattern, text)


@settings(deadline=None)
@given(st.lists(st.text("ab*?", max_size=6), max_size=5), st.text("ab", max_size=7))
def test_a_set_matches_when_one_pattern_does(patterns: list[str], text: str) -> None:
    """Literals and wildcards in one set hide nothing of each other."""
    found = TextSet([split_pieces(pattern, variables=False) for pattern in patterns]).matches(text)
    assert found == any(tried(pattern, text) for pattern in patterns)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a" * 500 + "b", "a" * 100_000),
        ("a*" * 2000, "a" * 1999),
        ("*" * 5000 + "x", "a" * 100_000),
        ("?*" * 1000 + "b", "a" * 50_000),
        ("*ab?" * 300 + "c", "ab" * 20_000),
        ("${" * 50_000, "a"),
        ("${aws:username, '" * 5_000, "a"),
        ("${" + " " * 100_000 + "}", "a"),
    ],
    ids=["runs-of-a", "stars-after-a", "stars-only", "question-marks", "three-signs", "openings", "defaults", "blanks"],
)
def test_no_pattern_takes_long(pattern: str, text: str) -> None:
    """Patterns that drive a matcher with nested choice into years are answered within two seconds of work."""
    began = time.process_time()
    matches(split_pieces(pattern, variables=True), text, {})
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("home/${aws:username}", "home/eve", True),
        ("home/${aws:username}", "home/bob", False),
        ("home/${AWS:UserName}/*", "home/eve/x", True),
        ("home/${ aws:username }", "home/eve", True),
        ("${aws:username}${aws:username}", "eveeve", True),
        ("${aws:username, 'x'}", "eve", True),
        ("${aws:missing, 'x'}", "x", True),
        ("${aws:missing,'x y'}", "x y", True),
        ("${aws:missing, ''}", "", True),
        ("${aws:missing}", "", False),
        ("${aws:missing}", "${aws:missing}", False),
        ("*${aws:missing}*", "anything", False),
        ("${aws:tagkeys}", "a", False),
        ("${aws:tagkeys, 'z'}", "z", True),
        ("${aws:empty}", "", True),
        ("${aws:PrincipalTag/team}", "r*d", True),
        ("${aws:PrincipalTag/team}", "rod", False),
        ("${*}", "*", True),
        ("${*}", "x", False),
        ("a${?}*", "a?bc", True),
        ("a${?}*", "axbc", False),
        ("${$}{aws:username}", "${aws:username}", True),
        ("${}", "${}", True),
        ("${aws:username", "${aws:username", True),
        ("${aws:username, x}", "${aws:username, x}", True),
        ("$aws:username", "$aws:username", True),
        ("${aws:username}}", "eve}", True),
        ("*", "", True),
        ("?", "", False),
        ("?", "\n", True),
    ],
)
def test_variables_stand_for_values(pattern: str, text: str, expected: bool) -> None:
    """A variable is its key's only value or its default; without both nothing matches; values hold no wildcards."""
    assert matches(split_pieces(pattern, variables=True), text, KEYS) is expected
    assert PatternSet([split_pieces(pattern, variables=True)]).matches(text, KEYS) is expected


@pytest.mark.parametrize("pattern", ["${aws:username}", "${*}", "a${aws:username, 'x'}"])
def test_older_documents_have_no_variables(pattern: str) -> None:
    """Without variables the text stands for itself, its asterisks being wildcards."""
    assert matches(split_pieces(pattern, variables=False), pattern, KEYS)
    assert not matches(split_pieces(pattern, variables=False), "eve", KEYS)


def test_pieces_are_few() -> None:
    """Neighbouring literals and runs are joined, so that equal patterns are equal values."""
    assert split_pieces("a${*}b***?", variables=True) == ("a*b", Wildcard.RUN, Wildcard.ONE)
    assert split_pieces("a*", variables=True, wildcards=False) == ("a*",)
    assert split_pieces("${A, 'b'}", variables=True) == (Variable("a", "A", "b"),)


@pytest.mark.parametrize(
    ("actions", "action", "expected"),
    [
        (["*"], "s3:getobject", True),
        (["s3:*"], "s3:getobject", True),
        (["S3:GetObject"], "s3:getobject", True),
        (["s3:Get*"], "s3:getobject", True),
        (["s3:Get*"], "s3:putobject", False),
        (["s3:?etObject"], "s3:getobject", True),
        (["s3:*Object*"], "s3:getobjectacl", True),
        (["iam:*"], "s3:getobject", False),
        (["*:GetObject"], "s3:getobject", True),
        (["*:*"], "s3:getobject", True),
        (["s3:"], "s3:getobject", False),
        (["iam:*", "s3:PutObject", "s3:Get*"], "s3:getobject", True),
        ([], "s3:getobject", False),
        (["s3:*"], "s3-object-lambda:getobject", False),
        (["sts:AssumeRole"], "sts:assumerolewithsaml", False),
        (["sts:AssumeRole*"], "sts:assumerolewithsaml", True),
    ],
)
def test_actions_match_in_any_case(actions: list[str], action: str, expected: bool) -> None:
    """An action matches by vendor and name; the vendor has no wildcards but `*` as a whole."""
    assert ActionSet(actions).matches(action) is expected
