"""When nodes of one role ran different builds, by the builds that answers name, and what counts meanwhile."""

from __future__ import annotations

import pytest

from brownout.harness.judge.invariants.table import invariant_results
from brownout.harness.record.credentials import Credential
from support.invariant_histories import AUDIENCE, asked, of, token

ONE, TWO, STORE, FAR = "sydney.token.z1", "sydney.token.z2", "sydney.store", "melbourne.store"
WANTED, OTHERS = Credential("wanted", audience=AUDIENCE), token(audience="https://storage.azure.com")
OLD, NEW = f"{ONE};1.0;;;", f"{TWO};2.0;;;"


@pytest.mark.parametrize(
    ("shown", "at_s", "is_mixed"),
    [
        ([(10, OLD)], 30, False),
        ([(10, OLD), (20, NEW)], 30, True),
        ([(10, OLD), (20, NEW)], 20, True),
        ([(10, OLD), (20, NEW)], 19, False),
        ([(10, OLD), (20, f"{STORE};2.0;;;")], 30, False),
        ([(10, OLD), (20, f"{TWO};;;;")], 30, False),
        ([(10, f"{OLD}>{STORE};1.0;;;"), (20, f"{OLD}>{FAR};2.0;;;")], 30, True),
        ([(10, f"{OLD}>{NEW}")], 10, True),
        ([(10, OLD), (20, NEW), (40, f"{ONE};2.0;;;")], 39, True),
        ([(10, OLD), (20, NEW), (40, f"{ONE};2.0;;;")], 40, False),
        ([(10, OLD), (20, NEW), (40, f"{ONE};2.0;;;"), (50, f"{ONE};3.0;;;")], 50, True),
        ([(10, OLD), (20, NEW), (25, f"{STORE};9;;;")], 21, True),
    ],
)
def test_builds_are_mixed_from_the_answer_that_shows_a_second_one_to_that_which_shows_one_again(
    shown: list[tuple[float, str]], at_s: float, *, is_mixed: bool
) -> None:
    """Of one role. What is wrong counts in that time alone; a node without a build says nothing."""
    requests = [asked(when_s, trail=way) for when_s, way in shown]
    history = of([], *requests, asked(at_s, True, WANTED, OTHERS, id="wrong"))
    found = next(one for one in invariant_results(history) if one.name == "mixed-builds-keep-every-promise")
    assert (found.status == "violated", found.violations) == (is_mixed, int(is_mixed))
    assert found.note.startswith("3 of 21") == is_mixed, "audience, tenant, and in force"


def test_mixed_builds_without_an_occasion_say_nothing() -> None:
    """No safety invariant was exercised meanwhile, so nothing is told of how many were."""
    history = of([], asked(10, trail=OLD), asked(20, trail=NEW))
    found = next(one for one in invariant_results(history) if one.name == "mixed-builds-keep-every-promise")
    assert (found.status, found.exercised, found.note) == ("not-exercised", 0, "")
