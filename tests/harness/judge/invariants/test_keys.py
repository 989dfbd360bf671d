"""Signing keys: what is no occasion, and what a verifier or a region cannot be blamed for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brownout.harness.judge.invariants.table import invariant_results
from brownout.harness.record.history import History
from support.invariant_controls import LATER
from support.invariant_histories import KNOWN_AT, TOKEN, VAULT, asked, look, of, promises, token
from support.slo_builders import T0, act

LOST, FIRST, STAY = "no-refusal-for-a-lost-key", "new-keys-are-published-first", "old-keys-stay-published"
ROLLED = {TOKEN: {"k1": None, "k2": T0 + 100}}
SKEWED = [act(500, "planned", "skew", fault="clock-skew"), act(500, "applied", "skew"), act(3000, "reverted", "skew")]


def counts(name: str, history: History) -> tuple[str, int, int]:
    """An invariant's status, how often it was exercised, and its violations."""
    found = next(one for one in invariant_results(history) if one.name == name)
    return found.status, found.exercised, found.violations


def trusted(*by_look: list[str], **asked_for: Any) -> History:
    """Looks at which the vault trusts these keys, and a refusal of a token of k1 between the last two."""
    times = (0, KNOWN_AT, 4000)
    looks = [look(at_s, accepted_keys={VAULT: keys}) for at_s, keys in zip(times, by_look, strict=True)]
    shown = token("shown", **asked_for.pop("token", {}))
    return of(looks, asked(LATER, False, shown, **{"status": 401, **asked_for}))


def test_a_key_that_the_verifier_lost_is_found_and_named() -> None:
    """The result tells which keys were taken away, and with no refusal that none was."""
    lost = next(one for one in invariant_results(trusted(["k1"], ["k2"], ["k2"])) if one.name == LOST)
    assert (lost.status, lost.note) == ("violated", "keys that were taken away: k1")
    kept = next(one for one in invariant_results(trusted(["k1"], ["k1"], ["k1"])) if one.name == LOST)
    assert (kept.status, kept.note) == ("held", "keys that were taken away: none")


@pytest.mark.parametrize(
    ("looks", "changes", "status"),
    [
        ((["k2"], ["k2"], ["k2"]), {}, "not-exercised"),  # it never had the key
        ((["k1"], ["k2"], ["k1"]), {}, "not-exercised"),  # it got the key back before the request or after it
        ((["k1"], [], []), {}, "not-exercised"),  # it started anew and has fetched nothing yet
        ((["k1"], ["k2"], ["k2"]), {"token": {"to_s": T0 + LATER - 1}}, "not-exercised"),
        ((["k1"], ["k2"], ["k2"]), {"token": {"from_s": T0 + LATER + 1}}, "not-exercised"),
        ((["k1"], ["k2"], ["k2"]), {"token": {"from_s": T0 + LATER, "to_s": T0 + LATER}}, "violated"),  # both ends are in force
        ((["k1"], ["k2"], ["k2"]), {"status": 403}, "held"),  # the token was good enough, the caller was not
        ((["k1"], ["k1"], ["k1"]), {}, "held"),  # refused for another reason
    ],
)
def test_a_refusal_counts_only_for_a_token_in_force_of_a_key_that_was_lost(
    looks: tuple[list[str], ...], changes: dict[str, Any], status: str
) -> None:
    """What the looks leave open, and tokens that nobody had to accept, are no occasion; other refusals are no violation."""
    assert counts(LOST, trusted(*looks, **changes))[0] == status


def test_a_new_key_is_judged_in_each_region_by_the_age_of_its_caches() -> None:
    """The region's first token of the key counts, wherever the key was published; without a cache it may sign at once."""
    looks = [look(0), look(KNOWN_AT, published_keys=ROLLED), look(4000, published_keys=ROLLED)]
    at_once = [asked(at_s, True, token(key_id="k2", from_s=T0 + at_s), trail=TOKEN) for at_s in (120.0, 2000.0)]
    assert counts(FIRST, of([promises(), *looks], *at_once)) == ("violated", 1, 1)
    assert counts(FIRST, of([promises(key_cache_s=0.0), *looks], *at_once)) == ("held", 1, 0)
    elsewhere = [asked(120, True, token(key_id="k2", from_s=T0 + 120), trail=TOKEN, region="melbourne")]
    assert counts(FIRST, of([promises(), *looks], *elsewhere))[0] == "not-exercised"


def test_no_key_is_new_that_was_there_or_whose_time_is_unknown() -> None:
    """A key of the first look, a node that cannot say since when, wrong clocks, and an older record tell nothing."""
    given = asked(120, True, token(key_id="k2", from_s=T0 + 120), trail=TOKEN)
    later = [look(KNOWN_AT, published_keys=ROLLED), look(4000, published_keys=ROLLED)]
    there = of([promises(), look(0, published_keys=ROLLED), *later], given)
    unknown = {TOKEN: {"k1": None, "k2": None}}
    silent = of([promises(), look(0), look(KNOWN_AT, published_keys=unknown)], given)
    skewed = of([promises(), look(0), *later, *SKEWED], asked(600, True, token(key_id="k2", from_s=T0 + 120), trail=TOKEN))
    said = promises()
    earlier = replace(said, detail={key: value for key, value in said.detail.items() if key != "key_cache_s"})
    for history in (there, silent, skewed, of([earlier, look(0), *later], given)):
        assert counts(FIRST, history)[0] == "not-exercised"


def test_a_key_may_go_once_its_last_token_has_ended() -> None:
    """Five minutes of clocks that differ are kept; a key that nobody was seen to use may go at any time."""
    ends = asked(10, True, token(to_s=T0 + 2000), trail=TOKEN)
    gone = {TOKEN: {"k2": None}}
    assert counts(STAY, of([look(0), look(2299, published_keys=gone)], ends)) == ("violated", 1, 1)
    assert counts(STAY, of([look(0), look(2300, published_keys=gone)], ends))[0] == "not-exercised"
    assert counts(STAY, of([look(0), look(2299, published_keys=gone)]))[0] == "not-exercised"


def test_a_region_that_never_published_a_key_does_not_take_it_away() -> None:
    """One that is cut off publishes what it has; one whose clocks were wrong is not judged by the times of tokens."""
    given = asked(10, True, token(key_id="k2"), trail=TOKEN)
    assert counts(STAY, of([look(0), look(1000)], given))[0] == "not-exercised"
    gone = look(1000, published_keys={TOKEN: {"k2": None}})
    assert counts(STAY, of([look(0), gone, *SKEWED], asked(10, True, token(), trail=TOKEN)))[0] == "not-exercised"
