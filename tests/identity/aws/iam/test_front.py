"""IAM's front ends with real boto3 clients: who may do what to which resource, and what an outage looks like."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import encode_json
from support.aws_roles import allow, deny, document, trust
from support.iam_clients import DIRECTORY, HOME_FRONT, OTHER_FRONT, IamStack, iam_stack
from support.simulated_aws import refusal, temporary

LINK = f"melbourne.management->{DIRECTORY}"
BOUNDARY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


class Company:
    """A stack with users that its administrator makes."""

    def __init__(self, stack: IamStack) -> None:
        self.stack = stack
        self.admin = stack.iam()
        self.account = self.admin.get_user()["User"]["Arn"].split(":")[4]

    def arn(self, resource: str) -> str:
        return f"arn:aws:iam::{self.account}:{resource}"

    def user(self, name: str, *statements: dict[str, Any]) -> Credentials:
        """A new user with a key, once every region knows."""
        self.admin.create_user(UserName=name)
        if statements:
            self.admin.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
        key = self.admin.create_access_key(UserName=name)["AccessKey"]
        self.stack.sleep(3)
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def iam(self, name: str, *statements: dict[str, Any]) -> Any:
        return self.stack.iam_as(self.user(name, *statements))


@pytest.fixture
def company() -> Iterator[Company]:
    with iam_stack() as stack:
        yield Company(stack)


def test_calls_without_a_name_mean_the_caller(company: Company) -> None:
    """A user reads itself by its own ARN; a role's session has to say whom it means."""
    alice = company.iam("alice", allow("iam:GetUser", "iam:ListAccessKeys", resource=company.arn("user/${aws:username}")))
    assert alice.get_user()["User"]["UserName"] == "alice"
    assert [key["UserName"] for key in alice.list_access_keys()["AccessKeyMetadata"]] == ["alice"]
    assert refusal(alice.get_user, UserName="admin").code == "AccessDenied"
    sts = company.stack.client("sts", company.stack.credentials("caller"))
    session = sts.assume_role(RoleArn=company.arn("role/deployer"), RoleSessionName="job")
    found = refusal(company.stack.iam_as(temporary(session)).get_user)
    assert (found.code, found.message) == ("ValidationError", "Must specify userName when calling with non-User credentials")


def test_the_message_names_the_resource(company: Company) -> None:
    """Who may do nothing learns which action on which resource was denied."""
    alice = company.iam("alice")
    for call, params, resource in (
        (alice.list_users, {"PathPrefix": "/team/"}, "user/team/"),
        (alice.create_role, {"RoleName": "r", "AssumeRolePolicyDocument": "{}", "Path": "/team/"}, "role/team/r"),
        (alice.get_role, {"RoleName": "app"}, "role/app"),
        (alice.attach_user_policy, {"UserName": "caller", "PolicyArn": BOUNDARY}, "user/caller"),
    ):
        found = refusal(call, **params)
        assert found.code == "AccessDenied"
        assert f"on resource: {company.arn(resource)} because no identity-based policy allows" in found.message


def test_paths_are_part_of_the_resource(company: Company) -> None:
    """A permission for a path reaches what stands below it, before and after it is made."""
    alice = company.iam("alice", allow("iam:*", resource=company.arn("user/team/*")))
    alice.create_user(UserName="bob", Path="/team/")
    company.stack.sleep(3)
    assert alice.get_user(UserName="bob")["User"]["Path"] == "/team/"
    assert refusal(alice.create_user, UserName="carol").code == "AccessDenied"


def test_condition_keys_of_actions_count(company: Company) -> None:
    """Which policy may be attached, which boundary must be given, and which tags."""
    alice = company.iam(
        "alice",
        allow("iam:AttachUserPolicy", Condition={"ArnEquals": {"iam:PolicyARN": BOUNDARY}}),
        allow("iam:CreateUser", Condition={"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}),
        allow("iam:CreateUser", "iam:TagUser", Condition={"StringEquals": {"aws:RequestTag/team": "blue"}}),
        allow("iam:DeleteUser", Condition={"StringEquals": {"aws:ResourceTag/team": "blue"}}),
    )
    alice.attach_user_policy(UserName="caller", PolicyArn=BOUNDARY)
    assert (
        refusal(alice.attach_user_policy, UserName="alice", PolicyArn=BOUNDARY.replace("ReadOnly", "Administrator")).status
        == 403
    )
    alice.create_user(UserName="bounded", PermissionsBoundary=BOUNDARY)
    alice.create_user(UserName="blue", Tags=[{"Key": "team", "Value": "blue"}])
    assert refusal(alice.create_user, UserName="free").status == 403
    company.stack.sleep(3)
    alice.delete_user(UserName="blue")
    assert refusal(alice.delete_user, UserName="bounded").status == 403


def test_a_role_is_passed_to_an_instance_profile_by_permission(company: Company) -> None:
    """Putting a role into a profile needs iam:PassRole on the role."""
    company.admin.create_instance_profile(InstanceProfileName="own")
    alice = company.iam("alice", allow("iam:AddRoleToInstanceProfile"))
    wish = {"InstanceProfileName": "own", "RoleName": "app"}
    assert "iam:PassRole" in refusal(alice.add_role_to_instance_profile, **wish).message
    passing = document(allow("iam:AddRoleToInstanceProfile"), allow("iam:PassRole", resource=company.arn("role/app")))
    company.admin.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=passing)
    company.stack.sleep(3)
    alice.add_role_to_instance_profile(**wish)


def test_sessions_without_mfa_are_not_let_in(company: Company) -> None:
    """IAM takes the session of a user only when a device was shown, and a federated user's never."""
    sts = company.stack.client("sts", company.stack.credentials("admin"))
    for made in (sts.get_session_token(), sts.get_federation_token(Name="bob", Policy=document(allow("*")))):
        assert refusal(company.stack.iam_as(temporary(made)).list_users).code == "InvalidClientTokenId"


def test_a_deny_reaches_every_region(company: Company) -> None:
    """A change made in the home region is obeyed by the other region's front end, as soon as it was published there."""
    key = company.user("alice", allow("iam:ListUsers"))
    away = company.stack.iam_as(key, OTHER_FRONT)
    away.list_users()
    company.admin.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=document(deny("iam:*")))
    company.stack.sleep(3)
    assert "explicit deny" in refusal(away.list_users).message


@pytest.mark.parametrize("effect", ["refuse", "reset", "stall"])
def test_a_cut_region_changes_nothing_and_goes_on_authorizing(company: Company, effect: str) -> None:
    """Reads and writes of IAM are ServiceUnavailable there; denials are still denials, and STS serves as before."""
    stack, key = company.stack, company.user("alice", allow("iam:CreateUser", "iam:GetUser"))
    stack.world.run(stack.world.hold(Carrier("link", LINK), "cut", LinkEffect(effect)))
    away = stack.iam_as(key, OTHER_FRONT)
    for call, params in ((away.create_user, {"UserName": "bob"}), (away.get_user, {})):
        found = refusal(call, **params)
        assert (found.code, found.status) == ("ServiceUnavailable", 503)
    assert refusal(away.delete_user, UserName="alice").code == "AccessDenied"
    stack.client("sts", key, "melbourne.token.z2").get_caller_identity()
    stack.world.run(stack.world.release(Carrier("link", LINK), "cut"))
    assert refusal(company.admin.get_user, UserName="bob").code == "NoSuchEntity"
    away.create_user(UserName="bob")


def test_without_the_directory_no_front_end_changes_anything(company: Company) -> None:
    """Also the home region's own."""
    stack = company.stack
    key = stack.credentials("admin")
    stack.world.run(stack.world.hold(Carrier("node", DIRECTORY), "kill", NodeEffect("down")))
    for front in (HOME_FRONT, OTHER_FRONT):
        assert refusal(stack.iam_as(key, front).list_users).code == "ServiceUnavailable"
    stack.client("sts", key).assume_role(RoleArn=company.arn("role/app"), RoleSessionName="job")
    stack.world.run(stack.world.release(Carrier("node", DIRECTORY), "kill"))
    stack.iam_as(key).list_users()


def test_a_slow_control_plane_is_waited_for(company: Company) -> None:
    """An answer that comes late is an answer."""
    company.stack.hold(DIRECTORY, "iam-latency", delay_s=5.0)
    started_s = company.stack.now_s
    company.admin.list_users()
    assert company.stack.now_s - started_s >= 5


def test_last_use_is_told_in_the_end(company: Company) -> None:
    """Uses of a key and of a role in any region are known to IAM a minute later; before that nothing is."""
    stack, key = company.stack, company.user("alice", allow("sts:AssumeRole"))
    before = company.admin.get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"]
    assert "LastUsedDate" not in before
    sts = stack.client("sts", key, "melbourne.token.z1")
    made = sts.assume_role(RoleArn=company.arn("role/app"), RoleSessionName="job")
    stack.client("sts", temporary(made), "melbourne.token.z1").get_caller_identity()
    used_s = stack.now_s
    stack.sleep(61)
    told = company.admin.get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"]
    assert (told["Region"], told["ServiceName"]) == ("ap-southeast-4", "sts")
    assert abs(told["LastUsedDate"].timestamp() - used_s) < 2
    role = company.admin.get_role(RoleName="app")["Role"]["RoleLastUsed"]
    assert role["Region"] == "ap-southeast-4"


def test_use_at_the_vault_is_told_too(company: Company) -> None:
    """The vault tells the directory in the background, as front ends and token nodes do."""
    stack, key = company.stack, company.user("alice", allow("secretsmanager:*"))
    vault = stack.client("secretsmanager", key, "melbourne.vault")
    vault.get_secret_value(SecretId="sample")
    stack.sleep(61)
    told = company.admin.get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"]
    assert (told["Region"], told["ServiceName"]) == ("ap-southeast-4", "secretsmanager")


def test_a_root_session_needs_the_control_plane(company: Company) -> None:
    """AssumeRoot alone of all operations of STS; its session may do its one task."""
    stack, key = company.stack, company.stack.credentials("admin")
    task = {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}
    sts = stack.client("sts", key, "melbourne.token.z1")
    wish = {"TargetPrincipal": company.account, "TaskPolicyArn": task}
    root = temporary(sts.assume_root(**wish))
    assert stack.client("sts", root).get_caller_identity()["Arn"] == company.arn("root")
    audit = stack.iam_as(root)
    audit.get_account_summary()
    assert refusal(audit.list_users).code == "AccessDenied"
    assert refusal(sts.assume_root, **{**wish, "TaskPolicyArn": {"arn": BOUNDARY}}).code == "ValidationError"
    assert refusal(sts.assume_root, **{**wish, "TargetPrincipal": "123456789012"}).code == "AccessDenied"
    cut = Carrier("link", f"melbourne.token->{DIRECTORY}")
    stack.world.run(stack.world.hold(cut, "cut", LinkEffect("refuse")))
    assert refusal(sts.assume_root, **wish).code == "ServiceUnavailable"
    sts.assume_role(RoleArn=company.arn("role/app"), RoleSessionName="job")


def test_a_new_role_can_be_assumed_once_it_was_published(company: Company) -> None:
    """And not before: a region answers by what it knows."""
    stack = company.stack
    trusting = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **trust({"AWS": company.arn("root")})}]})
    sts = stack.client("sts", stack.credentials("caller"), "melbourne.token.z3")
    stack.hold(DIRECTORY, "pause-iam-replication", nodes=["melbourne.token.z3"])
    arn = company.admin.create_role(RoleName="late", AssumeRolePolicyDocument=trusting)["Role"]["Arn"]
    stack.sleep(5)
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="job").code == "AccessDenied"
    other = stack.client("sts", stack.credentials("caller"), "melbourne.token.z1")
    other.assume_role(RoleArn=arn, RoleSessionName="job")
    stack.release(DIRECTORY)
    stack.sleep(3)
    sts.assume_role(RoleArn=arn, RoleSessionName="job")


def test_secrets_never_leave_the_directory(company: Company) -> None:
    """No other node has a long-term secret on its disk, of a user who was there from the start or of a new one."""
    stack = company.stack
    keys = [stack.credentials("admin"), stack.credentials("caller"), company.user("alice")]
    for name in stack.world.spec.nodes():
        text = encode_json(stack.world._nodes[name].disk).decode()
        found = [key.access_key_id for key in keys if key.secret_access_key in text]
        assert found == ([key.access_key_id for key in keys] if name == DIRECTORY else [])
        if name in stack.holders():
            assert all(key.access_key_id in text for key in keys)
