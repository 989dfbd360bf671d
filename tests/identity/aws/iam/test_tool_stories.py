"""What Terraform and its like do with each kind of resource, with boto3: create, read, update in place, read, delete, read.

Reads lag by seconds behind writes. A tool trusts its own writes and asks again until it reads them: a resource that it has just
made and does not find, attributes and tags that are still the old ones, a resource that it deleted and still finds. It waits
for two minutes at most, as the provider of Terraform does for IAM.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from brownout.identity.aws.auth.caller import Credentials
from support.iam_account import EC2_TRUST, allow, trust
from support.iam_clients import DIRECTORY, IamStack, iam_stack
from support.saml_documents import metadata

LAG_S = 7.0
PROPAGATION_S = 120.0
PAUSE_S = 0.5
BLUE, GREEN = [{"Key": "team", "Value": "blue"}], [{"Key": "owner", "Value": "me"}, {"Key": "team", "Value": "green"}]
State = Mapping[str, Any]


@dataclass(frozen=True)
class Managed:
    """A kind of resource as a tool keeps it: `create` returns its id, `read` all that the tool has in its state of it."""

    create: Callable[[Any], str]
    read: Callable[[Any, str], State]
    update: Callable[[Any, str], object]
    delete: Callable[[Any, str], object]
    created: State
    updated: State


def by_key(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(tags, key=lambda tag: tag["Key"])


def retag(tag: Callable[..., Any], **named: str) -> None:
    """As tools do it: one tag is changed, and one is new."""
    tag(**named, Tags=GREEN)


def read_role(iam: Any, name: str) -> State:
    role = iam.get_role(RoleName=name)["Role"]
    return {
        "trust": role["AssumeRolePolicyDocument"],
        "description": role["Description"],
        "longest_s": role["MaxSessionDuration"],
        "tags": by_key(iam.list_role_tags(RoleName=name)["Tags"]),
        "inline": {
            policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        },
        "attached": [each["PolicyName"] for each in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]],
    }


def create_role(iam: Any) -> str:
    iam.create_role(RoleName="tool-role", AssumeRolePolicyDocument=EC2_TRUST, Description="made", Tags=BLUE)
    iam.put_role_policy(RoleName="tool-role", PolicyName="inline", PolicyDocument=allow("s3:List*"))
    return "tool-role"


def update_role(iam: Any, name: str) -> None:
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    iam.update_role(RoleName=name, Description="changed", MaxSessionDuration=7200)
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=allow("s3:Get*"))
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    retag(iam.tag_role, RoleName=name)


def delete_role(iam: Any, name: str) -> None:
    iam.detach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.delete_role_policy(RoleName=name, PolicyName="inline")
    iam.delete_role(RoleName=name)


ROLE = Managed(
    create_role,
    read_role,
    update_role,
    delete_role,
    {
        "trust": json.loads(EC2_TRUST),
        "description": "made",
        "longest_s": 3600,
        "tags": BLUE,
        "inline": {"inline": json.loads(allow("s3:List*"))},
        "attached": [],
    },
    {
        "trust": json.loads(trust({"Service": "lambda.amazonaws.com"})),
        "description": "changed",
        "longest_s": 7200,
        "tags": GREEN,
        "inline": {"inline": json.loads(allow("s3:Get*"))},
        "attached": ["ReadOnlyAccess"],
    },
)


def read_policy(iam: Any, arn: str) -> State:
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    return {"document": version["Document"], "tags": by_key(iam.list_policy_tags(PolicyArn=arn)["Tags"])}


def update_policy(iam: Any, arn: str) -> None:
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("sqs:*"), SetAsDefault=True)
    retag(iam.tag_policy, PolicyArn=arn)


def delete_policy(iam: Any, arn: str) -> None:
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy(PolicyArn=arn)


POLICY = Managed(
    lambda iam: str(
        iam.create_policy(PolicyName="tool-policy", Path="/tool/", PolicyDocument=allow("s3:*"), Tags=BLUE)["Policy"]["Arn"]
    ),
    read_policy,
    update_policy,
    delete_policy,
    {"document": json.loads(allow("s3:*")), "tags": BLUE},
    {"document": json.loads(allow("sqs:*")), "tags": GREEN},
)


def read_user(iam: Any, name: str) -> State:
    user = iam.get_user(UserName=name)["User"]
    return {"path": user["Path"], "tags": by_key(iam.list_user_tags(UserName=name)["Tags"])}


def update_user(iam: Any, name: str) -> None:
    iam.update_user(UserName=name, NewPath="/people/")
    retag(iam.tag_user, UserName=name)


USER = Managed(
    lambda iam: str(iam.create_user(UserName="tool-user", Tags=BLUE)["User"]["UserName"]),
    read_user,
    update_user,
    lambda iam, name: iam.delete_user(UserName=name),
    {"path": "/", "tags": BLUE},
    {"path": "/people/", "tags": GREEN},
)


def read_profile(iam: Any, name: str) -> State:
    profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    tags = by_key(iam.list_instance_profile_tags(InstanceProfileName=name)["Tags"])
    return {"roles": [role["RoleName"] for role in profile["Roles"]], "tags": tags}


def create_profile(iam: Any) -> str:
    iam.create_instance_profile(InstanceProfileName="tool-profile", Tags=BLUE)
    iam.add_role_to_instance_profile(InstanceProfileName="tool-profile", RoleName="web")
    return "tool-profile"


def update_profile(iam: Any, name: str) -> None:
    iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName="web")
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName="app")
    retag(iam.tag_instance_profile, InstanceProfileName=name)


def delete_profile(iam: Any, name: str) -> None:
    iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName="app")
    iam.delete_instance_profile(InstanceProfileName=name)


PROFILE = Managed(
    create_profile,
    read_profile,
    update_profile,
    delete_profile,
    {"roles": ["web"], "tags": BLUE},
    {"roles": ["app"], "tags": GREEN},
)

THUMBPRINT, ANOTHER = "a" * 40, "b" * 40


def create_oidc(iam: Any) -> str:
    named = {"Url": "https://tool.example.com", "ClientIDList": ["one"], "ThumbprintList": [THUMBPRINT]}
    return str(iam.create_open_id_connect_provider(**named, Tags=BLUE)["OpenIDConnectProviderArn"])


def read_oidc(iam: Any, arn: str) -> State:
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    return {"clients": found["ClientIDList"], "thumbprints": found["ThumbprintList"], "tags": by_key(found["Tags"])}


def update_oidc(iam: Any, arn: str) -> None:
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="two")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="one")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=[ANOTHER])
    retag(iam.tag_open_id_connect_provider, OpenIDConnectProviderArn=arn)


OIDC = Managed(
    create_oidc,
    read_oidc,
    update_oidc,
    lambda iam, arn: iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn),
    {"clients": ["one"], "thumbprints": [THUMBPRINT], "tags": BLUE},
    {"clients": ["two"], "thumbprints": [ANOTHER], "tags": GREEN},
)


def read_saml(iam: Any, arn: str) -> State:
    found = iam.get_saml_provider(SAMLProviderArn=arn)
    return {"metadata": found["SAMLMetadataDocument"], "tags": by_key(found["Tags"])}


def update_saml(iam: Any, arn: str) -> None:
    iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=metadata(entity_id="https://idp.example.org/saml"))
    retag(iam.tag_saml_provider, SAMLProviderArn=arn)


SAML = Managed(
    lambda iam: str(iam.create_saml_provider(Name="tool", SAMLMetadataDocument=metadata(), Tags=BLUE)["SAMLProviderArn"]),
    read_saml,
    update_saml,
    lambda iam, arn: iam.delete_saml_provider(SAMLProviderArn=arn),
    {"metadata": metadata(), "tags": BLUE},
    {"metadata": metadata(entity_id="https://idp.example.org/saml"), "tags": GREEN},
)


@pytest.fixture(scope="module")
def stack() -> Iterator[IamStack]:
    """One stack for all kinds, whose reads lag."""
    with iam_stack() as stack:
        stack.hold(DIRECTORY, "describe-lag", lag_s=LAG_S)
        yield stack


class Tool:
    """A tool that asks again until it reads what it wrote. `stale` counts the reads that did not show it yet."""

    def __init__(self, stack: IamStack) -> None:
        self.stack, self.stale = stack, 0

    def until(self, seen: Callable[[], bool]) -> float:
        """How long it took until that was seen, in seconds of the stack; fails after PROPAGATION_S."""
        began_s = self.stack.now_s
        while not seen():
            self.stale += 1
            assert self.stack.now_s - began_s < PROPAGATION_S, "not propagated in time"
            self.stack.sleep(PAUSE_S)
        return self.stack.now_s - began_s


def found(read: Callable[[Any, str], State], iam: Any, id_: str) -> State | None:
    """What is read, None while it is not found."""
    try:
        return read(iam, id_)
    except iam.exceptions.NoSuchEntityException:
        return None


@pytest.mark.parametrize(
    "kind", [ROLE, POLICY, USER, PROFILE, OIDC, SAML], ids=["role", "policy", "user", "instance-profile", "oidc", "saml"]
)
def test_a_tool_reads_its_own_writes(stack: IamStack, kind: Managed) -> None:
    """Made, changed and deleted are each read after the lag and not before; nothing is ever read that was not written."""
    iam, tool = stack.iam(), Tool(stack)
    id_ = kind.create(iam)
    assert found(kind.read, iam, id_) is None, "reads lag"
    waits = [tool.until(lambda: found(kind.read, iam, id_) == kind.created)]
    kind.update(iam, id_)
    assert found(kind.read, iam, id_) == kind.created, "reads lag"
    waits.append(tool.until(lambda: found(kind.read, iam, id_) == kind.updated))
    kind.delete(iam, id_)
    assert found(kind.read, iam, id_) == kind.updated, "reads lag"
    waits.append(tool.until(lambda: found(kind.read, iam, id_) is None))
    assert all(LAG_S - 1 <= wait <= LAG_S + 2 for wait in waits), waits
    assert tool.stale >= 3 * (LAG_S - 2) / PAUSE_S
    kind.create(iam)  # the name is free again, though the deletion of before may not be read yet
    tool.until(lambda: found(kind.read, iam, id_) == kind.created)


def test_a_tool_waits_until_a_new_role_can_be_assumed(stack: IamStack) -> None:
    """A user, a key and a role that trusts it: STS of each region refuses for a moment, and a tool that asks again gets in."""
    iam, tool = stack.iam(), Tool(stack)
    user = iam.create_user(UserName="tool-caller")["User"]
    iam.put_user_policy(UserName="tool-caller", PolicyName="assume", PolicyDocument=allow("sts:AssumeRole"))
    made = iam.create_access_key(UserName="tool-caller")["AccessKey"]
    role = iam.create_role(RoleName="tool-trusting", AssumeRolePolicyDocument=trust({"AWS": user["Arn"]}))["Role"]["Arn"]
    key = Credentials(made["AccessKeyId"], made["SecretAccessKey"])
    codes: list[str] = []

    def assumed(node: str) -> bool:
        sts = stack.client("sts", key, node)
        try:
            sts.assume_role(RoleArn=role, RoleSessionName="tool")
        except sts.exceptions.ClientError as refused:
            codes.append(refused.response["Error"]["Code"])
            return False
        return True

    for node in ("sydney.token.z1", "melbourne.token.z3"):
        tool.until(lambda node=node: assumed(node))
    assert codes
    assert set(codes) <= {"InvalidClientTokenId", "AccessDenied"}
