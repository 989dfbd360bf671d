"""The status of stacks as text of 80 columns: problems first, then the share of good requests, then the nodes.

Nodes of one role in one region that are alike share a line (`sydney.token.z1-z3`), so that a whole stack fits a small window.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from brownout.harness.cli.types import clock
from brownout.harness.operate.status import FaultView, KeyView, NodeView, StackView

WELL, POOR = 0.99, 0.5
_SEEN = {
    "bites": "in force",
    "absent": "held, and not seen to bite",
    "held": "held",
    "lost": "lost: no longer in place",
    "unclear": "not known whether in force",
}
_NODE_STYLES = {"running": "green"}


def render(views: Sequence[StackView], *, head: str = "") -> RenderableType:
    """All stacks, one below the other."""
    parts: list[RenderableType] = [Text(head, style="dim")] if head else []
    if not views:
        parts.append(Text("no stack is up"))
    for number, view in enumerate(views):
        parts += [Text("")] if number else []
        parts += _stack(view)
    return Group(*parts)


def _stack(view: StackView) -> list[RenderableType]:
    whose = f", {view.use}" if view.use else ""
    serves = f", {' and '.join(view.vendors)}" if view.vendors else ""
    title = Text.assemble((f"stack {view.stack}", "bold"), f"  {view.world}{serves}{whose}  ", (view.folder, "dim"))
    title.overflow, title.no_wrap = "ellipsis", True
    foreign = [_plain(f"  not by Brownout: {what}", "bold red") for what in view.foreign]
    if view.problem:
        does = "clears it away" if view.state == "dead" else "takes it away"
        foreign.insert(0, _plain(f"  {view.problem}; `brownout down` {does}", "bold red"))
    if view.state != "up":
        return [title, *foreign, *(part for fault in view.faults for part in _fault(fault))]
    faults = [part for fault in view.faults for part in _fault(fault)] or [Text("  no fault in place", style="dim")]
    return [title, *foreign, *faults, *_good(view), _nodes(view.nodes)]


def _fault(fault: FaultView) -> list[Text]:
    first = Text.assemble(("  fault ", "bold red"), (fault.id, "bold"), f"  {_SEEN[fault.now.state]}, {fault.kept_by}")
    since = f"since {clock(fault.since_s)} ({_age(time.time() - fault.since_s)}), until {clock(fault.until_s)} at the latest"
    now = _plain(f"    now: {fault.now.evidence}", "" if fault.now.state in ("bites", "held") else "bold yellow")
    return [first, _plain(f"    {fault.kind}: {fault.describe}", "red"), now, Text(f"    {since}", style="dim")]


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _good(view: StackView) -> list[RenderableType]:
    if not view.good:
        return []
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    requests = sum(one.requests for one in view.good)
    source = f"{requests} probes" if view.source == "probes" else f"{requests} requests of the load"
    table.add_column(f"  good share ({source})", no_wrap=True)
    table.add_column("good", justify="right", no_wrap=True)
    table.add_column("of", justify="right", no_wrap=True)
    table.add_column("last bad answer" if any(one.problem for one in view.good) else "", overflow="fold")
    for one in view.good:
        style = "green" if one.share >= WELL else "yellow" if one.share >= POOR else "bold red"
        share = Text(f"{100 * one.share:.1f} %", style=style)
        table.add_row(f"  {one.cohort}/{one.operation}", share, str(one.requests), _plain(one.problem, "red"))
    return [table]


def _nodes(nodes: Sequence[NodeView]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("  node", "state", "build"):
        table.add_column(name, no_wrap=True)
    table.add_column("keys", overflow="fold")
    for names, node in _alike(nodes):
        state = Text(node.state, style=_NODE_STYLES.get(node.state, "bold red"))
        table.add_row(f"  {names}", state, node.build, _keys(node.keys))
    return table


def _alike(nodes: Sequence[NodeView]) -> list[tuple[str, NodeView]]:
    """Nodes of one role that are alike as one, with what to call them."""
    found: list[tuple[str, NodeView]] = []
    for (role, _), members in groupby(nodes, key=lambda node: (_role(node), replace(node, node="", pid=None))):
        same = list(members)
        last = same[-1].node.rpartition(".")[2]
        found.append((same[0].node if len(same) == 1 else f"{role}.{same[0].node.rpartition('.')[2]}-{last}", same[0]))
    return found


def _role(node: NodeView) -> str:
    """`sydney.token` of `sydney.token.z1`; a node without a zone is alone in its role."""
    return node.node.rpartition(".")[0] if node.node.count(".") > 1 else node.node


def _keys(keys: Sequence[KeyView]) -> Text:
    return Text(", ").join(_key(key) for key in keys)


def _key(key: KeyView) -> Text:
    """A key by its id, which begins with its kind; an unusual state in words."""
    kind = "" if key.key_id.startswith(key.kind) else f" ({key.kind})"
    if key.does == "refuses":
        return _plain(f"{key.key_id}{kind} refused", "bold red")
    style = "yellow" if key.kind == "managed" else ""
    return _plain(f"{key.key_id}{kind}", style)


def _plain(value: str, style: str = "") -> Text:
    """Text from the stack without control characters, which could steer the terminal."""
    return Text("".join(c if c.isprintable() else " " for c in value), style=style)
