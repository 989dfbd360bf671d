"""What is changed through IAM is in force in every region a moment later, and not before: keys, policies, boundaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from brownout.identity.aws.auth.caller import Credentials
from support.iam_account import allow, trust
from support.iam_clients import IamStack, iam_stack

TOKEN_NODES = ("sydney.token.z1", "melbourne.token.z2")
PUBLISHED_S = 3.0  # more than an interval and the way


@pytest.fixture(scope="module")
def stack() -> Iterator[IamStack]:
    """One stack for all stories; each uses names of its own."""
    with iam_stack() as stack:
        yield stack


@pytest.fixture
def iam(stack: IamStack) -> Any:
    return stack.iam()


class Newcomer:
    """A user that a story makes, with an access key, and its calls of STS in each region."""

    def __init__(self, stack: IamStack, iam: Any, name: str) -> None:
        self.stack, self.iam, self.name = stack, iam, name
        self.arn = iam.create_user(UserName=name)["User"]["Arn"]
        key = iam.create_access_key(UserName=name)["AccessKey"]
        self.credentials = Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def sts(self, node: str) -> Any:
        return self.stack.client("sts", self.credentials, node)

    def everywhere(self, call: Callable[[Any], Any]) -> list[str]:
        """What the call comes to in each region: "ok" or the error's code."""
        return [outcome(lambda node=node: call(self.sts(node))) for node in TOKEN_NODES]

    def assumes(self, role_arn: str) -> list[str]:
        return self.everywhere(lambda sts: sts.assume_role(RoleArn=role_arn, RoleSessionName="story"))


def outcome(call: Callable[[], Any]) -> str:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"


def test_a_key_works_once_it_is_published(stack: IamStack, iam: Any) -> None:
    """Regions know nothing of it in the moment it is made, and all of them soon after; an inactive key ends in the same way."""
    newcomer = Newcomer(stack, iam, "key-story")
    identity = lambda sts: sts.get_caller_identity()  # noqa: E731 (asked four times)
    assert newcomer.everywhere(identity) == ["InvalidClientTokenId"] * 2
    stack.sleep(PUBLISHED_S)
    assert newcomer.everywhere(identity) == ["ok"] * 2
    iam.update_access_key(UserName=newcomer.name, AccessKeyId=newcomer.credentials.access_key_id, Status="Inactive")
    assert newcomer.everywhere(identity) == ["ok"] * 2
    stack.sleep(PUBLISHED_S)
    assert newcomer.everywhere(identity) == ["InvalidClientTokenId"] * 2


def test_a_role_is_assumable_once_it_is_published(stack: IamStack, iam: Any) -> None:
    """The wait that tools put between making a role and using it; a policy that is taken away ends it in the same way."""
    newcomer = Newcomer(stack, iam, "role-story")
    iam.put_user_policy(UserName=newcomer.name, PolicyName="assume", PolicyDocument=allow("sts:AssumeRole"))
    stack.sleep(PUBLISHED_S)
    account_root = newcomer.arn.split(":user/")[0] + ":root"
    role = iam.create_role(RoleName="story", AssumeRolePolicyDocument=trust({"AWS": account_root}))["Role"]["Arn"]
    assert newcomer.assumes(role) == ["AccessDenied"] * 2
    stack.sleep(PUBLISHED_S)
    assert newcomer.assumes(role) == ["ok"] * 2
    iam.delete_user_policy(UserName=newcomer.name, PolicyName="assume")
    stack.sleep(PUBLISHED_S)
    assert newcomer.assumes(role) == ["AccessDenied"] * 2


def test_the_default_version_of_a_policy_is_in_force(stack: IamStack, iam: Any) -> None:
    """Another version in force, or a boundary, changes what the same user may do with the same attachments."""
    newcomer = Newcomer(stack, iam, "version-story")
    account_root = newcomer.arn.split(":user/")[0] + ":root"
    role = iam.create_role(RoleName="versions", AssumeRolePolicyDocument=trust({"AWS": account_root}))["Role"]["Arn"]
    policy = iam.create_policy(PolicyName="versions", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]
    iam.attach_user_policy(UserName=newcomer.name, PolicyArn=policy)
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=allow("sts:AssumeRole"))
    stack.sleep(PUBLISHED_S)
    assert newcomer.assumes(role) == ["AccessDenied"] * 2
    iam.set_default_policy_version(PolicyArn=policy, VersionId="v2")
    stack.sleep(PUBLISHED_S)
    assert newcomer.assumes(role) == ["ok"] * 2
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName=newcomer.name, PermissionsBoundary=boundary)
    stack.sleep(PUBLISHED_S)
    assert newcomer.assumes(role) == ["AccessDenied"] * 2
    iam.delete_user_permissions_boundary(UserName=newcomer.name)
    stack.sleep(PUBLISHED_S)
    assert newcomer.assumes(role) == ["ok"] * 2


def test_a_user_made_anew_is_not_trusted(stack: IamStack, iam: Any) -> None:
    """A trust policy means the user that it was saved with, whatever its name is given to later."""
    first = Newcomer(stack, iam, "heir")
    role = iam.create_role(RoleName="heirs", AssumeRolePolicyDocument=trust({"AWS": first.arn}))["Role"]["Arn"]
    stack.sleep(PUBLISHED_S)
    assert first.assumes(role) == ["ok"] * 2
    iam.delete_access_key(UserName="heir", AccessKeyId=first.credentials.access_key_id)
    iam.delete_user(UserName="heir")
    second = Newcomer(stack, iam, "heir")
    stack.sleep(PUBLISHED_S)
    assert second.arn == first.arn
    assert second.assumes(role) == ["AccessDenied"] * 2
    iam.update_assume_role_policy(RoleName="heirs", PolicyDocument=trust({"AWS": second.arn}))
    stack.sleep(PUBLISHED_S)
    assert second.assumes(role) == ["ok"] * 2
