"""The errors of machines' token endpoints: IMDS, App Service, the VM extension, Cloud Shell, Service Fabric, Arc."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.identity.azure.hosts.app_service import NO_SYSTEM, NOT_ASSIGNED, UNEXPECTED, V2017
from brownout.identity.azure.hosts.probes import token_request
from brownout.identity.azure.hosts.request import NOT_FOUND, SEVERAL
from brownout.identity.core.messages import Request, Response
from support.azure_endpoints import ask_raw, secret_of
from support.azure_errors.rows import ErrorRow, ErrorStack

NOBODY = "00000000-1111-2222-3333-444444444444"
NOWHERE = {"resource": "https://nowhere.example"}
COLD = {"resource": "https://graph.microsoft.com"}  # what no other row has a token for, so that no cache hides an outage
NO_METADATA = {"metadata": ""}
AADSTS, METADATA, NO_TOKEN = (
    "AADSTS50001",
    "Required metadata header not specified",
    "failed to retrieve token from the directory",
)
FORM = b"resource=https%3A%2F%2Fvault.azure.net"
Provoke = Callable[[ErrorStack], Response]
LIMITED = Carrier("link", "sydney.host->sydney.token.z1")


def asking(kind: str, machine: str = "web-1", **changed: Any) -> Provoke:
    """A request to an endpoint that differs from a good one."""
    return lambda on: on.endpoint(kind, machine, **changed)


def raw(kind: str, query: str) -> Provoke:
    """A request whose query stands as it is on the wire."""
    return lambda on: on.run(ask_raw(on.stack, kind, query))


def forced(kind: str, status: int, body: Mapping[str, Any] | None = None) -> Provoke:
    """What the fault `imds-answer` has an endpoint say."""

    def provoke(on: ErrorStack) -> Response:
        where = {} if kind == "imds" else {"endpoint": kind}
        with on.thrown("sydney.host", "answer", status=status, body=body or {}, **where):
            return on.endpoint(kind)

    return provoke


def cut_off(kind: str, **changed: Any) -> Provoke:
    """While no token node is reached."""

    def provoke(on: ErrorStack) -> Response:
        with on.without_token_nodes():
            return on.endpoint(kind, "web-3", **changed)

    return provoke


def refused(kind: str, **changed: Any) -> Provoke:
    """While the metadata store refuses its clients' key."""

    def provoke(on: ErrorStack) -> Response:
        with on.without_store_key():
            return on.endpoint(kind, "web-3", **changed)

    return provoke


def twice_at_once(kind: str) -> Provoke:
    """Of two requests in one moment, on a slow link, the one that is too many."""

    def provoke(on: ErrorStack) -> Response:
        request = token_request(kind, secret_of(on.stack, kind), "web-1", resource=COLD["resource"])
        with on.held(LIMITED, LinkEffect("slow", latency_ms=300)):
            answers = on.together(("sydney.host", request), ("sydney.host", request))
        return max(answers, key=lambda answer: answer.status)

    return provoke


def page(path: str, **query: str) -> Provoke:
    """Another page of a machine's."""
    return lambda on: on.send("sydney.host", Request("GET", f"/web-1/{path}", query, {"metadata": "true"}))


def old_app(**changed: Any) -> Provoke:
    """App Service in its older version, on a machine that nobody else asks for."""

    def provoke(on: ErrorStack) -> Response:
        headers = {"x-identity-header": "", "secret": secret_of(on.stack, "app-service", "web-3")}
        with on.without_token_nodes():
            query = {"api-version": V2017, **changed.get("query", {})}
            return on.endpoint("app-service", "web-3", headers=headers, query=query)

    return provoke


def _oauth(code: str) -> Provoke:
    return forced("imds", 400, {"error": code, "error_description": "as the fault wants it"})


I = "IMDS errors"  # noqa: E741  # stands before each of its rows
IMDS_ROWS = (
    ErrorRow("imds selector of nobody", I, 400, "invalid_request", NOT_FOUND, asking("imds", query={"client_id": NOBODY})),
    ErrorRow("imds no identity", I, 400, "invalid_request", NOT_FOUND, asking("imds", "bare")),
    ErrorRow(
        "imds several in 2020",
        I,
        400,
        "invalid_request",
        NOT_FOUND,
        asking("imds", "several"),
        settings={"ambiguous_text": "2020"},
    ),
    ErrorRow("imds several", I, 400, "invalid_request", SEVERAL, asking("imds", "several")),
    ErrorRow("imds no resource", I, 400, "invalid_request", "'resource' is missing", asking("imds", query={"resource": ""})),
    ErrorRow("imds no version", I, 400, "invalid_request", "'api-version'", asking("imds", query={"api-version": ""})),
    ErrorRow(
        "imds bad version", I, 400, "invalid_request", "not supported", asking("imds", query={"api-version": "2017-12-01"})
    ),
    ErrorRow("imds foreign selector", I, 400, "invalid_request", "principal_id", asking("imds", query={"principal_id": "x"})),
    ErrorRow(
        "imds two selectors",
        I,
        400,
        "invalid_request",
        "only one of",
        asking("imds", query={"client_id": "a", "object_id": "b"}),
    ),
    ErrorRow(
        "imds doubled", I, 400, "invalid_request", "more than once", raw("imds", "api-version=2018-02-01&resource=a&resource=b")
    ),
    ErrorRow(
        "imds forwarded",
        I,
        400,
        "invalid_request",
        "must not be forwarded",
        asking("imds", headers={"x-forwarded-for": "10.0.0.1"}),
    ),
    ErrorRow("imds no metadata", I, 400, "bad_request_102", METADATA, asking("imds", headers=NO_METADATA)),
    ErrorRow("imds bad metadata", I, 400, "bad_request_102", METADATA, asking("imds", headers={"metadata": "yes"})),
    ErrorRow("imds bad resource", I, 400, "invalid_resource", AADSTS, asking("imds", query=NOWHERE)),
    ErrorRow(
        "imds instance without version",
        I,
        400,
        "",
        "Bad request. api-version was not specified in the request.",
        page("metadata/instance"),
    ),
    ErrorRow("imds unknown source", I, 401, "unknown_source", "Unknown Source /oauth2/authorize", page("oauth2/authorize")),
    ErrorRow("imds unauthorized client", I, 400, "unauthorized_client", "", _oauth("unauthorized_client")),
    ErrorRow("imds access denied", I, 400, "access_denied", "", _oauth("access_denied")),
    ErrorRow("imds response type", I, 400, "unsupported_response_type", "", _oauth("unsupported_response_type")),
    ErrorRow("imds scope", I, 400, "invalid_scope", "", _oauth("invalid_scope")),
    ErrorRow("imds certificate path", I, 404, "not_found", "issuecredential", page("metadata/identity/issuecredential")),
    ErrorRow("imds updating 404", I, 404, "unknown", "404", forced("imds", 404)),
    ErrorRow("imds updating 410", I, 410, "unknown", "410", forced("imds", 410)),
    ErrorRow("imds verb", I, 405, "method_not_allowed", "POST", asking("imds", method="POST")),
    ErrorRow(
        "imds throttled",
        I,
        429,
        "too_many_requests",
        "Too many requests",
        lambda on: [on.endpoint("imds") for _ in range(2)][-1],
        settings={"imds_requests_per_s": 1},
    ),
    ErrorRow(
        "imds too many at once",
        I,
        429,
        "too_many_requests",
        "Too many requests",
        twice_at_once("imds"),
        settings={"imds_requests_at_once": 1},
    ),
    ErrorRow("imds service fails", I, 500, "unknown", NO_TOKEN, refused("imds", query=COLD)),
    ErrorRow("imds service silent", I, 503, "unknown", "does not answer", cut_off("imds", query=COLD)),
)

P = "Pod identity errors"
POD = {"pod_identity": True}
NO_BINDING, ADAL = (
    "no AzureAssignedIdentity found for pod:",
    "adal: Refresh request failed. Status Code = '{}'. Response body: ",
)


def pod_refused(on: ErrorStack) -> Response:
    """A pod asks while the metadata store refuses its clients' key."""
    with on.without_store_key():
        return on.endpoint("imds", "single", query=COLD)


POD_ROWS = (
    ErrorRow("pod without an identity", P, 403, "", f"{NO_BINDING}default/web-1 in assigned", asking("imds"), settings=POD),
    ErrorRow(
        "pod of another client id", P, 403, "", NO_BINDING, asking("imds", "several", query={"client_id": NOBODY}), settings=POD
    ),
    ErrorRow(
        "pod bad resource",
        P,
        403,
        "",
        ADAL.format(400) + '{"error":"invalid_resource"',
        asking("imds", "single", query=NOWHERE),
        settings=POD,
    ),
    ErrorRow("pod service fails", P, 403, "", ADAL.format(500) + '{"error":"unknown"', pod_refused, settings=POD),
)

A = "App Service errors"
APP_ROWS = (
    ErrorRow("app selector of nobody", A, 400, "", NOT_ASSIGNED, asking("app-service", query={"client_id": NOBODY})),
    ErrorRow("app no own identity", A, 400, "", NO_SYSTEM, asking("app-service", "single")),
    ErrorRow("app no resource", A, 400, "", "'resource' is missing", asking("app-service", query={"resource": ""})),
    ErrorRow("app bad version", A, 400, "", "not supported", asking("app-service", query={"api-version": "2020-01-01"})),
    ErrorRow("app foreign selector", A, 400, "", "select no identity", asking("app-service", query={"msi_res_id": "x"})),
    ErrorRow("app doubled", A, 400, "", "more than once", raw("app-service", "api-version=2019-08-01&resource=a&resource=b")),
    ErrorRow(
        "app no secret", A, 401, "", "Missing secret token header", asking("app-service", headers={"x-identity-header": ""})
    ),
    ErrorRow(
        "app wrong secret", A, 401, "", "Invalid secret token header", asking("app-service", headers={"x-identity-header": "x"})
    ),
    ErrorRow("app verb", A, 405, "", "POST", asking("app-service", method="POST")),
    ErrorRow(
        "app too many at once",
        A,
        429,
        "",
        "Too many requests",
        twice_at_once("app-service"),
        settings={"app_service_requests_at_once": 1},
    ),
    ErrorRow("app bad resource", A, 500, "", UNEXPECTED, asking("app-service", query=NOWHERE)),
    ErrorRow("app service fails", A, 500, "", UNEXPECTED, refused("app-service", query=COLD)),
    ErrorRow("app service silent in 2017", A, 503, "service_unavailable", "", old_app(query=COLD)),
)

E = "VM extension errors"
EXTENSION_ROWS = (
    ErrorRow(
        "extension selector of nobody",
        E,
        400,
        "invalid_request",
        NOT_FOUND,
        asking("vm-extension", query={"client_id": NOBODY}),
    ),
    ErrorRow(
        "extension no resource",
        E,
        400,
        "invalid_request",
        "'resource' is missing",
        asking("vm-extension", query={"resource": ""}),
    ),
    ErrorRow("extension doubled", E, 400, "invalid_request", "more than once", raw("vm-extension", "resource=a&resource=b")),
    ErrorRow(
        "extension two selectors",
        E,
        400,
        "invalid_request",
        "only one of",
        asking("vm-extension", query={"client_id": "a", "object_id": "b"}),
    ),
    ErrorRow("extension no metadata", E, 400, "bad_request_102", METADATA, asking("vm-extension", headers=NO_METADATA)),
    ErrorRow("extension bad resource", E, 400, "invalid_resource", AADSTS, asking("vm-extension", query=NOWHERE)),
    ErrorRow(
        "extension other path",
        E,
        401,
        "unknown_source",
        "Unknown Source",
        asking("vm-extension", path="/web-1/oauth2/authorize"),
    ),
    ErrorRow("extension ended", E, 404, "not_found", "ended", asking("vm-extension"), settings={"builds": {"sydney": "2.0"}}),
    ErrorRow("extension verb", E, 405, "method_not_allowed", "PUT", asking("vm-extension", method="PUT")),
    ErrorRow("extension service fails", E, 500, "unknown", NO_TOKEN, refused("vm-extension", query=COLD)),
)

C = "Cloud Shell errors"
GRAPH_FORM = b"resource=https%3A%2F%2Fgraph.microsoft.com"
SHELL_ROWS = (
    ErrorRow("shell no metadata", C, 400, "BadRequest", METADATA, asking("cloud-shell", headers=NO_METADATA)),
    ErrorRow("shell no resource", C, 400, "BadRequest", "'resource'", asking("cloud-shell", form=b"")),
    ErrorRow("shell selector", C, 400, "BadRequest", "client_id", asking("cloud-shell", form=FORM + b"&client_id=x")),
    ErrorRow("shell unclear", C, 400, "BadRequest", NOT_FOUND, asking("cloud-shell", "several")),
    ErrorRow(
        "shell bad resource",
        C,
        400,
        "AudienceNotSupported",
        "nowhere.example",
        asking("cloud-shell", form=b"resource=https%3A%2F%2Fnowhere.example"),
    ),
    ErrorRow("shell verb", C, 405, "MethodNotAllowed", "GET", asking("cloud-shell", method="GET")),
    ErrorRow("shell service fails", C, 500, "InternalServerError", "", refused("cloud-shell", form=GRAPH_FORM)),
    ErrorRow("shell service silent", C, 503, "InternalServerError", "does not answer", cut_off("cloud-shell", form=GRAPH_FORM)),
)

S = "Service Fabric errors"
FABRIC_ROWS = (
    ErrorRow("fabric no secret", S, 400, "SecretHeaderNotFound", "Secret", asking("service-fabric", headers={"secret": ""})),
    ErrorRow("fabric wrong secret", S, 404, "ManagedIdentityNotFound", "", asking("service-fabric", headers={"secret": "x"})),
    ErrorRow("fabric no identity", S, 404, "ManagedIdentityNotFound", "", asking("service-fabric", "bare")),
    ErrorRow("fabric no resource", S, 400, "ArgumentNullOrEmpty", "resource", asking("service-fabric", query={"resource": ""})),
    ErrorRow(
        "fabric bad version",
        S,
        400,
        "InvalidApiVersion",
        "2019-07-01-preview",
        asking("service-fabric", query={"api-version": "2018-02-01"}),
    ),
    ErrorRow("fabric selector", S, 400, "InvalidRequest", "client_id", asking("service-fabric", query={"client_id": "x"})),
    ErrorRow("fabric doubled", S, 400, "InvalidRequest", "more than once", raw("service-fabric", "resource=a&resource=b")),
    ErrorRow("fabric bad resource", S, 400, "InvalidResource", "AADSTS500011", asking("service-fabric", query=NOWHERE)),
    ErrorRow("fabric verb", S, 405, "MethodNotAllowed", "POST", asking("service-fabric", method="POST")),
    ErrorRow("fabric throttled", S, 429, "TooManyRequests", "", forced("service-fabric", 429)),
    ErrorRow("fabric service fails", S, 500, "InternalServerError", "", refused("service-fabric", query=COLD)),
    ErrorRow("fabric service silent", S, 503, "InternalServerError", "does not answer", cut_off("service-fabric", query=COLD)),
)

R = "Arc errors"
ARC_ROWS = (
    ErrorRow("arc no metadata", R, 400, "bad_request_102", METADATA, asking("arc", headers=NO_METADATA)),
    ErrorRow("arc selector of nobody", R, 400, "invalid_request", NOT_FOUND, asking("arc", query={"client_id": NOBODY})),
    ErrorRow("arc no own identity", R, 400, "invalid_request", NOT_FOUND, asking("arc", "single")),
    ErrorRow("arc bad version", R, 400, "invalid_request", "not supported", asking("arc", query={"api-version": "2018-02-01"})),
    ErrorRow("arc no resource", R, 400, "invalid_request", "'resource' is missing", asking("arc", query={"resource": ""})),
    ErrorRow("arc foreign selector", R, 400, "invalid_request", "resource_id", asking("arc", query={"resource_id": "x"})),
    ErrorRow("arc doubled", R, 400, "invalid_request", "more than once", raw("arc", "resource=a&resource=b")),
    ErrorRow("arc bad resource", R, 400, "invalid_resource", AADSTS, asking("arc", query=NOWHERE)),
    ErrorRow("arc no key", R, 401, "unauthorized", "challenge", asking("arc", headers={"authorization": ""})),
    ErrorRow("arc wrong key", R, 401, "unauthorized", "challenge", asking("arc", headers={"authorization": "Basic x"})),
    ErrorRow("arc verb", R, 405, "method_not_allowed", "POST", asking("arc", method="POST")),
    ErrorRow("arc service fails", R, 500, "unknown", NO_TOKEN, refused("arc", query=COLD)),
)

ROWS = (*IMDS_ROWS, *POD_ROWS, *APP_ROWS, *EXTENSION_ROWS, *SHELL_ROWS, *FABRIC_ROWS, *ARC_ROWS)
