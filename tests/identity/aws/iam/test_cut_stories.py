"""Each class of write while the control plane cannot be reached: refused so that clients retry, whole or not there at all.

An answer that is lost on its way back leaves a write that happened; a request that is lost leaves none. Neither leaves half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from support.iam_account import EC2_TRUST, allow, trust
from support.iam_clients import ACCOUNT_ID, OTHER_FRONT, IamStack, iam_stack

LINK = Carrier("link", "melbourne.management->sydney.directory")
ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.fixture(scope="module")
def stack() -> Iterator[IamStack]:
    """A stack with a user, a role and a policy for all writes to change."""
    with iam_stack() as stack:
        iam = stack.iam()
        iam.create_user(UserName="target")
        iam.create_role(RoleName="target", AssumeRolePolicyDocument=EC2_TRUST)
        iam.create_policy(PolicyName="target", PolicyDocument=allow("s3:*"))
        iam.create_instance_profile(InstanceProfileName="target")
        stack.sleep(3)
        yield stack


@contextmanager
def cut(stack: IamStack, effect: LinkEffect) -> Iterator[None]:
    """Melbourne's front end cannot talk to the directory."""
    stack.world.run(stack.world.hold(LINK, "cut", effect))
    try:
        yield
    finally:
        stack.world.run(stack.world.release(LINK, "cut"))


def policy_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT_ID}:policy/{name}"


# By class of write: the write with a name of its own, and what reads it back ("" for not there).
Write = tuple[Callable[[Any, str], Any], Callable[[Any, str], Any]]
WRITES: dict[str, Write] = {
    "user": (
        lambda iam, name: iam.create_user(UserName=name, Tags=[{"Key": "a", "Value": "b"}]),
        lambda iam, name: iam.get_user(UserName=name)["User"]["Tags"],
    ),
    "role": (
        lambda iam, name: iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=EC2_TRUST, PermissionsBoundary=ADMINISTRATOR_ACCESS
        ),
        lambda iam, name: iam.get_role(RoleName=name)["Role"]["PermissionsBoundary"],
    ),
    "managed policy": (
        lambda iam, name: iam.create_policy(PolicyName=name, PolicyDocument=allow("s3:*")),
        lambda iam, name: iam.get_policy(PolicyArn=policy_arn(name)),
    ),
    "inline policy": (
        lambda iam, name: iam.put_role_policy(RoleName="target", PolicyName=name, PolicyDocument=allow("s3:*")),
        lambda iam, name: iam.get_role_policy(RoleName="target", PolicyName=name),
    ),
    "tag": (
        lambda iam, name: iam.tag_role(RoleName="target", Tags=[{"Key": name, "Value": ""}]),
        lambda iam, name: [tag for tag in iam.list_role_tags(RoleName="target")["Tags"] if tag["Key"] == name],
    ),
    "policy version": (
        lambda iam, name: iam.create_policy_version(
            PolicyArn=policy_arn("target"), PolicyDocument=allow(f"s3:{name}"), SetAsDefault=True
        ),
        lambda iam, name: name in str(default_document(iam)),
    ),
    "trust policy": (
        lambda iam, name: iam.update_assume_role_policy(
            RoleName="target", PolicyDocument=trust({"Service": f"{name}.amazonaws.com"})
        ),
        lambda iam, name: name in str(iam.get_role(RoleName="target")["Role"]["AssumeRolePolicyDocument"]),
    ),
    "provider": (
        lambda iam, name: iam.create_open_id_connect_provider(Url=f"https://{name}.example.com", ClientIDList=["x"]),
        lambda iam, name: [arn for arn in providers(iam) if name in arn],
    ),
}


def default_document(iam: Any) -> Any:
    """The document in force of the policy `target`."""
    arn = policy_arn("target")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def providers(iam: Any) -> list[str]:
    return [entry["Arn"] for entry in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]


def is_there(iam: Any, read: Callable[[Any, str], Any], name: str) -> bool:
    try:
        return bool(read(iam, name))
    except iam.exceptions.NoSuchEntityException:
        return False


def refused(call: Callable[[], Any]) -> tuple[str, int]:
    """Code and HTTP status of the error that the call raises."""
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize(
    ("effect", "happens"),
    [
        (LinkEffect("refuse"), False),
        (LinkEffect("stall", "upstream"), False),
        (LinkEffect("stall", "downstream"), True),
    ],
    ids=["refused", "request lost", "answer lost"],
)
def test_a_write_happens_whole_or_not_at_all(stack: IamStack, kind: str, effect: LinkEffect, happens: bool) -> None:
    """The client reads ServiceUnavailable (503), which it may retry; after healing the write is there whole, or it is not."""
    write, read = WRITES[kind]
    name = f"{kind}-{effect.effect}-{effect.direction}".replace(" ", "-")
    home, other = stack.iam(), stack.iam(OTHER_FRONT)
    with cut(stack, effect):
        assert refused(lambda: write(other, name)) == ("ServiceUnavailable", 503)
        assert is_there(home, read, name) == happens
    assert is_there(other, read, name) == happens
    if not happens:
        write(other, name)
        assert is_there(home, read, name)
