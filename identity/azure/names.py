"""Azure's endpoint names, and where each leads in a stack (docs/reference/azure-wire.md#endpoint-names).

ARM's and Entra's plain names are one in all regions: a client gets to the nodes that are nearest to it, here those of its own
region. Names with a region in front lead to that region. Each region has a vault and a storage account with names of their own,
which lead to where they are, wherever the client stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from brownout.identity.core.edge.names import Endpoint, NameRoutes
from brownout.identity.core.settings import Settings
from brownout.identity.core.topology import MANAGEMENT, REGIONS, TOKEN, VAULT, StackSpec

ARM, LOGIN = "management.azure.com", "login.microsoftonline.com"
SEAMLESS = "autologon.microsoftazuread-sso.com"  # of seamless single sign-on and of Entra Connect's synchronisation
VAULT_SUFFIX, BLOB_SUFFIX = ".vault.azure.net", ".blob.core.windows.net"
NEAREST: Mapping[str, str] = {
    ARM: MANAGEMENT,
    LOGIN: TOKEN,
    SEAMLESS: TOKEN,
    "login.microsoft.com": TOKEN,
    "login.windows.net": TOKEN,
    "sts.windows.net": TOKEN,
}


def vault_name(region: str) -> str:
    """The key vault of a region."""
    return f"brownout-{region}"


def storage_account(region: str) -> str:
    """The storage account of a region; such names have letters and digits alone."""
    return f"brownout{region}"


def regional_names(region: str) -> Mapping[str, str]:
    """The names of one region, with the role that each leads to."""
    azure_name = REGIONS[region].azure_name
    return {
        f"{azure_name}.{ARM}": MANAGEMENT,
        f"{azure_name}.login.microsoft.com": TOKEN,
        vault_name(region) + VAULT_SUFFIX: VAULT,
        storage_account(region) + BLOB_SUFFIX: VAULT,
    }


@cache
def all_names(regions: tuple[str, ...]) -> frozenset[str]:
    """Every name of a stack of these regions."""
    return frozenset(NEAREST).union(*map(regional_names, regions))


def endpoints(stack: StackSpec, settings: Settings) -> NameRoutes:
    """Where each name leads for clients of each region of the stack; no setting changes it."""
    found: dict[tuple[str, str], Endpoint] = {}
    for client in stack.regions:
        found |= {(name, client): Endpoint(role, client) for name, role in NEAREST.items()}
        for region in stack.regions:
            found |= {(name, client): Endpoint(role, region) for name, role in regional_names(region).items()}
    return found
