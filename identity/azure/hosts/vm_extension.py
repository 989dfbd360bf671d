"""The VM extension for managed identities, which IMDS replaced: it ran on the machine, at http://localhost:50342/oauth2/token.

It asked Entra for tokens with the identities' own credentials, which therefore lay on the machine
(brownout.identity.azure.hosts.annex shows the file), and knew 32 user-assigned identities at most. A build without the
extension answers as machines do since it ended. Wire facts: docs/reference/azure-wire.md#vm-extension.
"""

from __future__ import annotations

from brownout.identity.azure.entra.claims import is_known_resource
from brownout.identity.azure.hosts.endpoint import VM_EXTENSION, Asked, Query, Unclear, implied_identity, lower_query, selected
from brownout.identity.azure.hosts.imds import oauth_failed, token_fields
from brownout.identity.azure.hosts.request import NOT_FOUND, SELECTORS, SEVERAL, refusal
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import CachedToken, Identity, Machine
from brownout.identity.core.surface import Failure

MOST_IDENTITIES = 32  # user-assigned ones


class VmExtension:
    """The extension's endpoint. A request may be a GET with a query or a POST with a form, and names no version."""

    kind, path, limits = VM_EXTENSION, "oauth2/token", None

    def __init__(self, node: Host) -> None:
        self._node, self._settings = node, node.settings
        self.cache = node.add_cache(VM_EXTENSION)

    def read(self, request: Request, machine: Machine) -> Asked | Response:
        if not self._node.features.has_vm_extension:
            text = "The VM extension for managed identities has ended; use the Instance Metadata Service"
            return refusal(404, "not_found", text)
        if request.method not in ("GET", "POST"):
            return refusal(405, "method_not_allowed", f"The extension does not take {request.method}")
        if request.headers.get("metadata", "").lower() != "true":
            return refusal(400, "bad_request_102", "Required metadata header not specified")
        fields = form_or_query(request)
        if fields is None:
            return refusal(400, "invalid_request", "A parameter is given more than once")
        resource = fields.get("resource", "")
        if not resource:
            return refusal(400, "invalid_request", "Required parameter 'resource' is missing")
        if not is_known_resource(resource, self._settings.extra_resources):
            text = f"AADSTS50001: The application named {resource} was not found in the tenant"
            return refusal(400, "invalid_resource", text)
        return self._identity(fields, resource, known_to_extension(machine.identities))

    def _identity(self, fields: Query, resource: str, identities: tuple[Identity, ...]) -> Asked | Response:
        given = {name: fields[name] for name in SELECTORS if name in fields}
        if len(given) > 1:
            return refusal(400, "invalid_request", f"only one of {', '.join(given)} may be given")
        if not given:
            identity = implied_identity(identities)
            several = SEVERAL if identities and self._settings.ambiguous_text == "2024" else NOT_FOUND
            return Asked(identity, resource, {}) if identity else refusal(400, "invalid_request", several)
        ((name, wanted),) = given.items()
        identity = selected(identities, SELECTORS[name], wanted)
        return Asked(identity, resource, given) if identity else refusal(400, "invalid_request", NOT_FOUND)

    def answer(self, request: Request, asked: Asked | Unclear, token: CachedToken, now_s: float) -> Response:
        return Response(200, token_fields(asked, token, now_s) | {"refresh_token": ""})

    def failed(self, request: Request, failure: Failure) -> Response:
        return oauth_failed(failure)

    def says(self, request: Request, status: int) -> Response:
        return refusal(status, "unknown", f"the extension answers {status}")


def known_to_extension(identities: tuple[Identity, ...]) -> tuple[Identity, ...]:
    """Those of a machine's identities that the extension has room for, in the order in which they were assigned."""
    own = tuple(identity for identity in identities if identity.is_system)
    return own + tuple(identity for identity in identities if not identity.is_system)[:MOST_IDENTITIES]


def form_or_query(request: Request) -> Query | None:
    """The fields of a POST's form, else of the query, by names in lower case; None when a name is given twice."""
    if request.method != "POST":
        return lower_query(request)
    fields = {name.lower(): value for name, value in request.form}
    return fields if len(fields) == len(request.form) else None
