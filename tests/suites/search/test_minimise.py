"""Shrinking ends with the acts that matter, the clients that matter, and how short each act may be."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from brownout.suites.search.grounds import Ground, ground
from brownout.suites.search.minimise import Minimiser, least
from brownout.suites.search.schedule import Act, FaultSchedule
from brownout.suites.search.trial import BrokenProperty, Trial

AZURE = ground("azure")
BROKEN = BrokenProperty("invariant:made-up", "seen")


def act(kind: str, at_s: int, for_s: int, **params: object) -> Act:
    return Act(kind=kind, params=params, at_s=at_s, for_s=for_s)


def breaks(schedule: FaultSchedule, place: Ground) -> Trial:
    """As if a paused node of 17 s or more, while a link is cut, broke it where operators are at work."""
    acts = {each.kind: each for each in schedule.acts}
    pause, cut = acts.get("node-pause"), acts.get("link-refuse")
    if pause is None or cut is None or "operators" not in schedule.cohorts or pause.for_s < 17:
        return Trial()
    overlap = pause.at_s < cut.end_s and cut.at_s < pause.end_s
    return Trial((BROKEN,)) if overlap else Trial((BrokenProperty("invariant:another", "seen"),))


CROWDED = FaultSchedule(
    ground="azure",
    seed=1,
    acts=(
        act("freeze", 10, 20),
        act("link-refuse", 40, 60, link="melbourne->sydney"),
        act("cold-start", 45, 5, node="sydney"),
        act("node-pause", 60, 90, node="sydney.vault"),
        act("clock-skew", 70, 10, node="sydney.vault", by="9s", direction="behind"),
    ),
    cohorts=("apps", "callers", "operators"),
)


def test_what_does_not_matter_goes() -> None:
    """Two acts and one kind of clients are left, as early as they may come."""
    found = Minimiser(AZURE, BROKEN.broken, try_out=breaks).minimal(CROWDED)
    assert [each.kind for each in found.schedule.acts] == ["link-refuse", "node-pause"]
    assert found.schedule.cohorts == ("operators",)
    assert found.schedule.acts[0].at_s == 0
    assert found.is_whole
    assert found.evidence == "seen"


def test_the_margin_is_where_it_begins_to_break() -> None:
    """One second less and it holds."""
    found = Minimiser(AZURE, BROKEN.broken, try_out=breaks).minimal(CROWDED)
    pause = next(margin for margin in found.margins if margin.act == "node-pause")
    assert (pause.breaks_from_s, pause.holds_at_s) == (17, 16)
    assert found.schedule.acts[1].for_s == 17


def test_it_does_not_slip_to_another_property() -> None:
    """Acts that are far from each other break something else, which does not count."""
    found = Minimiser(AZURE, BROKEN.broken, try_out=breaks).minimal(CROWDED)
    assert breaks(found.schedule, AZURE).has(BROKEN.broken)


def test_it_ends_when_its_trials_are_spent() -> None:
    """What it has then still breaks the property, and says that more may be possible."""
    found = Minimiser(AZURE, BROKEN.broken, most=4, try_out=breaks).minimal(CROWDED)
    assert found.trials == 4
    assert not found.is_whole
    assert breaks(found.schedule, AZURE).has(BROKEN.broken)


@given(st.sets(st.integers(0, 11), min_size=1, max_size=4), st.integers(0, 12))
def test_delta_debugging_finds_the_least(needed: set[int], more: int) -> None:
    """Whatever the items are that are needed, these alone are left."""
    items = tuple(range(max(12, more)))

    def breaks_with(part: Sequence[int]) -> bool:
        return needed <= set(part)

    assert set(least(items, breaks_with)) == needed


def test_an_act_that_others_only_delayed_is_found_alone() -> None:
    """What breaks the property by itself, given time, is all that is left."""

    def breaks_in_time(schedule: FaultSchedule, place: Ground) -> Trial:
        paused_s = sum(each.for_s for each in schedule.acts if each.kind == "node-pause")
        delayed_s = 50 if any(each.kind == "freeze" for each in schedule.acts) else 0
        return Trial((BROKEN,)) if paused_s and paused_s + delayed_s >= 120 else Trial()

    found = Minimiser(AZURE, BROKEN.broken, try_out=breaks_in_time).minimal(CROWDED)
    assert [each.kind for each in found.schedule.acts] == ["node-pause"]
    assert found.schedule.acts[0].for_s == 120
