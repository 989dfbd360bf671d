"""instance-credentials: a process on an instance reads its role's credentials from IMDSv2, as an SDK does when it starts."""

from __future__ import annotations

from collections.abc import Generator

from brownout.harness.load.models.aws.calls import credentials_in
from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, ClientModel, Clients, Operation, Script, Typical
from brownout.harness.record.credentials import Credential
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.trail import HEADER as TRAIL_HEADER

ROLES = "latest/meta-data/iam/security-credentials"
TOKEN_TTL_S = "21600"

Fetch = Generator[Call, Response, tuple[Credentials | None, ArrivalResult]]


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """A session token, the name of the role, its credentials."""
    _, result = yield from fetch(arrival, now_s)
    return result


def fetch(arrival: Arrival, now_s: float) -> Fetch:
    """The credentials of the arrival's machine, None when they are of no use, and how an arrival ends that wants no more."""
    put = Request("PUT", _path(arrival, "latest/api/token"), headers={"x-aws-ec2-metadata-token-ttl-seconds": TOKEN_TTL_S})
    answer = yield _to_host(arrival, put)
    if answer.status != 200 or not answer.payload:
        return None, _refused(answer)
    shown = {"x-aws-ec2-metadata-token": answer.payload.decode("latin-1")}
    answer = yield _to_host(arrival, Request("GET", _path(arrival, f"{ROLES}/"), headers=shown))
    role = answer.payload.decode("latin-1").partition("\n")[0]
    if answer.status != 200 or not role:
        return None, _refused(answer)
    answer = yield _to_host(arrival, Request("GET", _path(arrival, f"{ROLES}/{role}"), headers=shown))
    if answer.status != 200:
        return None, _refused(answer)
    body = answer.body or {}
    if body.get("Code") != "Success":
        return None, _refused(answer, str(body.get("Code", "unreadable-answer")))
    found = credentials_in(body, now_s)
    if isinstance(found, str):
        return None, _refused(answer, found)
    given = Credential("given", "", role, "", "", None, found.expires_s, found.access_key_id)
    return found, _ended(answer)._replace(credentials=str(given))


def _path(arrival: Arrival, page: str) -> str:
    return f"/{arrival.machine}/{page}"


def _to_host(arrival: Arrival, request: Request) -> Call:
    return Call(f"{arrival.region}.host", request)


def _ended(answer: Response) -> ArrivalResult:
    return ArrivalResult(answer.status, "happened", "", answer.headers.get(TRAIL_HEADER, ""))


def _refused(answer: Response, why: str = "") -> ArrivalResult:
    return _ended(answer)._replace(outcome="refused", error=why or f"status-{answer.status}")


INSTANCE_CREDENTIALS = ClientModel(
    name="instance-credentials",
    vendor="aws",
    operations=(Operation("credentials", weight=1, needs_machine=True, home="none"),),
    script=script,
    target=0.999,
    typical=(
        Typical(cohort="instances", share=0.3, probe="instance", on="machine"),
        Typical(cohort="new-instances", share=0.05, probe="new instance", on="scale set"),
    ),
)
