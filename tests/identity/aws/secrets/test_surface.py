"""Secrets Manager as boto3 sees it: values for callers who may read them, typed exceptions for the rest."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from brownout.identity.aws.records.principals import User
from brownout.identity.aws.secrets.surface import OPERATIONS
from brownout.identity.core.messages import Request
from brownout.identity.core.trail import HEADER
from support.simulated_aws import SimulatedAws, temporary

VAULT = "sydney.vault"
DAY_S = 86_400.0


def vault_client(aws: SimulatedAws, user: str = "caller", node: str = VAULT, **more: Any) -> Any:
    return aws.client("secretsmanager", aws.maker.key_of(user), node, **more)


def put_user(aws: SimulatedAws, name: str, policy: str = "") -> None:
    """A user with that inline policy and a key, known to every region."""
    account = aws.maker.account_id
    inline = {"own": policy} if policy else {}
    aws.maker.put(User(name, f"AIDA{name.upper():0<17}", f"arn:aws:iam::{account}:user/{name}", 0.0, inline=inline))
    aws.maker.key_of(name)
    aws.publish()


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_a_user_reads_a_secret(aws: SimulatedAws) -> None:
    """Value, version and labels come with the ARN, and the answer says who served it."""
    found = vault_client(aws).get_secret_value(SecretId="sample")
    assert found["SecretString"] == "value of sample"
    assert found["VersionStages"] == ["AWSCURRENT"]
    assert found["ARN"].startswith(f"arn:aws:secretsmanager:ap-southeast-2:{aws.maker.account_id}:secret:sample-")
    assert found["ResponseMetadata"]["HTTPHeaders"][HEADER].startswith(VAULT)


def test_a_role_s_session_reads_a_secret_in_either_region(aws: SimulatedAws) -> None:
    """Credentials that STS made in one region are good at the vaults of both, which hold secrets of their own."""
    sts = aws.client("sts", aws.maker.key_of("caller"))
    made = temporary(sts.assume_role(RoleArn=aws.maker.role_arn("app"), RoleSessionName="job"))
    arns = {
        node: aws.client("secretsmanager", made, node).get_secret_value(SecretId="sample")["ARN"]
        for node in (VAULT, "melbourne.vault")
    }
    assert ":ap-southeast-2:" in arns[VAULT]
    assert ":ap-southeast-4:" in arns["melbourne.vault"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_secret_is_found_by_its_arn(aws: SimulatedAws, whole: bool) -> None:
    """The whole ARN and the one without its last six characters both mean the secret."""
    client = vault_client(aws)
    arn = client.describe_secret(SecretId="app/database")["ARN"]
    assert client.get_secret_value(SecretId=arn if whole else arn[:-7])["Name"] == "app/database"
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_secret_value(SecretId=arn[:-1] + ("a" if arn[-1] != "a" else "b"))


def test_what_is_not_there_has_a_typed_exception(aws: SimulatedAws) -> None:
    """ResourceNotFoundException for a secret, a version and a label that do not exist."""
    client = vault_client(aws)
    for wrong in (
        {"SecretId": "nothing"},
        {"SecretId": "sample", "VersionStage": "MINE"},
        {"SecretId": "sample", "VersionId": "0" * 32},
    ):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="can't find the specified secret"):
            client.get_secret_value(**wrong)


def test_a_caller_without_permission_is_denied(aws: SimulatedAws) -> None:
    """AccessDeniedException names caller, action and resource, also for a secret that does not exist."""
    put_user(aws, "stranger")
    for secret_id in ("sample", "nothing"):
        with pytest.raises(
            ClientError, match="user/stranger is not authorized to perform: secretsmanager:GetSecretValue"
        ) as caught:
            vault_client(aws, "stranger").get_secret_value(SecretId=secret_id)
        assert code_of(caught) == "AccessDeniedException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_permission_is_for_the_secret_s_arn_and_version(aws: SimulatedAws) -> None:
    """A policy on one secret's ARN and on a label lets in what it names and nothing else."""
    arn = vault_client(aws).describe_secret(SecretId="sample")["ARN"]
    statement = (
        f'{{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "{arn}",'
        ' "Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}}'
    )
    put_user(aws, "reader", f'{{"Version": "2012-10-17", "Statement": [{statement}]}}')
    client = vault_client(aws, "reader")
    assert client.get_secret_value(SecretId="sample")["Name"] == "sample"
    for refused in ({"SecretId": "app/database"}, {"SecretId": "sample", "VersionStage": "AWSPREVIOUS"}):
        with pytest.raises(ClientError) as caught:
            client.get_secret_value(**refused)
        assert code_of(caught) == "AccessDeniedException"


def test_a_batch_has_values_and_reasons(aws: SimulatedAws) -> None:
    """What can be read comes as values, the rest as errors with code and message."""
    found = vault_client(aws).batch_get_secret_value(SecretIdList=["sample", "nothing", "app/api-key"])
    assert [value["Name"] for value in found["SecretValues"]] == ["sample", "app/api-key"]
    assert [(error["SecretId"], error["ErrorCode"]) for error in found["Errors"]] == [("nothing", "ResourceNotFoundException")]


def test_a_batch_by_filter(aws: SimulatedAws) -> None:
    """A filter in place of ids reads all that match; both or neither is refused."""
    client = vault_client(aws)
    found = client.batch_get_secret_value(Filters=[{"Key": "name", "Values": ["app/"]}])
    assert [value["Name"] for value in found["SecretValues"]] == ["app/api-key", "app/database"]
    for wrong in ({}, {"SecretIdList": ["sample"], "Filters": [{"Key": "name", "Values": ["app/"]}]}):
        with pytest.raises(client.exceptions.InvalidParameterException):
            client.batch_get_secret_value(**wrong)


def test_lists_come_in_pages(aws: SimulatedAws) -> None:
    """A paginator sees every secret once, in the order asked for; a token of nobody's is refused."""
    client = vault_client(aws)
    pages = list(
        client.get_paginator("list_secrets").paginate(SortBy="name", SortOrder="desc", PaginationConfig={"PageSize": 2})
    )
    assert [[each["Name"] for each in page["SecretList"]] for page in pages] == [["sample", "app/database"], ["app/api-key"]]
    with pytest.raises(client.exceptions.InvalidNextTokenException):
        client.list_secrets(NextToken="nobody's")


def test_reading_is_remembered_to_the_day(aws: SimulatedAws) -> None:
    """LastAccessedDate is absent before the first read, then the day of it."""
    client = vault_client(aws)
    assert "LastAccessedDate" not in client.describe_secret(SecretId="sample")
    client.get_secret_value(SecretId="sample")
    assert client.describe_secret(SecretId="sample")["LastAccessedDate"].timestamp() == aws.now_s // DAY_S * DAY_S


@pytest.mark.parametrize(
    ("params", "allowed"),
    [
        ({"PasswordLength": 12}, None),
        ({"PasswordLength": 200, "ExcludePunctuation": True, "ExcludeUppercase": True, "ExcludeLowercase": True}, "0123456789"),
        ({"ExcludeCharacters": "abc", "ExcludePunctuation": True}, None),
        ({"PasswordLength": 4, "RequireEachIncludedType": False}, None),
    ],
)
def test_random_passwords_have_what_was_asked_for(aws: SimulatedAws, params: dict[str, Any], allowed: str | None) -> None:
    """Length and kinds are kept, every included kind is there, and two passwords differ."""
    client = vault_client(aws)
    first, second = (client.get_random_password(**params)["RandomPassword"] for _ in range(2))
    assert first != second
    assert len(first) == params.get("PasswordLength", 32)
    assert not set(first) & set(params.get("ExcludeCharacters", ""))
    if allowed:
        assert set(first) <= set(allowed)
    elif params.get("RequireEachIncludedType", True):
        assert any(c.isdigit() for c in first)
        assert any(c.islower() for c in first)


def test_a_password_of_nothing_is_refused(aws: SimulatedAws) -> None:
    """InvalidParameterException when no character is left, or fewer than there are kinds."""
    client = vault_client(aws)
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.get_random_password(PasswordLength=3)


def test_strangers_get_the_errors_of_a_json_service(aws: SimulatedAws) -> None:
    """No signature, an unknown key, a wrong secret and a wrong region have the codes that JSON services use."""
    known = aws.maker.key_of("caller")
    unknown = aws.client("secretsmanager", type(known)("AKIAAAAAAAAAAAAAAAAA", "secret"), VAULT)
    wrong = aws.client("secretsmanager", type(known)(known.access_key_id, "wrong"), VAULT)
    elsewhere = aws.client("secretsmanager", known, VAULT, region="ap-southeast-4")
    expected = ("UnrecognizedClientException", "InvalidSignatureException", "InvalidSignatureException")
    for client, code in zip((unknown, wrong, elsewhere), expected, strict=True):
        with pytest.raises(ClientError) as caught:
            client.get_secret_value(SecretId="sample")
        assert code_of(caught) == code


def test_an_operation_that_is_not_built_is_unknown(aws: SimulatedAws) -> None:
    """RotateSecret is one of the service's, and answered as one that it does not have."""
    assert "RotateSecret" not in OPERATIONS
    with pytest.raises(ClientError) as caught:
        vault_client(aws).rotate_secret(SecretId="sample")
    assert code_of(caught) == "UnknownOperationException"


def test_a_broken_constraint_is_told_before_permissions(aws: SimulatedAws) -> None:
    """A parameter that the model forbids is a ValidationException, whoever asks."""
    put_user(aws, "stranger")
    with pytest.raises(ClientError, match="failed to satisfy constraint") as caught:
        vault_client(aws, "stranger", parameter_validation=False).get_secret_value(SecretId="x" * 3000)
    assert code_of(caught) == "ValidationException"


@pytest.mark.parametrize(
    ("target", "payload"),
    [
        ("", b"{}"),
        ("secretsmanager.GetSecretValue", b"{"),
        ("secretsmanager.GetSecretValue", b"[]"),
        ("other.GetSecretValue", b"{}"),
    ],
)
def test_whatever_is_sent_gets_an_error_of_the_service(aws: SimulatedAws, target: str, payload: bytes) -> None:
    """Anything that claims to be AWS's JSON is answered with a `__type`, never with a crash."""
    lines = [(b"Content-Type", b"application/x-amz-json-1.1"), (b"X-Amz-Target", target.encode())]
    answer = aws.world.run(aws.node(VAULT).handle(Request.raw("POST", "/", lines, payload)))
    assert answer.status == 400
    assert answer.body is not None
    assert answer.body["__type"].endswith("Exception")
