"""azure-mgmt-compute, unmodified, makes machines and scale sets and gives them identities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.compute import ComputeManagementClient

from support.identity_stacks import body
from support.simulated_arm import SimulatedArm, simulated_arm

GROUP = "load"
SYSTEM: dict[str, Any] = {"location": "australiaeast", "identity": {"type": "SystemAssigned"}}


@pytest.fixture
def azure() -> Iterator[SimulatedArm]:
    with simulated_arm() as made:
        yield made


def compute(azure: SimulatedArm, **more: Any) -> Any:
    return azure.client(ComputeManagementClient, **more)


def test_a_machine_lives_its_life(azure: SimulatedArm) -> None:
    """Create, read with its view, list, change, delete: each operation is polled to its end, and its identity goes with it."""
    machines = compute(azure).virtual_machines
    made = machines.begin_create_or_update(GROUP, "vm", SYSTEM | {"tags": {"a": "b"}}).result()
    assert (made.name, made.provisioning_state, made.identity.type) == ("vm", "Succeeded", "SystemAssigned")
    assert machines.get(GROUP, "vm", expand="instanceView").instance_view.statuses[1].code == "PowerState/running"
    assert machines.instance_view(GROUP, "vm").computer_name == "vm"
    assert {"vm", "web-1"} <= {each.name for each in machines.list(GROUP)}
    assert "south-1" in {each.name for each in machines.list_all()}
    assert machines.begin_update(GROUP, "vm", {"tags": {"a": "c"}}).result().tags == {"a": "c"}
    assert azure.token_of("vm")
    machines.begin_delete(GROUP, "vm").result()
    with pytest.raises(ResourceNotFoundError):
        machines.get(GROUP, "vm")
    node: Any = azure.stack.node("sydney.directory")
    assert node.catalog.identities[made.identity.principal_id].deleted


def test_identities_are_given_and_taken_by_dictionary(azure: SimulatedArm) -> None:
    """PATCH merges, null takes one away, None all."""
    machines = compute(azure).virtual_machines
    first, second = azure.stack.identity_path("first-id"), azure.stack.identity_path("second-id")

    def patch(kind: str, **entries: Any) -> set[str]:
        named = {{"first": first, "second": second}[name]: entry for name, entry in entries.items()}
        wanted = {"identity": {"type": kind, "userAssignedIdentities": named}}
        block = machines.begin_update(GROUP, "single", wanted).result().identity
        return {name.rpartition("/")[2] for name in block.user_assigned_identities or {}}

    assert patch("UserAssigned", first={}) == {"only-id", "first-id"}
    assert patch("UserAssigned", second={}, first=None) == {"only-id", "second-id"}
    assert patch("None") == set()


def test_the_older_array_replaces_the_whole_list(azure: SimulatedArm) -> None:
    """By api-version 2017-12-01 identities are an array, which PATCH puts in place of what there was, and no dictionary."""
    machines = compute(azure).virtual_machines

    def patch(identity: dict[str, Any], version: str) -> None:
        wanted = {"identity": {"type": "UserAssigned", **identity}}
        machines.begin_update(GROUP, "single", wanted, params={"api-version": version}).result()

    for names in (["first-id"], ["second-id", "first-id"], ["second-id"]):
        listed = [azure.stack.identity_path(name) for name in names]
        patch({"identityIds": listed}, "2017-12-01")
        shown = body(azure.run(azure.stack.arm("GET", azure.stack.machine_path("single"), version="2017-12-01")))
        assert sorted(shown["identity"]["identityIds"]) == sorted(listed)
        assert "userAssignedIdentities" not in shown["identity"]
    with pytest.raises(HttpResponseError, match="userAssignedIdentities"):
        patch({"userAssignedIdentities": {azure.stack.identity_path("first-id"): {}}}, "2017-12-01")
    with pytest.raises(HttpResponseError, match="identityIds"):
        patch({"identityIds": []}, "2018-06-01")


def test_a_failed_operation_raises_with_its_code(azure: SimulatedArm) -> None:
    """Reference 8.1: an identity that cannot be made ends the operation as Failed, which the client raises."""
    azure.run(azure.stack.hold("sydney.store", "f", "invalidate-key", key_id="current"))
    with pytest.raises(HttpResponseError) as failed:
        compute(azure).virtual_machines.begin_create_or_update(GROUP, "vm", SYSTEM).result()
    assert failed.value.error.code == "FailedIdentityOperation"


def test_an_operation_is_in_progress_for_as_long_as_the_setting_says() -> None:
    """The client polls by Retry-After until provisioning is over; the resource says Creating meanwhile."""
    with simulated_arm(arm_provisioning_s=20.0) as azure:
        before_s = azure.world.now()
        poller = compute(azure).virtual_machines.begin_create_or_update(GROUP, "vm", SYSTEM, polling_interval=1)
        assert poller.result().provisioning_state == "Succeeded"
        assert 20 <= azure.world.now() - before_s < 23
        states = [str((answer.body or {}).get("status")) for answer in azure.answers]
        assert states.count("InProgress") >= 15
        created = (azure.answers[0].body or {})["properties"]["provisioningState"]
        assert created == "Creating"


def test_an_operation_outlives_its_front_end() -> None:
    """Polled after a kill it says what it would have said, and so does the other region's front end."""
    with simulated_arm(arm_provisioning_s=30.0) as azure:
        made = azure.run(azure.stack.arm("PUT", azure.stack.machine_path("vm"), SYSTEM))
        path = made.headers["azure-asyncoperation"].partition("management")[2].partition("?")[0]
        seen = []
        for wait_s in (0, 31):
            azure.sleep(wait_s)
            azure.run(azure.stack.restart("sydney.management"))
            seen += [
                body(azure.run(azure.stack.arm("GET", path, region=region)))["status"] for region in ("sydney", "melbourne")
            ]
        assert seen == ["InProgress", "InProgress", "Succeeded", "Succeeded"]


def test_preconditions_hold(azure: SimulatedArm) -> None:
    """If-None-Match: * makes only what is new, If-Match changes only what has not changed since."""
    machines = compute(azure).virtual_machines
    made = machines.begin_create_or_update(GROUP, "vm", SYSTEM, match_condition=MatchConditions.IfMissing).result()
    old = {"etag": '"99"', "match_condition": MatchConditions.IfNotModified}
    for wrong in ({"match_condition": MatchConditions.IfMissing}, old):
        with pytest.raises(HttpResponseError) as refused:
            machines.begin_create_or_update(GROUP, "vm", SYSTEM, **wrong).result()
        assert refused.value.status_code == 412
    machines.begin_create_or_update(GROUP, "vm", SYSTEM, **old | {"etag": made.etag}).result()


def test_a_scale_set_lives_its_life(azure: SimulatedArm) -> None:
    """Its instances come and go with the capacity and by number, share its identity, get tokens, and go with it."""
    client = compute(azure)
    sets, instances = client.virtual_machine_scale_sets, client.virtual_machine_scale_set_vms
    made = sets.begin_create_or_update(GROUP, "fleet", SYSTEM | {"sku": {"name": "Standard_B1s", "capacity": 3}}).result()
    assert (made.sku.capacity, made.identity.type) == (3, "SystemAssigned")
    assert [each.instance_id for each in instances.list(GROUP, "fleet")] == ["0", "1", "2"]
    assert azure.token_of("fleet_1")
    instances.begin_delete(GROUP, "fleet", "1").result()
    sets.begin_update(GROUP, "fleet", {"sku": {"capacity": 4}}).result()
    assert [each.instance_id for each in instances.list(GROUP, "fleet")] == ["0", "2", "3", "4"]
    sets.begin_delete_instances(GROUP, "fleet", {"instanceIds": ["0", "4"]}).result()
    assert instances.get(GROUP, "fleet", "2").name == "fleet_2"
    with pytest.raises(ResourceNotFoundError):
        instances.get(GROUP, "fleet", "0")
    assert {"fleet", "scaleout"} <= {each.name for each in sets.list(GROUP)}
    assert "scaleout-south" in {each.name for each in sets.list_all()}
    azure.run(azure.stack.restart("sydney.host"))
    assert azure.token_of("fleet_2")
    sets.begin_delete(GROUP, "fleet").result()
    assert azure.run(azure.stack.imds("fleet_2")).status == 404
    node: Any = azure.stack.node("sydney.directory")
    assert node.catalog.identities[made.identity.principal_id].deleted


def test_an_identity_assigned_to_a_scale_set_reaches_its_instances(azure: SimulatedArm) -> None:
    """PATCH of the set gives its instances the identity, also of a set that the stack came up with."""
    wanted = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {azure.stack.identity_path("first-id"): {}}}
    compute(azure).virtual_machine_scale_sets.begin_update(GROUP, "scaleout", {"identity": wanted}).result()
    client_id = azure.world.spec.identity("first-id").client_id
    assert azure.run(azure.stack.imds("scaleout_7", client_id=client_id)).status == 200
