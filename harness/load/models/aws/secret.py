"""secret: an application reads a secret of its region with temporary credentials, which it keeps and renews as botocore does.

botocore tries for new credentials from a quarter of an hour before the old ones end. Until ten minutes before, a failure is
of no consequence; from then on it is the caller's, although the credentials are still good. Credentials from IMDS are
different: where no new ones are to be had, the old ones are used on. Source: docs/reference/aws-wire.md#refresh-of-credentials.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from brownout.harness.load.models.aws.assume_role import credentials_result, wanted
from brownout.harness.load.models.aws.calls import (
    APP_ROLE,
    CALLER,
    access_key_of,
    credentials_in,
    members,
    result_of,
    secret_value,
    shown_by,
    sts,
)
from brownout.harness.load.models.aws.instance_credentials import fetch
from brownout.harness.load.models.model import (
    Arrival,
    ArrivalResult,
    Call,
    ClientModel,
    Clients,
    Operation,
    Script,
    Typical,
    unanswered,
)
from brownout.harness.record.credentials import Credential, parse, told
from brownout.identity.aws.arns import role
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import CallFailed, Response
from brownout.identity.core.trail import joined

ADVISORY_S, MANDATORY_S = 15 * 60.0, 10 * 60.0
EXTENDED_S = 17 * 60.0  # botocore's quarter of an hour and the least of its jitter
BY_INSTANCE, BY_ROLE = "instance-secret", "role-secret"
SECRET_NAME = "sample"


class KeptCredentials(NamedTuple):
    """Credentials of one application. `used_until_s` is when its SDK takes them to end, which IMDS clients put off.

    `given` is what a record tells of them.
    """

    credentials: Credentials
    used_until_s: float
    given: Credential


class HeldCredentials(dict[tuple[str, str, str], KeptCredentials]):
    """By operation, region and machine."""


Renewal = Generator[Call, Response, tuple[KeptCredentials | None, ArrivalResult]]


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """New credentials where the held ones are due, then the secret."""
    held = clients.memory(HeldCredentials)
    key = (arrival.operation, arrival.region, arrival.machine)
    known = held.get(key)
    trail = told_before = ""
    if known is None or known.used_until_s - now_s < ADVISORY_S:
        found, result = yield from _renewed(arrival, clients, now_s)
        trail, told_before = result.trail, result.credentials if found is not None else ""
        if found is None:
            found = _kept(arrival, known, now_s)
        if found is None:
            return result
        held[key] = known = found
    answer = yield secret_value(arrival, SECRET_NAME, known.credentials, now_s)
    result = result_of(answer)
    if result.outcome == "happened" and not (answer.body or {}).get("SecretString"):
        result = result._replace(outcome="refused", error="unreadable-answer")
    shown = shown_by(known.credentials, of=known.given)
    return result._replace(trail=joined(result.trail, trail), credentials=told(told_before, shown))


def _renewed(arrival: Arrival, clients: Clients, now_s: float) -> Renewal:
    """New credentials, None where there are none to be had, with how that call ended."""
    try:
        if arrival.operation == BY_INSTANCE:
            credentials, result = yield from fetch(arrival, now_s)
        else:
            account_id, session = clients.account.aws_account_id, f"{arrival.cohort[:40]}-{arrival.number}"
            arn, key = role(account_id, "/", APP_ROLE), access_key_of(clients.account, CALLER)
            answer = yield sts(arrival, "AssumeRole", {"RoleArn": arn, "RoleSessionName": session}, key, now_s)
            result = credentials_result(answer, now_s, key, wanted(account_id, arn))
            found = credentials_in(members(answer), now_s)
            credentials = found if isinstance(found, Credentials) and result.outcome == "happened" else None
    except CallFailed as failed:
        return None, unanswered(failed)
    if credentials is None or credentials.expires_s is None:
        return None, result
    used_until_s = credentials.expires_s
    if arrival.operation == BY_INSTANCE and used_until_s - now_s < ADVISORY_S:
        used_until_s = now_s + EXTENDED_S
    given = next(each for each in parse(result.credentials) if each.use == "given")
    return KeptCredentials(credentials, used_until_s, given), result


def _kept(arrival: Arrival, known: KeptCredentials | None, now_s: float) -> KeptCredentials | None:
    """The held credentials, where the SDK goes on with them although it got no new ones."""
    if known is None:
        return None
    if arrival.operation == BY_INSTANCE:
        return known._replace(used_until_s=now_s + EXTENDED_S)
    return known if known.used_until_s - now_s >= MANDATORY_S else None


SECRET = ClientModel(
    name="secret",
    vendor="aws",
    by_name=True,
    operations=(
        Operation(BY_INSTANCE, weight=1, needs_machine=True, home="none"),
        Operation(BY_ROLE, home="none"),
    ),
    script=script,
    target=0.999,
    needs_access_keys=True,
    typical=(
        Typical(cohort="instance-apps", share=0.2, probe="instance application", on="machine"),
        Typical(cohort="role-apps", share=0.1, probe="role application", on="nothing", mix={BY_ROLE: 1}),
    ),
)
