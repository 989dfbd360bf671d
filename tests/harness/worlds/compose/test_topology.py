"""The walls around a stack of containers hold, and the check that says so sees it when they do not."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from brownout.harness.base.statedir import ledger_path
from brownout.harness.cli import main
from brownout.harness.injection.ledger import Ledger
from brownout.harness.worlds.catalog import COMPOSE
from brownout.harness.worlds.compose.image_names import IDENTITY_IMAGE
from brownout.harness.worlds.compose.stack import read_compose_stack
from brownout.harness.worlds.compose.topology.check import Topology, check_topology
from support.containers import ContainerStack
from support.docker_cli import docker

pytestmark = [pytest.mark.docker, pytest.mark.slow]
TALK = "import socket, time; held = socket.create_connection(('sydney-store', 8080)); time.sleep(300)"
SLEEP = "import time; time.sleep(300)"


def test_the_walls_hold(stack: ContainerStack) -> None:
    """`doctor --stack` tries hundreds of connections from inside every container, and every one of them fails."""
    with Ledger(ledger_path()) as ledger:
        row = ledger.add_stack("shared", folder=stack.world.folder, world=COMPOSE, run_owned=False)
        ledger.let_go(row.id)
        told = CliRunner().invoke(main, ["doctor", "--stack"])
        ledger.close_stack(row.id)
    assert told.exit_code == 0, told.output
    assert "ok   shared" in told.output
    containers, attempts = (int(word) for word in told.output.split() if word.isdecimal())
    assert (
        containers == len(stack.world.spec.nodes()) + 6
    )  # a prober on each network, Toxiproxy, its firewall, and the init container
    assert attempts > 30 * containers


@pytest.fixture(scope="module")
def broken(stack: ContainerStack) -> Iterator[Topology]:
    """What the check finds once containers of this test have broken every rule, and one of the stack's is paused."""
    running = read_compose_stack(stack.world.folder)
    ours = ("--label", f"brownout.stack={running.stack}", "--label", "brownout.owner=test")
    mark = secrets.token_hex(3)
    run = ("run", "--detach", "--entrypoint", "python3")
    asleep, names = (IDENTITY_IMAGE, "-c", SLEEP), [f"{mark}-{name}" for name in ("bridging", "published", "stranger")]
    paused = f"{running.project}-client-prober-1"
    try:
        region = f"{running.project}_sydney"
        docker(*run, "--name", names[0], *ours, "--network", region, IDENTITY_IMAGE, "-c", TALK)
        docker("network", "connect", f"{running.project}_melbourne", names[0])
        docker(*run, "--name", names[1], *ours, "--user", "0", "--publish", "0.0.0.0::8080", *asleep)
        docker(*run, "--name", names[2], "--network", region, *asleep)
        docker("pause", paused)
        yield check_topology(stack.world.folder)
    finally:
        docker("unpause", paused)
        docker("rm", "--force", *names)


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("-bridging", "it is on 2 networks"),
        ("-bridging", "it has a connection with"),
        ("sydney-store-1", "it has a connection with"),
        ("-bridging", "its root file system can be written"),
        ("-bridging", "it has no health check"),
        ("-bridging", "it has capabilities"),
        ("-bridging", "it may gain privileges"),
        ("-published", "is published, and not on 127.0.0.1"),
        ("-published", "and only Toxiproxy may"),
        ("-published", "it can connect to the machine"),
        ("-published", "it reaches nothing that it should"),
        ("-published", "it runs as root"),
        ("_sydney", "no part of this stack, is on it"),
        ("client-prober-1", "it does not run"),
    ],
)
def test_what_is_broken_is_found(broken: Topology, where: str, problem: str) -> None:
    """Each broken rule is reported, with the container or network that breaks it."""
    assert any(each.where.endswith(where) and problem in each.problem for each in broken.findings), broken.findings


def test_nothing_else_is_found(broken: Topology) -> None:
    """What the test did not touch is not accused."""
    touched = ("-bridging", "-published", "_sydney", "client-prober-1", "sydney-store-1")
    assert [str(each) for each in broken.findings if not each.where.endswith(touched)] == []


def test_the_check_leaves_nothing(broken: Topology) -> None:
    """The network and the container that the check makes for itself are gone afterwards."""
    assert docker("ps", "--all", "--quiet", "--filter", "name=-outsider-") == ""
    assert docker("network", "ls", "--quiet", "--filter", "name=-outsider-") == ""
