"""AAD Pod Identity: on the nodes of a cluster its NMI takes what pods ask of IMDS, and asks IMDS in their place.

A machine stands for a pod of its name, its user-assigned identities for those that are bound to it. NMI reads a client id and
no other selector, and says what is wrong as a line of text with 403.
Wire facts: docs/reference/azure-wire.md#pod-identity.
"""

from __future__ import annotations

from brownout.identity.azure.hosts.endpoint import Asked, Unclear, selected
from brownout.identity.azure.hosts.imds import Imds
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.records import CachedToken, Machine
from brownout.identity.core.surface import Failure

TEXT = ((b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff"))
VERSION = "2018-02-01"


class PodIdentity(Imds):
    """IMDS as pods see it through NMI."""

    def read(self, request: Request, machine: Machine) -> Asked | Unclear | Response:
        bound = tuple(identity for identity in machine.identities if not identity.is_system)
        client_id = request.query.get("client_id", "")
        chosen = selected(bound, "client_id", client_id) if client_id else next(iter(bound), None)
        if chosen is None:
            return _forbidden(f"no AzureAssignedIdentity found for pod:default/{machine.name} in assigned state")
        query = {"api-version": VERSION, "resource": request.query.get("resource", ""), "client_id": chosen.client_id}
        found = super().read(Request("GET", request.path, query, {"metadata": "true"}), machine)
        return _wrapped(found) if isinstance(found, Response) else found

    def answer(self, request: Request, asked: Asked | Unclear, token: CachedToken, now_s: float) -> Response:
        """Without `client_id`, and with a refresh token that is never there."""
        fields = dict(super().answer(request, asked, token, now_s).body or {})
        kept = {name: value for name, value in fields.items() if name not in ("client_id", "ext_expires_in")}
        return Response(200, kept | {"refresh_token": ""})

    def failed(self, request: Request, failure: Failure) -> Response:
        return _wrapped(super().failed(request, failure))


def _wrapped(refusal: Response) -> Response:
    """A refusal of IMDS as the library with which NMI asks tells of it."""
    said = refusal.payload.decode()
    return _forbidden(f"adal: Refresh request failed. Status Code = '{refusal.status}'. Response body: {said}")


def _forbidden(text: str) -> Response:
    return Response.raw(403, TEXT, f"{text}\n".encode())
