"""The token endpoint of Cloud Shell: a POST with a form, no version and no selector.

Wire facts: docs/reference/azure-wire.md#cloud-shell.
"""

from __future__ import annotations

from brownout.identity.azure.entra.claims import is_known_resource
from brownout.identity.azure.errors import error
from brownout.identity.azure.hosts.endpoint import CLOUD_SHELL, Asked, Unclear, implied_identity, status_of
from brownout.identity.azure.hosts.imds import token_fields
from brownout.identity.azure.hosts.request import NOT_FOUND
from brownout.identity.azure.hosts.vm_extension import form_or_query
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import CachedToken, Machine
from brownout.identity.core.surface import Failure

_PLAIN = frozenset({"resource"})


class CloudShell:
    """The endpoint that MSI_ENDPOINT alone points at. The shell's user is played by the machine's identity."""

    kind, path, limits = CLOUD_SHELL, "cloud-shell/oauth2/token", None

    def __init__(self, node: Host) -> None:
        self._settings = node.settings
        self.cache = node.add_cache(CLOUD_SHELL)

    def read(self, request: Request, machine: Machine) -> Asked | Response:
        if request.method != "POST":
            return error(405, "MethodNotAllowed", f"The endpoint does not take {request.method}.")
        if request.headers.get("metadata", "").lower() != "true":
            return error(400, "BadRequest", "Required metadata header not specified.")
        fields = form_or_query(request)
        if fields is None or not fields.get("resource"):
            return error(400, "BadRequest", "The form needs one field 'resource'.")
        if fields.keys() != _PLAIN:
            names = ", ".join(sorted(fields.keys() - _PLAIN))
            return error(400, "BadRequest", f"Cloud Shell does not take {names}: its user is its only identity.")
        resource = fields["resource"]
        if not is_known_resource(resource, self._settings.extra_resources):
            return error(400, "AudienceNotSupported", f"Audience {resource} is not a supported MSI token audience.")
        identity = implied_identity(machine.identities)
        return Asked(identity, resource, {}) if identity else error(400, "BadRequest", NOT_FOUND)

    def answer(self, request: Request, asked: Asked | Unclear, token: CachedToken, now_s: float) -> Response:
        return Response(200, token_fields(asked, token, now_s))

    def failed(self, request: Request, failure: Failure) -> Response:
        code = "BadRequest" if failure.code == "not-found" else "InternalServerError"
        return error(status_of(failure), code, failure.message)

    def says(self, request: Request, status: int) -> Response:
        return error(status, "Error", f"Cloud Shell answers {status}")
