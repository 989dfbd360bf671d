"""Federated credentials: whose tokens are taken for a client, and what is said when they are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brownout.identity.azure.records import FederatedCredential
from brownout.identity.azure.service_accounts import cluster_issuer
from support.entra_requests import Answered, ask_with
from support.simulated_azure import IMDS, SimulatedAzure, on_azure

AUDIENCE = "api://AzureADTokenExchange"
SUBJECT = "system:serviceaccount:default:app"


def cluster(azure: SimulatedAzure, **changed: Any) -> FederatedCredential:
    """The trust in a service account of Sydney's cluster."""
    return replace(FederatedCredential("k8s", cluster_issuer(azure.spec, "sydney"), SUBJECT, (AUDIENCE,)), **changed)


def exchange(azure: SimulatedAzure, assertion: str) -> Answered:
    """A workload's request as the identity `only-id`."""
    return ask_with(azure, assertion, client_id=azure.spec.identity("only-id").client_id)


def trusting(azure: SimulatedAzure, *credentials: FederatedCredential) -> SimulatedAzure:
    azure.trust("only-id", *credentials)
    return azure


def test_a_workload_gets_the_identitys_token_for_24_hours() -> None:
    """A cluster's token is exchanged for one that names the identity and says when to ask again."""

    def story(azure: SimulatedAzure) -> tuple[Answered, Any]:
        trusting(azure, cluster(azure))
        return exchange(azure, azure.service_account_token()), azure.spec.identity("only-id")

    answer, identity = on_azure(story)
    assert (answer.body["expires_in"], answer.body["refresh_in"]) == (86399, 43199)
    claims = answer.claims
    assert (claims["oid"], claims["xms_mirid"], claims["appidacr"]) == (identity.object_id, identity.resource_id, "2")


def test_a_workload_needs_no_metadata_store() -> None:
    """The exchange goes on where managed identities stop: with its region's store away."""

    def story(azure: SimulatedAzure) -> int:
        from brownout.harness.effects import NodeEffect
        from brownout.harness.world import Carrier

        trusting(azure, cluster(azure))
        azure.world.run(azure.world.hold(Carrier("node", "sydney.store"), "gone", NodeEffect("down")))
        return exchange(azure, azure.service_account_token()).code

    assert on_azure(story) == 0


DIFFERENCES: dict[str, tuple[dict[str, Any], int]] = {
    "issuer": ({"issuer": "https://token.actions.githubusercontent.com"}, 700211),
    "issuer by a slash": ({"issuer": "/"}, 700211),
    "audience": ({"audiences": ("api://Other",)}, 700212),
    "subject": ({"subject": "system:serviceaccount:default:other"}, 700213),
    "subject by its case": ({"subject": SUBJECT.upper()}, 700213),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_a_token_that_matches_no_credential_is_refused(case: str) -> None:
    """Until 2024 in one sentence with number 70021, then with the first part that differs. Letters' case counts."""
    changed, code = DIFFERENCES[case]

    def story(azure: SimulatedAzure) -> Answered:
        credential = cluster(azure)
        told = {**changed, "issuer": credential.issuer.rstrip("/")} if changed.get("issuer") == "/" else changed
        return exchange(trusting(azure, replace(credential, **told)), azure.service_account_token())

    old, new = on_azure(story), on_azure(story, federation_text="2025")
    assert (old.code, old.error, old.status) == (70021, "invalid_request", 400)
    assert f"Assertion Subject: '{SUBJECT}'" in old.body["error_description"]
    assert (new.code, new.error, new.status) == (code, "invalid_client", 401)


def test_the_credential_that_comes_nearest_says_what_is_wrong() -> None:
    """Of two credentials one fits but for the subject, so that is what the client is told."""

    def story(azure: SimulatedAzure) -> int:
        other = cluster(azure, issuer="https://other.example", subject=SUBJECT)
        trusting(azure, other, cluster(azure, name="b", subject="system:serviceaccount:x:y"))
        return exchange(azure, azure.service_account_token()).code

    assert on_azure(story, federation_text="2025") == 700213


@pytest.mark.parametrize(("text", "code"), [("2022", 70021), ("2025", 70025)])
def test_a_client_without_credentials_trusts_nobody(text: str, code: int) -> None:
    """No federated credential at all has a number of its own since 2024."""
    assert on_azure(lambda azure: exchange(azure, azure.service_account_token()).code, federation_text=text) == code


def test_an_issuer_that_is_not_the_stacks_cannot_be_resolved() -> None:
    """Nothing is fetched from outside: a credential for another issuer is kept, and its tokens are refused."""
    issuer = "https://token.actions.githubusercontent.com"

    def story(azure: SimulatedAzure) -> Answered:
        trusting(azure, cluster(azure, issuer=issuer))
        return exchange(azure, azure.service_account_token(iss=issuer))

    answer = on_azure(story)
    assert answer.code == 50166
    assert issuer in answer.body["error_description"]


def test_a_token_that_its_issuer_did_not_sign_is_refused() -> None:
    """Words of an issuer without its signature are worth nothing."""

    def story(azure: SimulatedAzure) -> int:
        trusting(azure, cluster(azure))
        head, _, signature = azure.service_account_token("default/other").split(".")
        return exchange(azure, ".".join((head, azure.service_account_token().split(".")[1], signature))).code

    assert on_azure(story) == 50013


@pytest.mark.parametrize(("age_s", "code"), [(0, 0), (3600 + 299, 0), (3600 + 301, 700024)])
def test_a_service_accounts_token_ends(age_s: float, code: int) -> None:
    """An hour and the five minutes of skew, and no longer."""

    def story(azure: SimulatedAzure) -> int:
        trusting(azure, cluster(azure))
        token = azure.service_account_token()
        azure.sleep(age_s)
        return exchange(azure, token).code

    assert on_azure(story) == code


def test_a_managed_identity_stands_for_an_application() -> None:
    """The tenant's own issuer, by its name of version 2: the token that a machine got is exchanged for the application's."""

    def story(azure: SimulatedAzure) -> Answered:
        url = f"http://{IMDS}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={AUDIENCE}"
        token = azure.send(url, headers={"Metadata": "true"}).json()["access_token"]
        issuer = f"https://login.microsoftonline.com/{azure.tenant}/v2.0"
        trust = FederatedCredential("mi", issuer, azure.spec.identity("web-system").object_id, (AUDIENCE,))
        azure.save_application(replace(azure.application, federated=(trust,)))
        return ask_with(azure, token)

    answer = on_azure(story)
    assert answer.code == 0
    assert answer.claims["appid"] == on_azure(lambda azure: azure.application.client_id)


def test_a_deleted_identity_is_exchanged_for_no_more() -> None:
    """Once its region knows of the deletion, the identity is an unknown client."""

    def story(azure: SimulatedAzure) -> list[int]:
        trusting(azure, cluster(azure))
        azure.delete(azure.spec.identity("only-id").object_id)
        before = exchange(azure, azure.service_account_token()).code
        azure.settle()
        return [before, exchange(azure, azure.service_account_token()).code]

    assert on_azure(story) == [0, 700016]
