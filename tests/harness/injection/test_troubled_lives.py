"""Lives of faults in a world full of trouble against files of what they are to tell. See support/troubled_lives.py."""

from __future__ import annotations

import pytest

from support.troubled_lives import APPROVED, life

SEEDS = sorted(int(path.stem) for path in APPROVED.glob("*.txt"))
NOTICES = (
    "intended", "foreign", "applied", "bitten", "absent", "seen", "lost", "failed", "reverting", "released", "healed", "stuck",
    "defended", "swept",
)  # fmt: skip
REASONS = (
    "does not hold it any more", "holds something else under its name", "cannot be seen any more", "its effect is gone",
    "another process reverted it at", "still held on", "nothing is held any more", "a look cannot tell more",
    "while other faults are in place", "held by others and left alone", "yet its effect stays", "looked the same before",
    "its own look failed", "its own revert failed", "its code cannot be loaded", "it was undone before",
    "it cannot be taken down", "the stack cannot be reached", "has ended (137)", "while it was being applied",
)  # fmt: skip


def approved(seed: int) -> list[str]:
    return (APPROVED / f"{seed:03}.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_life_in_trouble_is_as_approved(seed: int) -> None:
    """What is told, at which time, after how many calls of the world, and what the ledger and the carriers have in the end."""
    assert life(seed) == approved(seed)


def test_the_approved_lives_have_all_that_can_be_told_of_a_fault() -> None:
    """Each kind of notice, and each way in which a fault is found to be lost or its heal is put off."""
    told = "\n".join(line for seed in SEEDS for line in approved(seed))
    assert [what for what in NOTICES if f"  {what} " not in told] == []
    assert [reason for reason in REASONS if reason not in told] == []
