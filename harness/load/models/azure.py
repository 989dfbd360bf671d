"""What the client models of Azure's surfaces share: the token request of a machine, paths of ARM, and how answers are read.

What counts as good is what the real SDK would go on with: a status that it takes, a body of the shape that it reads, and a
token that is of use, for the resource that was asked for and in force now. A success by its status alone is none. What each
model accepts is listed in docs/load.md#what-counts-as-good.
"""

from __future__ import annotations

import json
import math
from base64 import urlsafe_b64decode
from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from brownout.harness.load.models.model import Account, Arrival, ArrivalResult, Call
from brownout.harness.record.credentials import Credential, Use, told
from brownout.identity.azure.hosts.endpoint import APP_SERVICE, APP_SERVICE_2017, SERVICE_FABRIC
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.trail import HEADER as TRAIL_HEADER

USER_AGENT = "brownout-load"
# Endpoints whose answers say when a token ends, and nothing else.
BY_THEIR_END = frozenset({APP_SERVICE, APP_SERVICE_2017, SERVICE_FABRIC})
TOKENS_REMEMBERED = 4096  # a host answers with the same token for hours


_NUMBERS = (str, int, float)  # a union would be made anew for every answer


class IssuedToken(NamedTuple):
    """A bearer token, and for how many seconds it still lived when it was answered."""

    text: str
    expires_in_s: float


class TokenFacts(NamedTuple):
    """What a token says of itself: for whom it is, in force from and to, and issued at (emulated epoch seconds).

    `subject` is the object id of the identity, `name` its resource id, `owner` the tenant, `key_id` the key that signed it.
    """

    audience: str
    from_s: float
    to_s: float
    issued_s: float
    subject: str = ""
    name: str = ""
    owner: str = ""
    key_id: str = ""

    def used(self, use: Use) -> Credential:
        """The token as a record has it, in force from when it was issued."""
        return Credential(use, self.subject, self.name, self.owner, self.audience, self.issued_s, self.to_s, self.key_id)


def result_of(response: Response) -> ArrivalResult:
    """The end of an arrival whose last request had this response: a 2xx happened, anything else is refused by its code."""
    trail = response.headers.get(TRAIL_HEADER, "")
    if response.ok:
        return ArrivalResult(response.status, "happened", "", trail)
    return ArrivalResult(response.status, "refused", error_code(response), trail)


def error_code(response: Response) -> str:
    """The code in an error body, of OAuth's shape (`{"error": CODE}`) or ARM's (`{"error": {"code": CODE}}`)."""
    error = (response.body or {}).get("error", "")
    if isinstance(error, Mapping):
        return str(error.get("code", ""))
    return str(error)


def ask_for_token(arrival: Arrival) -> Call:
    """The request of the arrival's machine for a token, as azure-identity sends it, with or without an identity named.

    Source: docs/reference/azure-wire.md#imds-token-request.
    """
    return _token_call(arrival.region, arrival.machine, arrival.resource, arrival.identity)


@lru_cache(maxsize=TOKENS_REMEMBERED)  # machines ask again and again, and a request is a value
def _token_call(region: str, machine: str, resource: str, identity: str) -> Call:
    query = {"api-version": "2018-02-01", "resource": resource}
    if identity:
        query["msi_res_id"] = identity
    path = f"/{machine}/metadata/identity/oauth2/token"
    return Call(f"{region}.host", Request("GET", path, query, {"metadata": "true", "user-agent": USER_AGENT}))


def accepted(response: Response, statuses: Container[int], *, member: str = "") -> ArrivalResult:
    """The end of an arrival whose SDK takes these statuses and then reads `member` of a JSON body ("": it reads none).

    Another 2xx, or a body without the member, is refused: the SDK raises on it.
    """
    result = result_of(response)
    if result.outcome != "happened":
        return result
    if response.status not in statuses:
        return result._replace(outcome="refused", error="unexpected-status")
    if member and member not in (response.body or {}):
        return result._replace(outcome="refused", error="unreadable-answer")
    return result


def token_in(response: Response, arrival: Arrival, now_s: float) -> IssuedToken | ArrivalResult:
    """The token in the answer to `arrival`'s request, or how the arrival ends without one that is of use at `now_s`."""
    result, expires_in_s = _looked_into(response, arrival, now_s)
    return result if expires_in_s is None else IssuedToken(str((response.body or {})["access_token"]), expires_in_s)


def token_result(response: Response, arrival: Arrival, now_s: float) -> ArrivalResult:
    """How an arrival that wants nothing but a token ends with this answer."""
    return _looked_into(response, arrival, now_s)[0]


def _looked_into(response: Response, arrival: Arrival, now_s: float) -> tuple[ArrivalResult, float | None]:
    """How an arrival that wants a token ends with this answer, and for how long the token lives if it is of use at `now_s`."""
    if response.status != 200:
        return accepted(response, (200,))._replace(credentials=str(_wanted(arrival.resource))), None
    body = response.body or {}
    text, by_its_end = body.get("access_token"), arrival.endpoint in BY_THEIR_END
    expires_in_s = _ends_in_s(body, now_s) if by_its_end else _seconds(body.get("expires_in"))
    told, facts, is_meant = _seen(str(text), arrival.resource)
    trail = response.headers.get(TRAIL_HEADER, "")
    if not isinstance(text, str) or not text or expires_in_s is None or facts is None:
        wrong = "no-token-in-answer"
    elif not is_meant:
        wrong = "wrong-audience"
    elif now_s >= facts.to_s:
        wrong = "token-expired"
    elif now_s < facts.from_s:
        wrong = "token-not-yet-valid"
    elif expires_in_s <= 0:
        wrong = "token-expired"
    else:
        return ArrivalResult(200, "happened", "", trail, "", told), expires_in_s
    return ArrivalResult(200, "refused", wrong, trail, credentials=told), None


@lru_cache(maxsize=TOKENS_REMEMBERED)
def _seen(text: str, resource: str) -> tuple[str, TokenFacts | None, bool]:
    """Of a token that was asked for `resource`: what a record tells of it, what it says, and whether it is for that."""
    facts = token_facts(text)
    return given_token(text, resource), facts, facts is not None and facts.audience.rstrip("/") == resource.rstrip("/")


@lru_cache(maxsize=TOKENS_REMEMBERED)
def token_facts(text: str) -> TokenFacts | None:
    """What the JWT `text` says of itself, unverified as a client takes it; None for what is no JWT with these claims."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = _object_in(parts[1])
        return TokenFacts(
            audience=str(claims["aud"]),
            from_s=float(claims["nbf"]),
            to_s=float(claims["exp"]),
            issued_s=float(claims.get("iat", claims["nbf"])),
            subject=str(claims.get("oid", "")),
            name=str(claims.get("xms_mirid", "")),
            owner=str(claims.get("tid", "")),
            key_id=_key_id_in(parts[0]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _object_in(part: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _key_id_in(head: str) -> str:
    """The key that a token says it was signed with, "" where it names none: clients do not look at it."""
    try:
        return str(_object_in(head).get("kid", ""))
    except (ValueError, TypeError, AttributeError):
        return ""


@lru_cache(maxsize=TOKENS_REMEMBERED)
def given_token(text: str, resource: str) -> str:
    """What a record tells of an answer with the token `text` to a request for `resource`."""
    facts = token_facts(text)
    return told(_wanted(resource), facts.used("given") if facts else "")


@lru_cache(maxsize=TOKENS_REMEMBERED)
def shown_token(text: str) -> str:
    """What a record tells of a request that showed the token `text`."""
    facts = token_facts(text)
    return str(facts.used("shown")) if facts else ""


@lru_cache(maxsize=64)
def _wanted(resource: str) -> Credential:
    return Credential("wanted", audience=resource)


def _ends_in_s(body: Mapping[str, Any], now_s: float) -> float | None:
    """For how long the token in an answer lives that says when it ends and nothing else; None where it does not say."""
    ends_s = _seconds(body.get("expires_on"))
    return None if ends_s is None else ends_s - now_s


def _seconds(value: object) -> float | None:
    """The number in `expires_in`, which comes as text or as a number; None for any other."""
    try:
        number = float(value) if isinstance(value, _NUMBERS) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def group_path(account: Account) -> str:
    """The ARM path of the resource group in which the load's resources are."""
    return f"/subscriptions/{account.subscription_id}/resourceGroups/load"


def machine_path(account: Account, name: str) -> str:
    """The ARM path of a virtual machine."""
    return f"{group_path(account)}/providers/Microsoft.Compute/virtualMachines/{name}"


def identities_path(account: Account) -> str:
    """The ARM path of the user-assigned identities."""
    return f"{group_path(account)}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"


def signed_in(account: Account) -> Mapping[str, str]:
    """The headers of a request that the account's operator sends."""
    return {"authorization": f"Bearer {account.sign_in.user_token}"}
