"""Credentials for containers, in the two forms that SDKs meet (docs/reference/aws-wire.md#container-credentials)."""

from __future__ import annotations

import json

import pytest

from brownout.identity.aws.hosts.containers import authorization_token, credentials_id, ecs_path, eks_path

from .conftest import Metadata

FIELDS = {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}


@pytest.fixture
def secret(metadata: Metadata) -> str:
    return metadata.node.stack.control_token


def test_a_task_gets_credentials_with_its_role(metadata: Metadata, secret: str) -> None:
    """The agent of ECS answers in JSON with five fields, and asks as ecs-tasks."""
    answer = metadata.ask(ecs_path(secret, "web-1"), authorization=authorization_token(secret, "web-1"))
    found = json.loads(answer.payload)
    assert (answer.status, set(found)) == (200, FIELDS | {"RoleArn"})
    assert found["RoleArn"].endswith(":role/web")
    assert metadata.nodes.asked[0][1].service == "ecs-tasks.amazonaws.com"


def test_a_pod_gets_credentials_with_its_account(metadata: Metadata, secret: str) -> None:
    """The agent of EKS Pod Identity answers in JSON with five fields, and asks as pods.eks."""
    answer = metadata.ask(eks_path("web-1"), authorization=authorization_token(secret, "web-1"))
    found = json.loads(answer.payload)
    assert (answer.status, set(found)) == (200, FIELDS | {"AccountId"})
    assert found["AccountId"] == metadata.annex.account_id
    assert metadata.nodes.asked[0][1].service == "pods.eks.amazonaws.com"


def test_instances_and_containers_have_credentials_of_their_own(metadata: Metadata, secret: str) -> None:
    """One machine's three ways to credentials are three sessions, each cached."""
    token = authorization_token(secret, "web-1")
    for _ in range(2):
        metadata.ask("/web-1/latest/meta-data/iam/security-credentials/web")
        metadata.ask(ecs_path(secret, "web-1"), authorization=token)
        metadata.ask(eks_path("web-1"), authorization=token)
    assert len(metadata.nodes.asked) == 3


@pytest.mark.parametrize("token", ["", "guess", "bearer"])
def test_a_wrong_authorization_token_is_refused(metadata: Metadata, secret: str, token: str) -> None:
    """Nobody gets credentials without the machine's own token, and no token node is asked."""
    headers = {"authorization": token} if token else {}
    assert metadata.ask(ecs_path(secret, "web-1"), **headers).status == 403
    assert metadata.ask(eks_path("web-1"), **headers).status == 400
    assert metadata.nodes.asked == []


def test_another_machine_s_token_is_refused(metadata: Metadata, secret: str) -> None:
    """A token is derived for one machine."""
    assert metadata.ask(eks_path("web-1"), authorization=authorization_token(secret, "web-2")).status == 400
    assert metadata.ask(ecs_path(secret, "web-1"), authorization=authorization_token(secret, "web-2")).status == 403


def test_an_id_that_is_not_the_task_s_is_refused_as_by_the_agent(metadata: Metadata, secret: str) -> None:
    """No id and a wrong id have the agent's codes, with the status in the body too."""
    token = authorization_token(secret, "web-1")
    none = json.loads(metadata.ask("/web-1/v2/credentials/", authorization=token).payload)
    other = json.loads(metadata.ask(f"/web-1/v2/credentials/{credentials_id(secret, 'web-2')}", authorization=token).payload)
    assert (none["code"], none["HTTPErrorCode"]) == ("NoIdInRequest", 400)
    assert (other["code"], other["HTTPErrorCode"]) == ("InvalidIdInRequest", 400)


def test_a_role_that_is_gone_is_refused(metadata: Metadata, secret: str) -> None:
    """Neither agent has credentials for a role that the service may not assume."""
    metadata.nodes.refuses.add("web")
    token = authorization_token(secret, "web-1")
    assert json.loads(metadata.ask(ecs_path(secret, "web-1"), authorization=token).payload)["code"] == "NoCredentialsAssociated"
    assert metadata.ask(eks_path("web-1"), authorization=token).status == 403


def test_an_outage_is_a_server_s_error_until_something_is_cached(metadata: Metadata, secret: str) -> None:
    """A cold cache has nothing to give; once credentials were given they are served through the outage."""
    token = authorization_token(secret, "web-1")
    metadata.nodes.failure = "reset"
    assert metadata.ask(ecs_path(secret, "web-1"), authorization=token).status == 503
    assert metadata.ask(eks_path("web-1"), authorization=token).status == 500
    metadata.nodes.failure = ""
    assert metadata.ask(eks_path("web-1"), authorization=token).status == 200
    metadata.nodes.failure = "reset"
    assert metadata.ask(eks_path("web-1"), authorization=token).status == 200


@pytest.mark.parametrize("path", ["/web-1/v2", "/web-1/v1/credentials/more", "/none/v1/credentials", "/v2/metadata"])
def test_other_pages_are_not_found(metadata: Metadata, secret: str, path: str) -> None:
    """404 for what neither agent has, whoever asks."""
    assert metadata.ask(path, authorization=authorization_token(secret, "web-1")).status == 404


def test_only_get_has_an_answer(metadata: Metadata, secret: str) -> None:
    """Any other method is 405."""
    assert metadata.ask(eks_path("web-1"), "POST", authorization=authorization_token(secret, "web-1")).status == 405


def test_forced_answers_reach_containers_alone(metadata: Metadata, secret: str) -> None:
    """A hold on `container` leaves IMDS as it is."""
    metadata.hold("f", status=500, request="container")
    assert metadata.ask(eks_path("web-1"), authorization=authorization_token(secret, "web-1")).status == 500
    assert metadata.ask("/web-1/latest/meta-data/").status == 200
