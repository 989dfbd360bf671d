"""name-nxdomain: an endpoint's name does not exist, as when its zone or record was deleted."""

from __future__ import annotations

from brownout.faults._names import RecordFault


class NameNxdomain(RecordFault):
    """Resolvers answer NXDOMAIN. Clients that reach the service by another name are well."""

    kind = "name-nxdomain"
    effect = "nxdomain"

    def what(self) -> str:
        return "does not exist"
