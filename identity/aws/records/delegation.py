"""Requests of partners for access on a customer's behalf, and what of each is sealed into its token.

Wire facts: docs/reference/aws-wire.md#delegation-requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from brownout.identity.aws.records.record import AccountRecord
from brownout.identity.formed import FormedRecord


@dataclass(frozen=True, slots=True)
class PolicyParameter(FormedRecord):
    """A parameter of a policy template with its values."""

    name: str
    values: tuple[str, ...]
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Approver(FormedRecord):
    """Who accepted a request, as it was then: the credentials of the partner will be a session of that principal.

    `arn` names who called, `principal_arn` and `principal_id` the user or role; `session_name` is "" for a user.
    """

    arn: str
    kind: str
    principal_arn: str
    principal_id: str
    session_name: str = ""
    session_policies: tuple[str, ...] = ()
    policy_arns: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    source_identity: str = ""


@dataclass(frozen=True, slots=True)
class DelegationRequest(AccountRecord):
    """A delegation request. `policy` is the template's document with its parameters put in; `owner` and `approver` may be none.

    `state` is as it was written: from `expires_s` on the request has expired, whatever stands here.
    """

    KIND: ClassVar[str] = "delegation-request"

    request_id: str
    workflow_id: str
    description: str
    template_arn: str
    policy: str
    channel: str
    session_s: int
    created_s: float
    expires_s: float
    state: str
    requestor_account: str
    parameters: tuple[PolicyParameter, ...] = ()
    message: str = ""
    redirect_url: str = ""
    only_owner_sends: bool = False
    owner_account: str = ""
    owner: str = ""
    approver: Approver | None = None
    notes: str = ""
    rejection: str = ""
    updated_s: float = 0.0

    @property
    def table_key(self) -> str:
        return self.request_id
