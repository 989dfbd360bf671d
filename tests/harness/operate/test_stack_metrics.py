"""A stack's metrics tell what is there now: nodes, builds, keys, and faults as long as they are held."""

from __future__ import annotations

import re

import pytest

from support.brownout_command import Brownout

pytestmark = [pytest.mark.slow, pytest.mark.brownout_processes]
TARGET = "client->sydney.host"


def metrics(brownout: Brownout, *arguments: str) -> str:
    told = brownout.run("metrics", "--once", *arguments)
    assert told.returncode == 0, told.stderr
    return told.stdout


def values(text: str, name: str, label: str) -> dict[str, str]:
    """The values of a metric by one of its labels."""
    return dict(re.findall(rf'^{name}{{.*?\b{label}="([^"]*)".*}} (\S+)$', text, re.MULTILINE))


def test_every_node_is_told_with_its_build_and_keys(gameday: Brownout) -> None:
    """And the keys by their ids: no secret of the stack is in it."""
    text = metrics(gameday)
    (stack,) = gameday.stacks()
    assert set(values(text, "brownout_node_up", "node").values()) == {"1.0"}
    assert {"sydney.token.z1", "melbourne.store", "client.edge"} <= set(values(text, "brownout_node_up", "node"))
    assert {"sydney.token.z1", "melbourne.token.z1"} <= set(values(text, "brownout_node_build_info", "node"))
    assert "manual-sydney-1" in values(text, "brownout_node_key_info", "key_id")
    assert values(text, "brownout_stack_up", "stack") == {stack.id: "1.0"}
    spec = (stack.folder / "spec.json").read_text()
    secrets = re.findall(r'"control_token"\s*:\s*"([^"]+)"', spec)
    assert secrets, "the stack's specification has the control plane's token"
    assert not [one for one in secrets if one in text]


def test_a_fault_is_in_place_until_it_is_healed(gameday: Brownout) -> None:
    """Twice the same is one series, and a node that is down is told as down."""
    for _ in range(2):
        assert gameday.run("inject", "link-refuse", "--target", TARGET).returncode == 0
        text = metrics(gameday)
        assert values(text, "brownout_fault_active", "target") == {TARGET: "1.0"}
        assert values(text, "brownout_fault_bitten", "target") == {TARGET: "1.0"}
        assert gameday.run("heal").returncode == 0
        text = metrics(gameday)
        assert values(text, "brownout_fault_active", "target") == {TARGET: "0.0"}
        assert text.count("brownout_fault_active{") == 1
    assert gameday.run("inject", "node-kill", "--target", "sydney.vault").returncode == 0
    text = metrics(gameday)
    assert {node for node, up in values(text, "brownout_node_up", "node").items() if up == "0.0"} == {"sydney.vault"}
    assert gameday.run("heal").returncode == 0


def test_a_stack_that_is_gone_is_no_longer_told(gameday: Brownout) -> None:
    """An exporter of one stack fails its scrapes then; one of all stacks has nothing to tell."""
    (stack,) = gameday.stacks()
    assert "brownout_stack_up{" in metrics(gameday, "--stack", stack.id)
    gameday.run("down", "--all")
    assert "brownout_stack_up{" not in metrics(gameday)
    told = gameday.run("metrics", "--once", "--stack", stack.id)
    assert told.returncode == 2
