"""What an application finds in its environment: the same names in both worlds, each with what is good there."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.client_env.stack_file import StackFile, make_stack_file
from brownout.harness.experiment.subject import Subject
from brownout.harness.subject.environment import container_variables, variables
from brownout.harness.world import Endpoints, Inside
from brownout.harness.worlds.stack_spec import build_stack

READY = "http://127.0.0.1:{port}/"


def stack_file() -> StackFile:
    spec = build_stack(seed=1, vendors=("azure",))
    clients = {name: f"http://127.0.0.1/{name}" for name in spec.nodes()}
    inside = Inside("net", {name: f"http://inside/{name}" for name in spec.nodes()}, Path("/v"), "http://d")
    endpoints = Endpoints(clients, {}, "http://127.0.0.1:1", inside=inside)
    return make_stack_file("s", spec, world="compose", endpoints=endpoints, user_token="", clock={})


STACK = stack_file()
OF_MELBOURNE = next(name for name, machine in STACK.machines.items() if machine.region == "melbourne" and not machine.scale_set)


@pytest.mark.parametrize(("machine", "region"), [(None, "sydney"), (OF_MELBOURNE, "melbourne")])
def test_a_process_is_told_its_port_and_the_vault_of_its_region(machine: str | None, region: str) -> None:
    """That of its machine, else that of the home region; what `env` says wins."""
    subject = Subject(command="app", ready=READY, env_of=machine, env={"PAGE": "{port}"})
    found = variables(subject, STACK, 8000)
    assert (found["PORT"], found["SUBJECT_URL"], found["PAGE"]) == ("8000", "http://127.0.0.1:8000", "8000")
    assert found["BROWNOUT_VAULT_URL"] == f"http://127.0.0.1/{region}.vault"
    assert "BROWNOUT_CONTROL_TOKEN" not in found


def test_a_container_is_told_the_same_by_addresses_that_are_good_there() -> None:
    """Its vault is reached on the stack's network, and its port is the container's own."""
    subject = Subject(service="app", ready=READY, env_of=OF_MELBOURNE, container_port=9000)
    found = container_variables(subject, STACK)
    assert (found["PORT"], found["BROWNOUT_VAULT_URL"]) == ("9000", "http://inside/melbourne.vault")
