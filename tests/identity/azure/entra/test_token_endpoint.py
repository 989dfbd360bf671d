"""Entra's token endpoint: what it gives, and every refusal in Entra's own shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from brownout.identity.azure.entra.applications import Application, new_secret
from brownout.identity.azure.entra.assertions import thumbprints
from support.entra_requests import VAULT, Answered, ask, ask_with, certificate, encode
from support.simulated_azure import HOUR_S, SimulatedAzure, on_azure

UNKNOWN = "00000000-1111-2222-3333-444444444444"
Change = Callable[[SimulatedAzure], Answered]


def test_a_secret_gets_an_app_only_token_of_version_1() -> None:
    """The claims of an application's token, one by one (docs/reference/azure-wire.md#access-token-claims)."""
    answer, azure = on_azure(lambda azure: (ask(azure), azure))
    claims, identity = answer.claims, azure.application.identity
    issuer = f"https://sts.windows.net/{azure.tenant}/"
    assert (claims["aud"], claims["iss"], claims["idp"], claims["tid"]) == (VAULT, issuer, issuer, azure.tenant)
    assert (claims["appid"], claims["oid"], claims["sub"]) == (identity.client_id, identity.object_id, identity.object_id)
    assert (claims["appidacr"], claims["idtyp"], claims["ver"]) == ("1", "app", "1.0")
    assert claims["iat"] - claims["nbf"] == 300
    assert "xms_mirid" not in claims
    assert all(claims[opaque] for opaque in ("uti", "aio", "rh"))
    assert answer.body["token_type"] == "Bearer"
    assert answer.body["expires_in"] == answer.body["ext_expires_in"] == claims["exp"] - claims["iat"]


def test_applications_tokens_live_between_60_and_90_minutes_and_not_all_as_long() -> None:
    """Lifetimes are drawn for each token, the same ones for the same seed."""

    def lives(azure: SimulatedAzure) -> list[int]:
        return [ask(azure).body["expires_in"] for _ in range(20)]

    found = on_azure(lives)
    assert all(3599 <= life <= 5399 for life in found)
    assert len(set(found)) > 15
    assert on_azure(lives) == found


def test_version_1_of_the_endpoint_answers_in_texts_and_says_more() -> None:
    """`resource` instead of `scope`; all values are strings, with `expires_on`, `not_before` and `resource`."""
    answer = on_azure(lambda azure: ask(azure, v1=True, resource=f"{VAULT}/"))
    body = answer.body
    assert all(isinstance(value, str) for value in body.values())
    assert (body["resource"], answer.claims["aud"]) == (f"{VAULT}/", f"{VAULT}/")
    assert int(body["expires_on"]) == answer.claims["exp"]
    assert int(body["not_before"]) == answer.claims["nbf"]


def test_version_1_without_a_resource_means_the_old_graph() -> None:
    """A client of version 1 that names no resource gets a token that opens nothing else."""
    answer = on_azure(lambda azure: ask(azure, v1=True, resource=""))
    assert answer.claims["aud"] == "00000002-0000-0000-c000-000000000000"


def test_only_a_token_for_graph_names_the_roles_that_were_granted() -> None:
    """`roles` are permissions for Microsoft Graph, so no other resource is told."""

    def story(azure: SimulatedAzure) -> tuple[Any, Any]:
        return ask(azure, scope="https://graph.microsoft.com/.default").claims.get("roles"), ask(azure).claims.get("roles")

    assert on_azure(story) == (["Application.ReadWrite.All"], None)


def test_an_application_that_takes_version_2_gets_its_own_kind_of_token() -> None:
    """Issuer, version and the client's claims are those of version 2.0, and the audience is the resource's client id."""

    def story(azure: SimulatedAzure) -> tuple[dict[str, Any], SimulatedAzure]:
        api = Application.make("api", "sydney", azure.node("sydney.directory").ports.new_id, azure.now_s)
        azure.save_application(api.with_registration(signs_in=True, uris=("api://orders",), token_version=2))
        return ask(azure, scope="api://orders/.default").claims | {"wanted": api.client_id}, azure

    claims, azure = on_azure(story)
    assert claims["aud"] == claims["wanted"]
    assert claims["iss"] == f"https://login.microsoftonline.com/{azure.tenant}/v2.0"
    assert (claims["ver"], claims["azp"], claims["azpacr"]) == ("2.0", azure.application.client_id, "1")
    assert not {"appid", "appidacr", "idp"} & set(claims)


REFUSALS: dict[str, tuple[Change, int, str, int]] = {
    "grant missing": (lambda azure: ask(azure, grant_type=""), 900144, "invalid_request", 400),
    "grant unknown": (lambda azure: ask(azure, grant_type="password"), 70003, "unsupported_grant_type", 400),
    "client missing": (lambda azure: ask(azure, client_id=""), 900144, "invalid_request", 400),
    "client unknown": (lambda azure: ask(azure, client_id=UNKNOWN), 700016, "unauthorized_client", 400),
    "any tenant": (lambda azure: ask(azure, tenant="common"), 50194, "invalid_request", 400),
    "tenant unknown": (lambda azure: ask(azure, tenant=UNKNOWN), 90002, "invalid_request", 400),
    "nothing shown": (lambda azure: ask(azure, client_secret=""), 7000218, "invalid_client", 401),
    "secret wrong": (lambda azure: ask(azure, client_secret="nonsense"), 7000215, "invalid_client", 401),
    "scope missing": (lambda azure: ask(azure, scope=""), 900144, "invalid_request", 400),
    "scope of two": (lambda azure: ask(azure, scope=f"{VAULT}/.default x/.default"), 70011, "invalid_scope", 400),
    "scope of nothing": (lambda azure: ask(azure, scope="/.default"), 70011, "invalid_scope", 400),
    "scope of a user": (lambda azure: ask(azure, scope=f"{VAULT}/user_impersonation"), 1002012, "invalid_scope", 400),
    "resource unknown": (lambda azure: ask(azure, scope="https://no.such/.default"), 500011, "invalid_resource", 400),
    "resource unknown, v1": (lambda azure: ask(azure, v1=True, resource="https://no.such"), 50001, "invalid_resource", 400),
    "not a post": (lambda azure: ask(azure, method="PUT"), 900561, "invalid_request", 400),
    "machine's own identity": (
        lambda azure: ask(azure, client_id=azure.spec.identity("web-system").client_id),
        700016,
        "unauthorized_client",
        400,
    ),
    "identity with a secret": (
        lambda azure: ask(azure, client_id=azure.spec.identity("only-id").client_id),
        7000215,
        "invalid_client",
        401,
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_every_refusal_is_told_in_entras_shape(case: str) -> None:
    """Number, OAuth error and status of each, with everything that people are asked for when they report one."""
    change, code, error, status = REFUSALS[case]
    answer = on_azure(change)
    assert (answer.code, answer.error, answer.status) == (code, error, status)
    body = answer.body
    assert body["error_description"].startswith(f"AADSTS{code}: ")
    for name in ("trace_id", "correlation_id", "timestamp"):
        assert body[name] in body["error_description"]
    assert body["error_uri"] == f"https://login.microsoftonline.com/error?code={code}"


def test_a_parameter_that_comes_twice_is_refused() -> None:
    """A form with two client ids is nobody's."""

    def story(azure: SimulatedAzure) -> int:
        url = f"https://login.microsoftonline.com/{azure.tenant}/oauth2/v2.0/token"
        answer = azure.send(url, "POST", data=[("grant_type", "client_credentials"), ("client_id", "a"), ("client_id", "b")])
        return int(answer.json()["error_codes"][0])

    assert on_azure(story) == 9000411


def test_the_correlation_id_is_the_clients_own_where_it_has_one() -> None:
    """`client-request-id` comes back in the answer's header, and in the body of a refusal."""

    def story(azure: SimulatedAzure) -> tuple[str, str]:
        url = f"https://login.microsoftonline.com/{azure.tenant}/oauth2/v2.0/token"
        answer = azure.send(url, "POST", headers={"client-request-id": UNKNOWN}, data={})
        return answer.headers["client-request-id"], answer.json()["correlation_id"]

    assert on_azure(story) == (UNKNOWN, UNKNOWN)


def test_a_secret_is_good_until_its_end_and_a_newer_one_goes_on() -> None:
    """An expired secret is 7000222, no wrong one; a second secret works beside it."""

    def story(azure: SimulatedAzure) -> list[int]:
        known = azure.application
        old, old_text = new_secret("k1", "old", "a" * 40, azure.now_s, azure.now_s + 2 * HOUR_S)
        new, new_text = new_secret("k2", "new", "b" * 40, azure.now_s, azure.now_s + 48 * HOUR_S)
        azure.save_application(known.with_registration(secrets=(old, new)))
        before = ask(azure, client_secret=old_text).code
        azure.sleep(3 * HOUR_S)
        return [before, ask(azure, client_secret=old_text).code, ask(azure, client_secret=new_text).code]

    assert on_azure(story) == [0, 7000222, 0]


def test_no_region_is_sent_a_secret() -> None:
    """What the directory publishes has salted verifiers only, and not a secret's text."""

    def story(azure: SimulatedAzure) -> tuple[str, str]:
        node: Any = azure.node("melbourne.token.z1")
        return str(node.replica.snapshot.to_json()), azure.secret

    published, secret = on_azure(story)
    assert len(secret) >= 34
    assert secret not in published
    assert "verifier" in published


def test_an_application_without_a_service_principal_is_refused() -> None:
    """A registration alone signs nobody in."""

    def story(azure: SimulatedAzure) -> int:
        azure.save_application(azure.application.with_registration(signs_in=False))
        return ask(azure).code

    assert on_azure(story) == 7000229


def test_a_deleted_application_is_unknown_once_its_region_knows() -> None:
    """Until then it gets tokens: a region asks nobody."""

    def story(azure: SimulatedAzure) -> list[int]:
        azure.delete(azure.application.identity.object_id)
        before = ask(azure).code
        azure.settle()
        return [before, ask(azure).code]

    assert on_azure(story) == [0, 700016]


def with_certificate(story: Callable[[SimulatedAzure], Any], ends_s: float = 32_503_680_000.0) -> Any:
    """Runs `story` on a stack whose application has a certificate."""

    def whole(azure: SimulatedAzure) -> Any:
        registered = replace(certificate().registered(), ends_s=ends_s)
        azure.save_application(azure.application.with_registration(certificates=(registered,)))
        return story(azure)

    return on_azure(whole)


def named(which: str) -> dict[str, Any]:
    x5t, sha256, kid = thumbprints(certificate().der)
    name, value = {"x5t": ("x5t", x5t), "x5t#S256": ("x5t#S256", sha256), "kid": ("kid", kid)}[which]
    return {"alg": "RS256", "typ": "JWT", name: value}


@pytest.mark.parametrize("which", ["x5t", "x5t#S256", "kid"])
def test_a_certificate_signs_for_its_application_by_each_of_its_names(which: str) -> None:
    """An assertion that the registered certificate signed gets a token that says so."""
    answer = with_certificate(lambda azure: ask_with(azure, certificate().assertion(azure, named(which))))
    assert answer.claims["appidacr"] == "2"


@pytest.mark.parametrize("audience", ["/oauth2/v2.0/token", "/oauth2/token", "/v2.0", "/", ""])
def test_an_assertion_may_name_the_endpoint_in_several_ways(audience: str) -> None:
    """Clients of different ages put different URLs of the tenant into `aud`."""

    def story(azure: SimulatedAzure) -> int:
        url = f"https://login.microsoftonline.com/{azure.tenant}{audience}"
        return ask_with(azure, certificate().assertion(azure, aud=url)).code

    assert with_certificate(story) == 0


ASSERTIONS: dict[str, tuple[Change, int, int]] = {
    "of another application": (
        lambda azure: ask_with(azure, certificate().assertion(azure, iss=UNKNOWN, sub=UNKNOWN)),
        700021,
        401,
    ),
    "for another endpoint": (lambda azure: ask_with(azure, certificate().assertion(azure, aud="https://a.b/c")), 700023, 401),
    "for what is no URL": (lambda azure: ask_with(azure, certificate().assertion(azure, aud="https://[x")), 700023, 401),
    "for another tenant": (
        lambda azure: ask_with(
            azure, certificate().assertion(azure, aud=f"https://login.microsoftonline.com/{UNKNOWN}/oauth2/v2.0/token")
        ),
        700023,
        401,
    ),
    "expired": (lambda azure: ask_with(azure, certificate().assertion(azure, exp=int(azure.now_s) - 301)), 700024, 401),
    "not begun": (lambda azure: ask_with(azure, certificate().assertion(azure, nbf=int(azure.now_s) + 301)), 700024, 401),
    "without an end": (lambda azure: ask_with(azure, certificate().assertion(azure, exp=None)), 50027, 400),
    "without a subject": (lambda azure: ask_with(azure, certificate().assertion(azure, sub=None)), 50027, 400),
    "no token": (lambda azure: ask_with(azure, "nonsense"), 50027, 400),
    "not decodable": (lambda azure: ask_with(azure, "a.b.c"), 50027, 400),
    "by an unknown certificate": (lambda azure: ask_with(azure, certificate("other").assertion(azure)), 700027, 401),
    "by another key": (lambda azure: ask_with(azure, certificate("other").assertion(azure, named("x5t"))), 700027, 401),
    "by no algorithm": (
        lambda azure: ask_with(azure, certificate().assertion(azure, named("x5t") | {"alg": "none"})),
        50027,
        400,
    ),
    "of no type": (lambda azure: ask_with(azure, certificate().assertion(azure), client_assertion_type=""), 900144, 400),
    "of another type": (lambda azure: ask_with(azure, certificate().assertion(azure), client_assertion_type="x"), 90014, 400),
}


@pytest.mark.parametrize("case", ASSERTIONS)
def test_every_bad_assertion_is_told_apart(case: str) -> None:
    """Each thing that can be wrong with a certificate's assertion has a number of its own."""
    change, code, status = ASSERTIONS[case]
    answer = with_certificate(change)
    assert (answer.code, answer.status) == (code, status)


def test_a_certificate_ends() -> None:
    """An assertion by a certificate that has ended is refused as one by an unknown one."""
    answer = with_certificate(lambda azure: ask_with(azure, certificate().assertion(azure)), ends_s=1.0)
    assert answer.code == 700027
    assert "expired" in answer.body["error_description"]


def test_a_changed_assertion_is_not_what_was_signed() -> None:
    """Other claims under a good signature are refused."""

    def story(azure: SimulatedAzure) -> int:
        head, _, signature = certificate().assertion(azure).split(".")
        client = azure.application.client_id
        url = f"https://login.microsoftonline.com/{azure.tenant}/oauth2/v2.0/token"
        claims = {"aud": url, "iss": client, "sub": client, "exp": int(azure.now_s) + 6000}
        return ask_with(azure, f"{head}.{encode(claims)}.{signature}").code

    assert with_certificate(story) == 700027


def test_a_region_alone_issues_applications_tokens() -> None:
    """With the directory and every store gone the endpoint goes on: it needs its replica and nothing else."""

    def story(azure: SimulatedAzure) -> int:
        from brownout.harness.effects import NodeEffect
        from brownout.harness.world import Carrier

        for name in ("sydney.directory", "sydney.store", "melbourne.store"):
            azure.world.run(azure.world.hold(Carrier("node", name), "gone", NodeEffect("down")))
        return ask(azure).code

    assert on_azure(story) == 0
