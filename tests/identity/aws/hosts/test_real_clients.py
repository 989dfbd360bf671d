"""boto3 gets credentials from a host, and does under each fault what reference pages say of it.

Golden cases: docs/reference/aws-wire.md#how-clients-take-answers-of-imds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import CredentialRetrievalError, MetadataRetrievalError
from botocore.utils import IMDSRegionProvider

from brownout.identity.aws.hosts.containers import authorization_token, ecs_path, eks_path
from support.aws_machines import TokenNodes, host_of
from support.served_nodes import served_in_thread

from .conftest import Metadata

MINUTE_S = 60.0
Hold = dict[str, Any]


@pytest.fixture
def metadata() -> Metadata:
    """Sydney's host on the machine's own clock."""
    nodes = TokenNodes(time.time)
    return Metadata(nodes, host_of(nodes))


@pytest.fixture
def url(metadata: Metadata, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The host's URL, with an environment in which a client has nothing but what the test gives it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with served_in_thread(metadata.node) as found:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{found}/web-1")
        yield found


def test_a_session_gets_the_role_s_credentials(url: str, metadata: Metadata) -> None:
    """An unmodified session finds key, secret and token, and knows that they came from the instance's role."""
    found = boto3.Session().get_credentials()
    assert found is not None
    frozen = found.get_frozen_credentials()
    assert (found.method, frozen.access_key, frozen.token) == ("iam-role", "ASIA0000000000000001", "token 1")


def test_a_client_finds_its_region(url: str) -> None:
    """botocore's own reader of the region gets the name that AWS gives it."""
    assert IMDSRegionProvider(botocore.session.get_session()).provide() == "ap-southeast-2"


def test_a_client_of_a_strict_machine_brings_tokens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With version 1 closed a client gets credentials as before."""
    nodes = TokenNodes(time.time)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with served_in_thread(host_of(nodes, imds_http_tokens="required")) as url:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{url}/web-1")
        assert boto3.Session().get_credentials() is not None


@pytest.mark.parametrize("status", [403, 404, 405, 500])
def test_a_refused_token_makes_clients_fall_back_to_version_one(url: str, metadata: Metadata, status: int) -> None:
    """PUT 403, 404, 405 or 500: the client asks without a token and gets credentials."""
    metadata.hold("f", status=status, request="token")
    assert boto3.Session().get_credentials() is not None


@pytest.mark.parametrize("status", [403, 404, 405, 500])
def test_with_version_one_disabled_a_refused_token_is_an_error(
    url: str, metadata: Metadata, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_EC2_METADATA_V1_DISABLED: the same answers raise MetadataRetrievalError."""
    monkeypatch.setenv("AWS_EC2_METADATA_V1_DISABLED", "true")
    metadata.hold("f", status=status, request="token")
    with pytest.raises(MetadataRetrievalError):
        boto3.Session().get_credentials()


NO_CREDENTIALS: tuple[Hold, ...] = (
    {"status": 400, "request": "token"},
    {"status": 401, "request": "role"},
    {"status": 500, "request": "role"},
    {"status": 401, "request": "credentials"},
    {"status": 500, "request": "credentials"},
    {"status": 200, "request": "credentials", "text": ""},
    {"status": 200, "request": "credentials", "text": '{"Code" : "Succ'},
    {"status": 200, "request": "credentials", "body": {"Code": "AssumeRoleUnauthorizedAccess", "Message": "no"}},
)


@pytest.mark.parametrize("v1_disabled", ["false", "true"])
@pytest.mark.parametrize("hold", NO_CREDENTIALS, ids=str)
def test_these_answers_leave_a_client_without_credentials(
    url: str, metadata: Metadata, hold: Hold, v1_disabled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client goes on to its next provider and ends with none, whether or not version 1 is allowed."""
    monkeypatch.setenv("AWS_EC2_METADATA_V1_DISABLED", v1_disabled)
    metadata.hold("f", **hold)
    assert boto3.Session().get_credentials() is None


def test_a_role_that_is_gone_leaves_a_client_without_credentials(url: str, metadata: Metadata) -> None:
    """What the host says of itself of such a role has the same effect."""
    metadata.nodes.refuses.add("web")
    assert boto3.Session().get_credentials() is None


@pytest.mark.parametrize("left_s", [-600.0, 0.0, 300.0])
def test_old_credentials_are_taken_and_kept_alive_by_the_client(url: str, metadata: Metadata, left_s: float) -> None:
    """Expired credentials, or ones near their end, are accepted: the client puts their expiry off by 15 minutes and more."""
    now_s = time.time()
    metadata.nodes.lifetime_s = left_s + 3600
    metadata.nodes._clock = lambda: now_s - 3600  # token nodes gave them an hour ago
    assert boto3.Session().get_credentials() is not None  # the host has them now
    metadata.nodes._clock, metadata.nodes.failure = time.time, "timeout"
    found = boto3.Session().get_credentials()
    assert found is not None
    assert found.get_frozen_credentials().token == "token 1"
    assert now_s + 16 * MINUTE_S < found._expiry_time.timestamp() < now_s + 26 * MINUTE_S


@pytest.fixture
def secret(metadata: Metadata) -> str:
    return metadata.node.stack.control_token


def session_of(monkeypatch: pytest.MonkeyPatch, uri: str, token: str) -> botocore.session.Session:
    """A session whose only provider is that of containers, which does not wait between its attempts."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", token)
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    return botocore.session.get_session()


def test_a_task_and_a_pod_get_credentials(url: str, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's container provider takes both forms, and the account where it is told."""
    token = authorization_token(secret, "web-1")
    for path, account in ((ecs_path(secret, "web-1"), None), (eks_path("web-1"), "585155007193")):
        found = session_of(monkeypatch, url + path, token).get_credentials()
        assert (found.method, found.get_frozen_credentials().account_id) == ("container-role", account)


def test_a_pod_s_token_may_come_from_a_file(url: str, secret: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE works as on EKS."""
    (tmp_path / "token").write_text(authorization_token(secret, "web-1"))
    session = session_of(monkeypatch, url + eks_path("web-1"), "")
    monkeypatch.delenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    assert session.get_credentials() is not None


def test_a_wrong_token_raises_after_three_attempts(
    url: str, metadata: Metadata, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused container raises CredentialRetrievalError and has no other provider."""
    session = session_of(monkeypatch, url + eks_path("web-1"), "guess")
    with pytest.raises(CredentialRetrievalError, match="400"):
        session.get_credentials()


def test_an_outage_raises_after_three_attempts(
    url: str, metadata: Metadata, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server's error raises CredentialRetrievalError, unlike with IMDS."""
    metadata.nodes.failure = "refused"
    session = session_of(monkeypatch, url + ecs_path(secret, "web-1"), authorization_token(secret, "web-1"))
    with pytest.raises(CredentialRetrievalError, match="503"):
        session.get_credentials()
    assert len(metadata.nodes.asked) == 3 * 3, "three attempts, each over three zones"


def test_expired_credentials_of_a_container_raise(
    url: str, metadata: Metadata, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container provider does not put expiry off: after one more look it raises RuntimeError."""
    session = session_of(monkeypatch, url + eks_path("web-1"), authorization_token(secret, "web-1"))
    metadata.nodes._clock = lambda: time.time() - metadata.nodes.lifetime_s - 3600
    found = session.get_credentials()
    with pytest.raises(RuntimeError, match="expired"):
        found.get_frozen_credentials()
    assert datetime.now(UTC) > found._expiry_time
