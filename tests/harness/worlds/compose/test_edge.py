"""Real clients reach a stack of containers by the vendors' own names and over TLS, in regions other than the default ones."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect, SwitchThrow
from brownout.harness.worlds.compose.engine import DockerEngine
from brownout.harness.worlds.compose.renewal import LOAD_PATIENCE_S, LOAD_SERVICES
from brownout.harness.worlds.compose.stack import read_compose_stack
from brownout.harness.worlds.compose.world import ComposeWorld
from support.brownout_command import PROGRAM, Brownout
from support.carriers import node, switch

pytestmark = [pytest.mark.docker, pytest.mark.slow]

EDGE = "client.edge"
HALTED_WITHIN_S = 3.0 + LOAD_PATIENCE_S + 10.0  # to be seen, to end in order, and for a busy engine
HOME, OTHER = "us-east-1", "eu-west-1"
BIN = quote(str(Path(sys.executable).parent))
CLI = f"{BIN}/aws sts get-caller-identity --query Arn --output text --region"
BOTO3 = f"""{BIN}/python -c '
import boto3
boto3.client("iam").create_user(UserName="made-by-name")
boto3.client("iam").get_waiter("user_exists").wait(UserName="made-by-name", WaiterConfig={{"Delay": 1}})
secret = boto3.client("secretsmanager").get_secret_value(SecretId="sample")
print(boto3.client("sts").get_caller_identity()["Arn"], secret["Name"])
'"""
# Whoever is sent to an authority by URL has to be told that it is one: msal asks Microsoft's otherwise.
AZURE = f"""{BIN}/python -c '
import os
from azure.identity import DefaultAzureCredential
by_url = "localhost" in os.environ.get("AZURE_AUTHORITY_HOST", "")
credential = DefaultAzureCredential(disable_instance_discovery=by_url)
print(len(credential.get_token("https://vault.azure.net/.default").token.split(".")))
'"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brownout]:
    """The installed command with a stack of containers in two other regions, which is gone afterwards."""
    made = Brownout(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("work"))
    told = made.run("up", "--world", "compose", "--regions", "virginia,dublin", "--seed", "5")
    assert told.returncode == 0, told.stderr
    yield made
    told = made.run("down", "--all")
    assert told.returncode == 0, told.stderr


@pytest.fixture(scope="module")
def file(command: Brownout) -> dict[str, Any]:
    """The stack file."""
    found: dict[str, Any] = json.loads((command.work / "stack.json").read_text())
    return found


def client(command: Brownout, options: str, script: str) -> subprocess.CompletedProcess[str]:
    """A shell that took over `brownout env`, and nothing else that could lead a client anywhere."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(("AWS_", "AZURE_", "HTTPS_"))}
    variables = kept | {"BROWNOUT_HOME": str(command.home), "AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": "/dev/null"}
    whole = f'eval "$({quote(str(PROGRAM))} env {options})" && {script}'
    return subprocess.run(["sh", "-c", whole], cwd=command.work, env=variables, capture_output=True, text=True, timeout=60)


def printed(command: Brownout, options: str, script: str) -> str:
    told = client(command, options, script)
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()


@pytest.mark.parametrize(
    ("options", "regions"),
    [("", [HOME]), ("--region dublin", [OTHER]), ("--proxy", [HOME, OTHER]), ("--proxy --region dublin", [HOME, OTHER])],
)
def test_the_cli_is_let_in(command: Brownout, options: str, regions: list[str]) -> None:
    """By the URL of each region's door, and by AWS's names from either region to both."""
    for region in regions:
        assert printed(command, options, f"{CLI} {region}").endswith(":user/admin")


def test_boto3_works_by_name_alone(command: Brownout) -> None:
    """It writes to IAM, and reads from STS and Secrets Manager, without an endpoint; so does a machine with its own role."""
    assert printed(command, "--proxy", BOTO3).endswith(":user/admin sample")
    assert ":assumed-role/web/" in printed(command, "--machine web-1 --proxy", f"{CLI} {HOME}")


@pytest.mark.parametrize("options", ["--application", "--application --proxy", "--machine web-1 --proxy"])
def test_azure_identity_gets_tokens(command: Brownout, options: str) -> None:
    """An application over TLS at the door's URL and by Entra's own name, and a machine's identity, unmodified."""
    assert printed(command, options, AZURE) == "3"


def test_a_broken_name_is_a_clients_error_and_nobody_elses(command: Brownout, file: dict[str, Any]) -> None:
    """Through the proxy the name fails and another leads on; by URL nothing does. A restart of the edge changes neither."""
    world = ComposeWorld.attach(Path(file["inside"]["compose_variables"]).parent)
    broken = {"name": f"sts.{HOME}.amazonaws.com", "effect": "nxdomain"}
    with asyncio.Runner() as runner:
        try:
            runner.run(world.hold(switch(EDGE), "n", SwitchThrow("name", broken)))
            runner.run(world.hold(node(EDGE), "d", NodeEffect("down")))
            assert client(command, "--proxy", f"{CLI} {OTHER}").returncode != 0
            runner.run(world.release(node(EDGE), "d"))
            runner.run(world.await_ready(EDGE))
            assert client(command, "--proxy", f"{CLI} {HOME}").returncode != 0
            assert printed(command, "--proxy", f"{CLI} {OTHER}").endswith(":user/admin")
            assert printed(command, "", f"{CLI} {HOME}").endswith(":user/admin")
        finally:
            for held, fault_id in ((node(EDGE), "d"), (switch(EDGE), "n")):
                runner.run(world.release(held, fault_id))
            runner.run(world.close())
    assert printed(command, "--proxy", f"{CLI} {HOME}").endswith(":user/admin")


def test_the_walls_hold_and_nothing_is_foreign(command: Brownout) -> None:
    """No container reaches a door's proxy, nor the edge from a region's network; and the doors' proxies are the stack's own."""
    walls = command.run("doctor", "--stack")
    assert walls.returncode == 0, walls.stdout
    (stack,) = json.loads(command.run("status", "--json").stdout)["stacks"]
    assert (stack["foreign"], stack["faults"], stack["problem"]) == ([], [], "")


def running(stack: str, services: tuple[str, ...]) -> list[str]:
    """The services of the stack's running containers, as often as each has one."""
    engine = DockerEngine()
    try:
        return [found.service for found in engine.confined(stack) if found.running and found.service in services]
    finally:
        engine.close()


def test_a_halt_ends_a_load_in_containers(command: Brownout, file: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The file alone does; the command returns when all of it has ended, whoever was first. The links' container goes on."""
    monkeypatch.setenv("BROWNOUT_HOME", str(command.home))  # the labels of what Compose adds are of that state folder
    folder = Path(file["inside"]["compose_variables"]).parent
    compose, halt = read_compose_stack(folder).compose(), command.home / "HALT"
    try:
        for by_command in (False, True):
            compose.run(
                "up", "--detach", "--no-deps", "--no-build", "--no-recreate", "--scale", "load-worker=2", *LOAD_SERVICES
            )
            assert sorted(running(folder.name, LOAD_SERVICES)) == ["load-master", "load-worker", "load-worker"]
            began_s = time.monotonic()
            if by_command:
                told = command.run("halt", "--reason", "drill")
                assert told.returncode == 0, told.stderr
                assert running(folder.name, LOAD_SERVICES) == [], told.stdout
            else:
                halt.touch()
                while running(folder.name, LOAD_SERVICES):
                    assert time.monotonic() - began_s < HALTED_WITHIN_S
                    time.sleep(0.2)
            halt.unlink()
    finally:
        halt.unlink(missing_ok=True)
        compose.run("rm", "--stop", "--force", *LOAD_SERVICES)
    assert running(folder.name, ("toxiproxy",)) == ["toxiproxy"]
