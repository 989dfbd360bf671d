"""The setting `capacity`, and values of the switch: what is a limit and what is none."""

from __future__ import annotations

import re
from typing import Any

import pytest

from brownout.identity.core.overload.limits import Limits
from brownout.identity.core.settings import Settings


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"tokens": {}}, "no role 'tokens'"),
        ({"token": 3}, "capacity of token is a table"),
        ({"token": {"at_most": 3}}, "capacity of token: capacity has no 'at_most'"),
        ({"token": {"at_once": 1.5}}, "at_once is a whole number"),
        ({"token": {"at_once": True}}, "at_once is a whole number"),
        ({"token": {"queue": -1}}, "queue is a whole number"),
        ({"token": {"work_s": 1}}, "work_s is a table of seconds by kind"),
        ({"token": {"work_s": {"write": 1}}}, "token nodes have no work 'write'; they have request, hit, miss"),
        ({"store": {"work_s": {"read": -1}}}, "work_s.read is a number of emulated seconds"),
        ({"store": {"work_s": {"read": float("nan")}}}, "work_s.read is a number of emulated seconds"),
        ({"store": {"shed_s": "1s"}}, "shed_s is a number of emulated seconds"),
        ({"store": {"status": 500}}, "an overloaded node answers 429 or 503, not 500"),
        ([], "capacity is a table"),
    ],
)
def test_what_is_no_capacity_is_refused_with_the_reason(raw: Any, words: str) -> None:
    """Unknown roles, limits and kinds of work, and values that are no numbers: each is named, with what there is."""
    with pytest.raises(ValueError, match=re.escape(words)):
        Settings.of({"capacity": raw})


def test_a_change_leaves_what_it_does_not_name() -> None:
    """A hold that names one limit takes the others from what was there, kinds of work one by one."""
    before = Limits.of({"at_once": 2, "queue": 7, "work_s": {"read": 1, "write": 2}}, "store")
    after = before.changed({"at_once": 5, "work_s": {"read": 3}}, "store")
    assert after == Limits(at_once=5, queue=7, work_s={"read": 3.0, "write": 2.0})


def test_nothing_is_limited_by_default() -> None:
    """Without the setting no role has limits, so nothing is asked of them."""
    assert Settings().capacity == {}
    assert not Limits.of({}, "token").are_set
