"""Roles by name: the one place that knows which class plays which role."""

from __future__ import annotations

from collections.abc import Mapping

from brownout.identity.core.deployer import Deployer
from brownout.identity.core.directory import Directory
from brownout.identity.core.host import Host
from brownout.identity.core.management import Management
from brownout.identity.core.node import Node
from brownout.identity.core.ports import Ports
from brownout.identity.core.store import Store
from brownout.identity.core.token import TokenNode
from brownout.identity.core.topology import NodeSpec
from brownout.identity.core.vault import Vault

ROLES: Mapping[str, type[Node]] = {cls.role: cls for cls in (Directory, Deployer, Store, TokenNode, Host, Management, Vault)}


def build_node(spec: NodeSpec, ports: Ports) -> Node:
    """The node that `spec` describes, not started yet; raises KeyError for a role that does not exist."""
    return ROLES[spec.parsed.role](spec, ports)
