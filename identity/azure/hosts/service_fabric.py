"""The managed identity token service of a Service Fabric node, api-version 2019-07-01-preview.

An application's secret says which application it is, and so which identity: a request cannot select one. The real service is at
https://localhost:2377 with a certificate that clients know by its thumbprint.
Wire facts: docs/reference/azure-wire.md#service-fabric.
"""

from __future__ import annotations

import hashlib

from brownout.identity.azure.entra.claims import is_known_resource
from brownout.identity.azure.hosts.endpoint import SERVICE_FABRIC, Asked, Query, Unclear, lower_query
from brownout.identity.azure.hosts.imds import TOKEN_PATH
from brownout.identity.azure.machine_secrets import endpoint_key, is_secret, secret_of_machine
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import CachedToken, Identity, Machine
from brownout.identity.core.surface import STATUS, Failure

VERSION = "2019-07-01-preview"
SELECTORS = frozenset({"client_id", "object_id", "principal_id", "msi_res_id", "mi_res_id", "resource_id"})
NO_IDENTITY = "Managed identity not found for the specified application host."


class ServiceFabric:
    """The endpoint that IDENTITY_ENDPOINT points at beside IDENTITY_SERVER_THUMBPRINT."""

    kind, path, limits = SERVICE_FABRIC, f"fabric/{TOKEN_PATH}", None

    def __init__(self, node: Host) -> None:
        self._node, self._settings = node, node.settings
        self._key = endpoint_key(node.stack.control_token, SERVICE_FABRIC)
        self.cache = node.add_cache(SERVICE_FABRIC)

    def read(self, request: Request, machine: Machine) -> Asked | Response:
        if request.method != "GET":
            return self._error(405, "MethodNotAllowed", f"The service does not take {request.method}.")
        secret = request.headers.get("secret", "")
        if not secret:
            return self._error(400, "SecretHeaderNotFound", "Secret is not found in the request headers.")
        identity = _identity_of_application(machine)
        known = is_secret(secret, secret_of_machine(self._key, machine.address))
        if identity is None or not known:
            return self._error(404, "ManagedIdentityNotFound", NO_IDENTITY)
        query = lower_query(request)
        if query is None:
            return self._error(400, "InvalidRequest", "A query parameter is given more than once.")
        refused = self._refused(query)
        if refused is not None:
            return refused
        return Asked(identity, query["resource"], {}, self._is_revoked(query, identity, machine))

    def _refused(self, query: Query) -> Response | None:
        version, resource = query.get("api-version", ""), query.get("resource", "")
        if version != VERSION:
            text = f"The api-version '{version}' is not supported. Supported version is '{VERSION}'."
            return self._error(400, "InvalidApiVersion", text)
        if not resource:
            return self._error(400, "ArgumentNullOrEmpty", "The parameter 'resource' should not be null or empty string.")
        selectors = sorted(SELECTORS & query.keys())
        if selectors:
            text = f"'{selectors[0]}' selects no identity here: the application's secret does"
            return self._error(400, "InvalidRequest", text)
        if not is_known_resource(resource, self._settings.extra_resources):
            return self._error(400, "InvalidResource", f"AADSTS500011: The resource principal named {resource} was not found.")
        return None

    def _is_revoked(self, query: Query, identity: Identity, machine: Machine) -> bool:
        """True when the client says, by its hash, that the token that the cache has was refused."""
        cached = self.cache.get((identity.object_id, machine.address, query["resource"]))
        named = query.get("token_sha256_to_refresh", "").lower()
        return cached is not None and hashlib.sha256(cached.token.encode()).hexdigest() == named

    def answer(self, request: Request, asked: Asked | Unclear, token: CachedToken, now_s: float) -> Response:
        fields = {
            "token_type": "Bearer",
            "access_token": token.token,
            "expires_on": str(int(token.expires_s)),
            "resource": asked.resource,
        }
        return Response(200, fields)

    def failed(self, request: Request, failure: Failure) -> Response:
        if failure.code == "not-found":
            return self._error(404, "ManagedIdentityNotFound", NO_IDENTITY)
        return self._error(STATUS[failure.code], "InternalServerError", failure.message)

    def says(self, request: Request, status: int) -> Response:
        code = "TooManyRequests" if status == 429 else "InternalServerError"
        return self._error(status, code, f"the token service answers {status}")

    def _error(self, status: int, code: str, message: str) -> Response:
        return Response(status, {"error": {"correlationId": self._node.ports.new_id(), "code": code, "message": message}})


def _identity_of_application(machine: Machine) -> Identity | None:
    """The one identity of the application: its own, else the first that was assigned to it."""
    own = next((identity for identity in machine.identities if identity.is_system), None)
    return own or next(iter(machine.identities), None)
