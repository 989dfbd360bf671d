"""What the client models of Azure's surfaces share: the token request of a machine, paths of ARM, and how answers are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from brownout.harness.load.models.model import Account, Arrival, ArrivalResult, Call
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.trail import HEADER as TRAIL_HEADER

USER_AGENT = "brownout-load"


class IssuedToken(NamedTuple):
    """A bearer token and for how many seconds it still lives, as the service wrote them."""

    text: str
    expires_in: str

    @property
    def expires_in_s(self) -> float:
        """Raises ValueError when the service wrote no number."""
        return float(self.expires_in)


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
    """The request of the arrival's machine for a token, as azure-identity sends it.

    Source: docs/reference/azure-wire.md#imds-token-request.
    """
    request = Request(
        "GET",
        f"/{arrival.machine}/metadata/identity/oauth2/token",
        {"api-version": "2018-02-01", "resource": arrival.resource},
        {"metadata": "true", "user-agent": USER_AGENT},
    )
    return Call(f"{arrival.region}.host", request)


def token_result(response: Response) -> ArrivalResult:
    """How an arrival ends with this response to its token request.

    A 200 without a token that a client can use is refused.
    """
    result = result_of(response)
    if result.outcome != "happened":
        return result
    body = response.body or {}
    if body.get("access_token") and "expires_in" in body:
        return result
    return ArrivalResult(result.status, "refused", "no-token-in-answer", result.trail)


def token_in(response: Response) -> IssuedToken | ArrivalResult:
    """The token that an IMDS response has, or how the arrival ends without one."""
    result = token_result(response)
    if result.outcome != "happened":
        return result
    body = response.body or {}
    return IssuedToken(str(body["access_token"]), str(body["expires_in"]))


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
    return {"authorization": f"Bearer {account.user_token}"}
