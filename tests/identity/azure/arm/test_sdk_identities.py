"""azure-mgmt-msi, unmodified, lives with user-assigned identities and federated credentials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.msi import ManagedServiceIdentityClient

from brownout.identity.core.messages import Response
from support.identity_stacks import body, error_code
from support.simulated_arm import SimulatedArm, simulated_arm

GROUP = "load"
HERE = {"location": "australiaeast"}
TRUST = {
    "issuer": "https://oidc.example",
    "subject": "system:serviceaccount:ns:sa",
    "audiences": ["api://AzureADTokenExchange"],
}


@pytest.fixture
def azure() -> Iterator[SimulatedArm]:
    with simulated_arm() as made:
        yield made


def msi(azure: SimulatedArm, **more: Any) -> Any:
    return azure.client(ManagedServiceIdentityClient, **more)


def trust(**changed: Any) -> dict[str, Any]:
    return {"properties": TRUST | changed}


def test_an_identity_lives_its_life(azure: SimulatedArm) -> None:
    """Create, read, tag, list by group and subscription, delete twice; the resource has who made it and when."""
    identities = msi(azure).user_assigned_identities
    made = identities.create_or_update(
        GROUP, "fresh", HERE | {"tags": {"a": "b"}, "properties": {"isolationScope": "Regional"}}
    )
    assert (made.name, made.isolation_scope, made.system_data.created_by) == ("fresh", "Regional", "operator")
    azure.sleep(5)
    tagged = identities.update(GROUP, "fresh", {"tags": {"a": "c"}})
    assert (tagged.tags, tagged.principal_id) == ({"a": "c"}, made.principal_id)
    assert tagged.system_data.created_at == made.system_data.created_at < tagged.system_data.last_modified_at
    assert "fresh" in [each.name for each in identities.list_by_resource_group(GROUP)]
    assert "fresh" in [each.name for each in identities.list_by_subscription()]
    identities.delete(GROUP, "fresh")
    identities.delete(GROUP, "fresh")
    with pytest.raises(ResourceNotFoundError) as gone:
        identities.get(GROUP, "fresh")
    assert gone.value.error.code == "ResourceNotFound"


def test_the_identity_of_a_machine_is_found_at_its_scope(azure: SimulatedArm) -> None:
    """`identities/default` of a machine is its system-assigned identity; a resource without one has none."""
    found = msi(azure).system_assigned_identities.get_by_scope(azure.stack.machine_path("web-1").lstrip("/"))
    known = azure.world.spec.identity("web-1-system")
    assert (found.principal_id, found.client_id) == (known.object_id, known.client_id)
    assert found.client_secret_url.endswith(f"aid={known.client_id}")
    with pytest.raises(ResourceNotFoundError):
        msi(azure).system_assigned_identities.get_by_scope(azure.stack.machine_path("single").lstrip("/"))


def test_operations_are_listed(azure: SimulatedArm) -> None:
    """The provider's operations have the action that assigning needs."""
    assert "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action" in [
        each.name for each in msi(azure).operations.list()
    ]


def test_a_federated_credential_lives_its_life(azure: SimulatedArm) -> None:
    """Create, read, change, list in pages, delete; it is with the identity in every region's replica."""
    credentials = msi(azure).federated_identity_credentials
    for number in range(5):
        credentials.create_or_update(GROUP, "only-id", f"cred-{number}", trust(subject=f"s-{number}"))
    changed = credentials.create_or_update(GROUP, "only-id", "CRED-0", trust(subject="other"))
    assert (changed.name, changed.subject, changed.audiences) == ("cred-0", "other", TRUST["audiences"])
    assert credentials.get(GROUP, "only-id", "cred-0").issuer == TRUST["issuer"]
    before = len(azure.requests)
    assert [each.name for each in credentials.list(GROUP, "only-id", top=2)] == [f"cred-{number}" for number in range(5)]
    assert len(azure.requests) - before == 3
    credentials.delete(GROUP, "only-id", "cred-0")
    credentials.delete(GROUP, "only-id", "cred-0")
    azure.sleep(61)
    node: Any = azure.stack.node("melbourne.token.z1")
    known = node.replica.known(azure.world.spec.identity("only-id").object_id)
    assert [each["name"] for each in known.details["federatedCredentials"]] == ["cred-1", "cred-2", "cred-3", "cred-4"]


def test_an_identity_has_at_most_twenty_federated_credentials(azure: SimulatedArm) -> None:
    """The twenty-first is 400, and a pair of issuer and subject is there once only."""
    credentials = msi(azure).federated_identity_credentials
    for number in range(20):
        credentials.create_or_update(GROUP, "only-id", f"cred-{number:02}", trust(subject=f"s-{number}"))
    with pytest.raises(HttpResponseError, match="Too many"):
        credentials.create_or_update(GROUP, "only-id", "cred-20", trust(subject="s-20"))
    with pytest.raises(ResourceExistsError, match="combination already exists"):
        credentials.create_or_update(GROUP, "only-id", "cred-00", trust(subject="s-1"))


@pytest.mark.parametrize(
    "changed", [{"issuer": ""}, {"subject": None}, {"issuer": "http://x"}, {"audiences": []}, {"audiences": ["a", "b"]}]
)
def test_a_federated_credential_that_cannot_be_is_refused(azure: SimulatedArm, changed: dict[str, Any]) -> None:
    """Without issuer, subject or exactly one audience, or with an issuer that is no https URL, it is 400."""
    with pytest.raises(HttpResponseError) as refused:
        msi(azure).federated_identity_credentials.create_or_update(GROUP, "only-id", "cred", trust(**changed))
    assert refused.value.status_code == 400


def test_federated_credentials_came_with_a_later_version(azure: SimulatedArm) -> None:
    """A version that does not have the type is refused with those that do."""
    path = f"{azure.stack.identity_path('only-id')}/federatedIdentityCredentials"
    refused = azure.run(azure.stack.arm("GET", path, version="2018-11-30"))
    assert (refused.status, error_code(refused)) == (400, "NoRegisteredProviderFound")
    assert "2022-01-31-preview" in body(refused)["error"]["message"]


def test_a_put_that_is_answered_503_for_ever_is_sent_four_times(azure: SimulatedArm) -> None:
    """Reference 8.1: four PUTs in about five seconds, then HttpResponseError."""
    azure.forced = [Response(503, {"error": {"code": "ServiceUnavailable", "message": "busy"}})]
    with pytest.raises(HttpResponseError):
        msi(azure).user_assigned_identities.create_or_update(GROUP, "fresh", HERE)
    times_s = [at_s for at_s, _ in azure.requests]
    assert len(times_s) == 4
    assert times_s[-1] - times_s[0] == pytest.approx(4.8, abs=0.3)


def test_a_patch_that_is_throttled_is_sent_once(azure: SimulatedArm) -> None:
    """Reference 8.1: azure-core does not repeat a PATCH on 429."""
    azure.forced = [Response(429, {"error": {"code": "TooManyRequests", "message": "slow down"}})]
    with pytest.raises(HttpResponseError):
        msi(azure).user_assigned_identities.update(GROUP, "only-id", {"tags": {}})
    assert len(azure.requests) == 1
