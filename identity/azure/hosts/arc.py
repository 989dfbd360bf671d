"""The token endpoint of a machine with Azure Arc's agent, api-version 2020-06-01.

A request without a key is refused with a challenge that names a file, which only privileged programs on the machine can read.
The second request shows what is in it. Wire facts: docs/reference/azure-wire.md#arc.
"""

from __future__ import annotations

from brownout.identity.azure.entra.claims import is_known_resource
from brownout.identity.azure.hosts.endpoint import ARC, Asked, Query, Unclear, lower_query, selected
from brownout.identity.azure.hosts.imds import TOKEN_PATH, oauth_failed, token_fields
from brownout.identity.azure.hosts.request import NOT_FOUND, refusal
from brownout.identity.azure.machine_secrets import arc_key_file, endpoint_key, is_secret, secret_of_machine
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import CachedToken, Machine
from brownout.identity.core.surface import Failure

VERSIONS = ("2019-08-15", "2019-11-01", "2020-06-01", "2021-02-01")
SELECTORS = {"client_id": "client_id", "object_id": "object_id", "msi_res_id": "resource_id"}
FOREIGN_SELECTORS = frozenset({"mi_res_id", "principal_id", "resource_id", "clientid"})


class Arc:
    """The endpoint that IDENTITY_ENDPOINT points at beside IMDS_ENDPOINT."""

    kind, path, limits = ARC, f"arc/{TOKEN_PATH}", None

    def __init__(self, node: Host) -> None:
        self._key, self._settings = endpoint_key(node.stack.control_token, ARC), node.settings
        self.cache = node.add_cache(ARC)

    def read(self, request: Request, machine: Machine) -> Asked | Response:
        if request.method != "GET":
            return refusal(405, "method_not_allowed", f"The agent does not take {request.method}")
        if request.headers.get("metadata", "").lower() != "true":
            return refusal(400, "bad_request_102", "Required metadata header not specified")
        query = lower_query(request)
        if query is None:
            return refusal(400, "invalid_request", "A query variable is given more than once")
        refused = self._refused(query) or self._challenge(request, machine)
        return refused if refused is not None else _identity(query, machine)

    def _refused(self, query: Query) -> Response | None:
        version, resource = query.get("api-version", ""), query.get("resource", "")
        if version not in VERSIONS:
            return refusal(400, "invalid_request", f"The api-version '{version}' is not supported")
        if not resource:
            return refusal(400, "invalid_request", "Required query variable 'resource' is missing")
        if not is_known_resource(resource, self._settings.extra_resources):
            text = f"AADSTS50001: The application named {resource} was not found in the tenant"
            return refusal(400, "invalid_resource", text)
        return None

    def _challenge(self, request: Request, machine: Machine) -> Response | None:
        """The refusal of a request that does not show the key in the machine's file."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic" and is_secret(given.strip(), secret_of_machine(self._key, machine.address)):
            return None
        text = "the key in the file that the challenge names is needed"
        realm = f"Basic realm={arc_key_file(self._key, machine.address)}"
        return refusal(401, "unauthorized", text).with_headers({"www-authenticate": realm})

    def answer(self, request: Request, asked: Asked | Unclear, token: CachedToken, now_s: float) -> Response:
        return Response(200, token_fields(asked, token, now_s))

    def failed(self, request: Request, failure: Failure) -> Response:
        return oauth_failed(failure)

    def says(self, request: Request, status: int) -> Response:
        return refusal(status, "unknown", f"the agent answers {status}")


def _identity(query: Query, machine: Machine) -> Asked | Response:
    """The identity selected, which the answer echoes, else the machine's own."""
    foreign = sorted(FOREIGN_SELECTORS & query.keys())
    given = {name: query[name] for name in SELECTORS if name in query}
    if foreign or len(given) > 1:
        names = ", ".join(foreign or given)
        return refusal(400, "invalid_request", f"{names} select no identity; use one of {', '.join(SELECTORS)}")
    if given:
        ((name, wanted),) = given.items()
        identity = selected(machine.identities, SELECTORS[name], wanted)
    else:
        identity = next((known for known in machine.identities if known.is_system), None)
    if identity is None:
        return refusal(400, "invalid_request", NOT_FOUND)
    return Asked(identity, query["resource"], given)
