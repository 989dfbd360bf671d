"""What is described while describing lags."""

from __future__ import annotations

from brownout.identity.aws.control.account import AccountState, DescribedAccount
from brownout.identity.aws.records.tables import Tables

STATES = [AccountState(version, Tables({})) for version in range(5)]


def test_without_a_lag_the_newest_is_described() -> None:
    """And nothing is remembered."""
    described = DescribedAccount()
    assert [described.note(state, 0.0, []).version for state in STATES] == [0, 1, 2, 3, 4]


def test_with_a_lag_what_was_current_then_is_described() -> None:
    """Each state is seen one lag after it came, and none is skipped that was current for long enough."""
    described = DescribedAccount()
    seen = [described.note(STATES[min(second // 10, 4)], float(second), [15.0]).version for second in range(0, 70, 5)]
    assert seen == [0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4]


def test_a_lag_hides_nothing_that_was_described_before() -> None:
    """The first state that is told after a lag began is described at once: a lag never goes back."""
    described = DescribedAccount()
    described.note(STATES[1], 100.0, [])
    assert described.note(STATES[1], 101.0, [1000.0]) is STATES[1]
    assert described.note(STATES[2], 102.0, [1000.0]) is STATES[1]
    assert described.note(STATES[2], 103.0, []) is STATES[2]


def test_of_two_lags_the_longer_counts() -> None:
    """Lags do not add up."""
    described = DescribedAccount()
    described.note(STATES[0], 0.0, [5.0, 20.0])
    described.note(STATES[1], 1.0, [5.0, 20.0])
    assert described.note(STATES[1], 10.0, [5.0, 20.0]) is STATES[0]
    assert described.note(STATES[1], 21.0, [5.0, 20.0]) is STATES[1]
