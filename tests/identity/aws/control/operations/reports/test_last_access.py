"""Last accesses by service: of a user, a role, a group and a policy, and which policies allow a service."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.records.credentials import UserCredentials
from brownout.identity.aws.records.principals import Group, LastUsed, User
from support.iam_account import ACCOUNT, EC2_TRUST, START_S, IamAccount, allow

IAM = f"arn:aws:iam::{ACCOUNT}"
ALICE, BOB, STAFF, APP, OWN = (f"{IAM}:{name}" for name in ("user/alice", "user/bob", "group/staff", "role/app", "policy/own"))


@pytest.fixture
def account() -> IamAccount:
    """Alice used STS with one key and later IAM with another, bob nothing; the role `app` used S3."""
    account = IamAccount(
        [
            User("alice", "AIDAALICE000000000001", ALICE, START_S, groups=("staff",)),
            User("bob", "AIDABOB00000000000001", BOB, START_S, groups=("staff",)),
            Group("staff", "AGPASTAFF000000000001", STAFF, START_S),
            UserCredentials("alice", access_keys=("AKIA1", "AKIA2")),
            LastUsed("AKIA1", START_S + 10, "ap-southeast-2", "sts"),
            LastUsed("AKIA2", START_S + 20, "us-east-1", "iam"),
            LastUsed("role/app", START_S + 30, "ap-southeast-4", "s3"),
        ]
    )
    account("PutUserPolicy", UserName="alice", PolicyName="signs", PolicyDocument=allow("sts:*"))
    account("PutGroupPolicy", GroupName="staff", PolicyName="reads", PolicyDocument=allow("iam:Get*"))
    account("CreatePolicy", PolicyName="own", PolicyDocument=allow("s3:Get*", "sts:AssumeRole"))
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST)
    account("AttachRolePolicy", RoleName="app", PolicyArn=OWN)
    account("AttachUserPolicy", UserName="alice", PolicyArn=OWN)
    return account


def services(account: IamAccount, arn: str) -> dict[str, dict[str, Any]]:
    """What a job about that ARN finds, by namespace."""
    job = account("GenerateServiceLastAccessedDetails", Arn=arn)["JobId"]
    found = account("GetServiceLastAccessedDetails", JobId=job)
    assert (found["JobStatus"], found["JobType"], found["JobCreationDate"]) == ("COMPLETED", "SERVICE_LEVEL", START_S)
    return {entry["ServiceNamespace"]: dict(entry) for entry in found["ServicesLastAccessed"]}


def test_a_users_services_are_told(account: IamAccount) -> None:
    """All that its policies allow, with the last use of each."""
    found = services(account, ALICE)
    assert set(found) == {"iam", "s3", "sts"}
    assert found["sts"] == {
        "ServiceName": "AWS Security Token Service",
        "ServiceNamespace": "sts",
        "LastAuthenticated": START_S + 10,
        "LastAuthenticatedEntity": ALICE,
        "LastAuthenticatedRegion": "ap-southeast-2",
        "TotalAuthenticatedEntities": 1,
    }
    assert found["s3"] == {"ServiceName": "Amazon S3", "ServiceNamespace": "s3", "TotalAuthenticatedEntities": 0}


def test_groups_and_policies_have_the_use_of_their_entities(account: IamAccount) -> None:
    """A group's members, and whoever has a policy attached, through a group too."""
    assert services(account, STAFF)["iam"]["LastAuthenticatedEntity"] == ALICE
    own = services(account, OWN)
    assert (own["s3"]["LastAuthenticatedEntity"], own["sts"]["LastAuthenticatedEntity"]) == (APP, ALICE)
    account("AttachGroupPolicy", GroupName="staff", PolicyArn=OWN)
    assert entities(account, OWN, "s3") == {ALICE: None, BOB: None, APP: START_S + 30}


def entities(account: IamAccount, arn: str, namespace: str) -> dict[str, float | None]:
    """When each entity used the service last."""
    job = account("GenerateServiceLastAccessedDetails", Arn=arn, Granularity="ACTION_LEVEL")["JobId"]
    found = account("GetServiceLastAccessedDetailsWithEntities", JobId=job, ServiceNamespace=namespace)
    return {entry["EntityInfo"]["Arn"]: entry.get("LastAuthenticated") for entry in found["EntityDetailsList"]}


def test_entities_are_told_one_by_one(account: IamAccount) -> None:
    """With those that never used the service."""
    assert entities(account, STAFF, "iam") == {ALICE: START_S + 20, BOB: None}
    assert entities(account, APP, "s3") == {APP: START_S + 30}


def test_policies_that_allow_a_service_are_listed(account: IamAccount) -> None:
    """Managed ones by ARN, inline ones by holder; those of a user's groups too."""
    found = account("ListPoliciesGrantingServiceAccess", Arn=ALICE, ServiceNamespaces=["sts", "iam", "ec2"])
    assert found["PoliciesGrantingServiceAccess"] == [
        {"ServiceNamespace": "ec2", "Policies": []},
        {
            "ServiceNamespace": "iam",
            "Policies": [{"PolicyName": "reads", "PolicyType": "INLINE", "EntityType": "GROUP", "EntityName": "staff"}],
        },
        {
            "ServiceNamespace": "sts",
            "Policies": [
                {"PolicyName": "signs", "PolicyType": "INLINE", "EntityType": "USER", "EntityName": "alice"},
                {"PolicyName": "own", "PolicyType": "MANAGED", "PolicyArn": OWN},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("action", "params", "code"),
    [
        ("GenerateServiceLastAccessedDetails", {"Arn": f"{IAM}:user/none"}, "NoSuchEntity"),
        ("GenerateServiceLastAccessedDetails", {"Arn": f"{IAM}:policy/none"}, "NoSuchEntity"),
        ("GenerateServiceLastAccessedDetails", {"Arn": f"{IAM}:mfa/alice"}, "InvalidInput"),
        ("GetServiceLastAccessedDetails", {"JobId": "0" * 36}, "NoSuchEntity"),
        ("GetServiceLastAccessedDetailsWithEntities", {"JobId": "0" * 36, "ServiceNamespace": "s3"}, "NoSuchEntity"),
        ("ListPoliciesGrantingServiceAccess", {"Arn": f"{IAM}:role/none", "ServiceNamespaces": ["s3"]}, "NoSuchEntity"),
    ],
)
def test_what_is_refused(account: IamAccount, action: str, params: dict[str, Any], code: str) -> None:
    """Unknown entities and jobs, and what has no policies."""
    assert account.refused(action, **params)[0] == code


def test_a_job_about_what_was_deleted(account: IamAccount) -> None:
    """The job is there, its entity is not."""
    job = account("GenerateServiceLastAccessedDetails", Arn=APP)["JobId"]
    account("DetachRolePolicy", RoleName="app", PolicyArn=OWN)
    account("DeleteRole", RoleName="app")
    assert account.refused("GetServiceLastAccessedDetails", JobId=job)[0] == "NoSuchEntity"
