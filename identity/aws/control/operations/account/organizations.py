"""Central management of root users, which an organization's management account has: this account is in no organization.

Wire facts: docs/reference/aws-wire.md#organizations.
"""

from __future__ import annotations

from typing import NoReturn

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.registry import OperationParams, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError

OPERATIONS = (
    "DisableOrganizationsRootCredentialsManagement",
    "DisableOrganizationsRootSessions",
    "EnableOrganizationsRootCredentialsManagement",
    "EnableOrganizationsRootSessions",
    "ListOrganizationsFeatures",
)


def _refuse(tx: Transaction, params: OperationParams, caller: Caller) -> NoReturn:
    """Raises OrganizationNotFoundException."""
    raise AwsError.of("OrganizationNotFoundException", "No organization is associated with your account.")


for _name in OPERATIONS:
    operation(_name)(_refuse)
