"""name-reset: connections to an endpoint's name are reset as they begin, while its nodes are well."""

from __future__ import annotations

from brownout.faults._names import EndpointNameFault


class NameReset(EndpointNameFault):
    """The front of one endpoint resets connections, as an overloaded load balancer does. Other names lead to the same nodes."""

    kind = "name-reset"
    effect = "reset"

    def what(self) -> str:
        return "resets connections"
