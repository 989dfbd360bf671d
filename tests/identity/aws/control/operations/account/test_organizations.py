"""Operations of organizations, on an account that is in none."""

from __future__ import annotations

import pytest

from brownout.identity.aws.control.operations.account.organizations import OPERATIONS
from support.iam_account import IamAccount, iam_model


@pytest.mark.parametrize("action", OPERATIONS)
def test_the_account_is_in_no_organization(action: str) -> None:
    """Each refuses with an error that the service model has for it."""
    code, _ = IamAccount().refused(action)
    assert code in {shape.error_code for shape in iam_model().operation_model(action).error_shapes}
