"""The errors of Entra's token endpoint, of its discovery and of client assertions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from brownout.identity.azure.entra.applications import Application, new_secret
from brownout.identity.azure.records import FederatedCredential
from brownout.identity.azure.service_accounts import cluster_issuer
from brownout.identity.core.messages import Request, Response
from support.azure_errors.endpoints import NOBODY, Provoke
from support.azure_errors.rows import ErrorRow, ErrorStack
from support.entra_requests import VAULT, ask, ask_with, certificate
from support.simulated_azure import SimulatedAzure

T, X = "Entra errors", "Client assertions"
NEW_TEXT = {"federation_text": "2025"}


def asking(**changed: Any) -> Provoke:
    """The stack's application asks for a token, with fields changed."""
    return lambda on: on.entra(lambda azure: ask(azure, **changed))


def by_hand(path: str, payload: bytes = b"", method: str = "GET", **query: str) -> Provoke:
    lines = ((b"content-type", b"application/x-www-form-urlencoded"),)

    def provoke(on: ErrorStack) -> Response:
        target = path.replace("TENANT", on.world.spec.tenant_id) + "".join(f"?{name}={value}" for name, value in query.items())
        return on.send("sydney.token.z1", Request.raw(method, target, lines, payload))

    return provoke


def closed(on: ErrorStack) -> Response:
    """While a node admits nobody."""
    with on.thrown("sydney.token.z1", "admit", closed_s=3600.0):
        return by_hand("/TENANT/oauth2/v2.0/token", method="POST")(on)


def other_application(azure: SimulatedAzure) -> Application:
    """One that the stack did not come up with."""
    return Application.make("other", "sydney", azure.node("sydney.directory").ports.new_id, azure.now_s)


def not_signed_in(on: ErrorStack) -> Response:
    """An application that is registered and has no service principal."""
    made = other_application(on.azure)
    on.azure.save_application(made.with_registration(signs_in=False))
    return on.entra(lambda azure: ask(azure, client_id=made.client_id))


def expired_secret(on: ErrorStack) -> Response:
    azure, made = on.azure, other_application(on.azure)
    secret, text = new_secret("k1", "old", "a" * 40, azure.now_s, azure.now_s + 1)
    azure.save_application(made.with_registration(signs_in=True, secrets=(secret,)))
    return on.entra(lambda azure: ask(azure, client_id=made.client_id, client_secret=text))


def asserting(make: Callable[[SimulatedAzure], str], **fields: str) -> Provoke:
    """The stack's application, which gets a certificate for that, shows an assertion."""

    def provoke(on: ErrorStack) -> Response:
        known = on.azure.application
        on.azure.save_application(known.with_registration(certificates=(certificate().registered(),)))
        return on.entra(lambda azure: ask_with(azure, make(azure), **fields))

    return provoke


def workload(make: Callable[[SimulatedAzure], str], **changed: Any) -> Provoke:
    """A workload shows a token as `only-id`, which trusts a service account of Sydney's cluster but for changes."""

    def provoke(on: ErrorStack) -> Response:
        azure, audiences = on.azure, ("api://AzureADTokenExchange",)
        trusted = FederatedCredential(
            "k8s", cluster_issuer(azure.spec, "sydney"), "system:serviceaccount:default:app", audiences
        )
        azure.trust("only-id", *(() if changed.get("none") else (replace(trusted, **changed),)))
        return on.entra(lambda azure: ask_with(azure, make(azure), client_id=azure.spec.identity("only-id").client_id))

    return provoke


def good(azure: SimulatedAzure) -> str:
    return azure.service_account_token()


def of_another_issuer(azure: SimulatedAzure) -> str:
    return azure.service_account_token(iss=ELSEWHERE)


def unsigned(azure: SimulatedAzure) -> str:
    """A good token's claims under the signature of another one's."""
    head, claims, _ = azure.service_account_token().split(".")
    return f"{head}.{claims}.{azure.service_account_token('default/other').rpartition('.')[2]}"


def timed(**offsets: int) -> Callable[[SimulatedAzure], str]:
    return lambda azure: certificate().assertion(azure, **{name: int(azure.now_s) + off for name, off in offsets.items()})


ELSEWHERE = "https://token.actions.githubusercontent.com"
DOUBLED = b"grant_type=client_credentials&client_id=a&client_id=b"
ENTRA_ROWS = (
    ErrorRow("entra no grant", T, 400, "900144 invalid_request", "'grant_type'", asking(grant_type="")),
    ErrorRow("entra no client", T, 400, "900144 invalid_request", "'client_id'", asking(client_id="")),
    ErrorRow(
        "entra doubled",
        T,
        400,
        "9000411 invalid_request",
        "'client_id' is duplicated",
        by_hand("/TENANT/oauth2/v2.0/token", DOUBLED, "POST"),
    ),
    ErrorRow("entra verb", T, 400, "900561 invalid_request", "only accepts POST", asking(method="PUT")),
    ErrorRow("entra unknown tenant", T, 400, "90002 invalid_request", "not found", asking(tenant=NOBODY)),
    ErrorRow(
        "entra discovery of unknown tenant",
        T,
        400,
        "90002 invalid_request",
        "not found",
        by_hand(f"/{NOBODY}/v2.0/.well-known/openid-configuration"),
    ),
    ErrorRow("entra any tenant", T, 400, "50194 invalid_request", "multi-tenant", asking(tenant="common")),
    ErrorRow("entra other grant", T, 400, "70003 unsupported_grant_type", "'password'", asking(grant_type="password")),
    ErrorRow("entra unknown client", T, 400, "700016 unauthorized_client", NOBODY, asking(client_id=NOBODY)),
    ErrorRow("entra no service principal", T, 400, "7000229 unauthorized_client", "missing service principal", not_signed_in),
    ErrorRow("entra nothing shown", T, 401, "7000218 invalid_client", "client_secret", asking(client_secret="")),
    ErrorRow("entra wrong secret", T, 401, "7000215 invalid_client", "Invalid client secret", asking(client_secret="x")),
    ErrorRow("entra expired secret", T, 401, "7000222 invalid_client", "expired", expired_secret),
    ErrorRow("entra two scopes", T, 400, "70011 invalid_scope", "not valid", asking(scope=f"{VAULT}/.default x/.default")),
    ErrorRow(
        "entra scope of a user", T, 400, "1002012 invalid_scope", "/.default", asking(scope=f"{VAULT}/user_impersonation")
    ),
    ErrorRow("entra bad resource", T, 400, "500011 invalid_resource", "no.such", asking(scope="https://no.such/.default")),
    ErrorRow("entra bad resource v1", T, 400, "50001 invalid_resource", "no.such", asking(v1=True, resource="https://no.such")),
    ErrorRow(
        "entra unknown instance",
        T,
        400,
        "50049 invalid_instance",
        "instance",
        by_hand("/common/discovery/instance", authorization_endpoint="https://evil.example/x"),
    ),
    ErrorRow("entra busy", T, 503, "90033 temporarily_unavailable", "too busy", closed),
    ErrorRow(
        "entra throttled",
        T,
        429,
        "90055 temporarily_unavailable",
        "too many incoming requests",
        closed,
        settings={"capacity": {"token": {"status": 429}}},
    ),
)
ASSERTION_ROWS = (
    ErrorRow("assertion no token", X, 400, "50027 invalid_request", "malformed", asserting(lambda _: "nonsense")),
    ErrorRow(
        "assertion without end",
        X,
        400,
        "50027 invalid_request",
        "'exp'",
        asserting(lambda azure: certificate().assertion(azure, exp=None)),
    ),
    ErrorRow(
        "assertion of another type",
        X,
        400,
        "90014 invalid_request",
        "assertion type",
        asserting(lambda azure: certificate().assertion(azure), client_assertion_type="x"),
    ),
    ErrorRow(
        "assertion of another client",
        X,
        401,
        "700021 invalid_client",
        NOBODY,
        asserting(lambda azure: certificate().assertion(azure, iss=NOBODY, sub=NOBODY)),
    ),
    ErrorRow(
        "assertion for another endpoint",
        X,
        401,
        "700023 invalid_client",
        "https://a.b/c",
        asserting(lambda azure: certificate().assertion(azure, aud="https://a.b/c")),
    ),
    ErrorRow("assertion expired", X, 401, "700024 invalid_client", "valid time range", asserting(timed(exp=-301))),
    ErrorRow("assertion not begun", X, 401, "700024 invalid_client", "valid time range", asserting(timed(nbf=301))),
    ErrorRow(
        "assertion by an unknown certificate",
        X,
        401,
        "700027 invalid_client",
        "not registered",
        asserting(lambda azure: certificate("other").assertion(azure)),
    ),
    ErrorRow("federated no match", X, 400, "70021 invalid_request", "No matching federated", workload(good, subject="x")),
    ErrorRow(
        "federated issuer", X, 401, "700211 invalid_client", "issuer", workload(good, issuer=ELSEWHERE), settings=NEW_TEXT
    ),
    ErrorRow(
        "federated audience", X, 401, "700212 invalid_client", "audience", workload(good, audiences=("x",)), settings=NEW_TEXT
    ),
    ErrorRow("federated subject", X, 401, "700213 invalid_client", "subject", workload(good, subject="x"), settings=NEW_TEXT),
    ErrorRow("federated none", X, 401, "70025 invalid_client", "no configured", workload(good, none=True), settings=NEW_TEXT),
    ErrorRow(
        "federated foreign issuer", X, 400, "50166 invalid_request", ELSEWHERE, workload(of_another_issuer, issuer=ELSEWHERE)
    ),
    ErrorRow("federated unsigned", X, 400, "50013 invalid_request", "signature", workload(unsigned)),
)
ROWS = (*ENTRA_ROWS, *ASSERTION_ROWS)
