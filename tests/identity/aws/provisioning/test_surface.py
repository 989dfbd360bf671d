"""The provisioning service as boto3 sees it: a role is made and then used, and fails as the real one does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier

from .conftest import MANAGEMENT, Provisioned

IAM = {"Capabilities": ["CAPABILITY_IAM"]}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trusting(service: str) -> dict[str, Any]:
    return document({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


ALLOW = document({"Effect": "Allow", "Action": "sts:*", "Resource": "*"})
TEMPLATE: dict[str, Any] = {
    "Description": "a function with a role of its own",
    "Resources": {
        "Job": {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["JobRole", "Arn"]}}},
        "JobRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": trusting("SERVICE"),
                "Policies": [{"PolicyName": "own", "PolicyDocument": ALLOW}],
                "ManagedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
                "Tags": [{"Key": "stack", "Value": {"Ref": "AWS::StackName"}}],
            },
        },
        "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "JobRole"}]}},
        "More": {
            "Type": "AWS::IAM::Policy",
            "Properties": {"PolicyName": "more", "PolicyDocument": ALLOW, "Roles": [{"Ref": "JobRole"}]},
        },
    },
    "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["JobRole", "Arn"]}}},
}


def template(service: str = "lambda.amazonaws.com", **changed: Any) -> str:
    return json.dumps(TEMPLATE | changed).replace("SERVICE", service)


def create(provisioned: Provisioned, name: str = "job", text: str = "", **more: Any) -> str:
    made = provisioned.client().create_stack(StackName=name, TemplateBody=text or template(), **{**IAM, **more})
    return str(made["StackId"])


def made_roles(provisioned: Provisioned) -> list[str]:
    """Roles that stacks called `job` have made."""
    roles = provisioned.client("iam").list_roles()["Roles"]
    return [role["RoleName"] for role in roles if role["RoleName"].startswith("job-")]


def events_of(provisioned: Provisioned) -> list[dict[str, Any]]:
    return list(provisioned.client().describe_stack_events(StackName="job")["StackEvents"])


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_a_stack_makes_a_role_and_uses_it(provisioned: Provisioned) -> None:
    """All resources come in order, with a name of the stack's, and the role is one of IAM like any other."""
    stack_id = create(provisioned)
    stack = provisioned.settled("job")
    assert (stack["StackStatus"], stack["StackId"]) == ("CREATE_COMPLETE", stack_id)
    (output,) = stack["Outputs"]
    name = output["OutputValue"].rpartition("/")[2]
    assert name.startswith("job-JobRole-")
    iam = provisioned.client("iam")
    assert iam.get_role(RoleName=name)["Role"]["Tags"] == [{"Key": "stack", "Value": "job"}]
    assert sorted(iam.list_role_policies(RoleName=name)["PolicyNames"]) == ["more", "own"]
    assert len(iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]) == 1
    assert len(iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"]) == 1
    resources = provisioned.client().describe_stack_resources(StackName="job")["StackResources"]
    assert {each["ResourceStatus"] for each in resources} == {"CREATE_COMPLETE"}


def test_a_deleted_stack_leaves_nothing(provisioned: Provisioned) -> None:
    """Roles and all that hangs on them are gone; the stack is found by its id only."""
    stack_id = create(provisioned)
    provisioned.settled("job")
    client = provisioned.client()
    client.delete_stack(StackName="job")
    assert client.describe_stacks(StackName="job")["Stacks"][0]["StackStatus"] == "DELETE_IN_PROGRESS"
    assert provisioned.settled(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="Stack with id job does not exist"):
        client.describe_stacks(StackName="job")
    assert made_roles(provisioned) == []
    client.delete_stack(StackName="job")
    assert client.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"][0]["StackId"] == stack_id


def test_a_lag_of_the_region_is_waited_for_and_then_fails_the_stack(provisioned: Provisioned) -> None:
    """While the region does not hear of the new role, it cannot be assumed: after a minute the stack rolls back."""
    provisioned.aws.hold("sydney.directory", "pause-iam-replication", regions=["sydney"])
    create(provisioned)
    provisioned.aws.sleep(50)
    assert provisioned.client().describe_stacks(StackName="job")["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    assert provisioned.settled("job")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("cannot be assumed by Lambda" in reason for reason in provisioned.reasons("job"))
    assert made_roles(provisioned) == []


def test_a_short_lag_delays_the_stack_only(provisioned: Provisioned) -> None:
    """When the region hears of the role in time, the stack is completed."""
    provisioned.aws.hold("sydney.directory", "pause-iam-replication", regions=["sydney"])
    create(provisioned)
    provisioned.aws.sleep(30)
    provisioned.aws.release("sydney.directory")
    assert provisioned.settled("job")["StackStatus"] == "CREATE_COMPLETE"


def test_a_role_that_trusts_another_service_fails_the_stack(provisioned: Provisioned) -> None:
    """The use of the role needs the role's trust."""
    create(provisioned, text=template("ec2.amazonaws.com"))
    assert provisioned.settled("job")["StackStatus"] == "ROLLBACK_COMPLETE"


def test_a_region_that_is_cut_off_cannot_make_roles(provisioned: Provisioned) -> None:
    """The stack is accepted, waits for the control plane, fails, and cannot be rolled back; after healing it can be ended."""
    node = "melbourne.management"
    client = provisioned.client(node=node)
    provisioned.cut()
    client.create_stack(StackName="job", TemplateBody=template(), **IAM)
    stack = provisioned.settled("job", node=node)
    assert stack["StackStatus"] == "ROLLBACK_FAILED"
    provisioned.cut(release=True)
    assert made_roles(provisioned) == []
    client.delete_stack(StackName="job")
    assert provisioned.settled(stack["StackId"], node=node)["StackStatus"] == "DELETE_COMPLETE"
    client.create_stack(StackName="again", TemplateBody=template(), **IAM)
    assert provisioned.settled("again", node=node)["StackStatus"] == "CREATE_COMPLETE"


CHOICES = (("DO_NOTHING", "CREATE_FAILED"), ("ROLLBACK", "ROLLBACK_COMPLETE"), ("DELETE", "DELETE_COMPLETE"))


@pytest.mark.parametrize(("on_failure", "status"), CHOICES)
def test_what_follows_a_failure_is_the_stack_s_choice(provisioned: Provisioned, on_failure: str, status: str) -> None:
    """Resources stay, are rolled back, or go with the stack."""
    profile = {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": ["none"]}}
    text = template(Resources={**TEMPLATE["Resources"], "Profile": profile})
    stack_id = create(provisioned, text=text, OnFailure=on_failure)
    assert provisioned.settled(stack_id)["StackStatus"] == status
    assert bool(made_roles(provisioned)) == (on_failure == "DO_NOTHING")
    provisioned.client().delete_stack(StackName=stack_id)
    assert provisioned.settled(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert made_roles(provisioned) == []


def test_a_role_that_was_made_half_way_is_rolled_back(provisioned: Provisioned) -> None:
    """A role whose policy is refused is taken away again."""
    bad = {"AssumeRolePolicyDocument": trusting("x"), "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": 7}}]}
    create(provisioned, text=json.dumps({"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": bad}}}))
    assert provisioned.settled("job")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("CREATE_FAILED" in each["ResourceStatus"] for each in events_of(provisioned))
    assert made_roles(provisioned) == []


def test_a_call_whose_answer_was_lost_is_not_made_twice(provisioned: Provisioned) -> None:
    """A control plane that is slower than the stack's patience with one call has made the role all the same: no failure."""
    provisioned.aws.hold("sydney.directory", "iam-latency", delay_s=12)
    create(provisioned)
    provisioned.aws.sleep(20)
    provisioned.aws.release("sydney.directory")
    assert provisioned.settled("job")["StackStatus"] == "CREATE_COMPLETE"
    assert len(made_roles(provisioned)) == 1


def test_a_role_of_the_same_name_is_not_taken_away_by_a_rollback(provisioned: Provisioned) -> None:
    """A stack that could not make its role ends nothing that is not its own."""
    properties = {"RoleName": "app", "AssumeRolePolicyDocument": trusting("ec2.amazonaws.com")}
    text = json.dumps({"Resources": {"Mine": {"Type": "AWS::IAM::Role", "Properties": properties}}})
    create(provisioned, text=text, Capabilities=["CAPABILITY_NAMED_IAM"])
    assert provisioned.settled("job")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert provisioned.client("iam").get_role(RoleName="app")


def test_a_stack_is_ended_while_it_waits(provisioned: Provisioned) -> None:
    """A deletion that is asked for during creation is the work's next step."""
    provisioned.aws.hold("sydney.directory", "pause-iam-replication", regions=["sydney"])
    stack_id = create(provisioned)
    provisioned.aws.sleep(10)
    provisioned.client().delete_stack(StackName="job")
    assert provisioned.settled(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert made_roles(provisioned) == []


def test_a_killed_node_goes_on_with_its_stacks(provisioned: Provisioned) -> None:
    """What was accepted is done after a restart."""
    provisioned.aws.hold("sydney.directory", "pause-iam-replication", regions=["sydney"])
    create(provisioned)
    provisioned.aws.sleep(10)
    world = provisioned.aws.world
    world.run(world.hold(Carrier("node", MANAGEMENT), "k", NodeEffect("down")))
    provisioned.aws.release("sydney.directory")
    world.run(world.release(Carrier("node", MANAGEMENT), "k"))
    provisioned.aws.sleep(5)
    assert provisioned.settled("job")["StackStatus"] == "CREATE_COMPLETE"


def test_a_stack_acts_with_the_permissions_of_its_maker(provisioned: Provisioned) -> None:
    """Who may provision and not make roles gets a stack that fails; with a role that may, and may be passed, it works."""
    iam = provisioned.client("iam")
    iam.create_user(UserName="maker")
    key = iam.create_access_key(UserName="maker")["AccessKey"]
    deployer = iam.get_role(RoleName="deployer")["Role"]["Arn"]
    client = provisioned.client(credentials=type(provisioned.admin)(key["AccessKeyId"], key["SecretAccessKey"]))

    def allow(*statements: dict[str, Any]) -> None:
        iam.put_user_policy(UserName="maker", PolicyName="p", PolicyDocument=json.dumps(document(*statements)))
        provisioned.aws.sleep(5)

    provisions = {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}
    allow(provisions)
    client.create_stack(StackName="bare", TemplateBody=template(), **IAM)
    assert provisioned.settled("bare")["StackStatus"] == "ROLLBACK_COMPLETE"
    told = provisioned.reasons("bare")
    assert any("user/maker is not authorized to perform: iam:CreateRole" in reason for reason in told)
    with pytest.raises(ClientError, match="iam:PassRole"):
        client.create_stack(StackName="with", TemplateBody=template(), RoleARN=deployer, **IAM)
    allow(provisions, {"Effect": "Allow", "Action": "iam:PassRole", "Resource": deployer})
    client.create_stack(StackName="with", TemplateBody=template(), RoleARN=deployer, **IAM)
    assert provisioned.settled("with")["StackStatus"] == "CREATE_COMPLETE"


def test_a_role_that_does_not_trust_the_service_cannot_be_passed(provisioned: Provisioned) -> None:
    """A stack's role has to trust cloudformation, and to exist."""
    app = provisioned.client("iam").get_role(RoleName="app")["Role"]["Arn"]
    for arn in (app, f"{app}-none"):
        with pytest.raises(ClientError, match="is invalid or cannot be assumed"):
            create(provisioned, RoleARN=arn)


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"StackName": "1st"}, "ValidationError"),
    ({"Capabilities": []}, "InsufficientCapabilitiesException"),
    ({"TemplateBody": "{"}, "ValidationError"),
    ({"Parameters": [{"ParameterKey": "none", "ParameterValue": "1"}]}, "ValidationError"),
    ({"OnFailure": "DELETE", "DisableRollback": True}, "ValidationError"),
)


@pytest.mark.parametrize(("changed", "code"), REFUSED, ids=str)
def test_wrong_calls_are_refused(provisioned: Provisioned, changed: dict[str, Any], code: str) -> None:
    """Each with the code of the real service, and no stack comes of it."""
    given = {"StackName": "job", "TemplateBody": template(), **IAM, **changed}
    with pytest.raises(ClientError) as caught:
        provisioned.client().create_stack(**given)
    assert code_of(caught) == code
    assert provisioned.client().describe_stacks()["Stacks"] == []


def test_names_are_unique_and_typed_exceptions_say_so(provisioned: Provisioned) -> None:
    """A second stack of one name is AlreadyExistsException; an operation that is not built is InvalidAction."""
    create(provisioned)
    client = provisioned.client()
    with pytest.raises(client.exceptions.AlreadyExistsException):
        create(provisioned)
    with pytest.raises(ClientError) as caught:
        client.detect_stack_drift(StackName="job")
    assert code_of(caught) == "InvalidAction"


def test_an_output_that_cannot_be_fails_the_stack(provisioned: Provisioned) -> None:
    """An attribute that a resource has not shows when the stack is done, which rolls back."""
    create(provisioned, text=template(Outputs={"Color": {"Value": {"Fn::GetAtt": "JobRole.Color"}}}))
    assert provisioned.settled("job")["StackStatus"] == "ROLLBACK_COMPLETE"


SENSELESS: tuple[dict[str, Any], ...] = (
    {"Type": "AWS::IAM::Role", "Properties": {}},
    {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trusting("x"), "Policies": 7}},
    {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trusting("x"), "MaxSessionDuration": "long"}},
    {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trusting("x"), "Tags": ["a"]}},
    {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trusting("x"), "MaxSessionDuration": 1}},
    {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trusting("x"), "Path": ["no path"]}},
    {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": ["a", "b"]}},
    {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": 7}},
    {"Type": "AWS::IAM::Policy", "Properties": {"PolicyName": "p", "PolicyDocument": "{", "Roles": ["app"]}},
    {"Type": "AWS::Lambda::Function", "Properties": {"Role": "no ARN"}},
    {"Type": "AWS::Lambda::Function", "Properties": {"Role": ["a"]}},
)


def test_properties_that_cannot_be_fail_the_resource(provisioned: Provisioned) -> None:
    """Whatever a template says of a resource, the stack comes to an end and the node lives."""
    for number, resource in enumerate(SENSELESS):
        create(provisioned, f"s{number}", json.dumps({"Resources": {"R": resource}}))
    for number in range(len(SENSELESS)):
        assert provisioned.settled(f"s{number}")["StackStatus"] in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
