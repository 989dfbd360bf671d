"""Operations are found by name, and each is one of the real service's."""

from __future__ import annotations

import pytest

from brownout.identity.aws.control.registry import all_operations, operation, reads_only
from support.iam_account import iam_model


def test_every_operation_is_one_of_iam() -> None:
    """No name is made up, and names are in order."""
    names = list(all_operations())
    assert names == sorted(names)
    assert set(names) <= set(iam_model().operation_names)
    assert len(names) > 130


def test_an_operation_has_one_home() -> None:
    """A second one of a name is a mistake that is seen when it is loaded."""
    with pytest.raises(AssertionError, match="one home"):
        operation("CreateUser")(lambda tx, params, caller: None)


def test_reading_is_in_the_name() -> None:
    """What begins with Get, List or Simulate describes; all others may write."""
    reading = [name for name in ("GetUser", "ListUsers", "SimulateCustomPolicy", "CreateUser") if reads_only(name)]
    assert reading == ["GetUser", "ListUsers", "SimulateCustomPolicy"]
