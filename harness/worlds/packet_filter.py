"""Black holes: packets of a link that vanish, in one direction or both, of new and of established connections alike.

Theory. Toxiproxy accepts before anything can be held back, so a lost SYN is beyond it. The rules here sit in its network
namespace, put there by the fence container (compose/fence.py): a packet towards a link's port is one from its source, a
packet from that port is one back. Each hold is rules of its own with the fault's id as comment, so that the kernel keeps
the set, releasing one hold never lifts another, and whatever died in between, the rules themselves say whose they are.

What a client on the machine sees differs in one thing: the engine's own proxy on loopback accepts its connection, and
only then nothing follows. Clients in containers see the lost SYN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.errors import WorldError
from harness.worlds.docker_engine import Engine
from harness.worlds.toxiproxy_holds import FAULT_ID

CHAIN = "BROWNOUT-HOLES"
DIRECTIONS: Mapping[str, tuple[str, ...]] = {
    "upstream": ("--dport",),
    "downstream": ("--sport",),
    "both": ("--dport", "--sport"),
}
_RULE = re.compile(rf'^-A {CHAIN} -p tcp -m tcp (--[ds]port) (\d+) -m comment --comment "?(.+?)"? -j DROP$')
_TABLE = "iptables-nft"


class PacketFilter:
    """The black holes of one stack; `fence` is the id of its fence's container."""

    def __init__(self, engine: Engine, fence: str) -> None:
        self._engine, self._fence = engine, fence

    def hold(self, port: int, fault_id: str, state: Mapping[str, Any]) -> None:
        """Puts the hold in place, instead of an older one of the same id, verified by reading back; raises WorldError."""
        direction = str(state.get("direction") or "both")
        if direction not in DIRECTIONS or not FAULT_ID.fullmatch(fault_id):
            raise WorldError(f"a black hole's direction is one of {', '.join(DIRECTIONS)}, not {direction!r}")
        present = self._rules(port).get(fault_id, frozenset())
        for side in DIRECTIONS[direction]:
            if side not in present:
                self._change("-A", port, side, fault_id)
        for side in present - set(DIRECTIONS[direction]):
            self._change("-D", port, side, fault_id)
        if self.holds(port).get(fault_id) != {"effect": "blackhole", "direction": direction}:
            raise WorldError(f"the black hole {fault_id} is not in place after it was put there")

    def release(self, port: int, fault_id: str) -> None:
        """Removes the hold, also one that is not there, verified by reading back; raises WorldError."""
        for side in self._rules(port).get(fault_id, frozenset()):
            self._change("-D", port, side, fault_id)
        if fault_id in self._rules(port):
            self.release(port, fault_id)  # another process put it on once more meanwhile

    def holds(self, port: int) -> dict[str, dict[str, str]]:
        """The holds on one link by fault id, as the kernel has them."""
        by_sides = {frozenset(sides): name for name, sides in DIRECTIONS.items()}
        return {
            fault_id: {"effect": "blackhole", "direction": by_sides[sides]} for fault_id, sides in self._rules(port).items()
        }

    def _rules(self, port: int) -> dict[str, frozenset[str]]:
        """Which sides of a link each fault id drops."""
        found: dict[str, frozenset[str]] = {}
        for line in self._run("-S", CHAIN).splitlines():
            rule = _RULE.match(line)
            if rule is not None and int(rule[2]) == port:
                found[rule[3]] = found.get(rule[3], frozenset()) | {rule[1]}
        return found

    def _change(self, verb: str, port: int, side: str, fault_id: str) -> None:
        self._run(verb, CHAIN, "-p", "tcp", side, str(port), "-m", "comment", "--comment", fault_id, "-j", "DROP")

    def _run(self, *arguments: str) -> str:
        code, printed = self._engine.run_in(self._fence, [_TABLE, "-w", "5", *arguments])
        if code != 0 and not (arguments[0] == "-D" and "does a matching rule exist" in printed):
            raise WorldError(f"the fence could not change its packet rules: {printed.strip()}")
        return printed
