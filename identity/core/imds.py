"""IMDS' wire contract: which identity a request means, and the exact words of every answer.

Wire facts: docs/reference/azure-wire.md#imds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brownout.identity.core.claims import is_known_resource
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.settings import Settings
from brownout.identity.core.topology import REGIONS, StackSpec

if TYPE_CHECKING:
    from brownout.identity.core.host import Machine

TOKEN_PATH = "metadata/identity/oauth2/token"
SELECTORS: Mapping[str, str] = {"client_id": "client_id", "object_id": "object_id", "msi_res_id": "resource_id"}
NOT_FOUND = "Identity not found"
SEVERAL = (
    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"
)
SERVER = "IMDS/150.870.65.1015"

Identity = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A token request understood: for which identity and resource, and the selectors to echo."""

    identity: Identity
    resource: str
    selectors: Mapping[str, str]


def refusal(status: int, code: str, description: str) -> Response:
    """An error in IMDS' shape."""
    return Response(status, {"error": code, "error_description": description}, {"server": SERVER})


def parse(request: Request, identities: tuple[Identity, ...], settings: Settings) -> Asked | Response:
    """What the request asks for, or the answer that refuses it."""
    if request.method != "GET":
        return refusal(405, "method_not_allowed", f"the token endpoint does not take {request.method}")
    if request.headers.get("metadata", "").lower() != "true":
        return refusal(400, "bad_request_102", "Required metadata header not specified")
    for name in ("api-version", "resource"):
        if not request.query.get(name):
            return refusal(400, "invalid_request", f"Required query variable '{name}' is missing")
    resource = request.query["resource"]
    if not is_known_resource(resource, settings.extra_resources):
        text = f"AADSTS50001: The application named {resource} was not found in the tenant"
        return refusal(400, "invalid_resource", text)
    selectors = {name: request.query[name] for name in SELECTORS if request.query.get(name)}
    identity = _identity(selectors, identities, settings)
    return identity if isinstance(identity, Response) else Asked(identity, resource, selectors)


def _identity(selectors: Mapping[str, str], identities: tuple[Identity, ...], settings: Settings) -> Identity | Response:
    if len(selectors) > 1:
        listed = ", ".join(selectors)
        return refusal(400, "invalid_request", f"only one of {listed} may be given")
    for name, wanted in selectors.items():
        found = [item for item in identities if str(item[SELECTORS[name]]).lower() == wanted.lower()]
        return found[0] if found else refusal(400, "invalid_request", NOT_FOUND)
    return _default(identities, settings)


def _default(identities: tuple[Identity, ...], settings: Settings) -> Identity | Response:
    """No selector: the system-assigned identity, else the only user-assigned one, else an error."""
    system = [item for item in identities if item["kind"] == "system"]
    if system or len(identities) == 1:
        return (system or identities)[0]
    if not identities or settings.ambiguous_text == "2020":
        return refusal(400, "invalid_request", NOT_FOUND)
    return refusal(400, "invalid_request", SEVERAL)


def answer(response: Response, asked: Asked, now_s: float) -> Response:
    """IMDS' answer made from the token node's: all values strings, `expires_in` counted from now."""
    body = response.body or {}
    if not response.ok:
        return refusal(response.status, str(body.get("error", "unknown")), str(body.get("error_description", "")))
    left = str(int(body["expires_s"] - now_s))
    echoed = {name: value for name, value in asked.selectors.items() if name != "client_id"}
    full = {
        "access_token": body["token"],
        "client_id": body["client_id"],
        "expires_in": left,
        "expires_on": str(int(body["expires_s"])),
        "ext_expires_in": left,
        "not_before": str(int(body["issued_s"]) - 300),
        "resource": asked.resource,
        "token_type": "Bearer",
    }
    return Response(200, full | echoed, {"server": SERVER})


def forced(value: Mapping[str, Any]) -> Response:
    """The answer that an `answer` hold wants: its status, with the documented body unless another is given."""
    status = int(value["status"])
    body = value.get("body") or {"error": "unknown", "error_description": f"IMDS answers {status}"}
    headers = {"server": SERVER}
    if value.get("retry_after_s") is not None:
        headers["retry-after"] = str(int(value["retry_after_s"]))
    return Response(status, body, headers)


def metadata(machine: Machine, path: str, request: Request, stack: StackSpec, region: str) -> Response:
    """IMDS beside tokens: identity info and instance data. Paths that only newer SDKs try are 404, so they fall back."""
    if request.method != "GET":
        return refusal(405, "method_not_allowed", f"IMDS does not take {request.method} here")
    if request.headers.get("metadata", "").lower() != "true":
        return refusal(400, "bad_request_102", "Required metadata header not specified")
    if path == "metadata/identity/info":
        return Response(200, {"tenantId": stack.tenant_id}, {"server": SERVER})
    compute = {
        "location": REGIONS[region].azure_name,
        "name": machine.name,
        "resourceId": machine.arm_id,
        "subscriptionId": stack.subscription_id,
        "zone": machine.zone.removeprefix("z"),
    }
    if path == "metadata/instance/compute":
        return Response(200, compute, {"server": SERVER})
    if path == "metadata/instance":
        return Response(200, {"compute": compute}, {"server": SERVER})
    return refusal(404, "not_found", f"/{path}")
