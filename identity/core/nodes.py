"""Roles by name: the one place that knows which class plays which role."""

from __future__ import annotations

from collections.abc import Mapping

from identity.core.deployer import Deployer
from identity.core.directory import Directory
from identity.core.host import Host
from identity.core.management import Management
from identity.core.node import Node
from identity.core.ports import Ports
from identity.core.store import Store
from identity.core.token import TokenNode
from identity.core.topology import NodeSpec
from identity.core.vault import Vault

ROLES: Mapping[str, type[Node]] = {cls.role: cls for cls in (Directory, Deployer, Store, TokenNode, Host, Management, Vault)}


def build_node(spec: NodeSpec, ports: Ports) -> Node:
    """The node that `spec` describes, not started yet; raises KeyError for a role that does not exist."""
    return ROLES[spec.parsed.role](spec, ports)
