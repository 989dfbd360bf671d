"""assume-role: a program with a user's access key asks STS for credentials, by the regional or the global name."""

from __future__ import annotations

from functools import lru_cache

from brownout.harness.load.models.aws.calls import (
    APP_ROLE,
    CALLER,
    GLOBAL,
    REGIONAL,
    accepted,
    access_key_of,
    credentials_in,
    given_in,
    members,
    sts,
    told_of,
)
from brownout.harness.load.models.model import Arrival, ArrivalResult, ClientModel, Clients, Operation, Script, Typical
from brownout.harness.record.credentials import Credential, told
from brownout.identity.aws.arns import role
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import Response

ASSUME, SESSION, IDENTITY = "assume-role", "session-token", "caller-identity"


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """One call, good when its answer has what botocore reads of it."""
    key, account_id = access_key_of(clients.account, CALLER), clients.account.aws_account_id
    if arrival.operation == IDENTITY:
        answer = yield sts(arrival, "GetCallerIdentity", {}, key, now_s)
        named = given_in(members(answer), expires_s=None, key_id="") if answer.status == 200 else ""
        return accepted(answer, "Arn")._replace(credentials=told(wanted(account_id), named, told_of(key)))
    if arrival.operation == SESSION:
        return credentials_result((yield sts(arrival, "GetSessionToken", {}, key, now_s)), now_s, key)
    arn = role(account_id, "/", APP_ROLE)
    fields = {"RoleArn": arn, "RoleSessionName": arrival.id[:64]}
    return credentials_result((yield sts(arrival, "AssumeRole", fields, key, now_s)), now_s, key, wanted(account_id, arn))


@lru_cache(maxsize=256)  # the same in each call of a load
def wanted(account_id: str, arn: str = "") -> str:
    """What a call of STS asks for, told: something of the account, or credentials of the role `arn`."""
    return told(Credential("wanted", name=arn, owner=account_id))


def credentials_result(response: Response, now_s: float, key: Credentials, asked: str = "") -> ArrivalResult:
    """How an arrival that wants credentials of STS, shows `key` and asked for `asked` (told) ends with this answer."""
    shown = told_of(key)
    result = accepted(response, "")
    if result.outcome != "happened":
        return result._replace(credentials=told(asked, shown))
    names = members(response)
    found = credentials_in(names, now_s)
    if isinstance(found, str):
        return result._replace(outcome="refused", error=found, credentials=told(asked, shown))
    given = given_in(names, expires_s=found.expires_s, key_id=found.access_key_id)
    return result._replace(credentials=told(asked, given, shown))


ASSUME_ROLE = ClientModel(
    name="assume-role",
    vendor="aws",
    by_name=True,
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
