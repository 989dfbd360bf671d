"""The five verdicts: which outweighs which."""

from __future__ import annotations

from itertools import pairwise

import pytest

from brownout.harness.record.verdicts import PRECEDENCE, VERDICTS, Verdict, heaviest


def test_every_verdict_has_a_place() -> None:
    """No verdict is left out of the order."""
    assert sorted(PRECEDENCE) == sorted(VERDICTS)


@pytest.mark.parametrize(("heavier", "lighter"), [*pairwise(("unsafe", "harness-error", "breach", "inconclusive", "pass"))])
def test_the_worst_outweighs_the_rest(heavier: Verdict, lighter: Verdict) -> None:
    """Of several runs the one that must be looked at first decides, in whatever order they came."""
    assert heaviest([lighter, heavier, lighter]) == heavier
