"""Lines tell what a directory has lost of what a replica holds, also where its versions are higher."""

from __future__ import annotations

import random

import pytest

from brownout.identity.core.replication.lines import LifeLines, begun, contains, learned

FIRST = begun((), "a", 0)
SECOND = begun(FIRST, "b", 120)


def test_a_life_closes_the_one_before() -> None:
    """At what the disk holds of it; the own line is the last and open."""
    assert (FIRST, SECOND, begun(SECOND, "c", 150)) == (("a",), ("a@120", "b"), ("a@120", "b@150", "c"))


@pytest.mark.parametrize(
    ("offered", "held", "version", "contained"),
    [
        (FIRST, FIRST, 900, True),  # one life: its versions decide
        (SECOND, FIRST, 120, True),
        (SECOND, FIRST, 121, False),  # the disk is a copy from before version 121
        (FIRST, SECOND, 5, False),  # a stale writer, or a copy from before the second life
        (("n",), FIRST, 5, False),  # an empty disk
        (SECOND, (), 0, True),
        ((), FIRST, 5, True),
    ],
)
def test_what_an_offer_goes_back_to(offered: LifeLines, held: LifeLines, version: int, contained: bool) -> None:
    """Everything that is held, or not."""
    assert contains(offered, held, version) is contained


def test_what_was_learned_is_gone_back_to() -> None:
    """Two branches of one life are joined at the later end of each, and the own line stays the last."""
    copy, lost = begun(("a@10", "b"), "mine", 120), ("a@10", "b@140", "other")
    joined = learned(copy, lost, 170)
    assert joined == ("a@10", "b@140", "other@170", "mine")
    assert contains(joined, lost, 170)
    assert not contains(joined, lost, 171)
    assert contains(joined, ("a@10", "b"), 135)


@pytest.mark.parametrize("seed", range(40))
def test_no_change_is_ever_lost_unseen(seed: int) -> None:
    """Lives on true disks and on older copies, in any order: an offer is let in only with every change of what is held."""
    chance = random.Random(seed)
    disks: list[tuple[LifeLines, int, frozenset[int]]] = [((), 0, frozenset())]  # copies: lines, version reached, changes in it
    held: tuple[LifeLines, int, frozenset[int]] = ((), 0, frozenset())
    change = 0
    for life in range(30):
        lines, reached, content = disks[-1] if chance.random() < 0.5 else chance.choice(disks)
        lines = begun(lines, f"life-{life}", reached)
        version = reached + chance.choice((0, 0, 1, 50))  # what was reserved is skipped
        for _ in range(chance.randrange(1, 6)):
            change, version = change + 1, version + 1
            content = content | {change}
            if chance.random() < 0.5:
                disks.append((lines, version, content))
            if not contains(lines, held[0], held[1]):
                lines, content = learned(lines, held[0], held[1]), content | held[2]
                version = max(version, held[1]) + 1000
            if version >= held[1]:
                assert content >= held[2], "something that the replica knew is missing"
                held = lines, version, content
        disks.append((lines, version, content))
