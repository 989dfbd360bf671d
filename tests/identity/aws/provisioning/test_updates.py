"""Updates of stacks as boto3 and its waiters see them: in place, by replacement, rolled back, and across a cut."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError, WaiterError

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier

from .conftest import MANAGEMENT, Provisioned

IAM = {"Capabilities": ["CAPABILITY_IAM"]}
NAMED = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}
READ, SECURITY = (f"arn:aws:iam::aws:policy/{name}" for name in ("ReadOnlyAccess", "SecurityAudit"))
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}
BAD = {"Version": "2012-10-17", "Statement": 7}


def trusting(service: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    }


def role(**properties: Any) -> dict[str, Any]:
    trust = trusting("lambda.amazonaws.com")
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust, **properties}}


JOB = {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["JobRole", "Arn"]}}}
PROFILE = {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "JobRole"}]}}


def template(resources: Mapping[str, Any], **more: Any) -> str:
    return json.dumps({"Resources": resources, **more})


FIRST = {"JobRole": role(Policies=[{"PolicyName": "a", "PolicyDocument": ALLOW}], ManagedPolicyArns=[READ]), "Job": JOB}


def waited(provisioned: Provisioned, name: str, stack: str = "job") -> None:
    """boto3's own waiter, whose pauses are the stack's time."""
    with mock.patch("botocore.waiter.time.sleep", side_effect=provisioned.aws.sleep):
        provisioned.client().get_waiter(name).wait(StackName=stack)


def created(provisioned: Provisioned, resources: Mapping[str, Any] = FIRST, **more: Any) -> str:
    made = provisioned.client().create_stack(StackName="job", TemplateBody=template(resources), **{**IAM, **more})
    waited(provisioned, "stack_create_complete")
    return str(made["StackId"])


def updated(provisioned: Provisioned, resources: Mapping[str, Any], **more: Any) -> None:
    provisioned.client().update_stack(StackName="job", TemplateBody=template(resources), **{**IAM, **more})


def physical(provisioned: Provisioned, logical_id: str = "JobRole") -> str:
    told = provisioned.client().describe_stack_resource(StackName="job", LogicalResourceId=logical_id)
    return str(told["StackResourceDetail"]["PhysicalResourceId"])


def status(provisioned: Provisioned) -> str:
    return str(provisioned.client().describe_stacks(StackName="job")["Stacks"][0]["StackStatus"])


def roles(provisioned: Provisioned) -> list[str]:
    found = provisioned.client("iam").list_roles()["Roles"]
    return [each["RoleName"] for each in found if each["RoleName"].startswith(("job-", "own"))]


def described(provisioned: Provisioned, name: str) -> tuple[Any, ...]:
    """All that an update of a role may change."""
    iam = provisioned.client("iam")
    made = iam.get_role(RoleName=name)["Role"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    tags = {tag["Key"]: tag["Value"] for tag in made.get("Tags", ())}
    return (
        made["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"],
        made.get("Description", ""),
        made["MaxSessionDuration"],
        sorted(iam.list_role_policies(RoleName=name)["PolicyNames"]),
        sorted(each["PolicyArn"] for each in attached),
        tags,
        made.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
    )


SECOND = role(
    AssumeRolePolicyDocument=trusting("ec2.amazonaws.com"),
    Description="d",
    MaxSessionDuration=7200,
    Policies=[{"PolicyName": "b", "PolicyDocument": ALLOW}],
    ManagedPolicyArns=[SECURITY],
    Tags=[{"Key": "k", "Value": "v"}],
    PermissionsBoundary=READ,
)


def test_a_role_is_changed_in_place_and_back(provisioned: Provisioned) -> None:
    """Every property of a role that can change does, under the same name, and once more in the other direction."""
    created(provisioned, {"JobRole": FIRST["JobRole"]})
    name = physical(provisioned)
    before = described(provisioned, name)
    updated(provisioned, {"JobRole": SECOND})
    waited(provisioned, "stack_update_complete")
    after = ("ec2.amazonaws.com", "d", 7200, ["b"], [SECURITY], {"k": "v"}, READ)
    assert (physical(provisioned), described(provisioned, name)) == (name, after)
    updated(provisioned, {"JobRole": FIRST["JobRole"]})
    waited(provisioned, "stack_update_complete")
    assert (physical(provisioned), described(provisioned, name)) == (name, before)
    assert provisioned.client().describe_stacks(StackName="job")["Stacks"][0]["LastUpdatedTime"]


def test_what_cannot_change_in_place_is_replaced_and_the_old_is_ended(provisioned: Provisioned) -> None:
    """Another role takes the place of the first; what refers to it follows; resources are added and removed."""
    created(provisioned, {**FIRST, "Gone": role()})
    first = physical(provisioned)
    updated(provisioned, {**FIRST, "JobRole": role(Path="/p/"), "Profile": PROFILE})
    waited(provisioned, "stack_update_complete")
    second = physical(provisioned)
    assert second != first
    assert roles(provisioned) == [second]
    iam = provisioned.client("iam")
    assert iam.list_instance_profiles_for_role(RoleName=second)["InstanceProfiles"]
    states = {each["ResourceStatus"] for each in provisioned.client().describe_stack_events(StackName="job")["StackEvents"]}
    assert {"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "DELETE_COMPLETE"} <= states
    provisioned.client().delete_stack(StackName="job")
    waited(provisioned, "stack_delete_complete")
    assert roles(provisioned) == []


def test_an_instance_profile_and_a_policy_change_their_roles(provisioned: Provisioned) -> None:
    """A profile gets another role; a policy leaves one role and another name behind."""

    def parts(holder: str, name: str) -> dict[str, Any]:
        more = {"PolicyName": name, "PolicyDocument": ALLOW, "Roles": [{"Ref": holder}]}
        profile = {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": holder}]}}
        return {"A": role(), "B": role(), "P": profile, "More": {"Type": "AWS::IAM::Policy", "Properties": more}}

    created(provisioned, parts("A", "one"))
    updated(provisioned, parts("B", "two"))
    waited(provisioned, "stack_update_complete")
    iam, first, second = provisioned.client("iam"), physical(provisioned, "A"), physical(provisioned, "B")
    assert iam.list_role_policies(RoleName=first)["PolicyNames"] == []
    assert iam.list_role_policies(RoleName=second)["PolicyNames"] == ["two"]
    assert iam.list_instance_profiles_for_role(RoleName=first)["InstanceProfiles"] == []
    assert len(iam.list_instance_profiles_for_role(RoleName=second)["InstanceProfiles"]) == 1


FAILING: tuple[Mapping[str, Any], ...] = (
    {"JobRole": role(Policies=[{"PolicyName": "b", "PolicyDocument": ALLOW}, {"PolicyName": "c", "PolicyDocument": BAD}])},
    {"JobRole": role(Path="/p/", Policies=[{"PolicyName": "c", "PolicyDocument": BAD}])},
    {"JobRole": role(Description="d"), "More": role(Policies=[{"PolicyName": "c", "PolicyDocument": BAD}])},
    {"JobRole": role(AssumeRolePolicyDocument=trusting("lambda.amazonaws.com"), MaxSessionDuration=1)},
    {"JobRole": role(Path="/p/"), "Job": {"Type": "AWS::Lambda::Function", "Properties": {"Role": "arn:none"}}},
)


@pytest.mark.parametrize("resources", FAILING, ids=("in-place", "replacement", "addition", "refused", "user-of-a-role"))
def test_a_failed_update_puts_the_stack_back(provisioned: Provisioned, resources: Mapping[str, Any]) -> None:
    """Half of the changes were made when one fails: afterwards the role is what it was, and nothing is left over."""
    created(provisioned)
    name = physical(provisioned)
    before = described(provisioned, name)
    updated(provisioned, resources)
    with pytest.raises(WaiterError):
        waited(provisioned, "stack_update_complete")
    assert provisioned.settled("job")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert (roles(provisioned), described(provisioned, physical(provisioned))) == ([name], before)
    assert json.loads(json.dumps(provisioned.client().get_template(StackName="job")["TemplateBody"]))["Resources"] == FIRST
    updated(provisioned, {"JobRole": SECOND})
    waited(provisioned, "stack_update_complete")


def test_a_failed_update_may_stay_as_it_is_until_it_is_rolled_back(provisioned: Provisioned) -> None:
    """DisableRollback leaves UPDATE_FAILED, from which a stack is not updated but put back, or deleted."""
    created(provisioned)
    before = described(provisioned, physical(provisioned))
    updated(provisioned, FAILING[0], DisableRollback=True)
    assert provisioned.settled("job")["StackStatus"] == "UPDATE_FAILED"
    assert described(provisioned, physical(provisioned)) != before
    with pytest.raises(ClientError, match="is in UPDATE_FAILED state and can not be updated"):
        updated(provisioned, {"JobRole": SECOND})
    provisioned.client().rollback_stack(StackName="job")
    waited(provisioned, "stack_rollback_complete")
    assert described(provisioned, physical(provisioned)) == before


def test_a_region_that_is_cut_off_cannot_update(provisioned: Provisioned) -> None:
    """Neither the update nor its rollback gets through; after healing the rollback is continued."""
    node = "melbourne.management"
    client = provisioned.client(node=node)
    client.create_stack(StackName="job", TemplateBody=template(FIRST), **IAM)
    assert provisioned.settled("job", node=node)["StackStatus"] == "CREATE_COMPLETE"
    provisioned.cut()
    client.update_stack(StackName="job", TemplateBody=template({"JobRole": SECOND}), **IAM)
    assert provisioned.settled("job", node=node)["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(ClientError, match="Resource Job is not in UPDATE_FAILED state"):
        client.continue_update_rollback(StackName="job", ResourcesToSkip=["Job"])
    provisioned.cut(release=True)
    client.continue_update_rollback(StackName="job")
    assert provisioned.settled("job", node=node)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    made = client.describe_stack_resource(StackName="job", LogicalResourceId="JobRole")["StackResourceDetail"]
    assert described(provisioned, made["PhysicalResourceId"])[3] == ["a"]


def test_an_update_survives_its_node_and_a_deletion_ends_it(provisioned: Provisioned) -> None:
    """A killed node goes on with an update; a stack deleted in the middle of a replacement leaves neither role."""
    created(provisioned)
    provisioned.aws.hold("sydney.directory", "pause-iam-replication", regions=["sydney"])
    updated(provisioned, {**FIRST, "JobRole": role(Path="/p/")})
    provisioned.aws.sleep(10)
    assert (status(provisioned), len(roles(provisioned))) == ("UPDATE_IN_PROGRESS", 2)
    world = provisioned.aws.world
    world.run(world.hold(Carrier("node", MANAGEMENT), "k", NodeEffect("down")))
    world.run(world.release(Carrier("node", MANAGEMENT), "k"))
    provisioned.aws.sleep(3)
    assert status(provisioned) == "UPDATE_IN_PROGRESS"
    provisioned.aws.release("sydney.directory")
    waited(provisioned, "stack_update_complete")
    assert roles(provisioned) == [physical(provisioned)]
    provisioned.aws.hold("sydney.directory", "pause-iam-replication", regions=["sydney"])
    updated(provisioned, {**FIRST, "JobRole": role(Path="/q/")})
    provisioned.aws.sleep(10)
    assert len(roles(provisioned)) == 2
    provisioned.client().delete_stack(StackName="job")
    waited(provisioned, "stack_delete_complete")
    assert roles(provisioned) == []


def test_a_stack_is_not_updated_to_what_it_is(provisioned: Provisioned) -> None:
    """The same template, parameters and tags change nothing; one other tag or output does. Parameters may stay as they were."""
    parameters = {"Parameters": {"Text": {"Type": "String"}}, "Outputs": {"Text": {"Value": {"Ref": "Text"}}}}
    text, given = template({"JobRole": role()}, **parameters), [{"ParameterKey": "Text", "ParameterValue": "1"}]
    client = provisioned.client()
    client.create_stack(StackName="job", TemplateBody=text, Parameters=given, Tags=[{"Key": "a", "Value": "1"}], **IAM)
    waited(provisioned, "stack_create_complete")
    same = [{"ParameterKey": "Text", "UsePreviousValue": True}]
    with pytest.raises(ClientError, match="No updates are to be performed"):
        client.update_stack(StackName="job", UsePreviousTemplate=True, Parameters=same, **IAM)
    client.update_stack(StackName="job", UsePreviousTemplate=True, Parameters=same, Tags=[{"Key": "a", "Value": "2"}], **IAM)
    waited(provisioned, "stack_update_complete")
    other = [{"ParameterKey": "Text", "ParameterValue": "2"}]
    client.update_stack(StackName="job", UsePreviousTemplate=True, Parameters=other, **IAM)
    waited(provisioned, "stack_update_complete")
    (stack,) = client.describe_stacks(StackName="job")["Stacks"]
    assert (stack["Outputs"][0]["OutputValue"], stack["Tags"]) == ("2", [{"Key": "a", "Value": "2"}])


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"Capabilities": []}, "Requires capabilities"),
    ({"TemplateBody": "{"}, "Template format error"),
    ({"UsePreviousTemplate": True}, "both UsePreviousTemplate and Template Body"),
    ({"TemplateBody": template({"Job": role()})}, "Update of resource type is not permitted"),
    ({"Parameters": [{"ParameterKey": "x", "UsePreviousValue": True}]}, "Cannot specify usePreviousValue as true"),
    ({"StackName": "none"}, "Stack with id none does not exist"),
)


def test_wrong_updates_are_refused(provisioned: Provisioned) -> None:
    """Each with the real service's words, and the stack stays as it is."""
    created(provisioned)
    given = {"StackName": "job", "TemplateBody": template({"JobRole": SECOND}), **IAM}
    for changed, told in REFUSED:
        with pytest.raises(ClientError, match=told):
            provisioned.client().update_stack(**{**given, **changed})
    assert status(provisioned) == "CREATE_COMPLETE"


def test_a_role_with_a_name_of_the_template_s_own_is_not_replaced(provisioned: Provisioned) -> None:
    """Its name is taken by itself: the update fails in the real service's words."""
    created(provisioned, {"JobRole": role(RoleName="own")}, **NAMED)
    updated(provisioned, {"JobRole": role(RoleName="own", Path="/p/")}, **NAMED)
    assert provisioned.settled("job")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert any("Rename own and update the stack again" in reason for reason in provisioned.reasons("job"))
    assert roles(provisioned) == ["own"]


def test_a_protected_stack_is_not_deleted(provisioned: Provisioned) -> None:
    """Termination protection is given at the creation or later, and holds until it is taken away."""
    created(provisioned, EnableTerminationProtection=True)
    client = provisioned.client()
    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is enabled"):
        client.delete_stack(StackName="job")
    client.update_termination_protection(StackName="job", EnableTerminationProtection=False)
    client.delete_stack(StackName="job")
    waited(provisioned, "stack_delete_complete")


def test_work_begins_when_it_is_asked_for(provisioned: Provisioned) -> None:
    """A stack that nothing keeps waiting is there within a second, although steps that must wait are tried every five."""
    provisioned.client().create_stack(StackName="job", TemplateBody=template({"JobRole": role()}), **IAM)
    provisioned.aws.sleep(1)
    assert status(provisioned) == "CREATE_COMPLETE"
