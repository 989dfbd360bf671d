"""IMDS on the host: each emulated machine has its own under `/{machine}/metadata/...`.

A token answer has strings only; the same token comes with falling `expires_in` until it is refreshed.
Wire facts: docs/reference/azure-wire.md#imds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from brownout.identity.azure import arm
from brownout.identity.azure.entra_claims import STARTS_BEFORE_S, is_known_resource
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.host import ForcedAnswer, Host
from brownout.identity.core.records import CachedToken, Identity, Machine
from brownout.identity.core.settings import Settings
from brownout.identity.core.surface import STATUS, Failure, Served
from brownout.identity.core.topology import REGIONS

TOKEN_PATH = "metadata/identity/oauth2/token"
SELECTORS = ("client_id", "object_id", "msi_res_id")
NOT_FOUND = "Identity not found"
SEVERAL = (
    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"
)
SERVER = "IMDS/150.870.65.1015"
_HEADERS: Mapping[str, str] = {"server": SERVER}


class Asked(NamedTuple):
    """A token request understood: for which identity and resource, and the selectors to echo."""

    identity: Identity
    resource: str
    selectors: Mapping[str, str]


class Imds:
    """IMDS' surface. It takes every request that no other surface took."""

    def __init__(self, node: Host) -> None:
        self._node = node

    def takes(self, request: Request) -> bool:
        return True

    async def serve(self, request: Request) -> Served:
        node, (name, _, path) = self._node, request.path.removeprefix("/").partition("/")
        machine = node.machine(name)
        if machine is None:
            return Served(arm.error(404, "MachineNotFound", f"{node.region} has no machine {name!r}"), node.hop())
        forced = node.forced_answer(name)
        if forced is not None:
            return Served(_forced(forced), node.hop())
        if path != TOKEN_PATH:
            return Served(self._metadata(machine, path, request), node.hop())
        node.count_request(name)
        asked = parse(request, machine.identities, node.settings)
        if isinstance(asked, Response):
            return Served(asked, node.hop())
        issued = await node.issue(machine, asked.identity, asked.resource)
        if issued.failure is not None:
            return Served(_failed(issued.failure), issued.hop, issued.inner)
        assert issued.token is not None
        return Served(_answer(issued.token, asked, node.ports.now()), issued.hop, issued.inner)

    def _metadata(self, machine: Machine, path: str, request: Request) -> Response:
        """What IMDS says beside tokens (docs/reference/azure-wire.md#imds-instance-data).

        Paths that only newer SDKs try are 404, so that these fall back.
        """
        if request.method != "GET":
            return refusal(405, "method_not_allowed", f"IMDS does not take {request.method} here")
        if request.headers.get("metadata", "").lower() != "true":
            return refusal(400, "bad_request_102", "Required metadata header not specified")
        if path == "metadata/identity/info":
            return Response(200, {"tenantId": self._node.stack.tenant_id}, _HEADERS)
        compute = {
            "location": REGIONS[self._node.region].azure_name,
            "name": machine.name,
            "resourceId": machine.resource_id,
            "subscriptionId": self._node.stack.subscription_id,
            "zone": machine.zone.removeprefix("z"),
        }
        if path == "metadata/instance/compute":
            return Response(200, compute, _HEADERS)
        if path == "metadata/instance":
            return Response(200, {"compute": compute}, _HEADERS)
        return refusal(404, "not_found", f"/{path}")


def refusal(status: int, code: str, description: str) -> Response:
    """An error in IMDS' shape (docs/reference/azure-wire.md#imds-errors)."""
    return Response(status, {"error": code, "error_description": description}, _HEADERS)


def parse(request: Request, identities: tuple[Identity, ...], settings: Settings) -> Asked | Response:
    """What the request asks for, or the answer that refuses it."""
    if request.method != "GET":
        return refusal(405, "method_not_allowed", f"the token endpoint does not take {request.method}")
    if request.headers.get("metadata", "").lower() != "true":
        return refusal(400, "bad_request_102", "Required metadata header not specified")
    query = request.query
    for name in ("api-version", "resource"):
        if not query.get(name):
            return refusal(400, "invalid_request", f"Required query variable '{name}' is missing")
    resource = query["resource"]
    if not is_known_resource(resource, settings.extra_resources):
        text = f"AADSTS50001: The application named {resource} was not found in the tenant"
        return refusal(400, "invalid_resource", text)
    selectors = {name: query[name] for name in SELECTORS if query.get(name)}
    identity = _identity(selectors, identities, settings)
    return identity if isinstance(identity, Response) else Asked(identity, resource, selectors)


def _identity(selectors: Mapping[str, str], identities: tuple[Identity, ...], settings: Settings) -> Identity | Response:
    """The identity that is meant (docs/reference/azure-wire.md#imds-identity-selection)."""
    if len(selectors) > 1:
        listed = ", ".join(selectors)
        return refusal(400, "invalid_request", f"only one of {listed} may be given")
    for name, wanted in selectors.items():
        found = [identity for identity in identities if _selected(identity, name).lower() == wanted.lower()]
        return found[0] if found else refusal(400, "invalid_request", NOT_FOUND)
    return _default(identities, settings)


def _selected(identity: Identity, selector: str) -> str:
    """What a selector compares with."""
    if selector == "msi_res_id":
        return identity.resource_id
    return identity.client_id if selector == "client_id" else identity.object_id


def _default(identities: tuple[Identity, ...], settings: Settings) -> Identity | Response:
    """No selector: the system-assigned identity, else the only user-assigned one, else an error."""
    for identity in identities:
        if identity.is_system or len(identities) == 1:
            return identity
    if not identities or settings.ambiguous_text == "2020":
        return refusal(400, "invalid_request", NOT_FOUND)
    return refusal(400, "invalid_request", SEVERAL)


def _answer(token: CachedToken, asked: Asked, now_s: float) -> Response:
    """A token answer: all values strings, `expires_in` counted from now (docs/reference/azure-wire.md#imds-token-answer)."""
    left = str(int(token.expires_s - now_s))
    full = {
        "access_token": token.token,
        "client_id": token.client_id,
        "expires_in": left,
        "expires_on": str(int(token.expires_s)),
        "ext_expires_in": left,
        "not_before": str(int(token.issued_s) - STARTS_BEFORE_S),
        "resource": asked.resource,
        "token_type": "Bearer",
    }
    if asked.selectors:
        full |= {name: value for name, value in asked.selectors.items() if name != "client_id"}
    return Response(200, full, _HEADERS)


def _failed(failure: Failure) -> Response:
    """What IMDS says of each failure of the service behind it."""
    if failure.code == "not-found":
        return refusal(400, "invalid_request", failure.message)
    if failure.code == "unavailable":
        return refusal(500, "unknown", f"failed to retrieve token from the directory ({failure.message})")
    return refusal(STATUS[failure.code], "unknown", failure.message)


def _forced(answer: ForcedAnswer) -> Response:
    """The answer that a hold wants: its status, with the documented body unless another is given."""
    body = answer.body or {"error": "unknown", "error_description": f"IMDS answers {answer.status}"}
    headers = dict(_HEADERS)
    if answer.retry_after_s is not None:
        headers["retry-after"] = str(int(answer.retry_after_s))
    return Response(answer.status, body, headers)
