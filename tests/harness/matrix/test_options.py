"""What a matrix can be measured with."""

from __future__ import annotations

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.matrix.options import MatrixOptions


def test_the_away_region_comes_first_and_events_keep_their_order() -> None:
    """Whatever order the names are given in."""
    options = MatrixOptions(events=("home-down", "nothing"))
    assert options.client_regions() == ("melbourne", "sydney")
    assert [event.name for event in options.chosen_events()] == ["nothing", "home-down"]


@pytest.mark.parametrize(
    "options",
    [
        MatrixOptions(regions=("sydney",)),
        MatrixOptions(regions=("sydney", "atlantis")),
        MatrixOptions(clients=("dublin",)),
        MatrixOptions(events=("cut-off",)),
    ],
)
def test_what_there_is_not_is_refused(options: MatrixOptions) -> None:
    """With UsageError, before anything is started."""
    with pytest.raises(UsageError):
        options.check()
