"""The edge of a real stack: boto3 gets through its doors by AWS's names, and they stand as long as the stack does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from brownout.harness.base import ports as port_range
from brownout.harness.effects import NodeEffect, SwitchThrow
from brownout.harness.worlds.control_plane import access_key
from brownout.harness.worlds.live.trust import CA_NAME
from brownout.harness.worlds.processes.stack import SPEC_NAME
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import REGIONS
from support.carriers import node, switch
from support.server_stacks import Stack

pytestmark = pytest.mark.slow

EDGE = "client.edge"
REGIONAL = "sts.us-east-1.amazonaws.com"


@pytest.fixture(scope="module")
def stack(toxiproxy_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """AWS's half of two regions that no other test has, with the real time."""
    spec = build_stack(seed=5, regions=("virginia", "dublin"), vendors=("aws",))
    folder = tmp_path_factory.mktemp("stack")
    world = ProcessesWorld(spec, folder=folder, epoch_s=time.time(), rate=1.0, toxiproxy_binary=toxiproxy_binary)
    with asyncio.Runner() as runner:
        runner.run(world.start())
        try:
            yield Stack(world, runner, 0.0)
        finally:
            runner.run(world.stop())


def client(stack: Stack, service: str, *, stands: str, region: str = "us-east-1", secret: str = "") -> Any:
    """A client of boto3 without any endpoint, as the account's first administrator."""
    edge = stack.world.endpoints().edge
    assert edge is not None
    key = stack.run(access_key(stack.world, "admin"))
    return boto3.session.Session().client(
        service,
        region_name=region,
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=secret or key.secret_access_key,
        verify=str(edge.ca_bundle),
        config=Config(proxies={"https": edge.proxies[stands]}, retries={"total_max_attempts": 1}, read_timeout=10),
    )


@pytest.mark.parametrize("stands", ["virginia", "dublin"])
@pytest.mark.parametrize("called", ["virginia", "dublin"])
def test_boto3_gets_its_identity_by_name(stack: Stack, stands: str, called: str) -> None:
    """From each region to each region's STS, verified in full: another secret does not pass."""
    region = REGIONS[called].aws_name
    told = client(stack, "sts", stands=stands, region=region).get_caller_identity()
    assert told["Arn"].endswith(":user/admin")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(stack, "sts", stands=stands, region=region, secret="x" * 40).get_caller_identity()


def test_iam_by_name_writes_what_every_region_reads(stack: Stack) -> None:
    """A user that was made through the front end of one region is there through that of the other."""
    client(stack, "iam", stands="dublin").create_user(UserName="made-by-name")
    assert client(stack, "iam", stands="virginia").get_user(UserName="made-by-name")["User"]["UserName"] == "made-by-name"


def test_a_broken_name_outlives_a_restart_of_the_edge(stack: Stack) -> None:
    """A killed edge refuses, comes back on the same doors, and the name is as broken as before until it is released."""
    world, broken = stack.world, {"name": REGIONAL, "effect": "nxdomain"}
    doors = dict(world.endpoints().edge.proxies)  # type: ignore[union-attr]  # it has an edge
    stack.run(world.hold(switch(EDGE), "n", SwitchThrow("name", broken)))
    stack.run(world.hold(node(EDGE), "d", NodeEffect("down")))
    assert all(port_range.refuses(int(url.rpartition(":")[2])) for url in doors.values())
    stack.run(world.release(node(EDGE), "d"))
    stack.run(world.await_ready(EDGE))
    with pytest.raises(BotoCoreError):
        client(stack, "sts", stands="virginia").get_caller_identity()
    assert client(stack, "sts", stands="virginia", region="eu-west-1").get_caller_identity()["Arn"]
    stack.run(world.release(switch(EDGE), "n"))
    assert client(stack, "sts", stands="virginia").get_caller_identity()["Arn"]
    assert world.endpoints().edge.proxies == doors  # type: ignore[union-attr]


def test_what_clients_trust_holds_no_secret(stack: Stack) -> None:
    """The authority's file has a certificate alone; the edge's key is in the specification, which only the owner reads."""
    folder = stack.world.folder
    assert "PRIVATE" not in (folder / CA_NAME).read_text()
    assert (folder / SPEC_NAME).stat().st_mode & 0o077 == 0
    assert (folder / CA_NAME).stat().st_mode & 0o077 == 0
