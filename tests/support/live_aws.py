"""A stack of processes with AWS's half, and boto3 clients that talk to its nodes over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.harness.worlds.toxiproxy.install import toxiproxy_server
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import REGIONS, NodeName
from support.simulated_aws import temporary

DIRECTORY = "sydney.directory"


class LiveAws:
    """A stack that is up, and clients of it."""

    def __init__(self, world: ProcessesWorld, runner: asyncio.Runner) -> None:
        self.world, self.runner = world, runner
        told = runner.run(world.control(DIRECTORY, Request("GET", "/admin/aws/credentials"))).body
        self.admin = {"aws_access_key_id": told["access_key_id"], "aws_secret_access_key": told["secret_access_key"]}
        self.account = str(told["account_id"])

    def client(self, service: str, node: str, attempts: int = 1, keys: Any = None) -> Any:
        """A client at a node as the administrator, or with the credentials that an operation returned."""
        given = self.admin
        if keys is not None:
            made = temporary(keys)
            given = {
                "aws_access_key_id": made.access_key_id,
                "aws_secret_access_key": made.secret_access_key,
                "aws_session_token": made.session_token,
            }
        return boto3.client(
            service,
            region_name=REGIONS[NodeName.parse(node).region].aws_name,
            endpoint_url=self.world.endpoints().clients[node],
            config=Config(retries={"total_max_attempts": attempts}, read_timeout=20),
            **given,
        )

    def role(self, name: str) -> str:
        return f"arn:aws:iam::{self.account}:role/{name}"


@contextmanager
def live_aws(folder: Path, *, edge: bool = False, epoch_s: float | None = None, rate: float = 1.0) -> Iterator[LiveAws]:
    """A stack of both vendors that is up, on the machine's own time if not told otherwise.

    With `edge` clients reach it by AWS's names too.
    """
    spec = replace(build_stack(seed=11, settings={}, vendors=("aws", "azure")), edge=edge)
    binary = toxiproxy_server(say=lambda _: None)
    world = ProcessesWorld(spec, folder=folder, epoch_s=epoch_s or time.time(), rate=rate, toxiproxy_binary=binary)
    with asyncio.Runner() as runner:
        runner.run(world.start())
        try:
            yield LiveAws(world, runner)
        finally:
            runner.run(world.stop())
