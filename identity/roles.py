"""Which class plays each role, and what each vendor hangs on it. The only file that knows the vendors.

A vendor is added here: its annexes and surfaces go into a function like `_aws`, its claims to the roles that sign tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from brownout.identity.azure.arm.surface import Arm
from brownout.identity.azure.blobs.surface import StorageBlobs
from brownout.identity.azure.control.desk import AzureDesk
from brownout.identity.azure.control.directory import AzureDirectory
from brownout.identity.azure.data.annex import AzureVaultAnnex
from brownout.identity.azure.entra.applications import seeded_principals
from brownout.identity.azure.entra.claims import managed_identity_claims, operator_claims
from brownout.identity.azure.entra.cluster import ClusterAnnex, ClusterPages
from brownout.identity.azure.entra.federation import own_issuers
from brownout.identity.azure.entra.pages import EntraPages
from brownout.identity.azure.entra.token_endpoint import TokenEndpoint
from brownout.identity.azure.hosts.annex import AzureHostAnnex
from brownout.identity.azure.hosts.pods.workload_identity import Pods
from brownout.identity.azure.hosts.surface import MachineEndpoints
from brownout.identity.azure.vault.keyvault import KeyVault
from brownout.identity.core.annex import Annex
from brownout.identity.core.edge.node import Edge
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
    EDGE,
    HOST,
    MANAGEMENT,
    STORE,
    TOKEN,
    VAULT,
    NodeSpec,
    StackSpec,
)
from brownout.identity.formed import make_forms
from brownout.identity.names import endpoints

MakeNode = Callable[[NodeSpec, Ports], Node]
MakeAnnex = Callable[[Any], Annex]  # from a node of the role's own class
MakeSurface = Callable[[Any], Surface]  # the same, with its annexes


@dataclass(frozen=True, slots=True)
class Part:
    """What one vendor adds to one role. Of its surfaces the first that takes a request serves it."""

    annexes: tuple[MakeAnnex, ...] = ()
    surfaces: tuple[MakeSurface, ...] = ()


ROLES: Mapping[str, MakeNode] = {
    DIRECTORY: partial(Directory, operator_claims=operator_claims, seed=seeded_principals),
    DEPLOYER: Deployer,
    STORE: Store,
    TOKEN: partial(TokenNode, claims=managed_identity_claims),
    HOST: Host,
    MANAGEMENT: Management,
    VAULT: Vault,
    EDGE: partial(Edge, endpoints=endpoints),
}


def _aws() -> Mapping[str, Part]:
    """AWS's half. Importing it takes as long as all the rest, so a stack without it does not wait for it."""
    from brownout.identity.aws.hosts.annex import HostAnnex
    from brownout.identity.aws.hosts.containers import ContainerCredentials
    from brownout.identity.aws.hosts.imds import InstanceMetadata
    from brownout.identity.aws.iam.front import IamFront
    from brownout.identity.aws.provisioning.annex import ManagementAnnex
    from brownout.identity.aws.provisioning.surface import Provisioning
    from brownout.identity.aws.secrets.annex import VaultAnnex
    from brownout.identity.aws.secrets.surface import SecretsManager
    from brownout.identity.aws.signin.home import HomeDirectory
    from brownout.identity.aws.signin.surface import ConsoleSignIn
    from brownout.identity.aws.sts.annex import TokenAnnex
    from brownout.identity.aws.sts.issuer_pages import IssuerPages
    from brownout.identity.aws.sts.surface import Sts

    return {
        DIRECTORY: Part(annexes=(HomeDirectory,)),
        TOKEN: Part(annexes=(TokenAnnex,), surfaces=(ConsoleSignIn, Sts, IssuerPages)),
        HOST: Part(annexes=(HostAnnex,), surfaces=(ContainerCredentials, InstanceMetadata)),
        MANAGEMENT: Part(annexes=(ManagementAnnex,), surfaces=(Provisioning, IamFront)),
        VAULT: Part(annexes=(VaultAnnex,), surfaces=(SecretsManager,)),
    }


def _issuers(stack: StackSpec) -> tuple[str, ...]:
    """Every issuer of a stack whose tokens its directory's key signs."""
    if "aws" not in stack.vendors:
        return own_issuers(stack)
    from brownout.identity.aws.oidc_urls import outbound_issuer
    from brownout.identity.aws.records.seed import account_of

    return (*own_issuers(stack), outbound_issuer(account_of(stack)))


def _azure() -> Mapping[str, Part]:
    return {
        DIRECTORY: Part(annexes=(AzureDirectory,)),
        TOKEN: Part(annexes=(ClusterAnnex,), surfaces=(ClusterPages, partial(TokenEndpoint, issuers=_issuers), EntraPages)),
        HOST: Part(annexes=(AzureHostAnnex,), surfaces=(Pods, MachineEndpoints)),
        MANAGEMENT: Part(annexes=(AzureDesk,), surfaces=(Arm,)),
        VAULT: Part(annexes=(AzureVaultAnnex,), surfaces=(StorageBlobs, KeyVault)),
    }


class _Vendors(dict[str, Mapping[str, Part]]):
    """By vendor and role what the vendor adds, imported when the vendor is first asked for; raises KeyError."""

    halves: ClassVar[Mapping[str, Callable[[], Mapping[str, Part]]]] = {"aws": _aws, "azure": _azure}

    def __missing__(self, vendor: str) -> Mapping[str, Part]:
        self[vendor] = self.halves[vendor]()
        return self[vendor]


VENDORS = _Vendors()
LAST = "azure"  # its surfaces take every request that is left


def load(vendors: Collection[str]) -> None:
    """Imports what nodes of a stack with these vendors need, so that processes that are forked later share it."""
    for vendor in vendors:
        VENDORS[vendor]
    if "aws" in vendors:
        from brownout.identity.aws.control.registry import all_operations
        from brownout.identity.aws.protocol.services import load_services

        load_services()
        all_operations()
    make_forms()


def build_node(spec: NodeSpec, ports: Ports) -> Node:
    """The node that `spec` describes, not started yet; raises KeyError for a role that does not exist."""
    role = spec.parsed.role
    node = ROLES[role](spec, ports)
    halves = [VENDORS[vendor] for vendor in sorted(spec.stack.vendors, key=lambda vendor: vendor == LAST)]
    parts = [half[role] for half in halves if role in half]
    for part in parts:
        for annex in part.annexes:
            node.annexes.add(annex(node))
    node.hang(*(surface(node) for part in parts for surface in part.surfaces))
    assert node.role == role, spec.name
    return node
