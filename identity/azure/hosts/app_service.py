"""The token endpoint of App Service and Functions, in its versions 2019-08-01 and 2017-09-01.

A program has to show its machine's secret, which only the platform gives it: 2019-08-01 calls the header `X-IDENTITY-HEADER`,
2017-09-01 `secret`. Without a selector the machine's own identity is meant, and never a user-assigned one. The platform keeps
tokens itself, so an outage, and a change of rights too, reaches programs late.
Wire facts: docs/reference/azure-wire.md#app-service.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from brownout.identity.azure.entra.claims import STARTS_BEFORE_S, is_known_resource
from brownout.identity.azure.hosts.endpoint import APP_SERVICE, Asked, Unclear, lower_query, selected, status_of
from brownout.identity.azure.hosts.limits import TokenLimits
from brownout.identity.azure.machine_secrets import endpoint_key, is_secret, secret_of_machine
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import CachedToken, Machine
from brownout.identity.core.surface import Failure

V2019, V2017 = "2019-08-01", "2017-09-01"
SECRET_HEADERS: Mapping[str, str] = {V2019: "x-identity-header", V2017: "secret"}
# By version: selectors, and what of an identity each compares with.
SELECTORS: Mapping[str, Mapping[str, str]] = {
    V2019: {
        "client_id": "client_id",
        "principal_id": "object_id",
        "object_id": "object_id",
        "mi_res_id": "resource_id",
    },
    V2017: {"clientid": "client_id"},
}
FOREIGN_SELECTORS = frozenset({"client_id", "clientid", "object_id", "principal_id", "msi_res_id", "mi_res_id", "resource_id"})
NOT_ASSIGNED = "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
NO_SYSTEM = "Unable to load the proper Managed Identity."
UNEXPECTED = "An unexpected error occured while fetching the AAD Token."  # spelled as the service does


class AppService:
    """The endpoint that IDENTITY_ENDPOINT and, for its older version, MSI_ENDPOINT point at."""

    kind, path = APP_SERVICE, "msi/token"

    def __init__(self, node: Host) -> None:
        self._node, self._settings = node, node.settings
        self._key = endpoint_key(node.stack.control_token, APP_SERVICE)
        self.cache = node.add_cache(APP_SERVICE, keep_s=node.settings.app_service_cache_s)
        limits = TokenLimits(per_s=0, at_once=node.settings.app_service_requests_at_once)
        self.limits = limits if limits.are_set else None

    def read(self, request: Request, machine: Machine) -> Asked | Response:
        if request.method != "GET":
            return self._error(request, 405, f"The requested resource does not support http method '{request.method}'.")
        version, refused = _version_of(request), self._refused(request, machine)
        if refused is not None:
            return refused
        query = lower_query(request)
        if query is None:
            return self._error(request, 400, "A query parameter is given more than once.")
        if version not in SELECTORS:
            return self._error(request, 400, f"The api-version '{version}' is not supported.")
        resource = query.get("resource", "")
        if not resource:
            return self._error(request, 400, "The parameter 'resource' is missing.")
        if not is_known_resource(resource, self._settings.extra_resources):
            return self._error(request, 500, UNEXPECTED)  # no more than that is told of a resource that there is not
        return self._identity(request, query, resource, machine)

    def _refused(self, request: Request, machine: Machine) -> Response | None:
        """Why a request is not one of the machine's own programs: it does not show the secret."""
        header = SECRET_HEADERS.get(_version_of(request), SECRET_HEADERS[V2019])
        given, wanted = request.headers.get(header, ""), secret_of_machine(self._key, machine.address)
        if is_secret(given, wanted):
            return None
        what = "Invalid" if given else "Missing"
        return self._error(request, 401, f"{what} secret token header: {header}.")

    def _identity(self, request: Request, query: Mapping[str, str], resource: str, machine: Machine) -> Asked | Response:
        known = SELECTORS[_version_of(request)]
        foreign = sorted((FOREIGN_SELECTORS - known.keys()) & query.keys())
        given = {name: query[name] for name in known if name in query}
        if foreign or len(given) > 1:
            names = ", ".join(foreign or given)
            return self._error(request, 400, f"The parameters {names} select no identity; use one of {', '.join(known)}.")
        if not given:
            own = next((identity for identity in machine.identities if identity.is_system), None)
            return Asked(own, resource, {}) if own is not None else self._error(request, 400, NO_SYSTEM)
        ((name, wanted),) = given.items()
        identity = selected(machine.identities, known[name], wanted)
        return Asked(identity, resource, given) if identity is not None else self._error(request, 400, NOT_ASSIGNED)

    def answer(self, request: Request, asked: Asked | Unclear, token: CachedToken, now_s: float) -> Response:
        fields = {
            "access_token": token.token,
            "expires_on": str(int(token.expires_s)),
            "resource": asked.resource,
            "token_type": "Bearer",
        }
        if _version_of(request) == V2017:
            return Response(200, fields | {"expires_on": self._date(token.expires_s)}, self._headers())
        not_before = str(int(token.issued_s) - STARTS_BEFORE_S)
        return Response(200, fields | {"client_id": token.client_id, "not_before": not_before}, self._headers())

    def _date(self, at_s: float) -> str:
        """`expires_on` of version 2017-09-01: App Service wrote a date as text, by operating system."""
        form = self._settings.app_service_2017_expires_on
        if form == "epoch":
            return str(int(at_s))
        at = datetime.fromtimestamp(int(at_s), UTC)
        if form == "linux":
            return f"{at:%m/%d/%Y %H:%M:%S} +00:00"
        return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S %p} +00:00"

    def failed(self, request: Request, failure: Failure) -> Response:
        if failure.code == "not-found":
            return self._error(request, status_of(failure), NOT_ASSIGNED)
        return self._unavailable(request, status_of(failure))

    def says(self, request: Request, status: int) -> Response:
        if status == 429:
            return self._error(request, 429, "Too many requests are under way. Please try again later.")
        return self._unavailable(request, status) if status >= 500 else self._error(request, status, f"Status {status}.")

    def _unavailable(self, request: Request, status: int) -> Response:
        if _version_of(request) != V2017:
            return self._error(request, status, UNEXPECTED)
        return self._old_error(status, "service_unavailable" if status == 503 else "internal_error", "")

    def _error(self, request: Request, status: int, message: str) -> Response:
        if _version_of(request) == V2017:
            return self._old_error(status, "bad_request", message)
        headers = self._headers()
        return Response(
            status, {"statusCode": status, "message": message, "correlationId": headers["x-correlation-id"]}, headers
        )

    def _old_error(self, status: int, code: str, message: str) -> Response:
        headers = self._headers()
        body: dict[str, Any] = {
            "ExceptionMessage": message,
            "ErrorCode": code,
            "ServiceErrorCodes": None,
            "StatusCode": status,
            "Message": message or None,
            "CorrelationId": headers["x-correlation-id"],
        }
        return Response(status, body, headers)

    def _headers(self) -> dict[str, str]:
        return {"server": "Kestrel", "x-correlation-id": self._node.ports.new_id()}


def _version_of(request: Request) -> str:
    """The version that a request is made in, as it names it."""
    return next((value for name, value in request.query.items() if name.lower() == "api-version"), "")
