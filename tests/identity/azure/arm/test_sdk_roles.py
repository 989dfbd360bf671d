"""azure-mgmt-authorization and azure-mgmt-resource, unmodified: roles that decide, groups that go with all that is in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.subscriptions import SubscriptionClient

from brownout.identity.azure.arm import versions
from support.simulated_arm import SimulatedArm, simulated_arm

SYSTEM: dict[str, Any] = {"location": "australiaeast", "identity": {"type": "SystemAssigned"}}
ROUND_S = 61.0


@pytest.fixture
def azure() -> Iterator[SimulatedArm]:
    with simulated_arm() as made:
        yield made


def roles(azure: SimulatedArm, **more: Any) -> Any:
    return azure.client(AuthorizationManagementClient, **more)


def scope(azure: SimulatedArm) -> str:
    return f"/subscriptions/{azure.subscription}"


def grant(azure: SimulatedArm, role_name: str, principal: str, where: str = "") -> Any:
    """Gives a principal a role by its name, as scripts do."""
    client = roles(azure)
    (role,) = client.role_definitions.list(scope(azure), filter=f"roleName eq '{role_name}'")
    wanted = {"properties": {"roleDefinitionId": role.id, "principalId": principal, "principalType": "ServicePrincipal"}}
    return client.role_assignments.create(where or scope(azure), str(uuid4()), wanted)


def test_a_role_has_the_id_by_which_assignments_name_it(azure: SimulatedArm) -> None:
    """With the subscription in front, also of one that is built in: the Azure CLI looks names up by it."""
    made = grant(azure, "Reader", azure.world.spec.identity("web-1-system").object_id)
    listed = {role.id: role.role_name for role in roles(azure).role_definitions.list(scope(azure))}
    assert listed[made.role_definition_id] == "Reader"


@pytest.mark.parametrize(
    ("type_", "version"),
    [
        (versions.USER_ASSIGNED, "2025-05-31-preview"),
        (versions.FEDERATED_CREDENTIALS, "2025-01-31-preview"),
        (versions.ROLE_DEFINITIONS, "2022-05-01-preview"),
    ],
)
def test_versions_that_the_azure_cli_asks_for_are_there(type_: str, version: str) -> None:
    """Those of 2.91, newer than those of the SDKs; the newest of a type are its last."""
    known = versions.VERSIONS[type_]
    assert version in known
    assert list(known) == sorted(known)


def test_a_role_lets_its_holder_in_and_its_removal_shuts_it_out(azure: SimulatedArm) -> None:
    """An identity of the stack reads and may not write; with a role it may, a round later; without it no more."""
    token, web = azure.token_of("web-1"), azure.world.spec.identity("web-1-system")
    mine = azure.client(ManagedServiceIdentityClient, token=token).user_assigned_identities
    assert mine.get("load", "only-id").name == "only-id"

    def try_it() -> str:
        try:
            return str(mine.update("load", "only-id", {"tags": {"a": "b"}}).name)
        except HttpResponseError as refused:
            return str(getattr(refused.error, "code", ""))

    seen = [try_it()]
    made = grant(azure, "Managed Identity Contributor", web.object_id)
    seen.append(try_it())
    azure.sleep(ROUND_S)
    seen.append(try_it())
    roles(azure).role_assignments.delete_by_id(made.id)
    azure.sleep(ROUND_S)
    seen.append(try_it())
    assert seen == ["AuthorizationFailed", "AuthorizationFailed", "only-id", "AuthorizationFailed"]


def test_a_new_identity_has_no_role(azure: SimulatedArm) -> None:
    """A machine that was made later reads nothing, and the refusal names it, the action and the scope."""
    made = azure.client(ComputeManagementClient).virtual_machines.begin_create_or_update("load", "vm", SYSTEM).result()
    azure.sleep(ROUND_S)
    token = azure.token_of("vm")
    with pytest.raises(HttpResponseError) as refused:
        azure.client(ManagedServiceIdentityClient, token=token).user_assigned_identities.get("load", "only-id")
    told = str(refused.value)
    action = "Microsoft.ManagedIdentity/userAssignedIdentities/read"
    assert all(text in told for text in (made.identity.principal_id, action, "only-id", "AuthorizationFailed"))
    assert list(azure.client(SubscriptionClient, token=token).subscriptions.list()) == []


def test_assigning_an_identity_needs_a_role_on_it(azure: SimulatedArm) -> None:
    """A contributor of machines may not assign an identity without Managed Identity Operator on it."""
    web = azure.world.spec.identity("web-1-system")
    grant(azure, "Virtual Machine Contributor", web.object_id)
    azure.sleep(ROUND_S)
    machines = azure.client(ComputeManagementClient, token=azure.token_of("web-1")).virtual_machines
    identity = azure.stack.identity_path("first-id")
    wanted = {"identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {identity: {}}}}
    with pytest.raises(HttpResponseError, match="LinkedAuthorizationFailed"):
        machines.begin_update("load", "web-2", wanted).result()
    grant(azure, "Managed Identity Operator", web.object_id, identity)
    azure.sleep(ROUND_S)
    assert identity in machines.begin_update("load", "web-2", wanted).result().identity.user_assigned_identities


def test_assignments_are_listed_and_refused_as_the_real_ones_are(azure: SimulatedArm) -> None:
    """By principal and at the scope; the same grant twice is 409, an unknown principal 400."""
    web = azure.world.spec.identity("web-1-system").object_id
    made, client = grant(azure, "Contributor", web, azure.stack.group), roles(azure)
    found = client.role_assignments.list_for_scope(azure.stack.group, filter=f"principalId eq '{web}'")
    assert [each.name for each in found] == [made.name]
    assert made.name not in [each.name for each in client.role_assignments.list_for_scope(scope(azure), filter="atScope()")]
    assert made.name in [each.name for each in client.role_assignments.list_for_subscription()]
    assert client.role_assignments.get_by_id(made.id).principal_id == web
    with pytest.raises(ResourceExistsError, match="already exists"):
        grant(azure, "Contributor", web, azure.stack.group)
    wanted = {"properties": {"roleDefinitionId": made.role_definition_id, "principalId": str(uuid4())}}
    with pytest.raises(HttpResponseError) as refused:
        client.role_assignments.create(scope(azure), str(uuid4()), wanted)
    assert refused.value.error.code == "PrincipalNotFound"


def test_a_changed_role_says_who_made_it_and_when_it_changed(azure: SimulatedArm) -> None:
    """Time and person of the making stay, those of the change are new; assignments are stamped by the same rule."""
    client, name = roles(azure), str(uuid4())
    wanted = {"roleName": "Stamped", "permissions": [{"actions": ["a/read"]}], "assignableScopes": [scope(azure)]}
    made = client.role_definitions.create_or_update(scope(azure), name, {"properties": wanted})
    azure.sleep(60)
    changed = client.role_definitions.create_or_update(scope(azure), name, {"properties": wanted | {"description": "b"}})
    assert (made.created_on, made.created_by) == (changed.created_on, changed.created_by) == (made.updated_on, "operator")
    assert (changed.updated_on - made.updated_on).total_seconds() >= 60
    assigned = grant(azure, "Stamped", azure.world.spec.identity("web-1-system").object_id)
    assert (assigned.created_by, assigned.created_on) == ("operator", assigned.updated_on)


def test_a_custom_role_decides_and_cannot_go_while_it_is_assigned(azure: SimulatedArm) -> None:
    """Made, assigned, in use; deleted only once nobody has it."""
    client, web = roles(azure), azure.world.spec.identity("web-1-system").object_id
    action = "Microsoft.ManagedIdentity/userAssignedIdentities/write"
    wanted = {"roleName": "Tagger", "permissions": [{"actions": [action]}], "assignableScopes": [scope(azure)]}
    made = client.role_definitions.create_or_update(scope(azure), str(uuid4()), {"properties": wanted})
    assert (made.role_name, made.role_type) == ("Tagger", "CustomRole")
    assigned = grant(azure, "Tagger", web)
    azure.sleep(ROUND_S)
    mine = azure.client(ManagedServiceIdentityClient, token=azure.token_of("web-1")).user_assigned_identities
    assert mine.update("load", "only-id", {"tags": {"a": "b"}}).tags == {"a": "b"}
    with pytest.raises(HttpResponseError, match="existing role assignments"):
        client.role_definitions.delete(scope(azure), made.name)
    client.role_assignments.delete_by_id(assigned.id)
    assert client.role_definitions.delete(scope(azure), made.name).name == made.name


def test_deleting_a_group_deletes_what_is_in_it(azure: SimulatedArm) -> None:
    """Machines of both regions, their own identities and the shared ones go with it; meanwhile nothing new may come."""
    groups = azure.client(ResourceManagementClient).resource_groups
    assert groups.create_or_update("rg", {"location": "australiaeast"}).properties.provisioning_state == "Succeeded"
    machines = azure.client(ComputeManagementClient).virtual_machines
    made = machines.begin_create_or_update("rg", "vm", SYSTEM).result()
    machines.begin_create_or_update("rg", "south", SYSTEM | {"location": "australiasoutheast"}).result()
    azure.client(ManagedServiceIdentityClient).user_assigned_identities.create_or_update(
        "rg", "id", {"location": "australiaeast"}
    )
    kinds = [each.type for each in azure.client(ResourceManagementClient).resources.list_by_resource_group("rg")]
    assert sorted(kinds) == sorted(
        ["Microsoft.Compute/virtualMachines"] * 2 + ["Microsoft.ManagedIdentity/userAssignedIdentities"]
    )
    poller = groups.begin_delete("rg", polling=False)
    assert poller.status() is not None
    with pytest.raises(HttpResponseError, match="deprovisioning"):
        machines.begin_create_or_update("rg", "late", SYSTEM).result()
    azure.run(azure.stack.restart("sydney.management"))
    azure.sleep(90)
    assert not groups.check_existence("rg")
    with pytest.raises(ResourceNotFoundError):
        machines.get("rg", "south")
    node: Any = azure.stack.node("sydney.directory")
    assert node.catalog.identities[made.identity.principal_id].deleted
    with pytest.raises(ResourceNotFoundError, match="ResourceGroupNotFound"):
        machines.begin_create_or_update("rg", "late", SYSTEM).result()


def test_a_subscription_is_found_as_clients_look_for_it(azure: SimulatedArm) -> None:
    """Tenants, subscriptions, locations, providers and resources are listed."""
    client, resources = azure.client(SubscriptionClient), azure.client(ResourceManagementClient)
    assert [each.tenant_id for each in client.tenants.list()] == [azure.world.spec.tenant_id]
    assert [each.subscription_id for each in client.subscriptions.list()] == [azure.subscription]
    found = {each.name for each in client.subscriptions.list_locations(azure.subscription)}
    assert found == {"australiaeast", "australiasoutheast"}
    assert resources.providers.get("Microsoft.Compute").registration_state == "Registered"
    assert resources.providers.register("Microsoft.Compute").namespace == "Microsoft.Compute"
    named = [each.name for each in resources.resources.list(filter="resourceType eq 'Microsoft.Compute/virtualMachines'")]
    assert {"web-1", "south-1"} <= set(named)
