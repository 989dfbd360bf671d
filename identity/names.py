"""The names by which clients find a stack, of all its vendors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from brownout.identity.azure import names as azure_names
from brownout.identity.core.edge.names import Endpoint, NameRoutes
from brownout.identity.core.settings import Settings
from brownout.identity.core.topology import StackSpec


def _of_aws(stack: StackSpec, settings: Settings) -> NameRoutes:
    from brownout.identity.aws.names import endpoints  # its account takes long to import, and Azure's stacks have none

    return endpoints(stack, settings)


OF_VENDORS: Mapping[str, Callable[[StackSpec, Settings], NameRoutes]] = {"aws": _of_aws, "azure": azure_names.endpoints}


def endpoints(stack: StackSpec, settings: Settings) -> NameRoutes:
    """Where each name of the stack's vendors leads, for clients of each region."""
    found: dict[tuple[str, str], Endpoint] = {}
    for vendor in stack.vendors:
        if vendor in OF_VENDORS:  # not every vendor has names
            found |= OF_VENDORS[vendor](stack, settings)
    return found


def led_to(stack: StackSpec, name: str) -> Mapping[str, str]:
    """The region that the name leads to, by the region in which a client stands; empty for no name of the stack."""
    routes = endpoints(stack, Settings.of(stack.settings))
    return {region: found.region for region in stack.regions if (found := routes.get((name, region))) is not None}


def endpoint_names(stack: StackSpec) -> tuple[str, ...]:
    """Every name that clients of the stack can use; none where it has no edge."""
    return tuple(sorted({name for name, _ in endpoints(stack, Settings())})) if stack.edge else ()
