"""Claims C15 and C22: identity providers' users get credentials in a region that is cut off, and one-time codes work there."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.totp import code_of, period_of
from support.iam_clients import IamStack, iam_stack
from support.saml_documents import metadata
from support.saml_responses import SamlLogin
from support.simulated_aws import refusal, temporary
from support.web_tokens import WebIdentityProvider

STS = "melbourne.token.z1"
OTHER_STS = "melbourne.token.z2"
UNSIGNED = Credentials("", "")
PROVIDER = WebIdentityProvider("https://idp.example.com/realms/a", "ES256")
HOUR_S = 3600.0
SETTLED_S = 5.0


@pytest.fixture
def stack() -> Iterator[IamStack]:
    """A stack that publishes every two seconds, settled."""
    with iam_stack(iam_publish_interval_s=2.0) as made:
        made.sleep(SETTLED_S)
        yield made


def lose_home(stack: IamStack) -> None:
    """Every node of the home region is gone."""
    for node in stack.world.spec.nodes():
        if node.startswith("sydney."):
            stack.world.run(stack.world.hold(Carrier("node", node), "gone", NodeEffect("down")))


def federated_role(stack: IamStack, name: str, provider: str, action: str) -> str:
    """A role that any subject of the provider may assume."""
    statement = {"Effect": "Allow", "Action": action, "Principal": {"Federated": provider}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn: str = stack.iam().create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    return arn


def with_saml(stack: IamStack) -> Callable[[], Any]:
    """A call of AssumeRoleWithSAML by a user who has just signed on at the account's provider."""
    provider = stack.iam().create_saml_provider(SAMLMetadataDocument=metadata(), Name="corp")["SAMLProviderArn"]
    role = federated_role(stack, "sso", provider, "sts:AssumeRoleWithSAML")

    def assume() -> Any:
        assertion = SamlLogin(stack.now_s, role, provider).encoded()
        sts = stack.client("sts", UNSIGNED, STS)
        return sts.assume_role_with_saml(RoleArn=role, PrincipalArn=provider, SAMLAssertion=assertion)

    return assume


def with_web_identity(stack: IamStack, node: str = STS) -> Callable[[], Any]:
    """A call of AssumeRoleWithWebIdentity by a user with a new token of the account's provider."""
    iam = stack.iam()
    provider = iam.create_open_id_connect_provider(Url=PROVIDER.url, ClientIDList=["app"])["OpenIDConnectProviderArn"]
    role = federated_role(stack, "web-users", provider, "sts:AssumeRoleWithWebIdentity")

    def assume(at: str = node) -> Any:
        sts = stack.client("sts", UNSIGNED, at)
        token = PROVIDER.token(stack.now_s)
        return sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="job", WebIdentityToken=token)

    return assume


def publish_keys(stack: IamStack, node: str) -> None:
    """Lets a node fetch the provider's keys."""
    page = {"provider": PROVIDER.url, "keys": [PROVIDER.jwk()]}
    assert stack.control(node, "PUT", "/aws/identity-providers", page).ok


@pytest.mark.parametrize("issue", [with_saml, with_web_identity], ids=["SAML", "web identity"])
def test_c15_federated_users_get_credentials_for_a_day(stack: IamStack, issue: Callable[[IamStack], Callable[[], Any]]) -> None:
    """Hour by hour for 24 hours after the home region is gone, with credentials that are of use."""
    publish_keys(stack, STS)
    assume = issue(stack)
    stack.sleep(SETTLED_S)
    assume()
    lose_home(stack)
    for _ in range(25):
        seen = stack.client("sts", temporary(assume()), STS).get_caller_identity()
        assert ":assumed-role/" in seen["Arn"]
        stack.sleep(HOUR_S)


def test_c15_without_its_keys_an_identity_provider_that_is_gone_too_is_missed(stack: IamStack) -> None:
    """The control: a node that has never seen the provider's keys cannot verify its tokens. With keys it does, on and on."""
    publish_keys(stack, STS)
    assume: Any = with_web_identity(stack)
    stack.sleep(SETTLED_S)
    assume()
    lose_home(stack)
    for node in (STS, OTHER_STS):
        stack.hold(node, "idp-unreachable")
    assert refusal(assume, at=OTHER_STS).code == "IDPCommunicationError"
    assert temporary(assume()).session_token


def test_c22_one_time_codes_are_taken_by_sts_in_a_cut(stack: IamStack) -> None:
    """GetSessionToken with a virtual device's code works with the home region gone; a wrong code does not."""
    iam = stack.iam()
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    seed = base64.b32decode(device["Base32StringSeed"])
    first = period_of(stack.now_s)
    serial = device["SerialNumber"]
    iam.enable_mfa_device(
        UserName="caller",
        SerialNumber=serial,
        AuthenticationCode1=code_of(seed, first - 1),
        AuthenticationCode2=code_of(seed, first),
    )
    keys = stack.credentials("caller")
    stack.sleep(SETTLED_S + 60)
    lose_home(stack)
    sts = stack.client("sts", keys, STS)
    code = code_of(seed, period_of(stack.now_s))
    assert refusal(sts.get_session_token, SerialNumber=serial, TokenCode=_another(code)).code == "AccessDenied"
    made = temporary(sts.get_session_token(SerialNumber=serial, TokenCode=code))
    assert stack.client("sts", made, STS).get_caller_identity()["Arn"].endswith(":user/caller")


def _another(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"
