"""The columns of the matrix: each one call as a client of AWS makes it, by the endpoint's name and signed where it has to be.

How often a call is tried, how long an answer is awaited and how long a client pauses is botocore's: five attempts of SDK
calls in the retry mode `legacy`, one of IMDS, three of a container's agent. A browser tries once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from brownout.harness.load.models.aws.assume_role import credentials_result
from brownout.harness.load.models.aws.calls import (
    APP_ROLE,
    CALLER,
    FORM,
    GLOBAL,
    REGIONAL,
    accepted,
    credentials_in,
    iam,
    result_of,
    secret_value,
    sts,
)
from brownout.harness.load.models.aws.instance_credentials import fetch
from brownout.harness.load.models.aws.secret import SECRET_NAME
from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, Script
from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.hosts.containers import authorization_token, ecs_path
from brownout.identity.aws.records.seed import WEB_IDENTITY_ROLE
from brownout.identity.core.edge.node import CLIENT_REGION
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import EDGE_NODE, REGIONS

SAML_ROLE, SAML_PROVIDER = "matrix-saml", "matrix"
SESSION = "matrix"
CREATE_USER = "create-user"
SHORT_S = 10.0
SERVER_ERRORS = frozenset({429, 500, 502, 503, 504, 509})
THROTTLES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottledException",
        "ProvisionedThroughputExceededException",
        "IDPCommunicationError",
    }
)


@dataclass(frozen=True, slots=True)
class ClientRegion:
    """Where clients stand: a region with a machine that has run for a while, and a scale set.

    The control token makes those that containers show.
    """

    region: str
    account_id: str
    machine: str
    scale_set: str
    control_token: str

    def arrival(
        self, id_: str, *, machine: str = "", front_end: str = REGIONAL, resource: str = "", at_s: float = 0.0
    ) -> Arrival:
        """A client here, as the client models take it."""
        return Arrival(id_, at_s, "matrix", "matrix", self.region, machine, "", "", resource, front_end)


@dataclass(frozen=True, slots=True)
class HeldByClients:
    """What the clients of one region hold before an event begins."""

    admin: Credentials
    caller: Credentials
    password: str
    session: Credentials
    instance: Credentials
    web_token: str
    assertion: str


@dataclass(frozen=True, slots=True)
class CallSite:
    """One call to be made: where, with what, and under which name new things are made.

    `new_role` is the role that was made, or was to be made, since the event began.
    """

    at: ClientRegion
    held: HeldByClients
    id: str
    new_role: str = ""

    def arrival(self, *, machine: str = "", front_end: str = REGIONAL) -> Arrival:
        return self.at.arrival(self.id, machine=machine, front_end=front_end)

    def role(self, name: str) -> str:
        return arns.role(self.at.account_id, "/", name)


@dataclass(frozen=True, slots=True)
class Patience:
    """How a client waits and tries again. `pause_s` None: up to a second, then twice as long each time, as in mode `legacy`.

    With `any_failure` it tries again whatever went wrong.
    """

    attempts: int
    timeout_s: float
    pause_s: float | None = None
    any_failure: bool = False

    @property
    def is_short(self) -> bool:
        """Whether a busy machine alone could make an answer come too late."""
        return self.timeout_s < SHORT_S

    def retries(self, result: ArrivalResult) -> bool:
        """Whether an attempt that ended so is followed by another, where there are attempts left."""
        if result.outcome == "happened":
            return False
        throttled = result.status == 400 and result.error in THROTTLES
        return self.any_failure or result.status == 0 or result.status in SERVER_ERRORS or throttled


SDK = Patience(5, 60.0)
METADATA = Patience(1, 1.0)
AGENT = Patience(3, 2.0, pause_s=1.0, any_failure=True)
BROWSER = Patience(1, 60.0)


@dataclass(frozen=True, slots=True)
class MatrixCall:
    """One column. `script` is one attempt, signed at the time that it is given."""

    name: str
    title: str
    script: Callable[[CallSite, float], Script]
    patience: Patience = SDK


def _identity(held: Callable[[HeldByClients], Credentials], front_end: str = REGIONAL) -> Callable[[CallSite, float], Script]:
    def script(site: CallSite, now_s: float) -> Script:
        return accepted((yield sts(site.arrival(front_end=front_end), "GetCallerIdentity", {}, held(site.held), now_s)), "Arn")

    return script


def _issuing(action: str, fields: Callable[[CallSite], Mapping[str, str]]) -> Callable[[CallSite, float], Script]:
    def script(site: CallSite, now_s: float) -> Script:
        key = site.held.caller
        return credentials_result((yield sts(site.arrival(), action, fields(site), key, now_s)), now_s, key)

    return script


def _administering(
    action: str, fields: Callable[[CallSite], Mapping[str, str]], member: str
) -> Callable[[CallSite, float], Script]:
    def script(site: CallSite, now_s: float) -> Script:
        return accepted((yield iam(site.arrival(), action, fields(site), site.held.admin, now_s)), member)

    return script


def _metadata(machine: Callable[[CallSite], str]) -> Callable[[CallSite, float], Script]:
    def script(site: CallSite, now_s: float) -> Script:
        _, result = yield from fetch(site.arrival(machine=machine(site)), now_s)
        return result

    return script


def _container(site: CallSite, now_s: float) -> Script:
    at = site.at
    shown = {"authorization": authorization_token(at.control_token, at.machine)}
    answer = yield Call(f"{at.region}.host", Request("GET", ecs_path(at.control_token, at.machine), headers=shown))
    result = result_of(answer)
    if result.outcome != "happened":
        return result._replace(error=str((answer.body or {}).get("code", "")))
    found = credentials_in(answer.body or {}, now_s)
    return result._replace(outcome="refused", error=found) if isinstance(found, str) else result


def _secret(site: CallSite, now_s: float) -> Script:
    return result_of((yield secret_value(site.arrival(), SECRET_NAME, site.held.session, now_s)))


def _sign_in(site: CallSite, now_s: float) -> Script:
    here = REGIONS[site.at.region].aws_name
    fields = {"account": site.at.account_id, "username": CALLER, "password": site.held.password}
    lines = (FORM, (b"host", f"{here}.signin.aws.amazon.com".encode()))
    request = Request.raw("POST", f"/console?region={here}", lines, urlencode(fields).encode())
    return result_of((yield Call(EDGE_NODE, request.with_headers({CLIENT_REGION: site.at.region}))))


def _inline_policy(site: CallSite) -> Mapping[str, str]:
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:::{site.id}"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return {"RoleName": APP_ROLE, "PolicyName": "matrix", "PolicyDocument": document}


CALLS: tuple[MatrixCall, ...] = (
    MatrixCall("caller-identity-key", "GetCallerIdentity, a user's access key (AKIA)", _identity(lambda held: held.caller)),
    MatrixCall("caller-identity-session", "GetCallerIdentity, a role's session (ASIA)", _identity(lambda held: held.session)),
    MatrixCall(
        "caller-identity-instance", "GetCallerIdentity, an instance's credentials", _identity(lambda held: held.instance)
    ),
    MatrixCall(
        "caller-identity-global", "GetCallerIdentity by the global name", _identity(lambda held: held.caller, front_end=GLOBAL)
    ),
    MatrixCall(
        "assume-role",
        "AssumeRole",
        _issuing("AssumeRole", lambda site: {"RoleArn": site.role(APP_ROLE), "RoleSessionName": SESSION}),
    ),
    MatrixCall(
        "assume-role-new",
        "AssumeRole, a role made since the event began",
        _issuing("AssumeRole", lambda site: {"RoleArn": site.role(site.new_role), "RoleSessionName": SESSION}),
    ),
    MatrixCall(
        "assume-role-web-identity",
        "AssumeRoleWithWebIdentity",
        _issuing(
            "AssumeRoleWithWebIdentity",
            lambda site: {
                "RoleArn": site.role(WEB_IDENTITY_ROLE),
                "RoleSessionName": SESSION,
                "WebIdentityToken": site.held.web_token,
            },
        ),
    ),
    MatrixCall(
        "assume-role-saml",
        "AssumeRoleWithSAML",
        _issuing(
            "AssumeRoleWithSAML",
            lambda site: {
                "RoleArn": site.role(SAML_ROLE),
                "PrincipalArn": arns.saml_provider(site.at.account_id, SAML_PROVIDER),
                "SAMLAssertion": site.held.assertion,
            },
        ),
    ),
    MatrixCall("federation-token", "GetFederationToken", _issuing("GetFederationToken", lambda _: {"Name": SESSION})),
    MatrixCall("session-token", "GetSessionToken", _issuing("GetSessionToken", lambda _: {})),
    MatrixCall(CREATE_USER, "CreateUser", _administering("CreateUser", lambda site: {"UserName": site.id}, "UserId")),
    MatrixCall("get-role", "GetRole", _administering("GetRole", lambda _: {"RoleName": APP_ROLE}, "Arn")),
    MatrixCall("put-role-policy", "PutRolePolicy", _administering("PutRolePolicy", _inline_policy, "RequestId")),
    MatrixCall("list-users", "ListUsers", _administering("ListUsers", lambda _: {}, "IsTruncated")),
    MatrixCall(
        "key-last-used",
        "GetAccessKeyLastUsed",
        _administering("GetAccessKeyLastUsed", lambda site: {"AccessKeyId": site.held.caller.access_key_id}, "UserName"),
    ),
    MatrixCall("instance-metadata", "IMDS, a machine that has run", _metadata(lambda site: site.at.machine), METADATA),
    MatrixCall(
        "instance-metadata-new",
        "IMDS, a machine that just started",
        _metadata(lambda site: f"{site.at.scale_set}_{site.id.rpartition('-')[2]}"),
        METADATA,
    ),
    MatrixCall("container-credentials", "container credentials", _container, AGENT),
    MatrixCall("secret-value", "GetSecretValue, a role's session", _secret),
    MatrixCall("sign-in", "console sign-in of the region", _sign_in, BROWSER),
)
