"""name-lost: a record on the way to an endpoint's name is removed from its zone, as a clean-up did on 25 February 2025.

A name in use may be protected: with the setting `name_gate` the zone refuses to remove a record that was asked for within a
day. Where it does not, resolvers and clients' own caches of names decide when each client fails, and when it recovers.
"""

from __future__ import annotations

from brownout.faults._names import Look, RecordFault


class NameLost(RecordFault):
    """The record is gone until it is put back; meanwhile the name does not exist for any client that asks."""

    kind = "name-lost"
    effect = "lost"

    def what(self) -> str:
        return "has lost its record"

    def shows(self, look: Look) -> bool:
        return look.problem == "nxdomain"
