"""Azure's endpoint names lead to the region and the role that Azure's own lead to."""

from __future__ import annotations

import re

import pytest

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.azure.names import all_names, endpoints, storage_account, vault_name
from brownout.identity.core.edge.names import Endpoint
from brownout.identity.core.settings import Settings
from brownout.identity.core.topology import REGIONS

ALL = tuple(REGIONS)
ROUTES = endpoints(build_stack(seed=1, regions=ALL, home="virginia"), Settings())


@pytest.mark.parametrize("client", ALL)
def test_a_plain_name_leads_to_the_region_in_which_the_client_stands(client: str) -> None:
    """ARM's to the management node, each of Entra's to the token nodes."""
    assert ROUTES["management.azure.com", client] == Endpoint("management", client)
    for name in ("login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net"):
        assert ROUTES[name, client] == Endpoint("token", client)


@pytest.mark.parametrize("region", ALL)
def test_a_regional_name_leads_to_its_region_from_everywhere(region: str) -> None:
    """So do the names of its vault and of its storage account."""
    azure = REGIONS[region].azure_name
    for client in ALL:
        assert ROUTES[f"{azure}.management.azure.com", client] == Endpoint("management", region)
        assert ROUTES[f"{azure}.login.microsoft.com", client] == Endpoint("token", region)
        assert ROUTES[f"{vault_name(region)}.vault.azure.net", client] == Endpoint("vault", region)
        assert ROUTES[f"{storage_account(region)}.blob.core.windows.net", client] == Endpoint("vault", region)


def test_a_node_knows_every_name_that_leads_somewhere() -> None:
    """What a node believes to be one of its stack's names is what the edge leads to a node, and no name of another region."""
    assert all_names(ALL) == {name for name, _ in ROUTES}
    assert all_names(("sydney",)) < all_names(ALL)


@pytest.mark.parametrize("region", ALL)
def test_vaults_and_accounts_have_names_that_azure_would_take(region: str) -> None:
    """3 to 24 letters, digits and for a vault dashes."""
    assert re.fullmatch("[a-z][a-z0-9-]{2,23}", vault_name(region))
    assert re.fullmatch("[a-z0-9]{3,24}", storage_account(region))
