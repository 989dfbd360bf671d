"""What is reported of a node's container while another program changes it; no engine is needed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.worlds.compose.engine import DockerEngine
from brownout.harness.worlds.compose.inspected import Container
from brownout.harness.worlds.compose.nodes import Held, NodeHolds
from brownout.harness.worlds.compose.stack import ComposeStack
from brownout.harness.worlds.stack_spec import build_stack

NODE, PATIENCE_S = "sydney.vault", 10.0


class StubEngine:
    """An engine with one container, whose `state` is as the test says; it is its own set of containers."""

    def __init__(self, state: str) -> None:
        self.state, self.was_asked = state, threading.Event()

    @property
    def containers(self) -> StubEngine:
        return self

    def find(self, stack: str, service: str) -> Container:
        self.was_asked.set()
        return Container("id", service, NODE, self.state, 137, 7, "brownout/identity:1", "then", {}, {})

    def logs(self, container: str, lines: int) -> str:
        return "last words"


def holds_of(engine: StubEngine, folder: Path) -> NodeHolds:
    running = ComposeStack(folder, "s-1", "brownout-s-1", 20_000, 20_100)
    return NodeHolds(cast(DockerEngine, engine), running, build_stack(seed=1))


def read_while_it_changes(holds: NodeHolds, engine: StubEngine, becomes: str) -> Mapping[str, Any]:
    """The report of a read that begins in the middle of a change of the node, which ends in that state."""
    with ThreadPoolExecutor(1) as pool:
        with holds._turn(NODE):
            report = pool.submit(holds.read, NODE)
            assert engine.was_asked.wait(PATIENCE_S)
            engine.state = becomes
        return report.result(PATIENCE_S)


@pytest.mark.parametrize(("becomes", "state"), [("running", "running"), ("exited", "dead")])
def test_a_container_that_is_away_for_a_restart_is_not_dead(tmp_path: Path, becomes: str, state: str) -> None:
    """What has the node's turn may have stopped it to start it again, so the report waits for the end of that turn."""
    engine = StubEngine("exited")
    assert read_while_it_changes(holds_of(engine, tmp_path), engine, becomes)["state"] == state


def test_a_container_that_runs_is_reported_at_once(tmp_path: Path) -> None:
    """Nothing waits for a turn but what looks dead."""
    engine = StubEngine("running")
    holds = holds_of(engine, tmp_path)
    with holds._turn(NODE):
        assert holds.read(NODE)["state"] == "running"


def test_a_container_that_is_held_away_is_down_and_not_dead(tmp_path: Path) -> None:
    """Its hold explains why it does not run."""
    engine = StubEngine("exited")
    holds = holds_of(engine, tmp_path)
    holds._keep(NODE, {"f-1": Held(NodeEffect("down"))})
    with holds._turn(NODE):
        assert holds.read(NODE)["state"] == "down"
