"""Which class plays each role, and which surfaces hang on it. The only file that knows the vendors.

A vendor is added here: its surfaces go before those that take everything that is left, its claims go to the roles that
sign tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from brownout.identity.azure.arm_management import Arm
from brownout.identity.azure.entra import EntraPages
from brownout.identity.azure.entra_claims import managed_identity_claims, operator_claims
from brownout.identity.azure.imds import Imds
from brownout.identity.azure.keyvault import KeyVault
from brownout.identity.core.node import Node
from brownout.identity.core.nodes.deployer import Deployer
from brownout.identity.core.nodes.directory import Directory
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.nodes.management import Management
from brownout.identity.core.nodes.store import Store
from brownout.identity.core.nodes.token import TokenNode
from brownout.identity.core.nodes.vault import Vault
from brownout.identity.core.ports import Ports
from brownout.identity.core.surface import Surface
from brownout.identity.core.topology import (
    DEPLOYER,
    DIRECTORY,
    HOST,
    MANAGEMENT,
    STORE,
    TOKEN,
    VAULT,
    NodeSpec,
)

MakeNode = Callable[[NodeSpec, Ports], Node]
MakeSurface = Callable[[Any], Surface]  # from a node of the role's own class


@dataclass(frozen=True, slots=True)
class Role:
    """How a node of one role is made; of its surfaces the first that takes a request serves it."""

    make: MakeNode
    surfaces: tuple[MakeSurface, ...] = ()


ROLES: dict[str, Role] = {
    DIRECTORY: Role(partial(Directory, operator_claims=operator_claims)),
    DEPLOYER: Role(Deployer),
    STORE: Role(Store),
    TOKEN: Role(partial(TokenNode, claims=managed_identity_claims), (EntraPages,)),
    HOST: Role(Host, (Imds,)),
    MANAGEMENT: Role(Management, (Arm,)),
    VAULT: Role(Vault, (KeyVault,)),
}


def build_node(spec: NodeSpec, ports: Ports) -> Node:
    """The node that `spec` describes, not started yet; raises KeyError for a role that does not exist."""
    role = ROLES[spec.parsed.role]
    node = role.make(spec, ports)
    node.hang(*(surface(node) for surface in role.surfaces))
    assert node.role == spec.parsed.role, spec.name
    return node
