"""Machines of a stack of processes: boto3 without a key finds credentials on its host and calls services with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.hosts.containers import authorization_token, ecs_path
from brownout.identity.core.topology import REGIONS
from support.live_aws import LiveAws, live_aws

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAws]:
    with live_aws(tmp_path_factory.mktemp("machines")) as standing:
        yield standing


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A client has what the test gives it and nothing else."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


def client(live: LiveAws, service: str, node: str) -> Any:
    """A client of a machine's program: it finds its credentials by itself."""
    return boto3.Session().client(
        service,
        region_name=REGIONS[node.split(".")[0]].aws_name,
        endpoint_url=live.world.endpoints().clients[node],
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_an_instance_is_its_role_and_reads_secrets(live: LiveAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """IMDS, STS and Secrets Manager work together in each region, and the session has the instance's id as its name."""
    for region, machine, role in (("sydney", "web-1", "web"), ("melbourne", "web-south-1", "web-south")):
        host = live.world.endpoints().clients[f"{region}.host"]
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{host}/{machine}")
        arn = client(live, "sts", f"{region}.token.z1").get_caller_identity()["Arn"]
        assert arn.startswith(f"arn:aws:sts::{live.account}:assumed-role/{role}/i-")
        assert client(live, "secretsmanager", f"{region}.vault").get_secret_value(SecretId="sample")["SecretString"]


def test_a_task_is_its_role(live: LiveAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Container credentials work as those of an instance do."""
    secret, host = live.world.spec.control_token, live.world.endpoints().clients["sydney.host"]
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", host + ecs_path(secret, "web-2"))
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", authorization_token(secret, "web-2"))
    assert "assumed-role/web/" in client(live, "sts", "sydney.token.z2").get_caller_identity()["Arn"]


def test_machines_of_a_region_that_is_cut_off_go_on(live: LiveAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine's first credentials, its identity and its secrets need nothing of the home region."""
    cuts = [
        Carrier("link", str(link))
        for link in live.world.spec.links()
        if {link.source.split(".")[0], link.target.split(".")[0]} == {"sydney", "melbourne"}
    ]
    for cut in cuts:
        live.runner.run(live.world.hold(cut, "cut", LinkEffect("refuse")))
    try:
        host = live.world.endpoints().clients["melbourne.host"]
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{host}/web-south-3")
        assert "web-south" in client(live, "sts", "melbourne.token.z3").get_caller_identity()["Arn"]
        assert client(live, "secretsmanager", "melbourne.vault").get_secret_value(SecretId="sample")["SecretString"]
    finally:
        for cut in cuts:
            live.runner.run(live.world.release(cut, "cut"))


def test_a_new_client_gets_old_credentials_while_token_nodes_are_down(live: LiveAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's cache answers a second client at once when no token node of the region is left."""
    host = live.world.endpoints().clients["sydney.host"]
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{host}/web-3")
    first = boto3.Session().get_credentials()
    nodes = [Carrier("node", name) for name in live.world.spec.token_nodes("sydney")]
    for node in nodes:
        live.runner.run(live.world.hold(node, "down", NodeEffect("down")))
    try:
        second = boto3.Session().get_credentials()
    finally:
        for node in nodes:
            live.runner.run(live.world.release(node, "down"))
    assert first is not None
    assert second is not None
    assert first.get_frozen_credentials() == second.get_frozen_credentials()
