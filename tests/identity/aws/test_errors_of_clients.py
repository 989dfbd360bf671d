"""Every error that the page of wire facts lists, got by a boto3 client from a whole stack."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest
from botocore import UNSIGNED

from brownout.identity.aws.auth.caller import Credentials
from support.aws_roles import document, trust
from support.docs_pages import DOCS, section
from support.iam_account import allow
from support.iam_clients import DIRECTORY, IamStack, iam_stack
from support.simulated_aws import STS_NODE, AwsRefusal, refusal, temporary
from support.web_tokens import WebIdentityProvider

# One that is well, one that takes back what it said, and one that is never reached.
GOOD, REVOKING, DARK = PROVIDERS = [WebIdentityProvider(f"https://{name}.example.com", "ES256") for name in "abc"]
LISTED = re.findall(r"^\| (\w+) \| (\d+) \|", section(DOCS / "reference" / "aws-wire.md", "Error codes"), re.MULTILINE)
Case = Callable[[IamStack], AwsRefusal]
CASES: dict[str, list[Case]] = {}


def gives(code: str) -> Callable[[Case], Case]:
    """Enters the function as a way to get the error."""

    def enter(case: Case) -> Case:
        CASES.setdefault(code, []).append(case)
        return case

    return enter


@pytest.fixture(scope="module")
def stack() -> Iterator[IamStack]:
    """One stack, with role `open` that everybody of the account and of the providers may assume."""
    with iam_stack() as stack:
        iam = stack.iam()
        trusts = []
        for provider in PROVIDERS:
            arn = iam.create_open_id_connect_provider(Url=provider.url, ClientIDList=["app"])["OpenIDConnectProviderArn"]
            audience = {"StringEquals": {f"{provider.name}:aud": "app"}}
            trusts.append(trust({"Federated": arn}, "sts:AssumeRoleWithWebIdentity", Condition=audience))
            body = {"provider": provider.url, "keys": [provider.jwk()], "revoked": ["alice"] if provider is REVOKING else []}
            assert stack.control(STS_NODE, "PUT", "/aws/identity-providers", body).ok
        trusts.append(trust({"AWS": arn.split(":")[4]}, "sts:AssumeRole", "sts:TagSession"))
        iam.create_role(RoleName="open", AssumeRolePolicyDocument=document(*trusts))
        stack.sleep(3)
        yield stack


def sts(stack: IamStack, credentials: Credentials | None = None, **config: Any) -> Any:
    return stack.client("sts", credentials or stack.credentials(), **config)


def role_arn(stack: IamStack) -> str:
    return str(stack.iam().get_role(RoleName="open")["Role"]["Arn"])


def tampered(client: Any, change: Callable[[Any], None]) -> Any:
    """The client, whose requests are changed after they were signed."""
    client.meta.events.register_last("request-created.sts", lambda request, **_: change(request))
    return client


def asked_for(client: Any, **params: str) -> Any:
    """The client, whose forms have these parameters in place of its own ("" for none) when they are signed."""

    def change(made: Any) -> None:
        made["body"] = {key: value for key, value in {**made["body"], **params}.items() if value}

    client.meta.events.register("before-call.sts", lambda params, **_: change(params))
    return client


@gives("MissingAuthenticationToken")
def unsigned(stack: IamStack) -> AwsRefusal:
    return refusal(sts(stack, signature_version=UNSIGNED).get_caller_identity)


@gives("IncompleteSignature")
def half_a_header(stack: IamStack) -> AwsRefusal:
    def cut(request: Any) -> None:
        request.headers.replace_header("Authorization", request.headers["Authorization"].partition(", Signature")[0])

    return refusal(tampered(sts(stack), cut).get_caller_identity)


@gives("InvalidClientTokenId")
def unknown_key(stack: IamStack) -> AwsRefusal:
    return refusal(sts(stack, Credentials("AKIAIOSFODNN7EXAMPLE", "x" * 40)).get_caller_identity)


@gives("InvalidClientTokenId")
def session_without_its_token(stack: IamStack) -> AwsRefusal:
    made = temporary(sts(stack).assume_role(RoleArn=role_arn(stack), RoleSessionName="job"))
    return refusal(sts(stack, Credentials(made.access_key_id, made.secret_access_key)).get_caller_identity)


@gives("SignatureDoesNotMatch")
def wrong_secret(stack: IamStack) -> AwsRefusal:
    return refusal(sts(stack, Credentials(stack.credentials().access_key_id, "x" * 40)).get_caller_identity)


@gives("SignatureDoesNotMatch")
def wrong_region(stack: IamStack) -> AwsRefusal:
    return refusal(sts(stack, region="eu-west-1").get_caller_identity)


@gives("SignatureDoesNotMatch")
def changed_form(stack: IamStack) -> AwsRefusal:
    def change(request: Any) -> None:
        request.data["Tags"] = ""

    return refusal(tampered(sts(stack), change).get_caller_identity)


@gives("ExpiredToken")
def ended_session(stack: IamStack) -> AwsRefusal:
    made = temporary(sts(stack).assume_role(RoleArn=role_arn(stack), RoleSessionName="job", DurationSeconds=900))
    stack.sleep(901)
    return refusal(sts(stack, made).get_caller_identity)


@gives("AccessDenied")
def no_permission(stack: IamStack) -> AwsRefusal:
    return refusal(stack.iam(user="caller").list_users)


@gives("RegionDisabledException")
def region_off(stack: IamStack) -> AwsRefusal:
    stack.hold(STS_NODE, "deactivate-sts")
    try:
        return refusal(sts(stack).assume_role, RoleArn=role_arn(stack), RoleSessionName="job")
    finally:
        stack.release(STS_NODE)


def web_identity(stack: IamStack, token: str) -> AwsRefusal:
    client = sts(stack, Credentials("", ""))
    return refusal(client.assume_role_with_web_identity, RoleArn=role_arn(stack), RoleSessionName="job", WebIdentityToken=token)


@gives("ExpiredTokenException")
def old_token(stack: IamStack) -> AwsRefusal:
    return web_identity(stack, GOOD.token(stack.now_s, exp=1))


@gives("InvalidIdentityToken")
def no_token(stack: IamStack) -> AwsRefusal:
    return web_identity(stack, "no token at all")


@gives("IDPRejectedClaim")
def revoked_subject(stack: IamStack) -> AwsRefusal:
    return web_identity(stack, REVOKING.token(stack.now_s, sub="alice"))


@gives("IDPCommunicationError")
def unreachable_provider(stack: IamStack) -> AwsRefusal:
    stack.hold(STS_NODE, "idp-unreachable")
    try:
        return web_identity(stack, DARK.token(stack.now_s))
    finally:
        stack.release(STS_NODE)


@gives("PackedPolicyTooLarge")
def many_tags(stack: IamStack) -> AwsRefusal:
    tags = [{"Key": f"key-{n}", "Value": sha256(str(n).encode()).hexdigest() * 2} for n in range(50)]
    return refusal(sts(stack).assume_role, RoleArn=role_arn(stack), RoleSessionName="job", Tags=tags)


@gives("MalformedPolicyDocument")
def half_a_document(stack: IamStack) -> AwsRefusal:
    return refusal(stack.iam().put_user_policy, UserName="caller", PolicyName="p", PolicyDocument=allow("s3:*")[:-1])


@gives("MalformedPolicyDocument")
def unknown_effect(stack: IamStack) -> AwsRefusal:
    document = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Maybe", "Action": "s3:*", "Resource": "*"}})
    return refusal(stack.iam().create_policy, PolicyName="p", PolicyDocument=document)


@gives("ValidationError")
def bad_parameters(stack: IamStack) -> AwsRefusal:
    client = sts(stack, parameter_validation=False)
    found = refusal(client.assume_role, RoleArn="x", RoleSessionName="a b", DurationSeconds=1)
    assert found.message.startswith("3 validation errors detected: Value 'x' at 'roleArn' failed to satisfy constraint: ")
    return found


@gives("ValidationError")
def missing_parameters(stack: IamStack) -> AwsRefusal:
    return refusal(stack.iam(parameter_validation=False).create_role)


@gives("MalformedInput")
def value_for_a_list(stack: IamStack) -> AwsRefusal:
    found = refusal(asked_for(sts(stack), Tags="x").get_federation_token, Name="somebody")
    assert found.message == "Unexpected list element termination"
    return found


@gives("InvalidParameterValue")
def the_same_tag_twice(stack: IamStack) -> AwsRefusal:
    tags = [{"Key": "team", "Value": "a"}, {"Key": "team", "Value": "b"}]
    return refusal(sts(stack).assume_role, RoleArn=role_arn(stack), RoleSessionName="job", Tags=tags)


@gives("MissingAction")
def no_action(stack: IamStack) -> AwsRefusal:
    return refusal(asked_for(sts(stack), Action="").get_caller_identity)


@gives("InvalidAction")
def unknown_action(stack: IamStack) -> AwsRefusal:
    found = refusal(asked_for(sts(stack), Action="GetEverything").get_caller_identity)
    assert found.message == "Could not find operation GetEverything for version 2011-06-15"
    return found


@gives("InvalidAction")
def operation_that_is_not_built(stack: IamStack) -> AwsRefusal:
    return refusal(stack.iam().get_account_properties)


def failing(stack: IamStack, **value: Any) -> AwsRefusal:
    """An error of IAM's control plane, which every call meets."""
    stack.hold(DIRECTORY, "iam-errors", share=1, **value)
    try:
        return refusal(stack.iam().list_users)
    finally:
        stack.release(DIRECTORY)


@gives("Throttling")
def throttled(stack: IamStack) -> AwsRefusal:
    found = failing(stack, code="Throttling")
    assert found.message == "Rate exceeded"
    return found


@gives("InternalFailure")
def failed_inside(stack: IamStack) -> AwsRefusal:
    return failing(stack, code="InternalFailure")


@gives("ServiceFailure")
def failed(stack: IamStack) -> AwsRefusal:
    return failing(stack)


@gives("ServiceUnavailable")
def unavailable(stack: IamStack) -> AwsRefusal:
    return failing(stack, code="ServiceUnavailable")


@pytest.mark.parametrize(("code", "case"), [(code, case) for code, cases in CASES.items() for case in cases])
def test_a_client_gets_the_error(stack: IamStack, code: str, case: Case) -> None:
    """Code and status are those of the page, and the answer has the request's id."""
    found = case(stack)
    assert (found.code, str(found.status)) == (code, dict(LISTED)[code])


def test_every_error_of_the_page_is_got() -> None:
    """No row of the page is without a client that got it."""
    assert {code for code, _ in LISTED} == CASES.keys()
