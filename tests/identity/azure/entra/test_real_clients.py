"""msal and azure-identity, unmodified, at Entra's token endpoint."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientAssertionCredential, ClientSecretCredential, WorkloadIdentityCredential

from brownout.identity.azure.records import FederatedCredential
from brownout.identity.azure.service_accounts import cluster_issuer
from support.entra_requests import VAULT, certificate, claims_of
from support.simulated_azure import LOGIN, SimulatedAzure, on_azure

SCOPE = f"{VAULT}/.default"


def msal_app(azure: SimulatedAzure, credential: Any, host: str = LOGIN) -> Any:
    """A confidential client of the seeded application."""
    return msal.ConfidentialClientApplication(
        azure.application.client_id,
        client_credential=credential,
        authority=f"https://{host}/{azure.tenant}",
        http_client=azure.session(),
    )


def with_certificate(azure: SimulatedAzure) -> SimulatedAzure:
    azure.save_application(azure.application.with_registration(certificates=(certificate().registered(),)))
    return azure


def with_workload(azure: SimulatedAzure, subject: str = "system:serviceaccount:default:app") -> SimulatedAzure:
    trust = FederatedCredential("k8s", cluster_issuer(azure.spec, "sydney"), subject, ("api://AzureADTokenExchange",))
    azure.trust("only-id", trust)
    return azure


def test_msal_gets_a_token_for_a_secret_and_keeps_it() -> None:
    """Discovery and one request; the second time it is answered from msal's cache."""

    def story(azure: SimulatedAzure) -> list[Any]:
        app = msal_app(azure, azure.secret)
        results = [app.acquire_token_for_client([SCOPE]) for _ in range(2)]
        assert len(azure.requests) == 2
        return [results[0]["access_token"] == results[1]["access_token"], claims_of(results[0]["access_token"])["aud"]]

    assert on_azure(story) == [True, VAULT]


def test_msal_is_told_which_authorities_there_are() -> None:
    """For an authority with a region in front it asks instance discovery, and then gets its token there."""

    def story(azure: SimulatedAzure) -> list[str]:
        result = msal_app(azure, azure.secret, "australiaeast.login.microsoft.com").acquire_token_for_client([SCOPE])
        assert "access_token" in result, result
        return [request.path for request in azure.requests]

    assert on_azure(story)[0] == "/common/discovery/instance"


def test_msal_signs_with_a_certificate_by_either_thumbprint() -> None:
    """With a thumbprint msal signs RS256 and names SHA-1, without one PS256 and SHA-256: both are taken."""

    def story(azure: SimulatedAzure) -> list[str]:
        with_certificate(azure)
        pem = certificate().pem.decode()
        private, _, public = pem.partition("-----BEGIN CERTIFICATE-----")
        public = f"-----BEGIN CERTIFICATE-----{public}"
        old = {"private_key": private, "thumbprint": hashlib.sha1(certificate().der).hexdigest()}
        new = {"private_key": private, "public_certificate": public}
        results = [msal_app(azure, credential).acquire_token_for_client([SCOPE]) for credential in (old, new)]
        return [claims_of(result["access_token"])["appidacr"] for result in results]

    assert on_azure(story) == ["2", "2"]


def test_msal_passes_a_foreign_assertion_on() -> None:
    """An assertion from elsewhere, which msal sends as it is."""

    def story(azure: SimulatedAzure) -> Any:
        trust = FederatedCredential("k8s", cluster_issuer(azure.spec, "melbourne"), "job", ("api://AzureADTokenExchange",))
        known = azure.application
        azure.save_application(type(known)(known.identity, known.registration, (trust,)))
        token = azure.sign({"iss": trust.issuer, "sub": "job", "aud": trust.audiences[0], "exp": int(azure.now_s) + 600})
        return msal_app(azure, {"client_assertion": lambda: token}).acquire_token_for_client([SCOPE])

    assert "access_token" in on_azure(story)


def test_msal_hands_out_entras_error_as_it_is() -> None:
    """Error, number and correlation id reach the application."""
    result = on_azure(lambda azure: msal_app(azure, "nonsense").acquire_token_for_client([SCOPE]))
    assert (result["error"], result["error_codes"]) == ("invalid_client", [7000215])
    assert result["correlation_id"]


def test_a_tenant_that_is_not_there_fails_in_discovery() -> None:
    """msal asks for the tenant's document first, is answered AADSTS90002, and raises."""

    def story(azure: SimulatedAzure) -> str:
        with pytest.raises(ValueError, match="not-a-tenant"):
            msal.ConfidentialClientApplication(
                azure.application.client_id,
                client_credential=azure.secret,
                authority=f"https://{LOGIN}/not-a-tenant",
                http_client=azure.session(),
            ).acquire_token_for_client([SCOPE])
        return azure.answers[-1].payload.decode()

    assert "AADSTS90002" in on_azure(story)


def test_azure_identity_gets_tokens_by_secret_and_by_certificate(tmp_path: Path) -> None:
    """ClientSecretCredential and CertificateCredential need no option but who they are."""
    path = tmp_path / "app.pem"
    path.write_bytes(certificate().pem)

    def story(azure: SimulatedAzure) -> list[str]:
        with_certificate(azure)
        who = azure.tenant, azure.application.client_id
        found = (
            ClientSecretCredential(*who, azure.secret, transport=azure.transport()),
            CertificateCredential(*who, str(path), transport=azure.transport()),
        )
        return [claims_of(credential.get_token(SCOPE).token)["appidacr"] for credential in found]

    assert on_azure(story) == ["1", "2"]


def test_a_workload_identity_reads_its_file_and_gets_the_identitys_token(tmp_path: Path) -> None:
    """WorkloadIdentityCredential, which AKS configures, asks once and is refreshed at half of 24 hours."""
    path = tmp_path / "azure-identity-token"

    def story(azure: SimulatedAzure) -> list[Any]:
        with_workload(azure)
        path.write_text(azure.service_account_token())
        identity = azure.spec.identity("only-id")
        credential = WorkloadIdentityCredential(
            tenant_id=azure.tenant, client_id=identity.client_id, token_file_path=str(path), transport=azure.transport()
        )
        before = len(azure.requests)
        token = credential.get_token_info(SCOPE)
        assert token.refresh_on is not None
        sent = [request.method for request in azure.requests[before:]]
        return [claims_of(token.token)["oid"] == identity.object_id, token.refresh_on - int(azure.now_s), sent.count("POST")]

    assert on_azure(story) == [True, 43199, 1]


def test_a_workload_that_nobody_trusts_is_told_after_one_request(tmp_path: Path) -> None:
    """The golden case: an unknown subject is one POST, a 400 with AADSTS70021, and ClientAuthenticationError."""
    path = tmp_path / "azure-identity-token"

    def story(azure: SimulatedAzure) -> list[str]:
        with_workload(azure, "system:serviceaccount:default:other")
        path.write_text(azure.service_account_token())
        client_id = azure.spec.identity("only-id").client_id
        credential = WorkloadIdentityCredential(
            tenant_id=azure.tenant, client_id=client_id, token_file_path=str(path), transport=azure.transport()
        )
        with pytest.raises(ClientAuthenticationError, match="AADSTS70021"):
            credential.get_token(SCOPE)
        return [request.method for request in azure.requests if request.path.endswith("/token")]

    assert on_azure(story) == ["POST"]


def test_a_machines_identity_is_an_assertion_for_an_application() -> None:
    """ClientAssertionCredential with a function that signs in by other means."""

    def story(azure: SimulatedAzure) -> str:
        trust = FederatedCredential("k8s", cluster_issuer(azure.spec, "sydney"), "ci", ("api://AzureADTokenExchange",))
        known = azure.application
        azure.save_application(type(known)(known.identity, known.registration, (trust,)))
        claims = {"iss": trust.issuer, "sub": "ci", "aud": trust.audiences[0], "exp": int(azure.now_s) + 600}
        credential = ClientAssertionCredential(
            azure.tenant, known.client_id, lambda: azure.sign(claims), transport=azure.transport()
        )
        return str(claims_of(credential.get_token(SCOPE).token)["oid"])

    assert on_azure(story) == on_azure(lambda azure: azure.application.identity.object_id)
