"""A ramp, and the turnstile that goes by its share."""

from __future__ import annotations

import pytest

from brownout.identity.core.overload.admission import Ramp, Turnstile


def test_a_ramp_is_closed_and_then_grows_to_all() -> None:
    """Nothing until it opens, then its first share, half-way the middle, and all at its end."""
    ramp = Ramp.of({"closed_s": 100, "share": 0.2, "ramp_s": 50}, now_s=1000.0)
    seen = [ramp.admits(at_s) for at_s in (1000, 1099.9, 1100, 1125, 1150, 9000)]
    assert seen == pytest.approx([0, 0, 0.2, 0.6, 1, 1])


def test_a_ramp_that_began_in_an_earlier_life_goes_on() -> None:
    """The time of its beginning is part of what a node decided, so a restart does not close it anew."""
    assert Ramp.of({"closed_s": 10, "from_s": 0.0}, now_s=1000.0).admits(1000.0) == 1.0


@pytest.mark.parametrize("wrong", [{"share": 1.2}, {"share": -0.1}, {"closed_s": -1}, {"ramp_s": float("inf")}])
def test_what_is_no_ramp_is_refused(wrong: dict[str, float]) -> None:
    """A share beyond all or nothing, and times that are none."""
    with pytest.raises(ValueError, match="share is from 0 to 1"):
        Ramp.of(wrong, now_s=0.0)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 1 / 3, 0.9, 1.0])
def test_a_turnstile_lets_the_share_in_evenly(share: float) -> None:
    """Of three hundred it lets the share in, and never two more or less than that of any beginning."""
    turnstile, let_in = Turnstile(), 0
    for number in range(1, 301):
        let_in += turnstile.lets_in(share)
        assert abs(let_in - number * share) <= 1
