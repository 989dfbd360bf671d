"""assume-role: a program with a user's access key asks STS for credentials, by the regional or the global name."""

from __future__ import annotations

from brownout.harness.load.models.aws import (
    APP_ROLE,
    CALLER,
    GLOBAL,
    REGIONAL,
    accepted,
    access_key_of,
    credentials_in,
    members,
    sts,
)
from brownout.harness.load.models.model import Arrival, ArrivalResult, ClientModel, Clients, Operation, Script, Typical
from brownout.identity.aws.arns import role
from brownout.identity.core.messages import Response

ASSUME, SESSION, IDENTITY = "assume-role", "session-token", "caller-identity"


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """One call, good when its answer has what botocore reads of it."""
    key, account_id = access_key_of(clients.account, CALLER), clients.account.aws_account_id
    if arrival.operation == IDENTITY:
        return accepted((yield sts(arrival, "GetCallerIdentity", {}, key, now_s)), "Arn")
    if arrival.operation == SESSION:
        return credentials_result((yield sts(arrival, "GetSessionToken", {}, key, now_s)), now_s)
    fields = {"RoleArn": role(account_id, "/", APP_ROLE), "RoleSessionName": arrival.id[:64]}
    return credentials_result((yield sts(arrival, "AssumeRole", fields, key, now_s)), now_s)


def credentials_result(response: Response, now_s: float) -> ArrivalResult:
    """How an arrival that wants credentials of STS ends with this answer."""
    result = accepted(response, "")
    if result.outcome != "happened":
        return result
    found = credentials_in(members(response), now_s)
    return result._replace(outcome="refused", error=found) if isinstance(found, str) else result


ASSUME_ROLE = ClientModel(
    name="assume-role",
    vendor="aws",
    operations=(
        Operation(ASSUME, weight=1, home="none"),
        Operation(SESSION, home="none"),
        Operation(IDENTITY, home="none"),
    ),
    script=script,
    target=0.999,
    front_ends=(REGIONAL, GLOBAL),
    needs_access_keys=True,
    typical=(
        Typical(
            cohort="role-assumers",
            share=0.2,
            probe="role assumer",
            on="nothing",
            mix={ASSUME: 0.6, SESSION: 0.1, IDENTITY: 0.3},
            front_ends={REGIONAL: 0.8, GLOBAL: 0.2},
        ),
    ),
)
