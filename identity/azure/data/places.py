"""Where a region's vault and storage account stand among Azure's resources, and how clients write them."""

from __future__ import annotations

from brownout.identity.azure.base_url import base_url
from brownout.identity.azure.names import BLOB_SUFFIX, VAULT_SUFFIX, storage_account, vault_name
from brownout.identity.core.messages import Request
from brownout.identity.core.node import Node
from brownout.identity.core.topology import REGIONS

GROUP = "load"  # where no resource of the stack says which group is its own


def resource_group(node: Node) -> str:
    """The id of the resource group that the stack's resources are in."""
    stack = node.stack
    first = [each.resource_id for each in stack.machines[:1]] or [each.resource_id for each in stack.identities[:1]]
    group = first[0].split("/")[4] if first else GROUP
    return f"/subscriptions/{stack.subscription_id}/resourceGroups/{group}"


def vault_id(node: Node) -> str:
    """The resource id of the region's vault."""
    return f"{resource_group(node)}/providers/Microsoft.KeyVault/vaults/{vault_name(node.region)}"


def account_id(node: Node) -> str:
    """The resource id of the region's storage account."""
    return f"{resource_group(node)}/providers/Microsoft.Storage/storageAccounts/{storage_account(node.region)}"


def location(node: Node) -> str:
    return REGIONS[node.region].azure_name


def vault_url(node: Node, request: Request) -> str:
    """The vault's URL as the client wrote it, or its own name for a client that came without TLS."""
    return _url(node, request, VAULT_SUFFIX) or f"https://{vault_name(node.region)}{VAULT_SUFFIX}"


def account_url(node: Node, request: Request) -> str:
    """The same for the storage account."""
    return _url(node, request, BLOB_SUFFIX) or f"https://{storage_account(node.region)}{BLOB_SUFFIX}"


def _url(node: Node, request: Request, suffix: str) -> str:
    host = request.headers.get("host", "").lower()
    if host.partition(":")[0].endswith(suffix):
        return f"https://{host}"
    url = base_url(node, request)
    return url if url.startswith("https:") else ""
