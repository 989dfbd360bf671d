"""What `status` shows: shares, keys, faults; within 80 columns, whatever a name holds."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from brownout.harness.cli.status_text import render
from brownout.harness.operate.loads.good_share import GoodShare
from brownout.harness.operate.status import FaultView, KeyView, NodeView, SeenNow, StackView, keys_of


def test_keys_of_every_role_are_read() -> None:
    """A node's keys are listed by use: used, accepted, refused, signed with, trusted."""
    token = {"store_keys": {"sydney": {"key_id": "manual-sydney-1", "kind": "manual"}}}
    ring = [{"key_id": "a", "kind": "manual", "valid": False}, {"key_id": "b", "kind": "managed", "valid": True}]
    assert keys_of(token) == (KeyView("uses", "manual-sydney-1", "manual", "sydney"),)
    assert keys_of({"keys": ring}) == (KeyView("refuses", "a", "manual"), KeyView("accepts", "b", "managed"))
    assert keys_of({"signing_key_id": "s"}) == (KeyView("signs", "s"),)
    assert keys_of({"key_ids": ["s"]}) == (KeyView("trusts", "s"),)


def drawn(*views: StackView, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    console.print(render(views))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


KEYS = (KeyView("uses", "manual-sydney-1", "manual", "sydney"), KeyView("uses", "odd", "managed", "melbourne"))
LOST = SeenNow("lost", "not held by link:a->b")
VIEW = StackView(
    stack="up-1",
    world="processes",
    state="up",
    folder="/state/stacks/up-1",
    run_owned=False,
    nodes=(
        NodeView("sydney.store", "running", 1, "", (KeyView("refuses", "manual-sydney-1", "manual"),)),
        *(NodeView(f"sydney.token.z{n}", "running", n, "1.0", KEYS) for n in (1, 2, 3)),
        NodeView("melbourne.token.z1", "paused", 5),
        NodeView("melbourne.token.z2", "running", 6, "1.0"),
    ),
    faults=(FaultView("up-1-001-x", "x", "x", "it breaks [b]\x1b[2J", "bitten", 0.0, 60.0, "left by hand", LOST),),
    foreign=("proxy door, which is no link of the stack, listens on 0.0.0.0:80",),
    source="probes",
    good=(GoodShare("new", "token", 4, 1, "sydney: 500 unknown"), GoodShare("operator", "list", 4, 4)),
)


def test_a_stack_in_80_columns() -> None:
    """Faults, shares with the number of requests behind them, and nodes with what is out of order, none too wide."""
    text = drawn(VIEW)
    assert max(map(len, text.splitlines())) <= 80
    for said in (
        "up-1-001-x",
        "left by hand",
        "lost: no longer in place",
        "now: not held by link:a->b",
        "not by Brownout: proxy door",
        "8 probes",
        "25.0 %",
        "sydney: 500 unknown",
        "manual-sydney-1 refused",
        "paused",
    ):
        assert said in text
    assert "odd (managed)" in text, "a kind that the id does not tell is told"


def test_nodes_that_are_alike_share_a_line() -> None:
    """Three zones in one state are one line; where one differs each has its own."""
    lines = drawn(VIEW).splitlines()
    assert sum("sydney.token" in line for line in lines) == 1
    assert any("sydney.token.z1-z3" in line for line in lines)
    assert sum("melbourne.token" in line for line in lines) == 2


def test_a_name_cannot_steer_the_terminal() -> None:
    """Control characters of what is shown are left out, and markup is shown as it is."""
    text = drawn(VIEW)
    assert "\x1b[2J" not in text
    assert "it breaks [b]" in text


@pytest.mark.parametrize(
    ("views", "said"),
    [
        ((), "no stack is up"),
        ((StackView("d", "w", "dead", "/", False, (), (), problem="its processes have ended"),), "`brownout down` clears"),
        (
            (StackView("d", "w", "silent", "/", False, (), (), problem="it does not answer"),),
            "`brownout down` takes it away",
        ),
        ((StackView("d", "w", "up", "/", True, (), (), use="its run died"),), "w, its run died"),
    ],
)
def test_what_is_not_there_is_said(views: tuple[StackView, ...], said: str) -> None:
    """The output says in words that there is no stack, or that a stack's processes have ended."""
    assert said in drawn(*views)
