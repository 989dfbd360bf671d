"""A request to IMDS understood or refused: what every request must show, and which identity a token request means.

A selector is honoured or the request is refused. Otherwise a client that spells one in another endpoint's way would get a token
of another identity than it asked for, without a word.
Wire facts: docs/reference/azure-wire.md#imds-token-request, docs/reference/azure-wire.md#imds-errors.
"""

from __future__ import annotations

from collections.abc import Mapping

from brownout.identity.azure.entra.claims import is_known_resource
from brownout.identity.azure.hosts.endpoint import Asked, Query, Unclear, implied_identity, lower_query, selected
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.records import Identity
from brownout.identity.core.settings import Settings

# docs/reference/azure-wire.md#imds-api-versions
INSTANCE_VERSIONS = (
    *("2017-03-01", "2017-04-02", "2017-08-01", "2017-10-01", "2017-12-01", "2018-02-01", "2018-04-02", "2018-10-01"),
    *("2019-02-01", "2019-03-11", "2019-04-30", "2019-06-01", "2019-06-04", "2019-08-01", "2019-08-15", "2019-11-01"),
    *("2020-06-01", "2020-07-15", "2020-09-01", "2020-10-01", "2020-12-01", "2021-01-01", "2021-02-01", "2021-03-01"),
    *("2021-05-01", "2021-10-01", "2021-11-01", "2021-11-15", "2021-12-13", "2023-07-01", "2023-11-15", "2024-03-15"),
    *("2024-07-17", "2025-04-07"),
)
IDENTITY_VERSIONS = frozenset(version for version in INSTANCE_VERSIONS if version >= "2018-02-01")
# What each selector of IMDS compares with, and selectors of the other endpoints, which IMDS does not know.
SELECTORS = {"client_id": "client_id", "object_id": "object_id", "msi_res_id": "resource_id", "mi_res_id": "resource_id"}
FOREIGN_SELECTORS = frozenset({"principal_id", "resource_id", "clientid", "objectid", "principalid", "identity_id"})
PLAIN = {"api-version", "resource"}  # what a token request must have
NOT_FOUND = "Identity not found"
SEVERAL = (
    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"
)
SERVER = "IMDS/150.870.65.1015"
HEADERS: Mapping[str, str] = {"server": SERVER}


def refusal(status: int, code: str, description: str) -> Response:
    """An error in IMDS' shape (docs/reference/azure-wire.md#imds-errors)."""
    return Response(status, {"error": code, "error_description": description}, HEADERS)


def query_of(request: Request) -> Query | Response:
    """The query by names in lower case, or the refusal of what no page of IMDS takes.

    That is another verb than GET, a missing `Metadata` header, a forwarded request, a name that is given twice.
    """
    headers = request.headers
    if request.method != "GET":
        return refusal(405, "method_not_allowed", f"IMDS does not take {request.method} here")
    if headers.get("metadata", "").lower() != "true":
        return refusal(400, "bad_request_102", "Required metadata header not specified")
    if "x-forwarded-for" in headers:
        return refusal(400, "invalid_request", "The request must not be forwarded: it has an X-Forwarded-For header")
    given = request.query
    if given.keys() == PLAIN and not request.has_doubled_fields:  # nearly every request
        return given
    query = lower_query(request)
    return refusal(400, "invalid_request", "A query variable is given more than once") if query is None else query


def parse(request: Request, identities: tuple[Identity, ...], settings: Settings) -> Asked | Unclear | Response:
    """What a token request asks for, or the answer that refuses it."""
    query = query_of(request)
    if isinstance(query, Response):
        return query
    version, resource = query.get("api-version"), query.get("resource")
    if not version or not resource:
        missing = "resource" if version else "api-version"
        return refusal(400, "invalid_request", f"Required query variable '{missing}' is missing")
    if version not in IDENTITY_VERSIONS:
        return refusal(400, "invalid_request", f"The api-version '{version}' is not supported")
    if not is_known_resource(resource, settings.extra_resources):
        text = f"AADSTS50001: The application named {resource} was not found in the tenant"
        return refusal(400, "invalid_resource", text)
    if len(query) == len(PLAIN):
        identity = default_identity(identities, settings)
        return Unclear(identity, resource) if isinstance(identity, Response) else Asked(identity, resource, {})
    return _selected(query, resource, identities, settings)


def _selected(query: Query, resource: str, identities: tuple[Identity, ...], settings: Settings) -> Asked | Unclear | Response:
    """The identity that is meant (docs/reference/azure-wire.md#imds-identity-selection)."""
    foreign = sorted(FOREIGN_SELECTORS & query.keys())
    if foreign:
        return refusal(400, "invalid_request", f"'{foreign[0]}' selects no identity here; use one of {', '.join(SELECTORS)}")
    selectors = {name: query[name] for name in SELECTORS if name in query}
    if len(selectors) > 1:
        return refusal(400, "invalid_request", f"only one of {', '.join(selectors)} may be given")
    bypass = query.get("bypass_cache", "").lower() == "true"
    identity: Identity | Response = default_identity(identities, settings)
    for name, wanted in selectors.items():
        identity = selected(identities, SELECTORS[name], wanted) or refusal(400, "invalid_request", NOT_FOUND)
    if isinstance(identity, Response):
        return identity if selectors else Unclear(identity, resource, bypass)
    return Asked(identity, resource, selectors, bypass)


def default_identity(identities: tuple[Identity, ...], settings: Settings) -> Identity | Response:
    """No selector: the system-assigned identity, else the only user-assigned one, else an error."""
    identity = implied_identity(identities)
    if identity is not None:
        return identity
    if not identities or settings.ambiguous_text == "2020":
        return refusal(400, "invalid_request", NOT_FOUND)
    return refusal(400, "invalid_request", SEVERAL)
