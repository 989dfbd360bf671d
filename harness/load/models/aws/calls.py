"""What the client models of AWS's surfaces share: signed calls by an endpoint's name, and how answers are read.

Clients find the service by name, as SDKs do, so every call goes through the edge from the region in which the client stands.
What counts as good is what botocore would go on with: status 200, the operation's members in XML or JSON, credentials that
are of use. What each model accepts is listed in docs/load.md#what-counts-as-good.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote_plus
from xml.etree import ElementTree as ET

from brownout.harness.errors import UsageError
from brownout.harness.load.models.model import Account, Arrival, ArrivalResult, Call
from brownout.harness.record.credentials import Credential, told
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.aws.names import GLOBAL_STS, IAM
from brownout.identity.core.edge.node import CLIENT_REGION
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.topology import EDGE_NODE, REGIONS
from brownout.identity.core.trail import HEADER as TRAIL_HEADER

REGIONAL, GLOBAL = "regional", "global"  # front ends: which name of STS the client's settings choose
GLOBAL_SCOPE = "us-east-1"  # the region that IAM and the global name of STS are signed for
STS_VERSION, IAM_VERSION = "2011-06-15", "2010-05-08"
APP_ROLE, CALLER, ADMIN = "app", "caller", "admin"  # of the account that every stack starts with
FORM = (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")
_GET_SECRET_VALUE = (
    (b"content-type", b"application/x-amz-json-1.1"),
    (b"x-amz-target", b"secretsmanager.GetSecretValue"),
)
SHAPES_REMEMBERED = 512
_CLIENT_REGION = CLIENT_REGION.encode()
_LEAF = re.compile(rb"<([A-Za-z]+)>([ !-%'-;=?-~]*)</\1>")  # the text is of ASCII's signs but `&`, `<` and `>`
_known_answers: set[tuple[bytes, ...]] = set()  # what was around the innermost elements, and their names
_quoted = lru_cache(maxsize=1024)(quote_plus)  # most values of a call come with every call: its action, its role, its policy

Parameters = Mapping[str, str]


def sts(arrival: Arrival, action: str, fields: Parameters, credentials: Credentials, now_s: float) -> Call:
    """A call of STS by the arrival's front end: the name of its region, or the global one."""
    here = REGIONS[arrival.region].aws_name
    name, scope = (GLOBAL_STS, GLOBAL_SCOPE) if arrival.front_end == GLOBAL else (f"sts.{here}.amazonaws.com", here)
    request = _query({"Action": action, "Version": STS_VERSION, **fields})
    return _signed(arrival, request, credentials, service="sts", scope=scope, name=name, now_s=now_s)


def iam(arrival: Arrival, action: str, fields: Parameters, credentials: Credentials, now_s: float) -> Call:
    """A call of IAM, which has one name in all regions."""
    request = _query({"Action": action, "Version": IAM_VERSION, **fields})
    return _signed(arrival, request, credentials, service="iam", scope=GLOBAL_SCOPE, name=IAM, now_s=now_s)


def secret_value(arrival: Arrival, secret: str, credentials: Credentials, now_s: float) -> Call:
    """A call of Secrets Manager for a secret's value, in the arrival's region."""
    here = REGIONS[arrival.region].aws_name
    request = Request.raw("POST", "/", _GET_SECRET_VALUE, _secret_named(secret))
    name = f"secretsmanager.{here}.amazonaws.com"
    return _signed(arrival, request, credentials, service="secretsmanager", scope=here, name=name, now_s=now_s)


@lru_cache(maxsize=64)  # a load reads few
def _secret_named(secret: str) -> bytes:
    return json.dumps({"SecretId": secret}).encode()


def _query(fields: Parameters) -> Request:
    payload = "&".join([f"{name}={_quoted(value)}" for name, value in fields.items()])
    return Request.raw("POST", "/", (FORM,), payload.encode())


def _signed(
    arrival: Arrival, request: Request, credentials: Credentials, *, service: str, scope: str, name: str, now_s: float
) -> Call:
    signed = sign(request, credentials, service=service, region=scope, now_s=now_s, host=name)
    lines = (*signed.raw_headers, (_CLIENT_REGION, arrival.region.encode()))
    return Call(EDGE_NODE, Request.raw(signed.method, signed.target, lines, signed.payload))


def access_key_of(account: Account, user: str) -> Credentials:
    """The user's long-term access key; raises UsageError for a load that is not signed in with it."""
    found = account.sign_in.access_keys.get(user)
    if found is None:
        raise UsageError(f"the load has no access key of {user}", hint="a stack with `--vendor aws` gives it one")
    return found


def result_of(response: Response) -> ArrivalResult:
    """The end of an arrival whose last call had this answer: 200 happened, anything else is refused by its code."""
    trail = response.headers.get(TRAIL_HEADER, "")
    if response.status == 200:
        return ArrivalResult(200, "happened", "", trail)
    return ArrivalResult(response.status, "refused", error_code(response), trail)


def error_code(response: Response) -> str:
    """The error's code, from XML, from JSON's `__type`, or as the edge says it."""
    if response.media_type == "text/xml":
        return members(response).get("Code", "")
    body = response.body or {}
    if "__type" in body:
        return str(body["__type"]).rpartition("#")[2]
    error = body.get("error", {})
    return str(error.get("code", "")) if isinstance(error, Mapping) else str(error)


def accepted(response: Response, member: str) -> ArrivalResult:
    """The end of an arrival that reads `member` of an answer in XML ("": it reads none)."""
    result = result_of(response)
    if result.outcome == "happened" and member and member not in members(response):
        return result._replace(outcome="refused", error="unreadable-answer")
    return result


def members(response: Response) -> Mapping[str, str]:
    """The texts of an answer in XML by the names of their elements, the first of a name; empty for what is no XML."""
    return _members(response.payload)


@lru_cache(maxsize=SHAPES_REMEMBERED)
def _members(payload: bytes) -> Mapping[str, str]:
    """Answers of one operation differ in the texts of their elements alone, so what is around those is read once.

    `_LEAF` takes out elements that have neither attributes nor others in them. Their texts hold no markup: where an answer is
    well-formed and these are all of its innermost elements, so is any other with the same around them.
    """
    parts = _LEAF.split(payload)
    names, texts = parts[1::3], parts[2::3]
    around = (*parts[::3], *names)
    if around not in _known_answers:
        leaves = _leaves(payload)
        plain = [(name.decode(), text.decode()) for name, text in zip(names, texts, strict=True)]
        if leaves != plain or b"<!" in payload or b"<?" in payload:  # in a comment a tag is none
            return dict(reversed(leaves))
        if len(_known_answers) >= SHAPES_REMEMBERED:
            _known_answers.clear()
        _known_answers.add(around)
    return {name.decode(): text.decode() for name, text in zip(reversed(names), reversed(texts), strict=True)}


def _leaves(payload: bytes) -> list[tuple[str, str]]:
    """The innermost elements in their order, by name, with their texts; none of what is no XML."""
    try:
        root = ET.fromstring(payload)  # noqa: S314  # what the stack under test sent, which the load started
    except ET.ParseError:
        return []
    return [(each.tag.rpartition("}")[2], each.text or "") for each in root.iter() if not len(each)]


def shown_by(credentials: Credentials, *, of: Credential | None = None) -> Credential:
    """Credentials that a call was signed with, as a record has them. `of` is what they were given as, where that is known."""
    if of is not None:
        return of._replace(use="shown")
    return Credential("shown", to_s=credentials.expires_s, key_id=credentials.access_key_id)


@lru_cache(maxsize=256)  # a load's long-term keys are few
def told_of(key: Credentials) -> str:
    """What a record tells of a long-term key that a call was signed with."""
    return told(shown_by(key))


def given_in(found: Mapping[str, object], *, expires_s: float | None, key_id: str) -> Credential:
    """Whom an answer of STS names: the role that was assumed, or the caller (`AssumedRoleId`, `UserId`, `Arn`, `Account`)."""
    arn = str(found.get("Arn", ""))
    owner = str(found.get("Account", "")) or (arn.split(":")[4] if arn.count(":") >= 5 else "")
    subject = str(found.get("AssumedRoleId") or found.get("UserId") or "").partition(":")[0]
    return Credential("given", subject, role_name(arn), owner, "", None, expires_s, key_id)


def role_name(arn: str) -> str:
    """The ARN of the role that an assumed role's ARN stands for, without its path; any other as it is."""
    head, assumed, session = arn.partition(":assumed-role/")
    if not assumed:
        return arn
    return f"{head.replace(':sts:', ':iam:')}:role/{session.partition('/')[0]}"


def credentials_in(found: Mapping[str, object], now_s: float) -> Credentials | str:
    """The credentials in an answer, or why a client could not sign with them at `now_s` (emulated epoch seconds).

    Takes the members of STS (`SessionToken`) and those of metadata services (`Token`).
    """
    key_id, secret = found.get("AccessKeyId"), found.get("SecretAccessKey")
    token, ends = found.get("SessionToken") or found.get("Token"), _epoch_s(found.get("Expiration"))
    if not (isinstance(key_id, str) and isinstance(secret, str) and isinstance(token, str)) or ends is None:
        return "no-credentials-in-answer"
    if not (key_id and secret and token):
        return "no-credentials-in-answer"
    return "credentials-expired" if ends <= now_s else Credentials(key_id, secret, token, ends)


def _epoch_s(text: object) -> float | None:
    return _epoch_of(str(text)) if text else None


@lru_cache(maxsize=SHAPES_REMEMBERED)  # credentials are told again and again
def _epoch_of(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:
        return None
