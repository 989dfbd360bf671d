"""Entra's errors: a number of its own (AADSTS...), an OAuth error, a status, and words that say what to look at.

Wire facts: docs/reference/azure-wire.md#entra-errors. Clients branch on `error` and on the number, people read the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Node

OAuthError = Literal[
    "invalid_request",
    "invalid_client",
    "invalid_scope",
    "invalid_resource",
    "invalid_instance",
    "invalid_tenant",
    "unauthorized_client",
    "unsupported_grant_type",
    "temporarily_unavailable",
]


MatchedPart = Literal["issuer", "audience", "subject"]  # of a federated credential


class EntraError(Exception):
    """A refusal. `code` is the number behind AADSTS, `text` what follows it."""

    def __init__(self, code: int, error: OAuthError, text: str, status: int = 400) -> None:
        super().__init__(code, error, text, status)
        self.code, self.error, self.text, self.status = code, error, text, status

    def __str__(self) -> str:
        return f"AADSTS{self.code}: {self.text}"


def refusal(refused: EntraError, node: Node, request: Request) -> Response:
    """The answer that tells a client of a refusal, with ids to find it again by."""
    trace_id = node.ports.new_id()
    correlation_id = request.headers.get("client-request-id") or node.ports.new_id()
    timestamp = f"{datetime.fromtimestamp(node.ports.now(), UTC):%Y-%m-%d %H:%M:%SZ}"
    ids = f"Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}"
    content = {
        "error": refused.error,
        "error_description": f"{refused} {ids}",
        "error_codes": [refused.code],
        "timestamp": timestamp,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
        "error_uri": f"https://login.microsoftonline.com/error?code={refused.code}",
    }
    return Response(refused.status, content, told(trace_id, correlation_id))


def told(trace_id: str, correlation_id: str) -> Mapping[str, str]:
    """The headers of every answer of the token endpoint."""
    return {
        "cache-control": "no-store, no-cache",
        "pragma": "no-cache",
        "x-ms-request-id": trace_id,
        "client-request-id": correlation_id,
    }


def not_ready() -> EntraError:
    text = "The server is temporarily too busy to handle the request. Please try again later."
    return EntraError(90033, "temporarily_unavailable", text, 503)


def busy(status: int) -> EntraError:
    """A node that has more to do than it can: throttled with 429, else not available."""
    if status != 429:
        return not_ready()
    return EntraError(90055, "temporarily_unavailable", "There are too many incoming requests. Please try again later.", 429)


def unknown_tenant(tenant: str) -> EntraError:
    text = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct"
    return EntraError(90002, "invalid_request", f"{text} cloud. There may be no active subscription for the tenant.")


def posts_only(method: str) -> EntraError:
    return EntraError(900561, "invalid_request", f"The endpoint only accepts POST requests. Received a {method} request.")


def missing(parameter: str) -> EntraError:
    return EntraError(900144, "invalid_request", f"The request body must contain the following parameter: '{parameter}'.")


def doubled(parameter: str) -> EntraError:
    text = f"The request is not properly formatted. The parameter '{parameter}' is duplicated."
    return EntraError(9000411, "invalid_request", text)


def unsupported_grant(grant: str) -> EntraError:
    return EntraError(70003, "unsupported_grant_type", f"The app requested an unsupported grant type '{grant}'.")


def needs_own_tenant(client_id: str) -> EntraError:
    text = f"Application '{client_id}' is not configured as a multi-tenant application."
    return EntraError(50194, "invalid_request", f"{text} Use a tenant-specific endpoint instead of the /common endpoint.")


def unknown_client(client_id: str, tenant: str) -> EntraError:
    text = f"Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen if the"
    more = "application has not been installed by the administrator of the tenant, or if the request went to the wrong tenant."
    return EntraError(700016, "unauthorized_client", f"{text} {more}")


def no_service_principal(client_id: str, tenant: str) -> EntraError:
    text = f"The client application {client_id} is missing service principal in the tenant {tenant}."
    return EntraError(7000229, "unauthorized_client", text)


def no_credential() -> EntraError:
    text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
    return EntraError(7000218, "invalid_client", text, 401)


def bad_secret(client_id: str) -> EntraError:
    text = "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value,"
    return EntraError(
        7000215, "invalid_client", f"{text} not the client secret ID, for a secret added to app '{client_id}'.", 401
    )


def expired_secret(client_id: str) -> EntraError:
    text = f"The provided client secret keys for app '{client_id}' are expired. Create new keys for your app, or consider using"
    return EntraError(7000222, "invalid_client", f"{text} certificate credentials for added security.", 401)


def bad_scope(scope: str) -> EntraError:
    text = "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope'"
    return EntraError(70011, "invalid_scope", f"{text} is not valid. The scope {scope} is not valid.")


def needs_default(scope: str) -> EntraError:
    text = f"The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default"
    return EntraError(1002012, "invalid_scope", f"{text} suffixed to the resource identifier (application ID URI).")


def unknown_resource(resource: str, tenant: str, *, v2: bool) -> EntraError:
    """What the two versions of the endpoint say of a resource that the tenant does not know."""
    text = f"The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the"
    more = "application has not been installed by the administrator of the tenant or consented to by any user in the tenant."
    return EntraError(500011 if v2 else 50001, "invalid_resource", f"{text} {more}")


def bad_assertion_type(given: str) -> EntraError:
    text = f"Invalid client assertion type '{given}': it has to be 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'."
    return EntraError(90014, "invalid_request", text)


def malformed_assertion(why: str) -> EntraError:
    return EntraError(50027, "invalid_request", f"JWT token is invalid or malformed: {why}.")


def wrong_client(given: str, client_id: str) -> EntraError:
    text = f"Client assertion application identifier doesn't match 'client_id' parameter: '{given}' is not '{client_id}'."
    return EntraError(700021, "invalid_client", text, 401)


def wrong_audience(given: str) -> EntraError:
    return EntraError(700023, "invalid_client", f"Client assertion audience claim does not match Realm issuer: '{given}'.", 401)


def out_of_time(now_s: float, starts_s: float, ends_s: float) -> EntraError:
    """An assertion that has expired or has not begun."""
    now, starts, ends = (_moment(at_s) for at_s in (now_s, starts_s, ends_s))
    text = f"Client assertion is not within its valid time range. Current time: {now}, assertion valid from {starts},"
    return EntraError(700024, "invalid_client", f"{text} expiry time of assertion {ends}.", 401)


def bad_certificate(client_id: str, thumbprint: str, reason: str) -> EntraError:
    text = f"The certificate with identifier used to sign the client assertion is not registered on application '{client_id}',"
    why = f"or did not sign it. [Reason - {reason}, Thumbprint of key used by client: '{thumbprint}']"
    return EntraError(700027, "invalid_client", f"{text} {why}", 401)


def bad_signature(why: str) -> EntraError:
    return EntraError(50013, "invalid_request", f"Assertion failed signature validation. [Reason - {why}]")


def unresolved_issuer(issuer: str) -> EntraError:
    return EntraError(
        50166, "invalid_request", f"Request to External OIDC endpoint failed: the keys of issuer '{issuer}' cannot be fetched."
    )


def no_federation(client_id: str) -> EntraError:
    text = f"The client '{client_id}' has no configured federated identity credentials."
    return EntraError(70025, "invalid_client", text, 401)


def no_match(issuer: str, subject: str, audience: str) -> EntraError:
    """In one sentence for all of them, as Entra said it until 2024."""
    what = f"Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'."
    text = f"No matching federated identity record found for presented assertion. {what}"
    return EntraError(70021, "invalid_request", text)


def no_match_of(part: MatchedPart, value: str) -> EntraError:
    """The same with the first part that differs, as Entra says it since 2024."""
    code = {"issuer": 700211, "audience": 700212, "subject": 700213}[part]
    text = f"No matching federated identity record found for presented assertion {part} '{value}'. Check your federated"
    return EntraError(
        code, "invalid_client", f"{text} identity credential Subject, Audience and Issuer against the presented assertion.", 401
    )


def _moment(at_s: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S.0000000Z}"
    except (OverflowError, ValueError, OSError):
        return str(at_s)
