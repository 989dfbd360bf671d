"""Life cycles as tools run them, with boto3 on a whole stack: create, read back, update, delete in order, and wait."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from support.iam_account import EC2_TRUST, allow, trust
from support.iam_clients import DIRECTORY, OTHER_FRONT, IamStack, iam_stack
from support.saml_documents import metadata

ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.fixture(scope="module")
def stack() -> Iterator[IamStack]:
    """One stack for all stories; each uses names of its own."""
    with iam_stack() as stack:
        yield stack


@pytest.fixture
def iam(stack: IamStack) -> Any:
    return stack.iam()


def test_a_tool_builds_a_machine_role_and_takes_it_down(iam: Any) -> None:
    """Create, read and update see each other at once; deleting in the wrong order is a conflict that names what is left."""
    role = iam.create_role(RoleName="tf-role", AssumeRolePolicyDocument=EC2_TRUST, Tags=[{"Key": "by", "Value": "tool"}])[
        "Role"
    ]
    policy = iam.create_policy(PolicyName="tf-policy", PolicyDocument=allow("s3:Get*"))["Policy"]
    iam.attach_role_policy(RoleName="tf-role", PolicyArn=policy["Arn"])
    iam.put_role_policy(RoleName="tf-role", PolicyName="inline", PolicyDocument=allow("s3:List*"))
    iam.create_instance_profile(InstanceProfileName="tf-profile")
    iam.add_role_to_instance_profile(InstanceProfileName="tf-profile", RoleName="tf-role")

    read = iam.get_role(RoleName="tf-role")["Role"]
    assert (read["Arn"], read["RoleId"], read["Tags"]) == (role["Arn"], role["RoleId"], [{"Key": "by", "Value": "tool"}])
    assert read["AssumeRolePolicyDocument"] == json.loads(EC2_TRUST)
    assert iam.list_role_policies(RoleName="tf-role")["PolicyNames"] == ["inline"]
    assert iam.get_role_policy(RoleName="tf-role", PolicyName="inline")["PolicyDocument"] == json.loads(allow("s3:List*"))
    attached = iam.list_attached_role_policies(RoleName="tf-role")["AttachedPolicies"]
    assert attached == [{"PolicyName": "tf-policy", "PolicyArn": policy["Arn"]}]
    assert iam.get_instance_profile(InstanceProfileName="tf-profile")["InstanceProfile"]["Roles"][0]["Arn"] == role["Arn"]

    iam.update_role(RoleName="tf-role", Description="updated", MaxSessionDuration=7200)
    iam.update_assume_role_policy(RoleName="tf-role", PolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=allow("s3:Put*"), SetAsDefault=True)
    updated = iam.get_role(RoleName="tf-role")["Role"]
    assert (updated["Description"], updated["MaxSessionDuration"]) == ("updated", 7200)

    conflict, missing = iam.exceptions.DeleteConflictException, iam.exceptions.NoSuchEntityException
    with pytest.raises(conflict, match="must remove roles from instance profile first"):
        iam.delete_role(RoleName="tf-role")
    with pytest.raises(conflict, match="must remove roles from instance profile first"):
        iam.delete_instance_profile(InstanceProfileName="tf-profile")
    for profile in iam.list_instance_profiles_for_role(RoleName="tf-role")["InstanceProfiles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=profile["InstanceProfileName"], RoleName="tf-role")
    with pytest.raises(conflict, match="must detach all policies first"):
        iam.delete_role(RoleName="tf-role")
    with pytest.raises(conflict, match="attached to entities"):
        iam.delete_policy(PolicyArn=policy["Arn"])
    iam.detach_role_policy(RoleName="tf-role", PolicyArn=policy["Arn"])
    with pytest.raises(conflict, match="must delete policies first"):
        iam.delete_role(RoleName="tf-role")
    iam.delete_role_policy(RoleName="tf-role", PolicyName="inline")
    iam.delete_role(RoleName="tf-role")
    with pytest.raises(conflict, match="more than one version"):
        iam.delete_policy(PolicyArn=policy["Arn"])
    for version in iam.list_policy_versions(PolicyArn=policy["Arn"])["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=policy["Arn"], VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=policy["Arn"])
    iam.delete_instance_profile(InstanceProfileName="tf-profile")
    for gone in (
        lambda: iam.get_role(RoleName="tf-role"),
        lambda: iam.get_policy(PolicyArn=policy["Arn"]),
        lambda: iam.get_instance_profile(InstanceProfileName="tf-profile"),
        lambda: iam.delete_role(RoleName="tf-role"),
    ):
        with pytest.raises(missing):
            gone()


def test_a_policy_is_updated_over_and_over(iam: Any) -> None:
    """A tool that keeps five versions deletes the oldest before it makes the next."""
    arn = iam.create_policy(PolicyName="often", PolicyDocument=allow("s3:Get1"))["Policy"]["Arn"]
    for n in range(2, 10):
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        if len(versions) == 5:
            iam.delete_policy_version(PolicyArn=arn, VersionId=versions[-1]["VersionId"])
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow(f"s3:Get{n}"), SetAsDefault=True)
    current = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=current)["PolicyVersion"]
    assert (current, version["Document"]) == ("v9", json.loads(allow("s3:Get9")))


def test_a_trust_policy_waits_for_its_principal(iam: Any) -> None:
    """The error that tools retry on comes until the principal exists; what was deleted is shown by id."""
    arn = iam.get_role(RoleName="app")["Role"]["Arn"].replace("app", "tf-principal")
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException, match="Invalid principal in policy"):
        iam.create_role(RoleName="tf-trusts", AssumeRolePolicyDocument=trust({"AWS": arn}))
    made = iam.create_role(RoleName="tf-principal", AssumeRolePolicyDocument=EC2_TRUST)["Role"]
    iam.create_role(RoleName="tf-trusts", AssumeRolePolicyDocument=trust({"AWS": arn}))
    iam.delete_role(RoleName="tf-principal")
    shown = iam.get_role(RoleName="tf-trusts")["Role"]["AssumeRolePolicyDocument"]
    assert shown["Statement"][0]["Principal"] == {"AWS": made["RoleId"]}


def test_every_region_has_a_front_end(stack: IamStack, iam: Any) -> None:
    """What is written through one is read through the other at once: there is one control plane."""
    other = stack.iam(OTHER_FRONT)
    other.create_role(RoleName="far", AssumeRolePolicyDocument=EC2_TRUST)
    assert iam.get_role(RoleName="far")["Role"] == other.get_role(RoleName="far")["Role"]


def test_who_is_not_allowed_is_refused(stack: IamStack) -> None:
    """A user without permissions of IAM gets AccessDenied for reading and writing, and nothing is written."""
    caller = stack.iam(user="caller")
    for refused in (
        lambda: caller.create_role(RoleName="not-mine", AssumeRolePolicyDocument=EC2_TRUST),
        lambda: caller.list_policies(),
        lambda: caller.attach_user_policy(UserName="caller", PolicyArn=ADMINISTRATOR_ACCESS),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()
    with pytest.raises(stack.iam().exceptions.NoSuchEntityException):
        stack.iam().get_role(RoleName="not-mine")


def test_waiters_wait_until_a_thing_is_described(stack: IamStack, iam: Any) -> None:
    """With reads some seconds behind, each waiter of IAM comes back as soon as the thing is seen."""
    stack.hold(DIRECTORY, "describe-lag", lag_s=5)
    try:
        iam.create_user(UserName="late")
        iam.create_role(RoleName="late", AssumeRolePolicyDocument=EC2_TRUST)
        arn = iam.create_policy(PolicyName="late", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]
        iam.create_instance_profile(InstanceProfileName="late")
        began_s = stack.now_s
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.get_role(RoleName="late")
        iam.get_waiter("user_exists").wait(UserName="late")
        assert 3 <= stack.now_s - began_s <= 8
        iam.get_waiter("role_exists").wait(RoleName="late")
        iam.get_waiter("policy_exists").wait(PolicyArn=arn)
        iam.get_waiter("instance_profile_exists").wait(InstanceProfileName="late")
    finally:
        stack.release(DIRECTORY)


def test_waiters_give_up(stack: IamStack, iam: Any) -> None:
    """Reads that are a minute behind are more than a waiter's twenty tries."""
    stack.hold(DIRECTORY, "describe-lag", lag_s=60)
    try:
        iam.create_role(RoleName="later", AssumeRolePolicyDocument=EC2_TRUST)
        with pytest.raises(WaiterError, match="Max attempts exceeded"):
            iam.get_waiter("role_exists").wait(RoleName="later")
    finally:
        stack.release(DIRECTORY)
    assert iam.get_role(RoleName="later")["Role"]["RoleName"] == "later"


def names_of(iam: Any, operation: str, member: str, key: str, **params: Any) -> list[str]:
    """What a paginator of two entries a page finds."""
    pages = iam.get_paginator(operation).paginate(**params, PaginationConfig={"PageSize": 2})
    return [entry[key] if key else entry for page in pages for entry in page[member]]


def test_paginators_find_each_entry_once(iam: Any) -> None:
    """Over roles, profiles, attachments, inline policies, versions, tags, entities and simulations."""
    for n in range(5):
        iam.create_role(RoleName=f"p{n}", Path="/pages/", AssumeRolePolicyDocument=EC2_TRUST)
        iam.create_instance_profile(InstanceProfileName=f"p{n}", Path="/pages/")
        arn = iam.create_policy(PolicyName=f"p{n}", Path="/pages/", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]
        iam.attach_role_policy(RoleName="p0", PolicyArn=arn)
        iam.attach_role_policy(RoleName=f"p{n}", PolicyArn=ADMINISTRATOR_ACCESS)
        iam.put_role_policy(RoleName="p0", PolicyName=f"i{n}", PolicyDocument=allow("s3:*"))
        iam.tag_role(RoleName="p0", Tags=[{"Key": f"t{n}", "Value": ""}])
    five = [f"p{n}" for n in range(5)]
    assert names_of(iam, "list_roles", "Roles", "RoleName", PathPrefix="/pages/") == five
    profiles = names_of(iam, "list_instance_profiles", "InstanceProfiles", "InstanceProfileName", PathPrefix="/pages/")
    assert profiles == five
    assert names_of(iam, "list_policies", "Policies", "PolicyName", Scope="Local", PathPrefix="/pages/") == five
    attached = names_of(iam, "list_attached_role_policies", "AttachedPolicies", "PolicyName", RoleName="p0")
    assert sorted(attached) == ["AdministratorAccess", *five]
    assert names_of(iam, "list_role_policies", "PolicyNames", "", RoleName="p0") == [f"i{n}" for n in range(5)]
    assert names_of(iam, "list_role_tags", "Tags", "Key", RoleName="p0") == [f"t{n}" for n in range(5)]
    holders = {"PolicyArn": ADMINISTRATOR_ACCESS, "EntityFilter": "Role"}
    assert set(five) <= set(names_of(iam, "list_entities_for_policy", "PolicyRoles", "RoleName", **holders))
    actions = [f"s3:Get{n}" for n in range(5)]
    params = {"PolicySourceArn": iam.get_role(RoleName="p0")["Role"]["Arn"], "ActionNames": actions}
    assert names_of(iam, "simulate_principal_policy", "EvaluationResults", "EvalActionName", **params) == actions
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 3}))
    roles = [role for page in pages for role in page["RoleDetailList"]]
    assert set(five) <= {role["RoleName"] for role in roles}
    assert all(isinstance(role["AssumeRolePolicyDocument"], dict) for role in roles)


def test_a_service_gets_and_loses_its_role(iam: Any) -> None:
    """As tools do it: create, see that it is closed, delete, poll the task."""
    service = "autoscaling.amazonaws.com"
    name = iam.create_service_linked_role(AWSServiceName=service, CustomSuffix="tf")["Role"]["RoleName"]
    with pytest.raises(iam.exceptions.InvalidInputException, match="has been taken in this account"):
        iam.create_service_linked_role(AWSServiceName=service, CustomSuffix="tf")
    with pytest.raises(iam.exceptions.UnmodifiableEntityException, match="only modifiable by AWS"):
        iam.delete_role(RoleName=name)
    task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=name)


def test_providers_come_and_go(iam: Any) -> None:
    """OpenID Connect and SAML, with their tags."""
    tags = [{"Key": "a", "Value": "b"}]
    oidc = iam.create_open_id_connect_provider(Url="https://token.example.com", ClientIDList=["x"], Tags=tags)
    on: dict[str, Any] = {"OpenIDConnectProviderArn": oidc["OpenIDConnectProviderArn"]}
    iam.add_client_id_to_open_id_connect_provider(**on, ClientID="y")
    found = iam.get_open_id_connect_provider(**on)
    assert (found["Url"], found["ClientIDList"], found["Tags"]) == ("token.example.com", ["x", "y"], tags)
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_open_id_connect_provider(Url="https://token.example.com")
    iam.delete_open_id_connect_provider(**on)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_open_id_connect_provider(**on)

    saml = iam.create_saml_provider(Name="idp", SAMLMetadataDocument=metadata())["SAMLProviderArn"]
    assert iam.get_saml_provider(SAMLProviderArn=saml)["SAMLMetadataDocument"] == metadata()
    with pytest.raises(iam.exceptions.InvalidInputException):
        iam.update_saml_provider(SAMLProviderArn=saml, SAMLMetadataDocument="x" * 1000)
    iam.delete_saml_provider(SAMLProviderArn=saml)
    assert iam.list_saml_providers()["SAMLProviderList"] == []


def test_a_credential_report_is_fetched(stack: IamStack, iam: Any) -> None:
    """The client decodes it to CSV; asked too early it raises the model's exception."""
    assert iam.generate_credential_report()["State"] == "STARTED"
    with pytest.raises(iam.exceptions.CredentialReportNotReadyException):
        iam.get_credential_report()
    stack.sleep(5)
    text = iam.get_credential_report()["Content"].decode()
    lines = list(csv.DictReader(io.StringIO(text)))
    assert {"<root_account>", "admin", "caller"} <= {line["user"] for line in lines}
    assert next(line for line in lines if line["user"] == "admin")["access_key_1_active"] == "true"


def test_simulations_tell_the_clients_what_decided(iam: Any) -> None:
    """Decision, statement and missing keys, as the model has them."""
    document = json.loads(allow("s3:Get*"))
    document["Statement"][0]["Condition"] = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
    call = {"PolicyInputList": [json.dumps(document)], "ActionNames": ["s3:GetObject"]}
    (missing,) = iam.simulate_custom_policy(**call)["EvaluationResults"]
    assert (missing["EvalDecision"], missing["MissingContextValues"]) == ("implicitDeny", ["aws:ResourceTag/team"])
    entry = {"ContextKeyName": "aws:ResourceTag/team", "ContextKeyValues": ["blue"], "ContextKeyType": "string"}
    (decided,) = iam.simulate_custom_policy(**call, ContextEntries=[entry])["EvaluationResults"]
    assert decided["EvalDecision"] == "allowed"
    assert decided["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1"
