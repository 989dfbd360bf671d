"""Pages of a list are stable while the list is written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.errors import AwsError

NAMES = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=40).map(sorted)


@settings(max_examples=40)
@given(NAMES, st.integers(1, 10))
def test_pages_make_up_the_list(names: list[str], size: int) -> None:
    """Page after page gives every key once and in order, and the last page has no marker."""
    found: list[str] = []
    params: dict[str, Any] = {"MaxItems": size}
    while True:
        got = page(params, names)
        found += got.keys
        assert len(got.keys) <= size
        if not got.marker:
            break
        params["Marker"] = got.marker
    assert found == names


def test_a_write_between_two_pages_hides_and_repeats_nothing() -> None:
    """The key that a page ended with may be deleted, and others made: what was there all the time is listed once."""
    first = page({"MaxItems": 2}, ["a", "b", "c", "d"])
    second = page({"MaxItems": 10, "Marker": first.marker}, ["a", "aa", "c", "d", "e"])
    assert (first.keys, second.keys) == (("a", "b"), ("c", "d", "e"))


def test_the_result_says_whether_more_follows() -> None:
    """`IsTruncated` and `Marker` agree; a hundred entries are the usual page."""
    names = [f"n{number:03d}" for number in range(101)]
    got = page({}, names)
    assert got.result("Users", [1]) == {"Users": [1], "IsTruncated": True, "Marker": got.marker}
    last = page({"Marker": got.marker}, names)
    assert last.result("Users", []) == {"Users": [], "IsTruncated": False}
    assert last.keys == ("n100",)


@pytest.mark.parametrize("marker", ["?", "a", "//79", "ü"])
def test_what_is_no_marker_is_refused(marker: str) -> None:
    """A marker that this service did not give is a ValidationError."""
    with pytest.raises(AwsError, match="Invalid Marker"):
        page({"Marker": marker}, ["a"])
